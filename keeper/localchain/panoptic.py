"""A recorder in the place of Panoptic v2 on the mainnet twin: at the venue's own addresses, where these are known.

It answers what it is told to and logs what it is sent. Nothing economic is in it; its contract says what it does not claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from keeper.localchain import mainnet
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin

FACTORY = "0x0000000000000aDC9A108591e718F2aee963a2a7"
RISK_ENGINE = "0x000000000000075E29Cdaa9cb640A69e148ca7da"
POOL = "0x00000000000000000000000000000000ba9Ce702"
"""Ours, as the vaults': the real ones are named by the factory, and nobody has told them to us."""
TRACKERS = ("0x00000000000000000000000000000000Ba9ce703", "0x00000000000000000000000000000000ba9ce704")
POOL_ID = 0x000A_08_88E6A0C2DD
"""Made up, in the form of real ones: spacing 10, vegoid 8, the first forty bits of the Uniswap pool's address."""
NOBODY = "0x" + "00" * 20
RATIO_ONE = 10_000_000
_GAS = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPanoptic:
    """The recorder on a twin; every lever is one block."""

    twin: Twin

    def set_safe_mode(self, mode: int) -> None:
        """Let the pool say how safe it feels: 0 to 3."""
        self._send(POOL, "setSafeMode", mode)

    def set_chunk(self, lower: int, upper: int, data: Sequence[int]) -> None:
        """Let a range have this chunk data: four packed words."""
        self._send(POOL, "setChunk", lower, upper, list(data))

    def set_legs(self, owner: str, legs: int) -> None:
        """Let an account have so many legs in all."""
        self._send(POOL, "setLegs", owner, legs)

    def set_position(
        self, owner: str, id_: int, *, balance: int, required: int = 0, premia: int = 0, long_premium: int = 0
    ) -> None:
        """Let an option of an account have these words, and the account that premium of all its long legs."""
        self._send(POOL, "setPosition", owner, id_, (balance, required, premia), long_premium)

    def set_withdrawable(self, token: int, owner: str, raw: int) -> None:
        """Let a vault say how much an account may withdraw."""
        self._send(TRACKERS[token], "setWithdrawalLimit", owner, raw)

    def set_refusal(self, data: bytes) -> None:
        """Let dispatches revert with these data; empty ones let them through."""
        self._send(POOL, "setRefusal", data)

    def set_parameters(self, *, notional_fee_bps: int, premium_fee_bps: int, collateral_ratio: int) -> None:
        """Let the risk engine tell these; the ratio is in parts of :data:`RATIO_ONE`."""
        self._send(RISK_ENGINE, "setParameters", notional_fee_bps, premium_fee_bps, collateral_ratio)

    def set_pool(self, pool: str) -> None:
        """Let the factory name another pool over mainnet's 0.05 % pool; :data:`NOBODY` for none."""
        self._send(FACTORY, "setPool", mainnet.USDC_WETH_500, RISK_ENGINE, pool)

    def set_terms(self, pool_id: int, trackers: tuple[str, str]) -> None:
        """Let the pool have this id and these vaults."""
        self._send(POOL, "setTerms", (pool_id, *trackers))

    def tell_minted(self, owner: str, id_: int, balance: int) -> None:
        """Log that an account opened an option; its size is in the low half of ``balance``."""
        self._send(POOL, "tellMinted", owner, id_, balance)

    def tell_burnt(self, owner: str, id_: int, size: int, *, exercisor: str = NOBODY, liquidator: str = NOBODY) -> None:
        """Log that an option ended, by its owner or by whoever is named."""
        self._send(POOL, "tellBurnt", owner, id_, size, exercisor, liquidator)

    def _send(self, to: str, function: str, *arguments: object) -> None:
        data = interface("PanopticRecorder").function(function).call_data(*arguments)
        self.twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=to, data=data, gas=_GAS)])


def put_panoptic(twin: Twin) -> LocalPanoptic:
    """Put the recorder on the mainnet twin (10 blocks): a pool over the 0.05 % pool, and a vault of either token.

    Args:
        twin: of mainnet; nothing of Panoptic stands on it yet.
    """
    code = creation_code("PanopticRecorder")
    tokens = (mainnet.USDC, mainnet.WETH)
    for address, token in ((FACTORY, NOBODY), (RISK_ENGINE, NOBODY), (POOL, NOBODY), *zip(TRACKERS, tokens, strict=True)):
        place(twin.chain, address, code + encode(("address",), (token,)).hex(), owner=BANKER)
    local = LocalPanoptic(twin=twin)
    local.set_pool(POOL)
    local.set_terms(POOL_ID, TRACKERS)
    local.set_parameters(notional_fee_bps=1, premium_fee_bps=100, collateral_ratio=RATIO_ONE // 10)
    return local

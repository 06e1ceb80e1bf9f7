"""Where oTokens of the local chain are for sale: a real Uniswap pool, and a market maker who signs AirSwap orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account import Account as Signer

from keeper.core.v3math.units import Q96
from keeper.localchain import mainnet
from keeper.localchain.accounts import Account
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.gamma import OTOKEN_ONE, LocalGamma
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin

SWAP_ERC20 = "0xD82E10B9A4107939e55fCCa9B53A9ede6CF2fC46"
PROTOCOL_FEE_BPS = 5
"""What the local SwapERC20 takes from the signer on top of what is sold, in the token sold; the real one is to be read."""
POOL_FEE_PIPS = 10_000
_TICK_SPACING = 200
_RANGE_TICKS = 14_000
"""Half-width of the liquidity, about a factor of four."""
_FULL_RANGE_TICKS = 887_200
_USDC_ONE = 10**6
_FEE_WALLET = "0x00000000000000000000000000000000ba9CE702"
_GAS = 6_000_000
_MAX_UINT = 2**256 - 1
_PLENTY = 10**15
_ORDER_TYPE = [
    ("nonce", "uint256"),
    ("expiry", "uint256"),
    ("signerWallet", "address"),
    ("signerToken", "address"),
    ("signerAmount", "uint256"),
    ("protocolFee", "uint256"),
    ("senderWallet", "address"),
    ("senderToken", "address"),
    ("senderAmount", "uint256"),
]


def open_otoken_pool(gamma: LocalGamma, otoken: str, usd: float, amount_e8: int, *, everywhere: bool = False) -> str:
    """Create the pool of a series against USDC, 1 %, with liquidity a factor of four around a price (about six blocks).

    Args:
        gamma: whose series.
        otoken: which.
        usd: dollars per option.
        amount_e8: oTokens that are put in, 1e-8 of an option, covered by collateral.
        everywhere: put the liquidity at all prices instead.

    Returns:
        The pool's address.
    """
    twin = gamma.twin
    token0, token1 = sorted((otoken, mainnet.USDC), key=str.lower)
    dollars = round(4 * usd * _USDC_ONE * amount_e8 / OTOKEN_ONE)
    gamma.write(otoken, BANKER, amount_e8)
    twin.fund(BANKER, mainnet.USDC, dollars)
    pool = _created(twin, token0, token1)
    raw = usd * _USDC_ONE / OTOKEN_ONE if token0 == otoken else OTOKEN_ONE / (usd * _USDC_ONE)
    twin.initialize(pool, int(math.sqrt(raw) * Q96))
    centre = round(math.log(raw) / math.log(1.0001) / _TICK_SPACING) * _TICK_SPACING
    ends = (-_FULL_RANGE_TICKS, _FULL_RANGE_TICKS) if everywhere else (centre - _RANGE_TICKS, centre + _RANGE_TICKS)
    amounts = (amount_e8, dollars) if token0 == otoken else (dollars, amount_e8)
    terms = (token0, token1, POOL_FEE_PIPS, *ends, *amounts, 0, 0, BANKER, twin.chain.timestamp_s() + 3_600)
    mint = interface("NonfungiblePositionManager").function("mint").call_data(terms)
    twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=mainnet.POSITION_MANAGER, data=mint, gas=_GAS)])
    return pool


def _created(twin: Twin, token0: str, token1: str) -> str:
    """A new pool's address; the banker's tokens may be put into it."""
    factory = interface("UniswapV3Factory")
    approve = interface("Token").function("approve").call_data(mainnet.POSITION_MANAGER, _MAX_UINT)
    create = factory.function("createPool").call_data(token0, token1, POOL_FEE_PIPS)
    twin.chain.mine_all_succeed(
        [
            LocalTx(sender=BANKER, to=mainnet.FACTORY, data=create, gas=_GAS),
            *(LocalTx(sender=BANKER, to=token, data=approve, gas=200_000) for token in (token0, token1)),
        ]
    )
    get_pool = factory.function("getPool")
    call = {"to": mainnet.FACTORY, "input": get_pool.call_data(token0, token1, POOL_FEE_PIPS)}
    return str(get_pool.decode(twin.chain.rpc.call("eth_call", call, "latest"))[0])


def reprice_pool(twin: Twin, pool: str, otoken: str, factor: float) -> None:
    """Let somebody else buy until oTokens cost ``factor`` (> 1) times what they did (about three blocks)."""
    slot0 = interface("UniswapV3Pool").function("slot0")
    now = int(slot0.decode(twin.chain.rpc.call("eth_call", {"to": pool, "input": slot0.call_data()}, "latest"))[0])
    rising = int(otoken, 16) < int(mainnet.USDC, 16)
    limit = int(now * math.sqrt(factor)) if rising else int(now / math.sqrt(factor))
    twin.fund(BANKER, mainnet.USDC, _PLENTY)
    approve = interface("Token").function("approve").call_data(mainnet.SWAP_ROUTER_02, _MAX_UINT)
    swap = interface("SwapRouter02").function("exactInputSingle")
    data = swap.call_data((mainnet.USDC, otoken, POOL_FEE_PIPS, BANKER, _PLENTY, 0, limit))
    twin.chain.mine_all_succeed(
        [
            LocalTx(sender=BANKER, to=mainnet.USDC, data=approve, gas=200_000),
            LocalTx(sender=BANKER, to=mainnet.SWAP_ROUTER_02, data=data, gas=_GAS),
        ]
    )


def put_airswap(twin: Twin) -> None:
    """Put AirSwap's SwapERC20, version 5.0.1, at its address (one block).

    Raises:
        ArtifactNotFound: it is not installed.
    """
    types = ("uint256", "uint256", "address", "uint256", "uint256")
    arguments = encode(types, (PROTOCOL_FEE_BPS, PROTOCOL_FEE_BPS, _FEE_WALLET, 10, 100)).hex()
    place(twin.chain, SWAP_ERC20, creation_code("SwapERC20") + arguments, owner=BANKER)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketMaker:
    """Who holds oTokens and sells them by signed orders."""

    gamma: LocalGamma
    account: Account
    """One whose transactions the node signs."""

    def stock(self, otoken: str, amount_e8: int, *, covered: bool = True) -> None:
        """Get new oTokens and let SwapERC20 take exactly them and its fee (about three blocks)."""
        total = amount_e8 + -(-amount_e8 * PROTOCOL_FEE_BPS // 10_000)
        self.gamma.write(otoken, self.account.address, total, covered=covered)
        self.allow(otoken, total)

    def allow(self, otoken: str, amount_e8: int) -> None:
        """Let SwapERC20 take so many oTokens (one block)."""
        approve = interface("Token").function("approve").call_data(SWAP_ERC20, amount_e8)
        self.gamma.twin.chain.mine_all_succeed([LocalTx(sender=self.account.address, to=otoken, data=approve, gas=200_000)])

    def order(
        self, otoken: str, amount_e8: int, price_raw: int, *, buyer: str, nonce: int, expiry_s: int, token: str = mainnet.USDC
    ) -> dict[str, Any]:
        """A signed order as its JSON file holds it.

        Args:
            otoken: what is sold.
            amount_e8: how many, 1e-8 of an option.
            price_raw: what is asked for all of them, raw units of ``token``.
            buyer: the only account that may fill it.
            nonce: each once.
            expiry_s: Unix seconds.
            token: what it is paid in.
        """
        message = {
            "nonce": nonce,
            "expiry": expiry_s,
            "signerWallet": self.account.address,
            "signerToken": otoken,
            "signerAmount": amount_e8,
            "protocolFee": PROTOCOL_FEE_BPS,
            "senderWallet": buyer,
            "senderToken": token,
            "senderAmount": price_raw,
        }
        domain = {"name": "SWAP_ERC20", "version": "4.3", "chainId": 1, "verifyingContract": SWAP_ERC20}
        types = {"OrderERC20": [{"name": name, "type": kind} for name, kind in _ORDER_TYPE]}
        signed = Signer.sign_typed_data(self.account.key, domain, types, message)
        texts = {key: str(value) if isinstance(value, int) else value for key, value in message.items()}
        return {
            **texts,
            "chainId": 1,
            "swapContract": SWAP_ERC20,
            "v": str(signed.v),
            "r": f"0x{signed.r:064x}",
            "s": f"0x{signed.s:064x}",
        }

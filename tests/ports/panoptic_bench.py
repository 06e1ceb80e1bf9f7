"""Panoptic's adapter on the recorder, on the mainnet twin.

The recorder computes nothing of what it answers, so the bench offers no case about money, prices, reserves or gas. Of what was
dispatched it is told as much as the real pool would log and count: which options there are then, and of which size; that they
owe nothing, need nothing and pay nothing is how the recorder is set, and no claim.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, ClassVar

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.panoptic import Panoptic
from keeper.adapters.options.panoptic_token_id import TokenId, TokenLeg
from keeper.core.model.option import CloseHow, HedgeWant, OptionKind
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token
from keeper.localchain import mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.panoptic import POOL, POOL_ID, TRACKERS, LocalPanoptic, put_panoptic
from keeper.localchain.pools import USDC_WETH_500, open_pools
from keeper.localchain.twin import BANKER, Twin, running_twin
from keeper.ports.options import VenuePlan
from tests.pairs import USDC, WETH
from tests.panoptic_market import DOLLAR, ETHER, LIQUIDITY, MARKET, PUT, RULES, want
from tests.ports.chain_bench import ChainBench
from tests.ports.venues import Ability, Dispatch, Ran

LOOKBACK = 3
LEG_COUNT = 1 << 128
"""Above the size in the word of a held option; the adapter does not read it."""
STALE_ORACLE = bytes.fromhex("88cce429")
SHORT = TokenLeg(
    asset=1, ratio=1, is_long=False, token_type=PUT.token_type, risk_partner=0, strike=(PUT.lower + PUT.upper) // 2, width=24
)
_DISPATCHED = interface("PanopticRecorder").event("Dispatched")
_ASSETS_OF = interface("PanopticRecorder").function("assetsOf")


@dataclass
class PanopticBench(ChainBench):
    """Ether at 2,920 dollars; of a hundred puts from 2,819 to 2,887 dollars ten are bought already."""

    local: LocalPanoptic
    rpc: Rpc
    sent: list[Dispatch] = field(default_factory=list)
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.EARLY_EXIT, Ability.PAUSE, Ability.STOP, Ability.UNITS, Ability.ALLOWANCE, Ability.RECORD}
    )
    pauses: ClassVar[Sequence[str]] = ("safe-mode",)
    wrong_decimals: ClassVar[Sequence[tuple[str, int]]] = (("base", 8), ("quote", 18))
    early: ClassVar[CloseHow | None] = CloseHow.CASH
    known: ClassVar[frozenset[CloseHow]] = frozenset({CloseHow.CASH, CloseHow.PHYSICAL, CloseHow.RELEASE})
    base: ClassVar[Token] = WETH
    quote: ClassVar[Token] = USDC
    opening: ClassVar[Decimal] = Decimal(2_920)
    price: Decimal = opening

    @property
    def twin(self) -> Twin:
        return self.local.twin

    @property
    def owner(self) -> str:
        return self.twin.accounts[1].address

    @contextmanager
    def restored(self) -> Generator[None]:
        with super().restored():
            self.sent.clear()
            yield

    def venue(self, uniswap: PoolKey = MARKET.uniswap, base: Token = WETH) -> Panoptic:
        market = replace(MARKET, uniswap=uniswap, base=base)
        return Panoptic(market, replace(RULES, lookback_blocks=LOOKBACK), self.rpc, holder=self.owner)

    def misconfigured(self, token: str, decimals: int) -> Panoptic:
        if token == "base":
            wrong = replace(WETH, decimals=decimals)
            return self.venue(replace(MARKET.uniswap, token1=wrong), wrong)
        return self.venue(replace(MARKET.uniswap, token0=replace(USDC, decimals=decimals)))

    def want(self) -> HedgeWant:
        return want(2 * ETHER, kinds=(OptionKind.PUT,))

    def unmet(self) -> Sequence[HedgeWant]:
        return replace(self.want(), strike_to=Decimal(2_800)), replace(self.want(), kinds=(OptionKind.CALL,))

    def pause(self, way: str, *, paused: bool = True) -> None:
        """What the real pool says in safe mode is set beside it."""
        del way
        self.local.set_safe_mode(3 if paused else 0)
        self.local.set_refusal(STALE_ORACLE if paused else b"")

    def run(self, plan: VenuePlan, *, at_s: int | None = None) -> Ran:
        ran = super().run(plan, at_s=at_s)
        for log in ran.logs:
            if _DISPATCHED.is_in(log):
                self._repeat(_DISPATCHED.decode(log))
        return ran

    def _repeat(self, values: dict[str, Any]) -> None:
        ids, after, sizes = (values[name] for name in ("positionIdList", "finalPositionIdList", "positionSizes"))
        self.sent.append(Dispatch(ids=ids, ids_after=after, sizes=sizes, limits=values["tickAndSpreadLimits"]))
        for id_, size in zip(ids, sizes, strict=True):
            if size:
                self.local.tell_minted(self.owner, id_, LEG_COUNT | size)
                self.local.set_position(self.owner, id_, balance=LEG_COUNT | size)
            else:
                self.local.tell_burnt(self.owner, id_, size)
        self.local.set_legs(self.owner, len(after))

    def dispatches(self) -> Sequence[Dispatch]:
        return self.sent

    def allowed(self) -> Iterable[tuple[str, str]]:
        return [(token, spender) for token in (mainnet.USDC, mainnet.WETH) for spender in (POOL, *TRACKERS)]

    def dollars(self) -> int:
        return super().dollars() + self.asked(TRACKERS[0], _ASSETS_OF.call_data(self.owner))


@contextmanager
def running_panoptic_bench() -> Generator[PanopticBench]:
    """A node with the recorder on it, sellers, and the owner with both tokens."""
    with running_twin() as twin, closing(Rpc(twin.rpc_url)) as rpc:
        open_pools(twin, [USDC_WETH_500], float(PanopticBench.opening), owner=BANKER)
        local = put_panoptic(twin)
        local.tell_minted(BANKER, TokenId(pool_id=POOL_ID, legs=(SHORT,)).encode(), 100 * ETHER)
        local.set_chunk(PUT.lower, PUT.upper, (LIQUIDITY << 128 | 9 * LIQUIDITY, 7, 8, 9))
        bench = PanopticBench(local=local, rpc=rpc)
        twin.chain.impersonate(bench.owner)
        twin.fund(bench.owner, mainnet.USDC, 100_000 * DOLLAR)
        twin.fund(bench.owner, mainnet.WETH, 50 * ETHER)
        yield bench

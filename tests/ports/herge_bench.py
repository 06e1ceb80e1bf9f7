"""Hegic's adapter on the double of Herge, on a twin of Arbitrum."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.hegic import Hegic
from keeper.adapters.options.hegic_terms import HergeGuards, HergeMarket, HergeStrategy
from keeper.core.model.option import CloseHow, HedgeWant, OptionKind
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain import arbitrum, herge
from keeper.localchain.accounts import DEVELOPER_ACCOUNTS
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.mainnet import MULTICALL3
from keeper.localchain.twin import Twin, running_twin
from tests.ports.chain_bench import ChainBench
from tests.ports.venues import Ability

DAY_S = 86_400
PRICE = Decimal(2_500)
TREASURY_RAW = 50_000 * 10**6
OWNER_RAW = 100_000 * 10**6
WETH = Token(address=arbitrum.WETH, symbol="WETH", decimals=18)
USDC_E = Token(address=arbitrum.USDC_E, symbol="USDC.e", decimals=6)
MARKET = HergeMarket(
    chain_id=arbitrum.CHAIN_ID,
    multicall=MULTICALL3,
    treasury=herge.TREASURY,
    positions=herge.POSITIONS,
    cover_pool=herge.COVER_POOL,
    feed=arbitrum.ETH_USD,
    base=WETH,
    quote=USDC_E,
    strategies=tuple(
        HergeStrategy(
            address=put.address,
            kind=OptionKind.PUT,
            scale=put.scale,
            min_period_s=put.days[0] * DAY_S,
            max_period_s=put.days[1] * DAY_S,
        )
        for put in herge.PUTS
    ),
    first_block=0,
)


@dataclass
class HergeBench(ChainBench):
    """Puts on ether at 2,500 dollars from a treasury of 50,000."""

    local: herge.LocalHerge
    rpc: Rpc
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability) - {Ability.SETTLEMENT, Ability.RECORD}
    pauses: ClassVar[Sequence[str]] = ("limit",)
    wrong_decimals: ClassVar[Sequence[tuple[str, int]]] = (("base", 8), ("base", 17), ("quote", 18), ("quote", 5))
    early: ClassVar[CloseHow | None] = CloseHow.EXERCISE
    known: ClassVar[frozenset[CloseHow]] = frozenset({CloseHow.EXERCISE, CloseHow.RELEASE})
    base: ClassVar[Token] = WETH
    quote: ClassVar[Token] = USDC_E
    opening: ClassVar[Decimal] = PRICE
    price: Decimal = PRICE
    buyer: str = DEVELOPER_ACCOUNTS[1].address
    where: HergeMarket = MARKET

    @property
    def owner(self) -> str:
        return self.buyer

    @property
    def twin(self) -> Twin:
        return self.local.twin

    def venue(self, guards: HergeGuards | None = None, **change: object) -> Hegic:
        return Hegic(replace(self.where, **change), self.rpc, holder=self.owner, guards=guards)

    def misconfigured(self, token: str, decimals: int) -> Hegic:
        return self.venue(**{token: replace(getattr(MARKET, token), decimals=decimals)})

    def want(self) -> HedgeWant:
        now_s = self.twin.chain.timestamp_s()
        return HedgeWant(
            kinds=(OptionKind.PUT,),
            strike_from=self.price * Decimal("0.7"),
            strike_to=self.price,
            expiry_from_s=now_s + 14 * DAY_S,
            expiry_to_s=now_s + 21 * DAY_S,
            size=TokenAmount(token=WETH, raw=2 * 10**18),
        )

    def unmet(self) -> Sequence[HedgeWant]:
        late = replace(self.want(), expiry_from_s=self.want().expiry_to_s + 365 * DAY_S, expiry_to_s=2**40)
        strikes = replace(self.want(), strike_from=self.price * Decimal("0.91"), strike_to=self.price * Decimal("0.99"))
        return late, strikes, replace(self.want(), kinds=(OptionKind.CALL,))

    def move_spot(self, factor: Decimal) -> None:
        self.price *= factor
        self.local.feed.set_answer(float(self.price))

    def reprice(self, factor: Decimal) -> None:
        times, over = factor.as_integer_ratio()
        for put in herge.PUTS:
            self.local.set_premium(put, times=times, over=over)

    def drain(self) -> None:
        """Take all that its admin can take."""
        reads = [interface("HergeTreasury").function(name) for name in ("totalBalance", "totalLocked", "lockedPremium")]
        balance, locked, premiums = (self.asked(herge.TREASURY, read.call_data()) for read in reads)
        self.local.withdraw(balance - locked - premiums)

    def pause(self, way: str, *, paused: bool = True) -> None:
        del way
        for put in herge.PUTS:
            if paused:
                self.local.set_limit(put, 0)
            else:
                self.local.reopen(put)

    def go_to(self, time_s: int) -> None:
        self.twin.chain.mine(timestamp_s=time_s)

    def allowed(self) -> Iterable[tuple[str, str]]:
        return [(arbitrum.USDC_E, spender) for spender in (herge.TREASURY, herge.POSITIONS)]


@contextmanager
def running_herge_bench() -> Generator[HergeBench]:
    """A node with the double on it, and the owner with dollars."""
    with running_twin(AnvilOptions(chain_id=arbitrum.CHAIN_ID), recipe=arbitrum.ARBITRUM) as twin:
        local = herge.put_herge(twin, float(PRICE), treasury_raw=TREASURY_RAW)
        with closing(Rpc(twin.rpc_url)) as rpc:
            bench = HergeBench(local=local, rpc=rpc)
            twin.chain.impersonate(bench.owner)
            twin.fund(bench.owner, arbitrum.USDC_E, OWNER_RAW)
            yield bench

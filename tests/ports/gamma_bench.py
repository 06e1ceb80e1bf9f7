"""Opyn's adapter on the double of Gamma, a real pool and real AirSwap, on the mainnet twin."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.airswap import OrderBook
from keeper.adapters.options.opyn import Opyn
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.core.model.option import CloseHow, HedgeWant, OptionKind
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain import gamma, mainnet, otoken_market
from keeper.localchain.accounts import DEVELOPER_ACCOUNTS
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.twin import Twin, running_twin
from tests.ports.chain_bench import ChainBench
from tests.ports.venues import Ability

PRICE = Decimal(4_000)
STRIKE = 3_600.0
PREMIUM_USD = 95.0
DEPTH_E8 = 50 * 10**8
DAYS = 14
OWNER_RAW = 200_000 * 10**6
LEFT_RAW = 2_400 * 10**6 - 1
"""In a margin pool that was drained: a raw dollar less than two puts pay at 2,400 dollars."""
WETH = Token(address=mainnet.WETH, symbol="WETH", decimals=18)
USDC = Token(address=mainnet.USDC, symbol="USDC", decimals=6)
OWNER = DEVELOPER_ACCOUNTS[1].address
RULES = OpynRules(
    chain_id=1,
    multicall=mainnet.MULTICALL3,
    address_book=gamma.ADDRESS_BOOK,
    factory=mainnet.FACTORY,
    quoter=mainnet.QUOTER_V2,
    router=mainnet.SWAP_ROUTER_02,
    swap_erc20=otoken_market.SWAP_ERC20,
    base=WETH,
    quote=USDC,
    wallet=OWNER,
)


@dataclass
class GammaBench(ChainBench):
    """A put at 3,600 dollars on ether at 4,000, fifty of them in a pool at 95 dollars."""

    local: gamma.LocalGamma
    rpc: Rpc
    otoken: str
    pool: str
    expiry_s: int
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability) - {Ability.DEADLINE, Ability.STOP, Ability.RECORD}
    pauses: ClassVar[Sequence[str]] = ("partial", "full")
    wrong_decimals: ClassVar[Sequence[tuple[str, int]]] = (("base", 17), ("quote", 18), ("quote", 5))
    early: ClassVar[CloseHow | None] = CloseHow.SELL
    known: ClassVar[frozenset[CloseHow]] = frozenset({CloseHow.SELL, CloseHow.REDEEM})
    base: ClassVar[Token] = WETH
    quote: ClassVar[Token] = USDC
    opening: ClassVar[Decimal] = PRICE
    price: Decimal = PRICE
    rules: OpynRules = RULES

    @property
    def owner(self) -> str:
        return self.rules.wallet

    @property
    def twin(self) -> Twin:
        return self.local.twin

    def venue(self, orders: OrderBook | None = None, **change: object) -> Opyn:
        return Opyn(replace(self.rules, **change), self.rpc, orders)

    def misconfigured(self, token: str, decimals: int) -> Opyn:
        return self.venue(**{token: replace(getattr(RULES, token), decimals=decimals)})

    def want(self) -> HedgeWant:
        return HedgeWant(
            kinds=(OptionKind.PUT,),
            strike_from=Decimal(3_000),
            strike_to=Decimal(4_000),
            expiry_from_s=self.expiry_s - 3 * gamma.DAY_S,
            expiry_to_s=self.expiry_s + 3 * gamma.DAY_S,
            size=TokenAmount(token=WETH, raw=2 * 10**18),
        )

    def unmet(self) -> Sequence[HedgeWant]:
        late = replace(self.want(), expiry_from_s=self.expiry_s + 1)
        return late, replace(self.want(), strike_to=Decimal(3_500)), replace(self.want(), kinds=(OptionKind.CALL,))

    def move_spot(self, factor: Decimal) -> None:
        self.price *= factor
        self.local.feed.set_answer(float(self.price))

    def reprice(self, factor: Decimal) -> None:
        otoken_market.reprice_pool(self.twin, self.pool, self.otoken, float(factor))

    def drain(self) -> None:
        """Its owners cannot; a fault of the margin pool could."""
        self.local.drain(mainnet.USDC, LEFT_RAW)

    def pause(self, way: str, *, paused: bool = True) -> None:
        self.local.pause(fully=way == "full", paused=paused)

    def go_to(self, time_s: int) -> None:
        if time_s < self.expiry_s:
            self.local.go_to(time_s)
        else:
            self.local.settle(self.expiry_s, float(self.price))

    def allowed(self) -> Iterable[tuple[str, str]]:
        spenders = mainnet.SWAP_ROUTER_02, otoken_market.SWAP_ERC20, gamma.CONTROLLER, gamma.MARGIN_POOL
        return [(token, spender) for token in (mainnet.USDC, self.otoken) for spender in spenders]


@contextmanager
def running_gamma_bench() -> Generator[GammaBench]:
    """A bench on a node of its own."""
    with running_twin() as twin:
        local = gamma.put_gamma(twin, put_feed(twin, ETH_USD, float(PRICE)))
        otoken_market.put_airswap(twin)
        expiry_s = gamma.expiry_after(twin.chain.timestamp_s(), DAYS)
        otoken = local.create_series(STRIKE, expiry_s)
        pool = otoken_market.open_otoken_pool(local, otoken, PREMIUM_USD, DEPTH_E8)
        twin.fund(OWNER, mainnet.USDC, OWNER_RAW)
        rpc = Rpc(twin.rpc_url)
        try:
            yield GammaBench(local=local, rpc=rpc, otoken=otoken, pool=pool, expiry_s=expiry_s)
        finally:
            rpc.close()

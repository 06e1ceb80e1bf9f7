"""The venue on paper: no chain, so the venue itself remembers what was bought, and the bench keeps the money."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import ClassVar

from keeper.adapters.options.paper import PaperVenue
from keeper.core.model.option import CloseHow, HedgeWant, OptionKind, OptionMarket, OptionPosition, OptionQuote
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.ports.options import VenuePlan
from tests.builders import block_ref
from tests.pairs import BLOCK, DAY_S, NOW_S, USDC, WALLET, WETH
from tests.ports.venues import Ability, Ran, VenueBench

BLOCK_TIME_S = 12
OPENING = Decimal(4_000)
OPENING_RAW = 200_000 * 10**6


def _opened() -> PaperVenue:
    return PaperVenue(chain_id=1, base=WETH, quote_token=USDC)


@dataclass
class PaperBench(VenueBench):
    """Ether at 4,000 dollars, at an implied volatility of 60 %."""

    paper: PaperVenue = field(default_factory=_opened)
    price: Decimal = OPENING
    now_s: int = NOW_S
    raw: int = OPENING_RAW
    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.EXPIRY, Ability.SETTLEMENT, Ability.MONEY})
    pauses: ClassVar[Sequence[str]] = ()
    wrong_decimals: ClassVar[Sequence[tuple[str, int]]] = ()
    early: ClassVar[CloseHow | None] = None
    known: ClassVar[frozenset[CloseHow]] = frozenset({CloseHow.REDEEM, CloseHow.RELEASE})

    @property
    def owner(self) -> str:
        return WALLET

    @contextmanager
    def restored(self) -> Generator[None]:
        self.paper, self.price, self.now_s, self.raw = _opened(), OPENING, NOW_S, OPENING_RAW
        yield

    def venue(self) -> PaperVenue:
        """The one that there is, which has just been shown the market: it knows no other."""
        self.paper.held(self.market(), self.owner, self.block())
        return self.paper

    def desk(self) -> PaperVenue:
        return self.paper

    def block(self) -> BlockRef:
        return block_ref(BLOCK + (self.now_s - NOW_S) // BLOCK_TIME_S, self.now_s)

    def market(self) -> OptionMarket:
        return OptionMarket(
            base=WETH,
            quote=USDC,
            price=self.price,
            now_s=self.now_s,
            block=self.block().number,
            reference_volatility=Decimal("0.6"),
        )

    def want(self) -> HedgeWant:
        return HedgeWant(
            kinds=(OptionKind.PUT,),
            strike_from=Decimal(3_200),
            strike_to=Decimal(4_000),
            expiry_from_s=NOW_S + 6 * DAY_S,
            expiry_to_s=NOW_S + 15 * DAY_S,
            size=TokenAmount(token=WETH, raw=2 * 10**18),
        )

    def unmet(self) -> Sequence[HedgeWant]:
        """An expiry past all tenors; and strikes between two steps of a hundredth, 3,601.56 and 3,637.58 dollars."""
        late = replace(self.want(), expiry_from_s=NOW_S + 100 * DAY_S, expiry_to_s=NOW_S + 200 * DAY_S)
        return late, replace(self.want(), strike_from=Decimal(3_610), strike_to=Decimal(3_620))

    def move_spot(self, factor: Decimal) -> None:
        self.price *= factor

    def go_to(self, time_s: int) -> None:
        self.now_s = time_s

    def buy(self, quote: OptionQuote, limit: TokenAmount) -> Ran:
        self.raw -= self.venue().buy(quote, limit).raw
        return self._ran()

    def end(self, position: OptionPosition, how: CloseHow, least: TokenAmount, *, at_s: int | None = None) -> Ran:
        self.now_s = at_s or self.now_s
        assert isinstance(self.venue().plan_close(position, how, least), VenuePlan)
        self.raw += self.paper.end(position, how, least).raw
        return self._ran()

    def _ran(self) -> Ran:
        return Ran(done=True, reason="", gas=0, made_at_s=self.now_s)

    def dollars(self) -> int:
        return self.raw


@contextmanager
def running_paper_bench() -> Generator[PaperBench]:
    """Nothing runs."""
    yield PaperBench()

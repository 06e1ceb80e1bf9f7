"""What signals look back on: bars of the signal pool, samples of the surroundings, quotes from outside."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.model.quick import quick_init

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBar:
    """All swaps of one pool in one stretch of time; a stretch without swaps is a bar whose price stood still.

    High and low are those of block ends: a price that was pushed and brought back inside one block never stood for anyone
    else. The wicks are those of every single swap.
    """

    start_s: int
    """Chain time, a multiple of the width; the bar holds the blocks with start <= time < start + width."""
    width_s: int
    open_x96: int
    """Square-root price in force when the bar began."""
    high_x96: int
    """Highest at the end of a block, the opening price included."""
    low_x96: int
    close_x96: int
    wick_high_x96: int
    """Highest after any swap, the opening price included."""
    wick_low_x96: int
    volume0: int
    """Sum of |amount0|, raw units."""
    volume1: int
    net0: int | None
    """Sum of amount0 as the pool sees it, raw units: above zero, takers sold token0. None where the record has no direction."""
    net1: int | None
    jit0: int | None
    """Part of volume0 that was served by liquidity that came and went within its block; None where that is not recorded."""
    swaps: int

    @property
    def end_s(self) -> int:
        """Chain time at which the bar is complete."""
        return self.start_s + self.width_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSample:
    """A pool of the universe at one block."""

    address: str
    sqrt_price_x96: int
    liquidity: int
    fee_growth_global0_x128: int
    fee_growth_global1_x128: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """One asset of a lending market at one block."""

    asset: str
    """Address of the token."""
    available: int
    """What can be withdrawn or borrowed now, raw units."""
    debt: int
    """What is borrowed, variable and stable together, raw units."""
    kink_ray: int | None
    """Utilisation past which the rate rises steeply, in 1e-27; None when the market does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidations:
    """Liquidations of a lending market since the sample before."""

    since_block: int
    """First block that was looked at."""
    count: int
    debt_covered: tuple[tuple[str, int], ...]
    """Address of the debt's token and raw units repaid, one entry a token, sorted."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What surrounds the signal pool, at one block; taken every so often."""

    timestamp_s: int
    block: int
    fee_growth_global0_x128: int
    """Of the signal pool, as are the next three."""
    fee_growth_global1_x128: int
    balance0: int
    """What the pool contract holds of token0, raw units: liquidity of every range and uncollected fees."""
    balance1: int
    pools: tuple[PoolSample, ...] = ()
    """The universe, in the policy's order; a pool that could not be read is left out."""
    reserves: tuple[Reserve, ...] = ()
    liquidations: Liquidations | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A number that somebody outside the pools tells: a price, an implied volatility."""

    name: str
    """As configured, such as ``chainlink_eth_usd`` or ``deribit_dvol``."""
    value: float | None
    """None when there is none that may be believed; ``fault`` then says why."""
    as_of_s: int
    """Unix time at which its source made it."""
    source: str
    fault: str | None = None
    seen_s: int = 0
    """Chain time of the cycle that first saw it; 0 until a cycle has."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class MarketHistory:
    """What the readings of a cycle are made of besides its view; each series oldest first, none younger than the view's block.

    A bar that is not there is a gap: nothing is known of its time.
    """

    pool: str
    """Address of the signal pool."""
    minutes: tuple[PriceBar, ...] = ()
    hours: tuple[PriceBar, ...] = ()
    samples: tuple[Sample, ...] = ()
    quotes: tuple[Quote, ...] = ()


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some rows of one stored series, by time, both ends included."""

    first_s: int
    last_s: int
    rows: int


NOTHING = Stretch(first_s=0, last_s=0, rows=0)


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRef:
    """Names a stretch of every stored series, so that a view stays small and can still be replayed.

    Bars are named by the time at which they begin, samples by their block's time, quotes by the time at which they were seen.
    """

    pool: str
    minutes: Stretch = NOTHING
    hours: Stretch = NOTHING
    samples: Stretch = NOTHING
    quotes: Stretch = NOTHING
    digest: str = ""
    """sha-256 over the rows in the order in which they were taken in; in views of before there were bars, of the price rows."""

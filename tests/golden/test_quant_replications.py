"""Numbers that others published, beside ours from the inputs that they state; docs/replications.md is the same table.

Every row is computed here, held against what was published, and the page must show exactly that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.core.quant.lvr import concentration, implied_volatility_lambert, lvr_rate, trade_probability
from keeper.core.quant.sharpe import Track, deflated_sharpe, minimum_track_length, probabilistic_sharpe
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests import kodiak

PAGE = Path(__file__).resolve().parents[2] / "docs" / "replications.md"
DAILY_5_PERCENT = 0.05 * math.sqrt(365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published claim, or several that belong together."""

    claim: str
    source: str
    theirs: tuple[float, ...]
    ours: Callable[[], tuple[float, ...]]
    shown: str
    """Format of each number; they agree when what it shows is the same, up to ``slack`` in the last digit shown."""
    verdict: str
    slack: float = 0.0

    def text(self, numbers: tuple[float, ...]) -> str:
        return " ".join(format(number, self.shown) for number in numbers)

    def furthest(self) -> Decimal:
        pairs = zip(self.text(self.ours()).split(), self.text(self.theirs).split(), strict=True)
        return max((Decimal(ours) - Decimal(theirs) for ours, theirs in pairs), key=abs)

    def line(self) -> str:
        apart = self.furthest()
        difference = "0" if apart == 0 else format(float(apart), "+.2g")
        cells = (self.claim, self.source, self.text(self.theirs), self.text(self.ours()), difference, self.verdict)
        return "| " + " | ".join(cells) + " |"


# ---- ours


def trades(fee_bps: int) -> tuple[float, ...]:
    return tuple(
        100 * trade_probability(gamma=fee_bps / 10_000, volatility=DAILY_5_PERCENT, block_s=block_s)
        for block_s in (600, 120, 12, 2, 0.05)
    )


def daily_loss_bps() -> float:
    return 10_000 * lvr_rate(0.5, 1.0, DAILY_5_PERCENT) / 365


def turnover(fee: float) -> float:
    """Of a tick, at which Lambert's volatility is one: it grows with the root."""
    return 1 / implied_volatility_lambert(fee=fee, volume_day=1.0, tick_value=1.0) ** 2


def efficiency(price: float, lower: float, upper: float) -> float:
    """Value of a full range over that of a range with the same liquidity, by exact amounts."""
    unit, at = 10**24, round(math.sqrt(price) * 2**96)
    bounds = (round(math.sqrt(lower) * 2**96), round(math.sqrt(upper) * 2**96))
    whole = (get_sqrt_ratio_at_tick(-887_272), get_sqrt_ratio_at_tick(887_272))
    narrow, full = (get_amounts_for_liquidity(at, *ends, unit) for ends in (bounds, whole))
    return (full[0] * price + full[1]) / (narrow[0] * price + narrow[1])


def years_needed(periods: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    track = Track(observations=2, ratio=2 / math.sqrt(periods), skewness=skewness, kurtosis=kurtosis)
    return minimum_track_length(track, benchmark=1 / math.sqrt(periods)) / periods


def belief(trials: int) -> float:
    chosen = Track(observations=1_250, ratio=2.5 / math.sqrt(250), skewness=-3.0, kurtosis=10.0)
    return deflated_sharpe(chosen, trials=trials, variance=0.5 / 250)


MMR = "Milionis, Moallemi & Roughgarden 2023, arXiv 2305.14604 (a)"
LVR = "Milionis, Moallemi, Roughgarden & Zhang 2022, arXiv 2208.06046 (a)"
LAMBERT = "Lambert, On-chain volatility and Uniswap v3, Nov 2021"
UNISWAP = "Uniswap Labs, Introducing Uniswap v3, Mar 2021"
KODIAK = "smolquants/kodiak-simulations-2023-07, README"
REPLAY = "smolquants/kodiak-simulations-2023-07, notebook/results/backtest"
BAILEY_14 = "Bailey & Lopez de Prado 2014, The deflated Sharpe ratio (a)"
BAILEY_12 = "Bailey & Lopez de Prado 2012, The Sharpe ratio efficient frontier (a)"
SAME = "the same"

ROWS = (
    *(
        Row(
            claim=f"Chance of a trade a block, %, fee {fee} bp, 5 % a day; blocks of 10 min, 2 min, 12 s, 2 s, 50 ms",
            source=MMR,
            theirs=theirs,
            ours=lambda fee=fee: trades(fee),
            shown=".1f",
            verdict=SAME,
        )
        for fee, theirs in (
            (1, (96.7, 92.9, 80.6, 63.0, 21.2)),
            (5, (85.5, 72.5, 45.5, 25.4, 5.1)),
            (10, (74.7, 56.9, 29.4, 14.5, 2.6)),
            (30, (49.5, 30.5, 12.2, 5.4, 0.9)),
            (100, (22.8, 11.6, 4.0, 1.7, 0.3)),
        )
    ),
    Row(
        claim="Loss of a full range at 5 % a day, bp a day",
        source=LVR,
        theirs=(3.125,),
        ours=lambda: (daily_loss_bps(),),
        shown=".3f",
        verdict=SAME,
    ),
    Row(
        claim="Turnover a day at which 30 bp pay for it, %",
        source=LVR,
        theirs=(10.4,),
        ours=lambda: (daily_loss_bps() / 0.3,),
        shown=".1f",
        verdict=SAME,
    ),
    Row(
        claim="Turnover of a tick a day at a volatility of 100 %, 1 % and 0.3 % tiers",
        source=LAMBERT,
        theirs=(6.8, 76.0),
        ours=lambda: (turnover(0.01), turnover(0.003)),
        shown=".1f",
        verdict="the same; theirs cuts where we round",
        slack=0.11,
    ),
    Row(
        claim="The same, 0.05 % tier",
        source=LAMBERT,
        theirs=(2749.0,),
        ours=lambda: (turnover(0.0005),),
        shown=".0f",
        verdict="theirs is 0.3 % off its own formula, 1 / (4 fee² 365)",
        slack=9.5,
    ),
    Row(
        claim="Liquidity per value against a full range, ranges of 0.10 % and 0.02 %",
        source=UNISWAP,
        theirs=(4000.0, 20000.0),
        ours=lambda: (concentration(math.log(1.001) / 2), concentration(math.log(1.0002) / 2)),
        shown=".0f",
        verdict="the same to the digits that are meant",
        slack=2.1,
    ),
    Row(
        claim="Depth of 25 m DAI/USDC in 0.99 to 1.01 and in 0.999 to 1.001, in bn of v2",
        source=UNISWAP,
        theirs=(5.0, 50.0),
        ours=lambda: (0.025 * efficiency(1.0, 0.99, 1.01), 0.025 * efficiency(1.0, 0.999, 1.001)),
        shown=".1f",
        verdict=SAME,
    ),
    Row(
        claim="Fees per dollar against v2, ETH at 1,820 in 1,200 to 2,800",
        source=UNISWAP,
        theirs=(5.24,),
        ours=lambda: (efficiency(1820.0, 1200.0, 2800.0),),
        shown=".2f",
        verdict=SAME,
    ),
    Row(
        claim="Capital of v2 as deep as 150,000 there",
        source=UNISWAP,
        theirs=(785_779.0,),
        ours=lambda: (150_000 * efficiency(1820.0, 1200.0, 2800.0),),
        shown=".0f",
        verdict="3e-5 more: the price is shown rounded there",
        slack=25.0,
    ),
    Row(
        claim="Least fee rate that pays at infinite width",
        source=KODIAK,
        theirs=(kodiak.BOUND,),
        ours=lambda: (lvr_rate(0.5, 1.0, kodiak.SIGMA) * (1 + kodiak.SHARE),),
        shown=".15e",
        verdict=SAME,
    ),
    Row(
        claim="Deviation of log prices over 7,200 blocks, from the one of a block",
        source=KODIAK,
        theirs=(0.03857783017026948,),
        ours=lambda: (kodiak.SIGMA * math.sqrt(kodiak.BLOCKS),),
        shown=".14f",
        verdict="the same; the fit itself needs their prices",
    ),
    Row(
        claim="Yield of a day at their best width, as coded",
        source=KODIAK,
        theirs=(kodiak.YIELD,),
        ours=lambda: (kodiak.yield_as_coded(kodiak.WIDTH),),
        shown=".11f",
        verdict="the same; fees and rewards add up to the rate that pays, and the drift is 2.65497e-07 a block",
    ),
    Row(
        claim="The same, by integration of the model",
        source=KODIAK,
        theirs=(kodiak.YIELD,),
        ours=lambda: (kodiak.expected_yield(kodiak.WIDTH),),
        shown=".6f",
        verdict="theirs is 0.9 bp too low: in the rebalancing fee two terms of three lack e^(drift time)",
        slack=9.5e-6,
    ),
    Row(
        claim="Best half width, as coded",
        source=KODIAK,
        theirs=(kodiak.WIDTH,),
        ours=lambda: (kodiak.best_half_width(kodiak.yield_as_coded),),
        shown=".5f",
        verdict="theirs stopped after two steps, 0.02 % off the top, which is flat: it earns 7e-11 less",
        slack=1.1e-5,
    ),
    Row(
        claim="The same, by integration of the model",
        source=KODIAK,
        theirs=(kodiak.WIDTH,),
        ours=lambda: (kodiak.best_half_width(kodiak.expected_yield),),
        shown=".5f",
        verdict="0.4 % narrower without the slip",
        slack=1.7e-4,
    ),
    Row(
        claim="Position [204090, 207010) at four prices, token0",
        source=REPLAY,
        theirs=(1180390798224, 1062320954683, 1342749165808, 1450675120836),
        ours=lambda: tuple(kodiak.held(kodiak.NARROW, root, 204090, 207010)[0] for root in kodiak.ROOTS),
        shown="d",
        verdict="to the wei",
    ),
    Row(
        claim="The same, token1",
        source=REPLAY,
        theirs=(1001367710503069322285, 1101788797031044590070, 865560431150699779983, 776712961426492371373),
        ours=lambda: tuple(kodiak.held(kodiak.NARROW, root, 204090, 207010)[1] for root in kodiak.ROOTS),
        shown="d",
        verdict="to the wei",
    ),
    Row(
        claim="Its fees after one, two, three steps, token0",
        source=REPLAY,
        theirs=(523253184, 1128340318, 1571738459),
        ours=lambda: kodiak.fees0(kodiak.NARROW),
        shown="d",
        verdict="to the wei",
    ),
    Row(
        claim="The same, token1",
        source=REPLAY,
        theirs=(498429809810027588, 887563155008057868, 1208421610717276980),
        ours=lambda: kodiak.fees1(kodiak.NARROW, 684197357625669),
        shown="d",
        verdict="to the wei; two roundings may leave one",
        slack=1.0,
    ),
    Row(
        claim="Fees of a full range after the same steps, token0",
        source=REPLAY,
        theirs=(36870369, 79507064, 110750550),
        ours=lambda: kodiak.fees0(kodiak.FULL),
        shown="d",
        verdict="to the wei",
    ),
    Row(
        claim="Full range, fees put back, over holding after 145 days, %",
        source=REPLAY,
        theirs=(-0.93,),
        ours=lambda: (kodiak.full_range_over_holding(),),
        shown=".2f",
        verdict="the same, from growth of liquidity and the closed form of the loss",
    ),
    Row(
        claim="Range of ±15 % recentred daily, fees left out, over holding after 145 days, %",
        source=REPLAY,
        theirs=(-20.3,),
        ours=lambda: (kodiak.over_holding((0, 0)),),
        shown=".1f",
        verdict="the same, but it is not what the position made: with its fees, set aside there, it is -0.4 %",
    ),
    Row(
        claim="Fees of that range, % of what was put in, at the last price for the fees and the first for the rest",
        source=REPLAY,
        theirs=(25.3,),
        ours=lambda: (
            100 * kodiak.in_token0(kodiak.ASIDE, kodiak.LAST_ROOT) / kodiak.in_token0(kodiak.PUT_IN, kodiak.ROOTS[0]),
        ),
        shown=".1f",
        verdict="adds up",
    ),
    Row(
        claim="Deflated Sharpe ratio, 2.5 a year over 1,250 days, skewness -3, kurtosis 10; 100 and 46 trials",
        source=BAILEY_14,
        theirs=(0.9004, 0.9505),
        ours=lambda: (belief(100), belief(46)),
        shown=".4f",
        verdict=SAME,
    ),
    Row(
        claim="Years that tell a ratio of 2 from 1 at 95 %: daily, weekly, monthly; monthly with skewness -0.72, kurtosis 5.78",
        source=BAILEY_12,
        theirs=(2.73, 2.83, 3.24, 4.99),
        ours=lambda: (years_needed(252), years_needed(52), years_needed(12), years_needed(12, -0.72, 5.78)),
        shown=".2f",
        verdict=SAME,
    ),
    Row(
        claim="Probability that a ratio of 0.458 over 24 months is above 0: normal; skewness -2.448, kurtosis 10.164",
        source=BAILEY_12,
        theirs=(0.982, 0.913),
        ours=lambda: tuple(
            probabilistic_sharpe(Track(observations=24, ratio=0.458, skewness=skewness, kurtosis=kurtosis))
            for skewness, kurtosis in ((0.0, 3.0), (-2.448, 10.164))
        ),
        shown=".3f",
        verdict=SAME,
    ),
    Row(
        claim="Fees less loss of 17 pools, m USD",
        source="Loesch, Hindman, Richardson & Welch 2021, arXiv 2111.09192",
        theirs=(-60.8,),
        ours=lambda: (199.3 - 260.1,),
        shown=".1f",
        verdict="adds up; the two parts need their data",
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.claim for row in ROWS])
def test_ours_is_what_was_published(row):
    assert abs(row.furthest()) <= row.slack


def test_the_page_shows_every_row_as_it_was_computed():
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and line.count("|") == 7]
    assert shown[1:] == [row.line() for row in ROWS]


@pytest.mark.parametrize(("earns", "most"), [(kodiak.yield_as_coded, 1e-10), (kodiak.expected_yield, 2e-8)])
def test_the_published_width_earns_as_good_as_the_best(earns, most):
    gain = earns(kodiak.best_half_width(earns)) - earns(kodiak.WIDTH)
    assert 0 <= gain < most


def test_fees_that_were_set_aside_turn_a_fifth_lost_into_nearly_nothing():
    assert kodiak.over_holding(kodiak.ASIDE) == pytest.approx(-0.4, abs=0.05)


def test_ticks_that_the_optimizer_suggests_do_not_lie_on_the_pools_spacing():
    spacing, at = 10, 199_918
    whole = spacing * (int(2 * kodiak.WIDTH / math.log(1.0001)) // spacing)
    centre = spacing * round(at / spacing)
    assert (centre - whole // 2, centre + whole // 2) == (199_495, 200_345)
    assert 199_495 % spacing == 200_345 % spacing == 5


def test_kodiaks_drift_is_that_of_the_price_not_of_its_logarithm():
    per_block = 0.0011674569675148257 / kodiak.BLOCKS + kodiak.SIGMA**2 / 2
    assert per_block == pytest.approx(kodiak.DRIFT, rel=1e-14)

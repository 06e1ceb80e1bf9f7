"""A minimum protects at every price of the interval and is out of reach at none."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import PoolKey
from keeper.core.planning.bounds import Interval, decrease_minimums, deposit_minimums, swap_limits
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amounts,
)
from keeper.core.v3math.pool_swap import SwapState, TickMap, swap
from keeper.core.v3math.reverts import ArithmeticRevertError
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from tests.builders import USDC, WETH

TICK_REACH = 300_000
"""Prices of 1e-13 to 1e13 raw token1 per raw token0: every pair of 6, 8 and 18 decimals lies within."""

ticks = st.integers(-TICK_REACH, TICK_REACH)
widths = st.integers(1, 5_000)
raw = st.one_of(st.just(0), st.integers(1, 10**6), st.integers(1, 10**27))


@st.composite
def intervals(draw: st.DrawFn) -> tuple[Interval, TickRange]:
    """A protected interval, and a range somewhere about it."""
    lower, width = draw(ticks), draw(st.integers(1, 1_000))
    start, length = lower + draw(st.integers(-3_000, 1_500)), draw(widths)
    interval = Interval(
        lower_x96=get_sqrt_ratio_at_tick(lower), upper_x96=get_sqrt_ratio_at_tick(lower + width), width_ticks=width
    )
    return interval, TickRange(lower=start, upper=start + length)


def price_within(interval: Interval, part: float) -> int:
    span = interval.upper_x96 - interval.lower_x96
    return min(interval.lower_x96 + int(span * part), interval.upper_x96)


parts = st.floats(0.0, 1.0)


def ratios(held: TickRange) -> tuple[int, int]:
    return get_sqrt_ratio_at_tick(held.lower), get_sqrt_ratio_at_tick(held.upper)


@given(intervals(), parts, raw, raw)
def test_a_deposit_takes_its_minimums_at_every_price(
    where: tuple[Interval, TickRange], part: float, amount0: int, amount1: int
) -> None:
    interval, wanted = where
    root, (lower, upper) = price_within(interval, part), ratios(wanted)
    try:
        liquidity = max_liquidity_for_amounts(root, lower, upper, amount0, amount1)
    except ArithmeticRevertError:
        assume(False)  # the position manager itself refuses such an amount
    taken0, taken1 = get_amounts_for_liquidity_delta(root, lower, upper, liquidity)
    least0, least1 = deposit_minimums(interval, wanted, amount0, amount1)
    assert 0 <= least0 <= taken0 <= amount0
    assert 0 <= least1 <= taken1 <= amount1


def found_by_search(lower: int, width: int, start: int, end: int) -> tuple[Interval, TickRange]:
    ends = get_sqrt_ratio_at_tick(lower), get_sqrt_ratio_at_tick(lower + width)
    return Interval(lower_x96=ends[0], upper_x96=ends[1], width_ticks=width), TickRange(lower=start, upper=end)


@given(where=intervals(), part=parts, scarce=st.integers(1, 10**7), zero_is_scarce=st.booleans())
@example(where=found_by_search(297_762, 857, 295_747, 301_076), part=0.9842928858671799, scarce=287_206, zero_is_scarce=False)
@example(
    where=found_by_search(-298_628, 457, -299_867, -295_302), part=0.9350155567711208, scarce=6_815_338, zero_is_scarce=True
)
def test_a_deposit_limited_by_one_token_takes_its_minimum_in_spite_of_rounding(
    where: tuple[Interval, TickRange], part: float, scarce: int, zero_is_scarce: bool
) -> None:
    interval, wanted = where
    root, (lower, upper) = price_within(interval, part), ratios(wanted)
    amounts = (scarce, 10**20) if zero_is_scarce else (10**20, scarce)
    try:
        liquidity = max_liquidity_for_amounts(root, lower, upper, *amounts)
    except ArithmeticRevertError:
        assume(False)
    taken = get_amounts_for_liquidity_delta(root, lower, upper, liquidity)
    least = deposit_minimums(interval, wanted, *amounts)
    assert least[0] <= taken[0]
    assert least[1] <= taken[1]


@given(intervals(), parts, st.integers(0, 2**100))
def test_a_decrease_pays_its_minimums_at_every_price_and_exactly_them_at_the_ends(
    where: tuple[Interval, TickRange], part: float, liquidity: int
) -> None:
    interval, held = where
    least0, least1 = decrease_minimums(interval, held, liquidity)
    paid0, paid1 = get_amounts_for_liquidity(price_within(interval, part), *ratios(held), liquidity)
    assert 0 <= least0 <= paid0
    assert 0 <= least1 <= paid1
    assert get_amounts_for_liquidity(interval.upper_x96, *ratios(held), liquidity)[0] == least0
    assert get_amounts_for_liquidity(interval.lower_x96, *ratios(held), liquidity)[1] == least1


@given(intervals(), st.integers(10**9, 10**24), st.integers(0, 10**27))
def test_what_the_interval_never_needs_has_no_minimum(where: tuple[Interval, TickRange], amount0: int, amount1: int) -> None:
    interval, wanted = where
    least0, least1 = deposit_minimums(interval, wanted, amount0, amount1)
    lower, upper = ratios(wanted)
    if upper <= interval.upper_x96:
        assert least0 == 0
    if lower >= interval.lower_x96:
        assert least1 == 0


@given(
    start=ticks,
    width=st.integers(2, 1_000),
    part=st.floats(0.001, 0.999),
    zero_for_one=st.booleans(),
    liquidity=st.integers(10**6, 10**25),
    amount_in=st.integers(1, 10**24),
    spacing=st.sampled_from([1, 10, 60]),
)
def test_a_full_fill_within_the_limit_gives_the_minimum(
    start: int, width: int, part: float, zero_for_one: bool, liquidity: int, amount_in: int, spacing: int
) -> None:
    interval = Interval(
        lower_x96=get_sqrt_ratio_at_tick(start), upper_x96=get_sqrt_ratio_at_tick(start + width), width_ticks=width
    )
    key = PoolKey(address="0x", token0=USDC, token1=WETH, fee_pips=500, tick_spacing=spacing)
    least, limit_x96 = swap_limits(interval, key, zero_for_one=zero_for_one, amount_in=amount_in)
    root = price_within(interval, part)
    assume(interval.lower_x96 < root < interval.upper_x96)
    middle = (start + width // 2) // spacing * spacing
    state = SwapState(
        sqrt_price_x96=root,
        tick=get_tick_at_sqrt_ratio(root),
        liquidity=liquidity,
        fee_pips=key.fee_pips,
        ticks=TickMap.of({middle: 0, middle + spacing: 0, middle - spacing: 0}, spacing),
    )
    result = swap(state, zero_for_one=zero_for_one, amount_specified=amount_in, sqrt_price_limit_x96=limit_x96)
    paid, got = (result.amount0, -result.amount1) if zero_for_one else (result.amount1, -result.amount0)
    assert limit_x96 in {interval.lower_x96, interval.upper_x96}
    if paid == amount_in:
        assert got >= least
    # The minimum is worth having: it falls short of the worst price by rounding alone.
    worst = amount_in * (limit_x96 / 2**96) ** (2 if zero_for_one else -2) * (1 - 5e-4)
    steps = width // spacing + 3
    slack = steps * (2 * (limit_x96 / 2**96) ** (2 if zero_for_one else -2) + 3) * 2
    assert least >= worst * (1 - 1e-9) - slack


@given(
    edge=st.integers(-250_000, 250_000),
    away=st.integers(1, 30),
    zero_for_one=st.booleans(),
    units_a_tick=st.integers(1, 50),
    of_output=st.booleans(),
    part=st.floats(0.01, 1.0),
)
def test_rounding_at_every_tick_never_puts_the_minimum_out_of_reach(
    edge: int, away: int, zero_for_one: bool, units_a_tick: int, of_output: bool, part: float
) -> None:
    """A few raw units a tick, every tick initialised, right at the limit: rounding is all there is."""
    lower, upper = (edge, edge + 200) if zero_for_one else (edge - 200, edge)
    interval = Interval(lower_x96=get_sqrt_ratio_at_tick(lower), upper_x96=get_sqrt_ratio_at_tick(upper), width_ticks=200)
    key = PoolKey(address="0x", token0=USDC, token1=WETH, fee_pips=500, tick_spacing=1)
    start = edge + away if zero_for_one else edge - away
    root = get_sqrt_ratio_at_tick(start)
    # Liquidity at which a tick moves about that many units of the token that comes in, or of the one that goes out.
    of_token0 = zero_for_one != of_output
    liquidity = units_a_tick * 20_000 * (root if of_token0 else 2**96) // (2**96 if of_token0 else root) + 1
    state = SwapState(
        sqrt_price_x96=root,
        tick=start,
        liquidity=liquidity,
        fee_pips=key.fee_pips,
        ticks=TickMap.of(dict.fromkeys(range(edge - 40, edge + 41), 0), 1),
    )
    limit_x96 = interval.lower_x96 if zero_for_one else interval.upper_x96
    whole = swap(state, zero_for_one=zero_for_one, amount_specified=10**60, sqrt_price_limit_x96=limit_x96)
    amount_in = max(int((whole.amount0 if zero_for_one else whole.amount1) * part), 1)
    least, _ = swap_limits(interval, key, zero_for_one=zero_for_one, amount_in=amount_in)
    result = swap(state, zero_for_one=zero_for_one, amount_specified=amount_in, sqrt_price_limit_x96=limit_x96)
    paid, got = (result.amount0, -result.amount1) if zero_for_one else (result.amount1, -result.amount0)
    assert paid < amount_in or got >= least

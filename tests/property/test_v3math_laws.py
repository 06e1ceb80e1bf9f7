"""The invariants that v3-core's Echidna contracts assert, as laws. Ref: ``contracts/test/*EchidnaTest.sol`` of v3-core."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.core.v3math.fee_growth import fees_owed
from keeper.core.v3math.full_math import div_rounding_up, mul_div, mul_div_rounding_up
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amounts,
)
from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.reverts import ArithmeticRevertError, LiquidityOverflowError, LiquidityUnderflowError
from keeper.core.v3math.sqrt_price_math import (
    get_amount0_delta,
    get_amount0_delta_signed,
    get_amount1_delta,
    get_amount1_delta_signed,
    get_next_sqrt_price_from_amount0_rounding_up,
    get_next_sqrt_price_from_amount1_rounding_down,
    get_next_sqrt_price_from_input,
    get_next_sqrt_price_from_output,
)
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick import tick_spacing_to_max_liquidity_per_tick
from keeper.core.v3math.tick_bitmap import next_initialized_tick_within_one_word, words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio, get_tick_near
from keeper.core.v3math.units import (
    MAX_INT256,
    MAX_SQRT_RATIO,
    MAX_TICK,
    MAX_UINT128,
    MAX_UINT160,
    MAX_UINT256,
    MIN_SQRT_RATIO,
    MIN_TICK,
    Q96,
    Q128,
)

law = settings(max_examples=200, deadline=None)


def scaled(bits: int) -> st.SearchStrategy[int]:
    """Integers of every length up to ``bits`` alike; a plain range almost never gives short ones."""
    return st.integers(0, bits).flatmap(lambda length: st.integers(0, (1 << length) - 1))


uint256 = scaled(256)
uint160 = scaled(160).filter(bool)
uint128 = scaled(128)
liquidities = uint128.filter(bool)
ticks = st.integers(MIN_TICK, MAX_TICK)
sqrt_prices = st.one_of(
    st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO - 1),
    st.integers(MIN_TICK, MAX_TICK - 1).map(get_sqrt_ratio_at_tick),
    st.builds(
        lambda tick, step: min(max(get_sqrt_ratio_at_tick(tick) + step, MIN_SQRT_RATIO), MAX_SQRT_RATIO - 1),
        ticks,
        st.integers(-2, 2),
    ),
)
fees = st.integers(0, 999_999)


@law
@given(uint256, uint256, uint256.filter(bool))
def test_quotients_lie_within_one_unit_of_the_truth(a: int, b: int, denominator: int) -> None:
    assume(a * b // denominator < MAX_UINT256)
    down, up = mul_div(a, b, denominator), mul_div_rounding_up(a, b, denominator)
    assert down * denominator <= a * b <= up * denominator
    assert up - down == (1 if a * b % denominator else 0)


@law
@given(uint256, uint256, uint256)
def test_a_quotient_without_a_place_in_256_bits_is_refused(a: int, b: int, denominator: int) -> None:
    for operation, negative_ceiling in ((mul_div, 1), (mul_div_rounding_up, -1)):
        try:
            result = operation(a, b, denominator)
        except ArithmeticRevertError:
            assert denominator == 0 or negative_ceiling * (negative_ceiling * a * b // denominator) > MAX_UINT256
        else:
            assert 0 <= result <= MAX_UINT256


@law
@given(uint256, uint256.filter(bool))
def test_division_rounds_up_only_a_remainder(numerator: int, denominator: int) -> None:
    assert div_rounding_up(numerator, denominator) == numerator // denominator + bool(numerator % denominator)


@law
@given(st.integers(MIN_TICK + 1, MAX_TICK - 1))
def test_ratios_rise_strictly_and_stay_in_bounds(tick: int) -> None:
    below, here, above = (get_sqrt_ratio_at_tick(tick + step) for step in (-1, 0, 1))
    assert MIN_SQRT_RATIO <= below < here < above <= MAX_SQRT_RATIO


@law
@given(st.integers(-3_000, 3_000))
def test_a_ratio_is_the_square_root_of_a_power_of_1_0001(tick: int) -> None:
    truth = isqrt(int(Fraction(10_001, 10_000) ** tick * (1 << 192)))
    assert abs(get_sqrt_ratio_at_tick(tick) - truth) <= 1


@law
@given(sqrt_prices)
def test_a_price_lies_between_its_tick_and_the_next(sqrt_price: int) -> None:
    tick = get_tick_at_sqrt_ratio(sqrt_price)
    assert MIN_TICK <= tick < MAX_TICK
    assert get_sqrt_ratio_at_tick(tick) <= sqrt_price < get_sqrt_ratio_at_tick(tick + 1)


@law
@given(st.integers(MIN_TICK, MAX_TICK - 1))
def test_a_ratio_leads_back_to_its_tick(tick: int) -> None:
    assert get_tick_at_sqrt_ratio(get_sqrt_ratio_at_tick(tick)) == tick


@law
@given(sqrt_prices, st.one_of(st.integers(-3, 3), st.integers(-400, 400), ticks))
def test_a_hint_never_changes_the_answer(sqrt_price: int, offset: int) -> None:
    tick = get_tick_at_sqrt_ratio(sqrt_price)
    near = min(max(tick + offset, MIN_TICK), MAX_TICK)
    assert get_tick_near(sqrt_price, near) == (tick, get_sqrt_ratio_at_tick(tick), get_sqrt_ratio_at_tick(tick + 1))


@law
@given(uint128, st.integers(-(1 << 127), (1 << 127) - 1))
def test_a_sum_is_exact_or_refused_by_its_sign(liquidity: int, delta: int) -> None:
    try:
        after = add_delta(liquidity, delta)
    except LiquidityUnderflowError:
        assert liquidity + delta < 0
    except LiquidityOverflowError:
        assert liquidity + delta > MAX_UINT128
    else:
        assert after == liquidity + delta
        assert 0 <= after <= MAX_UINT128


@law
@given(st.integers(1, 16_383))
def test_all_usable_ticks_at_their_maximum_fit_128_bits(spacing: int) -> None:
    usable = len(range(-(MAX_TICK // spacing) * spacing, MAX_TICK + 1, spacing))
    most = tick_spacing_to_max_liquidity_per_tick(spacing)
    assert most * usable <= MAX_UINT128 < (most + 1) * usable


@law
@given(uint160, liquidities, uint256, st.booleans())
def test_an_input_buys_no_more_than_it_pays_for(price: int, liquidity: int, amount: int, zero_for_one: bool) -> None:
    try:
        after = get_next_sqrt_price_from_input(price, liquidity, amount, zero_for_one=zero_for_one)
    except ArithmeticRevertError:
        return
    if zero_for_one:
        assert 0 < after <= price
        assert amount >= get_amount0_delta(after, price, liquidity, round_up=True)
    else:
        assert price <= after <= MAX_UINT160
        assert amount >= get_amount1_delta(price, after, liquidity, round_up=True)


@law
@given(uint160, liquidities, uint256, st.booleans())
def test_an_output_is_covered_by_the_move(price: int, liquidity: int, amount: int, zero_for_one: bool) -> None:
    try:
        after = get_next_sqrt_price_from_output(price, liquidity, amount, zero_for_one=zero_for_one)
    except ArithmeticRevertError:
        return
    if zero_for_one:
        assert 0 < after <= price
        assert amount <= get_amount1_delta(after, price, liquidity, round_up=False)
    else:
        assert price <= after <= MAX_UINT160
        assert amount <= get_amount0_delta(price, after, liquidity, round_up=False)


@law
@given(uint160, liquidities, uint256, st.booleans())
def test_token0_moves_the_price_the_right_way(price: int, liquidity: int, amount: int, add: bool) -> None:
    try:
        after = get_next_sqrt_price_from_amount0_rounding_up(price, liquidity, amount, add=add)
    except ArithmeticRevertError:
        return
    assert after <= price if add else after >= price
    assert amount or after == price


@law
@given(uint160, liquidities, uint256, st.booleans())
def test_token1_moves_the_price_the_right_way(price: int, liquidity: int, amount: int, add: bool) -> None:
    try:
        after = get_next_sqrt_price_from_amount1_rounding_down(price, liquidity, amount, add=add)
    except ArithmeticRevertError:
        return
    assert after >= price if add else after <= price
    assert amount or after == price


@law
@given(uint160, uint160, uint128)
def test_token0_between_prices_rounds_the_contracts_two_divisions(a: int, b: int, liquidity: int) -> None:
    lower, upper = sorted((a, b))
    down, up = (get_amount0_delta(a, b, liquidity, round_up=way) for way in (False, True))
    product = (liquidity << 96) * (upper - lower)
    assert down == product // upper // lower
    assert up == div_rounding_up(div_rounding_up(product, upper), lower)
    assert 0 <= up - down <= 1
    assert (down, up) == tuple(get_amount0_delta(b, a, liquidity, round_up=way) for way in (False, True))
    assert a != b or up == 0


@law
@given(uint160, uint160, uint128)
def test_token1_between_prices_rounds_by_one_at_most(a: int, b: int, liquidity: int) -> None:
    down, up = (get_amount1_delta(a, b, liquidity, round_up=way) for way in (False, True))
    assert down == mul_div(liquidity, abs(a - b), Q96)
    assert up == mul_div_rounding_up(liquidity, abs(a - b), Q96)
    assert 0 <= up - down <= 1
    assert (down, up) == tuple(get_amount1_delta(b, a, liquidity, round_up=way) for way in (False, True))


@law
@given(uint160, uint160, uint128.filter(lambda liquidity: liquidity < 1 << 127))
def test_a_change_of_liquidity_never_favours_its_owner(a: int, b: int, liquidity: int) -> None:
    for signed, unsigned in (
        (get_amount0_delta_signed, get_amount0_delta),
        (get_amount1_delta_signed, get_amount1_delta),
    ):
        assert signed(a, b, liquidity) == unsigned(a, b, liquidity, round_up=True)
        assert signed(a, b, -liquidity) == -unsigned(a, b, liquidity, round_up=False)
        assert signed(a, b, liquidity) + signed(a, b, -liquidity) in {0, 1}


@law
@given(uint160, uint160, uint128, st.integers(-MAX_INT256, MAX_INT256), fees)
def test_a_step_keeps_every_promise(price: int, target: int, liquidity: int, remaining: int, fee: int) -> None:
    check_step(price, target, liquidity, remaining, fee)


@law
@given(uint160, uint160, uint128, scaled(130), st.booleans(), fees)
def test_a_step_keeps_every_promise_for_small_amounts(
    price: int, target: int, liquidity: int, size: int, exact_in: bool, fee: int
) -> None:
    check_step(price, target, liquidity, size if exact_in else -size, fee)


def check_step(price: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> None:
    after, amount_in, amount_out, fee = compute_swap_step(price, target, liquidity, remaining, fee_pips)
    assert min(price, target) <= after <= max(price, target)
    assert min(amount_in, amount_out, fee) >= 0
    assert amount_in + fee <= MAX_UINT256
    if remaining < 0:
        assert amount_out <= -remaining
    else:
        assert amount_in + fee <= remaining
    if price == target:
        assert (amount_in, amount_out, fee) == (0, 0, 0)
    if after != target:
        assert (amount_out == -remaining) if remaining < 0 else (amount_in + fee == remaining)
    if fee_pips == 0 and after == target:
        assert fee == 0


@law
@given(sqrt_prices, sqrt_prices, liquidities, scaled(130).filter(bool), fees)
def test_the_trader_never_beats_the_curve(price: int, target: int, liquidity: int, amount: int, fee: int) -> None:
    """Virtual reserves before and after, as fractions: the product of the reserves never falls below L squared."""
    after, amount_in, amount_out, _ = compute_swap_step(price, target, liquidity, amount, fee)
    reserve0, reserve1 = Fraction(liquidity << 96, price), Fraction(liquidity * price, Q96)
    if target <= price:
        reserve0, reserve1 = reserve0 + amount_in, reserve1 - amount_out
    else:
        reserve0, reserve1 = reserve0 - amount_out, reserve1 + amount_in
    assert reserve0 * reserve1 >= liquidity**2
    assert MIN_SQRT_RATIO <= after < MAX_SQRT_RATIO


@law
@given(
    st.sets(st.integers(-1_500, 1_500), max_size=40),
    st.sampled_from([1, 2, 10, 60, 200]),
    st.integers(-1_800 * 60, 1_800 * 60),
    st.booleans(),
)
def test_the_next_tick_is_the_nearest_one_or_the_end_of_the_word(
    compressed: set[int], spacing: int, tick: int, lte: bool
) -> None:
    initialised = {index * spacing for index in compressed}
    found, is_initialised = next_initialized_tick_within_one_word(words_of(initialised, spacing), tick, spacing, lte=lte)
    start = tick // spacing * spacing
    assert found % spacing == 0
    assert is_initialised == (found in initialised)
    if lte:
        assert found <= tick
        assert start - found < 256 * spacing
        assert not any(found < other <= tick for other in initialised)
        assert is_initialised or (found // spacing) % 256 == 0
    else:
        assert found > tick
        assert found - start <= 256 * spacing
        assert not any(tick < other < found for other in initialised)
        assert is_initialised or (found // spacing) % 256 == 255


ranges = st.tuples(ticks, ticks).filter(lambda pair: pair[0] != pair[1])


@law
@given(sqrt_prices, ranges, scaled(110), scaled(110))
def test_what_the_amounts_buy_costs_no_more_than_the_amounts(
    price: int, bounds: tuple[int, int], amount0: int, amount1: int
) -> None:
    a, b = map(get_sqrt_ratio_at_tick, bounds)
    try:
        liquidity = max_liquidity_for_amounts(price, a, b, amount0, amount1)
    except ArithmeticRevertError:
        return
    cost0, cost1 = get_amounts_for_liquidity_delta(price, a, b, liquidity)
    assert cost0 <= amount0
    assert cost1 <= amount1
    assert liquidity == max_liquidity_for_amounts(price, b, a, amount0, amount1)


@law
@given(sqrt_prices, ranges, uint128.filter(lambda liquidity: liquidity < 1 << 127))
def test_a_burn_returns_what_the_mint_cost_or_one_unit_less(price: int, bounds: tuple[int, int], liquidity: int) -> None:
    a, b = map(get_sqrt_ratio_at_tick, bounds)
    cost = get_amounts_for_liquidity_delta(price, a, b, liquidity)
    back = get_amounts_for_liquidity_delta(price, a, b, -liquidity)
    assert tuple(-amount for amount in back) == get_amounts_for_liquidity(price, a, b, liquidity)
    assert all(paid + returned in {0, 1} for paid, returned in zip(cost, back, strict=True))


@law
@given(sqrt_prices, ranges, liquidities)
def test_out_of_range_only_one_token_is_held(price: int, bounds: tuple[int, int], liquidity: int) -> None:
    lower, upper = sorted(map(get_sqrt_ratio_at_tick, bounds))
    amount0, amount1 = get_amounts_for_liquidity_delta(price, lower, upper, liquidity >> 1)
    assert price > lower or amount1 == 0
    assert price < upper or amount0 == 0
    if liquidity >> 1 and lower < price < upper:
        assert amount0 > 0
        assert amount1 > 0


@law
@given(uint128, uint256, scaled(128))
def test_fees_do_not_notice_the_wrap_of_their_counter(liquidity: int, last: int, growth: int) -> None:
    owed = fees_owed(liquidity=liquidity, inside_x128=(last + growth) % (1 << 256), inside_last_x128=last)
    assert owed == liquidity * growth // Q128

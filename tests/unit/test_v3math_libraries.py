"""Edges of the libraries: both sides of every bound, and the roundings that only show at extremes."""

from __future__ import annotations

import pytest

from keeper.core.v3math.fee_growth import fees_owed, get_fee_growth_inside
from keeper.core.v3math.full_math import mul_div, mul_div_rounding_up
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amount0,
    max_liquidity_for_amount1,
    max_liquidity_for_amounts,
)
from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.reverts import ArithmeticRevertError, RevertError
from keeper.core.v3math.sqrt_price_math import (
    get_amount0_delta,
    get_next_sqrt_price_from_amount0_rounding_up,
    get_next_sqrt_price_from_amount1_rounding_down,
    get_next_sqrt_price_from_input,
    get_next_sqrt_price_from_output,
)
from keeper.core.v3math.tick_bitmap import compress, flip_tick, next_initialized_tick_within_one_word, position, words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio, get_tick_near
from keeper.core.v3math.units import MAX_SQRT_RATIO, MAX_UINT128, MAX_UINT160, MAX_UINT256, MIN_SQRT_RATIO, Q96, Q128


@pytest.mark.parametrize(
    ("tick_current", "inside"),
    [
        pytest.param(-11, 3 - 7 + (1 << 256), id="below, wrapped"),
        pytest.param(-10, 100 - 3 - 7, id="on the lower tick"),
        pytest.param(19, 100 - 3 - 7, id="on the last tick inside"),
        pytest.param(20, 7 - 3, id="on the upper tick"),
    ],
)
def test_fee_growth_inside_by_where_the_price_is(tick_current: int, inside: int) -> None:
    found = get_fee_growth_inside(
        tick_lower=-10, tick_upper=20, tick_current=tick_current, global_x128=100, outside_lower_x128=3, outside_upper_x128=7
    )
    assert found == inside


def test_fees_owed_are_cut_to_128_bits() -> None:
    assert fees_owed(liquidity=MAX_UINT128, inside_x128=2 * Q128 + 1, inside_last_x128=0) == (2 * MAX_UINT128) % Q128
    assert fees_owed(liquidity=1, inside_x128=0, inside_last_x128=1) == MAX_UINT128


@pytest.mark.parametrize(
    ("tick", "spacing", "compressed"), [(0, 60, 0), (59, 60, 0), (60, 60, 1), (-1, 60, -1), (-60, 60, -1), (-61, 60, -2)]
)
def test_compression_rounds_down_on_both_sides_of_zero(tick: int, spacing: int, compressed: int) -> None:
    assert compress(tick, spacing) == compressed


@pytest.mark.parametrize(
    ("compressed", "place"), [(0, (0, 0)), (255, (0, 255)), (256, (1, 0)), (-1, (-1, 255)), (-257, (-2, 255))]
)
def test_words_hold_256_ticks_also_below_zero(compressed: int, place: tuple[int, int]) -> None:
    assert position(compressed) == place


def test_flipping_twice_leaves_nothing() -> None:
    words: dict[int, int] = {}
    flip_tick(words, -600, 60)
    assert words == {-1: 1 << 246}
    flip_tick(words, -600, 60)
    assert words == {}


@pytest.mark.parametrize(
    ("tick", "lte", "found"),
    [
        (78, True, (78, True)),
        (79, True, (78, True)),
        (77, True, (70, True)),
        (78, False, (84, True)),
        (77, False, (78, True)),
        (-56, False, (-55, True)),
        (-257, False, (-200, True)),
        (-201, True, (-256, False)),
        (258, True, (256, False)),
        (255, False, (511, False)),
        (383, False, (511, False)),
        (508, False, (511, False)),
        (-258, True, (-512, False)),
        (1023, True, (768, False)),
    ],
)
def test_the_next_tick_of_the_contracts_own_example(tick: int, lte: bool, found: tuple[int, bool]) -> None:
    """Ref: v3-core ``TickBitmap.spec.ts``, nextInitializedTickWithinOneWord."""
    words = words_of([-200, -55, -4, 70, 78, 84, 139, 240, 535], 1)
    assert next_initialized_tick_within_one_word(words, tick, 1, lte=lte) == found


def test_liquidity_of_token0_is_cut_as_the_position_manager_cuts_it() -> None:
    """Where prices are small the product of the bounds loses most of its digits, and liquidity with it."""
    lower, upper, amount0 = get_sqrt_ratio_at_tick(-450_000), get_sqrt_ratio_at_tick(-400_000), 10**30
    exact = amount0 * lower * upper // ((upper - lower) << 96)
    assert max_liquidity_for_amount0(lower, upper, amount0) == amount0 * (lower * upper >> 96) // (upper - lower)
    assert max_liquidity_for_amount0(lower, upper, amount0) < exact


@pytest.mark.parametrize("amount", [1 << 250, MAX_UINT256])
def test_liquidity_beyond_128_bits_is_refused(amount: int) -> None:
    for liquidity_for in (max_liquidity_for_amount0, max_liquidity_for_amount1):
        with pytest.raises(ArithmeticRevertError):
            liquidity_for(Q96, Q96 * 2, amount)


def test_an_empty_range_has_no_liquidity() -> None:
    with pytest.raises(ArithmeticRevertError, match="zero"):
        max_liquidity_for_amounts(Q96 // 2, Q96, Q96, 1, 1)


@pytest.mark.parametrize("price", [Q96 // 2, Q96, Q96 + 1, 2 * Q96 - 1, 2 * Q96, 3 * Q96])
def test_amounts_do_not_ask_which_bound_comes_first(price: int) -> None:
    assert get_amounts_for_liquidity(price, Q96, 2 * Q96, 10**6) == get_amounts_for_liquidity(price, 2 * Q96, Q96, 10**6)
    assert get_amounts_for_liquidity_delta(price, Q96, 2 * Q96, 10**6) == get_amounts_for_liquidity_delta(
        price, 2 * Q96, Q96, 10**6
    )


@pytest.mark.parametrize(
    ("liquidity", "delta", "code"), [(0, -1, "LS"), (5, -6, "LS"), (MAX_UINT128, 1, "LA"), (MAX_UINT128 - 14, 15, "LA")]
)
def test_liquidity_out_of_bounds_names_its_code(liquidity: int, delta: int, code: str) -> None:
    with pytest.raises(RevertError) as refusal:
        add_delta(liquidity, delta)
    assert refusal.value.code == code


def test_quotients_at_the_edge_of_256_bits() -> None:
    assert mul_div(MAX_UINT256, MAX_UINT256, MAX_UINT256) == MAX_UINT256
    assert mul_div(MAX_UINT256, 1, 1) == MAX_UINT256
    for operation in (mul_div, mul_div_rounding_up):
        with pytest.raises(ArithmeticRevertError, match="256 bits"):
            operation(1 << 128, 1 << 128, 1)
        with pytest.raises(ArithmeticRevertError, match="zero"):
            operation(1, 1, 0)
    # Rounds past the last integer, though the floor fits. Ref: v3-core FullMath.spec.ts.
    a, b, d = 535_006_138_814_359, 432_862_656_469_423_142_931_042_426_214_547_535_783_388_063_929_571_229_938_474_969, 2
    assert mul_div(a, b, d) == MAX_UINT256
    with pytest.raises(ArithmeticRevertError, match="256 bits"):
        mul_div_rounding_up(a, b, d)


def test_prices_that_cannot_be_are_refused() -> None:
    with pytest.raises(ArithmeticRevertError, match="zero"):
        get_amount0_delta(0, Q96, 1, round_up=True)
    for after in (get_next_sqrt_price_from_input, get_next_sqrt_price_from_output):
        for price, liquidity in ((0, 1), (1, 0)):
            with pytest.raises(ArithmeticRevertError, match="positive"):
                after(price, liquidity, 1, zero_for_one=False)
    with pytest.raises(ArithmeticRevertError, match="160 bits"):
        get_next_sqrt_price_from_amount1_rounding_down(MAX_UINT160, 1, 1, add=True)
    with pytest.raises(ArithmeticRevertError, match="160 bits"):
        get_next_sqrt_price_from_amount0_rounding_up(MAX_UINT160, 1 << 100, 1 << 36, add=False)
    with pytest.raises(ArithmeticRevertError, match="reserve"):
        get_next_sqrt_price_from_amount1_rounding_down(Q96, 10, 10, add=False)
    with pytest.raises(ArithmeticRevertError, match="256 bits"):
        get_next_sqrt_price_from_amount0_rounding_up(1 << 32, MAX_UINT128, MAX_UINT256, add=True)


@pytest.mark.parametrize("price", [MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO])
def test_a_price_beyond_the_ticks_is_refused_with_and_without_a_hint(price: int) -> None:
    for find in (get_tick_at_sqrt_ratio, lambda value: get_tick_near(value, -887_270 if value < Q96 else 887_271)):
        with pytest.raises(RevertError) as refusal:
            find(price)
        assert refusal.value.code == "R"

from __future__ import annotations

import math

import pytest

from keeper.core.quant.markets import (
    capped_weights,
    distance_to_kink,
    effective_rate,
    fee_yield,
    price_to_cash_flow,
    quick_ratio,
    utilisation,
)


def test_a_rate_without_change_is_one():
    assert effective_rate((1.0, 1.0), (0.25, 0.75)) == 1


def test_a_weight_of_zero_is_not_heard():
    assert effective_rate((2.0, 1e9), (1.0, 0.0)) == pytest.approx(2)


def test_what_the_cap_cuts_off_goes_to_the_others_in_proportion():
    assert capped_weights((8.0, 1.0, 1.0), 0.5) == pytest.approx((0.5, 0.25, 0.25))
    assert capped_weights((6.0, 3.0, 1.0), 0.45) == pytest.approx((0.45, 0.4125, 0.1375))


def test_a_weight_that_the_overflow_lifts_over_the_cap_is_capped_too():
    assert capped_weights((60.0, 30.0, 5.0, 5.0), 0.35) == pytest.approx((0.35, 0.35, 0.15, 0.15))


def test_shares_below_the_cap_stay():
    assert capped_weights((3.0, 2.0), 1.0) == pytest.approx((0.6, 0.4))


def test_a_cap_that_only_equal_shares_meet_gives_equal_shares():
    assert capped_weights((5.0, 1.0, 1e-9), 1 / 3) == pytest.approx((1 / 3,) * 3)


def test_the_rest_of_a_lone_market_goes_to_those_without_a_share():
    assert capped_weights((1.0, 0.0, 0.0), 0.5) == pytest.approx((0.5, 0.25, 0.25))


def test_no_volume_is_no_yield_but_no_number_of_years():
    assert fee_yield(tvl=1e6, fee=0.003, volume_day=0.0) == 0
    with pytest.raises(ValueError, match="volume_day"):
        price_to_cash_flow(tvl=1e6, fee=0.003, volume_day=0.0)


def test_quick_ratio_falls_as_lending_rises_and_is_capped_where_nobody_borrows():
    found = [quick_ratio(available=100.0 - debt, debt=debt) for debt in (0.0, 1.0, 20.0, 50.0, 100.0)]
    assert found == [10, 10, 4, 1, 0]
    assert quick_ratio(available=0.0, debt=0.0) == 10


def test_utilisation_of_an_empty_market_is_zero():
    assert utilisation(available=0.0, debt=0.0) == 0
    assert utilisation(available=0.0, debt=5.0) == 1


def test_distance_to_the_kink_turns_negative_past_it():
    assert distance_to_kink(used=0.0, optimal=0.9) == 1
    assert distance_to_kink(used=0.9, optimal=0.9) == 0
    assert distance_to_kink(used=0.99, optimal=0.9) == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: effective_rate((1.0,), (0.5, 0.5)), "zip"),
        (lambda: effective_rate((), ()), "sum to 1"),
        (lambda: effective_rate((1.0, 1.0), (0.5, 0.4)), "sum to 1"),
        (lambda: effective_rate((0.0,), (1.0,)), "relative"),
        (lambda: effective_rate((1.0, 1.0), (1.5, -0.5)), "weight"),
        (lambda: capped_weights((), 1.0), "one weight"),
        (lambda: capped_weights((0.0, 0.0), 1.0), "one weight"),
        (lambda: capped_weights((1.0, -1.0), 1.0), "raw"),
        (lambda: capped_weights((1.0, math.nan), 1.0), "raw"),
        (lambda: capped_weights((1.0, 1.0), 0.4), "cap"),
        (lambda: capped_weights((1.0, 1.0), 1.1), "cap"),
        (lambda: fee_yield(tvl=0.0, fee=0.1, volume_day=1.0), "tvl"),
        (lambda: quick_ratio(available=-1.0, debt=1.0), "available"),
        (lambda: utilisation(available=1.0, debt=math.nan), "debt"),
        (lambda: distance_to_kink(used=0.5, optimal=0.0), "optimal"),
        (lambda: distance_to_kink(used=-0.5, optimal=0.9), "used"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

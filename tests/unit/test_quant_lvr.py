from __future__ import annotations

import math

import pytest

from keeper.core.quant.lvr import (
    arbitrage_rate,
    full_range_loss,
    implied_volatility_from_volume,
    implied_volatility_lambert,
    tick_value,
    trade_probability,
)


def test_without_a_fee_every_block_trades_and_arbitrage_takes_the_whole_loss():
    assert trade_probability(gamma=0.0, volatility=0.8, block_s=12) == 1
    found = arbitrage_rate(gamma=0.0, volatility=0.8, block_s=1e-6)
    assert found == pytest.approx(0.8**2 / 8, rel=1e-9)


def test_arbitrage_takes_less_with_a_higher_fee_and_with_faster_blocks():
    by_fee = [arbitrage_rate(gamma=fee, volatility=0.8, block_s=12) for fee in (0.0001, 0.0005, 0.003, 0.01)]
    by_block = [arbitrage_rate(gamma=0.0005, volatility=0.8, block_s=block_s) for block_s in (600, 12, 2, 0.25)]
    assert by_fee == sorted(by_fee, reverse=True)
    assert by_block == sorted(by_block, reverse=True)


def test_blocks_too_slow_for_the_formula_are_refused():
    with pytest.raises(ValueError, match="too slow"):
        arbitrage_rate(gamma=0.003, volatility=3.0, block_s=365 * 86_400)


def test_expected_loss_is_bounded_by_the_value_and_starts_at_nothing():
    assert full_range_loss(value=1e5, volatility=0.8, years=0) == 0
    assert full_range_loss(value=1e5, volatility=0.8, years=1e9) == pytest.approx(1e5)


@pytest.mark.parametrize(
    ("fee", "spacing", "excess"), [(0.0005, 10, 1), (0.003, 60, 1), (0.01, 200, 1), (0.0001, 1, math.sqrt(2))]
)
def test_lamberts_volatility_is_ours_where_a_spacing_is_twice_the_fee(fee, spacing, excess):
    root = math.sqrt(2000)
    value = tick_value(liquidity=2e6, sqrt_price=root, tick_spacing=spacing)
    lambert = implied_volatility_lambert(fee=fee, volume_day=3e7, tick_value=value)
    ours = implied_volatility_from_volume(fees=fee * 3e7, liquidity=2e6, sqrt_price=root, seconds=86_400)
    assert lambert / ours == pytest.approx(excess, rel=2e-4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: trade_probability(gamma=-0.1, volatility=0.8, block_s=12), "gamma"),
        (lambda: trade_probability(gamma=0.1, volatility=0.0, block_s=12), "volatility"),
        (lambda: arbitrage_rate(gamma=0.1, volatility=0.8, block_s=0), "block_s"),
        (lambda: full_range_loss(value=-1.0, volatility=0.8, years=1), "value"),
        (lambda: tick_value(liquidity=1.0, sqrt_price=1.0, tick_spacing=0), "tick_spacing"),
        (lambda: implied_volatility_lambert(fee=0.0, volume_day=1.0, tick_value=1.0), "fee"),
        (lambda: implied_volatility_lambert(fee=0.1, volume_day=1.0, tick_value=0.0), "tick_value"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

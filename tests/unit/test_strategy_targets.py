from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.core.model.ladder import LayerKind, Regime, TickRange
from keeper.core.strategy.targets import extent, half_width_ticks, layer_in, target_ladder, target_ranges
from tests.builders import DAY_S, TICK, USDC_WETH_500, USDC_WETH_3000, ladder_policy, policy, view

CORE, SECONDARY, INSURANCE = LayerKind


def layer(kind, *, inner, tick=TICK, volatility=0.6):
    rules = policy()
    layer = rules.ladder.layer(kind)
    return layer_in(layer, target_ranges(rules, layer, tick=tick, volatility=volatility, inner=inner), weight=0.2)


def test_wings_are_one_sided_even_when_the_price_has_left_the_inner_layer():
    for tick in (TICK + 3_000, TICK - 3_000):
        lower, upper = (
            band.range for band in layer(INSURANCE, inner=TickRange(lower=TICK - 1_000, upper=TICK + 1_000), tick=tick).bands
        )
        assert lower.upper <= tick < upper.lower


def test_wings_around_a_layer_far_too_wide_for_the_market_are_no_slivers():
    wide = TickRange(lower=TICK - 5_000, upper=TICK + 5_000)
    calm = layer(INSURANCE, inner=wide, volatility=0.2)
    free = layer(INSURANCE, inner=None, volatility=0.2)
    for band in calm.bands:
        assert band.range.upper - band.range.lower >= extent(b.range for b in free.bands).half_width // 4


def test_a_band_is_wider_than_the_inner_one_by_a_spacing_even_where_both_are_at_their_floor():
    equal = tuple(replace(one, min_half_width_ticks=200, max_half_width_ticks=200) for one in ladder_policy().layers)
    rules = policy(ladder=ladder_policy(layers=equal))
    target = target_ladder(view(), rules, Regime.NORMAL, 0.6)
    core, secondary = (target.layer(kind).bands[0].range for kind in (CORE, SECONDARY))
    assert (core.half_width, secondary.half_width) == (200, 210)


def test_an_inner_band_that_the_price_has_left_does_not_stretch_the_next():
    left = TickRange(lower=TICK - 3_000, upper=TICK - 2_000)
    near = TickRange(lower=TICK - 3_000, upper=TICK + 100)
    free = layer(SECONDARY, inner=None).bands[0].range.half_width
    assert layer(SECONDARY, inner=left).bands[0].range.half_width == free
    assert layer(SECONDARY, inner=near).bands[0].range.lower <= near.lower


@pytest.mark.parametrize(
    ("key", "volatility", "ticks"),
    [
        (USDC_WETH_500, 0.0, 100),  # the layer's floor
        (USDC_WETH_3000, 0.0, 120),  # two spacings beat it
        (USDC_WETH_500, 0.6, 680),  # 1.25 * 0.6 * sqrt(3 / 365) = 6.8 % in ticks
        (USDC_WETH_500, 9.0, 3_000),  # the layer's most
    ],
)
def test_half_widths_are_sigmas_within_the_limits(key, volatility, ticks):
    assert half_width_ticks(policy().ladder.layers[0], key, volatility, 3 * DAY_S) == ticks


def test_an_extent_needs_a_range():
    with pytest.raises(ValueError, match="needs a range"):
        extent(())

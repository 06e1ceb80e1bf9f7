"""The wanted ladder: where each layer should lie now.

A band is symmetric around the spot tick, snapped to its pool's spacing: the gates see to it that spot is near the mean price
whenever something is placed, and a range around the real price takes the tokens in the ratio that they will be asked for.
All ticks are those of the pair; pools of different spacing share them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from keeper.core.model.ladder import Regime, TargetBand, TargetLadder, TargetLayer, TickRange
from keeper.core.model.policy import LayerPolicy, Policy, Shape
from keeper.core.model.pool import PoolKey
from keeper.core.model.view import MarketView
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.signals.prices import LOG_TICK
from keeper.core.v3math.units import MAX_TICK

PIPS_A_TICK = 100
"""A tick is about one basis point."""


def target_ladder(view: MarketView, policy: Policy, regime: Regime, volatility: float) -> TargetLadder:
    """Every layer that the regime wants, placed afresh around the price.

    Args:
        view: of this cycle.
        policy: the rules.
        regime: chooses the weights.
        volatility: forecast per year, >= 0.
    """
    layers: list[TargetLayer] = []
    inner: TickRange | None = None
    for rules in policy.ladder.layers:
        weight = policy.ladder.weights_in(regime).weight(rules.kind)
        if weight > 0:
            tick = view.pool(rules.pool).state.tick
            ranges = target_ranges(policy, rules, tick=tick, volatility=volatility, inner=inner)
            layers.append(layer_in(rules, ranges, weight=weight))
            inner = extent(ranges)
    return TargetLadder(layers=tuple(layers))


def layer_in(rules: LayerPolicy, ranges: tuple[TickRange, ...], *, weight: float) -> TargetLayer:
    """A layer in these ranges, with the same value in each."""
    bands = tuple([TargetBand(pool=rules.pool, range=place, share=1.0 / len(ranges)) for place in ranges])
    return TargetLayer(kind=rules.kind, bands=bands, weight=weight)


def target_ranges(
    policy: Policy, rules: LayerPolicy, *, tick: int, volatility: float, inner: TickRange | None
) -> tuple[TickRange, ...]:
    """Where a layer is placed afresh: one band, or the lower and the upper wing.

    Args:
        policy: the rules of all.
        rules: of this layer.
        tick: of its pool.
        volatility: forecast per year, >= 0.
        inner: from end to end, what the next inner layer covers or is about to cover; None when there is none.
    """
    key = policy.pool(rules.pool)
    half = half_width_ticks(rules, key, volatility, policy.ladder.horizon_s)
    return (_band(key, tick, half, inner),) if rules.shape is Shape.BAND else _wings(key, tick, half, inner)


def half_width_ticks(rules: LayerPolicy, key: PoolKey, volatility: float, horizon_s: int) -> int:
    """``sigmas * volatility * sqrt(horizon)`` in ticks, to the nearest spacing, within the layer's limits.

    Never below two spacings, three times the fee, or the layer's own floor, each rounded **up** to the spacing: a range that
    the price crosses within its fee band only pays for moving it. A floor wins over the layer's maximum.
    """
    wanted = rules.half_width_sigmas * volatility * math.sqrt(horizon_s / SECONDS_A_YEAR) / LOG_TICK
    floor = max(_narrowest(key), _up(rules.min_half_width_ticks, key.tick_spacing))
    nearest = math.floor(min(wanted, rules.max_half_width_ticks) / key.tick_spacing + 0.5) * key.tick_spacing
    return max(nearest, floor)


def extent(ranges: Iterable[TickRange]) -> TickRange:
    """From the lowest to the highest tick of some ranges.

    Raises:
        ValueError: there are none.
    """
    known = tuple(ranges)
    if not known:
        raise ValueError("an extent needs a range")
    if len(known) == 1:
        return known[0]
    return TickRange(lower=min([r.lower for r in known]), upper=max([r.upper for r in known]))


def _band(key: PoolKey, tick: int, half: int, inner: TickRange | None) -> TickRange:
    spacing = key.tick_spacing
    centre = _down(tick + spacing // 2, spacing)
    if inner is not None:
        half = max(half, _up(inner.half_width, spacing) + spacing)
        if inner.contains(tick):
            # an inner band that the price has left is about to move: to stretch after it would widen this one for nothing
            half = max(half, _up(max(centre - inner.lower, inner.upper - centre), spacing))
    return _clipped(centre - half, centre + half, spacing)


def _wings(key: PoolKey, tick: int, half: int, inner: TickRange | None) -> tuple[TickRange, TickRange]:
    spacing = key.tick_spacing
    centre = _down(tick + spacing // 2, spacing)
    # around an inner layer that is far too wide for the market the outer edge would fall inside it: never a mere sliver
    narrowest = max(_narrowest(key), _up(half // 4, spacing))
    # one-sided by construction: the price lies at or above the lower wing's end and below the upper wing's start
    low_end = _down(tick if inner is None else min(tick, inner.lower), spacing)
    high_start = _up(tick + 1 if inner is None else max(tick + 1, inner.upper), spacing)
    lower = _clipped(min(centre - half, low_end - narrowest), low_end, spacing)
    upper = _clipped(high_start, max(centre + half, high_start + narrowest), spacing)
    return lower, upper


def _narrowest(key: PoolKey) -> int:
    return max(2 * key.tick_spacing, _up(math.ceil(3 * key.fee_pips / PIPS_A_TICK), key.tick_spacing))


def _clipped(lower: int, upper: int, spacing: int) -> TickRange:
    last = _down(MAX_TICK, spacing)
    return TickRange(lower=max(lower, -last), upper=min(upper, last))


def _down(tick: int, spacing: int) -> int:
    return tick // spacing * spacing


def _up(tick: int, spacing: int) -> int:
    return -(-tick // spacing) * spacing

"""Which layer a position belongs to that the keeper did not open."""

from __future__ import annotations

import math

from keeper.core.model.ladder import LayerKind, Position
from keeper.core.model.policy import Policy, Shape

YEAR_S = 365 * 86_400
LOG_TICK = math.log(1.0001)


def nearest_layer(position: Position, tick: int, policy: Policy) -> LayerKind:
    """The layer of the position's pool whose usual half width is nearest, on a logarithmic scale.

    Widths are those of the policy at its usual volatility, so that the answer does not depend on the weather at the moment of
    adoption. On a pool with a layer of wings, a range that does not hold the price is one of them, and one that does is not,
    unless the pool carries nothing else.

    Raises:
        KeyError: no layer is configured on the position's pool.
    """
    here = [layer for layer in policy.ladder.layers if layer.pool == position.pool]
    if not here:
        raise KeyError(position.pool)
    wings = [layer for layer in here if layer.shape is Shape.WINGS]
    if wings and not position.range.contains(tick):
        return wings[0].kind
    bands = [layer for layer in here if layer.shape is Shape.BAND] or here
    sigma = policy.regimes.usual_volatility * math.sqrt(policy.ladder.horizon_s / YEAR_S) / LOG_TICK
    half_width = max(position.range.half_width, 1)

    def distance(multiple: float) -> float:
        return abs(math.log(half_width / max(multiple * sigma, 1.0)))

    return min(bands, key=lambda layer: distance(layer.half_width_sigmas)).kind

"""One layer as a decision sees it."""

from __future__ import annotations

from typing import NamedTuple

from keeper.core.model.ladder import LayerKind, Position, TargetLayer, TickRange
from keeper.core.model.policy import LayerPolicy, Shape
from keeper.core.model.view import LayerMemory
from keeper.core.strategy.targets import layer_in

KINDS = tuple(LayerKind)
"""From the inside out."""


class Sight(NamedTuple):
    """Everything about one layer that triggers and gates ask for."""

    kind: LayerKind
    rules: LayerPolicy | None
    """None when the layer is not configured."""
    weight: float
    """Wanted part of the ladder's value in this regime; 0 when it is not wanted."""
    positions: tuple[Position, ...]
    """Held in this layer, emptied ones included."""
    memory: LayerMemory | None
    tick: int
    """Of the layer's pool, now."""
    ranges: tuple[TickRange, ...]
    """Where it would be placed now; none when the layer is not wanted, or nothing is known of volatility."""
    inner: TickRange | None
    """What the next inner layer covers or is about to cover."""
    value_quote: float
    """Principal and fees, in tokens of the quote."""
    total_quote: float
    """Of the whole ladder with the wallet."""
    live: tuple[Position, ...]
    """Positions that hold liquidity."""
    placed: TickRange | None
    """From end to end what the layer covers; None when it has no liquidity."""
    wanted: TickRange | None
    """From end to end what the target covers."""

    @property
    def target(self) -> TargetLayer | None:
        """The layer as it would be placed now; None when it would not."""
        return layer_in(self.rules, self.ranges, weight=self.weight) if self.rules is not None and self.ranges else None

    @property
    def is_winged(self) -> bool:
        """Whether the layer is made of wings."""
        return self.rules is not None and self.rules.shape is Shape.WINGS

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Of all positions, in the order of the view."""
        return tuple(position.token_id for position in self.positions)

    @property
    def share(self) -> float:
        """Part of the ladder's value that the layer holds, in [0, 1]."""
        return self.value_quote / self.total_quote if self.total_quote > 0 else 0.0


def is_outside(positions: tuple[Position, ...], tick: int) -> bool:
    """Whether the price is outside every band that holds liquidity."""
    return not any([position.range.contains(tick) for position in positions if position.liquidity > 0])


def drift_share(placed: TickRange, tick: int) -> float:
    """Distance of the price from the centre over the half width; above 1 outside."""
    return abs(2 * tick - placed.lower - placed.upper) / (placed.upper - placed.lower)

"""Layers of liquidity: what is held and what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.core.model.quick import quick_init


class LayerKind(StrEnum):
    """The role of a layer, from the inside out."""

    CORE = "core"
    SECONDARY = "secondary"
    INSURANCE = "insurance"


class Regime(StrEnum):
    """How rough the market is, from the forecast of volatility."""

    CALM = "calm"
    NORMAL = "normal"
    STRESSED = "stressed"
    CRISIS = "crisis"

    @property
    def severity(self) -> int:
        """0 for calm to 3 for crisis."""
        return list(Regime).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRange:
    """A half-open price interval ``[lower, upper)`` in ticks.

    Raises:
        ValueError: the bounds are not ordered.
    """

    lower: int
    """First tick inside."""
    upper: int
    """First tick outside."""

    def __post_init__(self) -> None:
        if self.lower >= self.upper:
            raise ValueError(f"range is empty: lower {self.lower} >= upper {self.upper}")

    def contains(self, tick: int) -> bool:
        """Whether liquidity in this range is active at ``tick``."""
        return self.lower <= tick < self.upper

    @property
    def centre(self) -> int:
        """Middle tick, rounded towards minus infinity."""
        return (self.lower + self.upper) // 2

    @property
    def half_width(self) -> int:
        """Half of the width in ticks, rounded down."""
        return (self.upper - self.lower) // 2


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position as the chain holds it at the view's block: re-read every cycle, never edited."""

    token_id: int
    pool: str
    """Address of the pool."""
    range: TickRange
    liquidity: int
    amount0: int
    """Principal that a full decrease would return now, raw units, rounded down."""
    amount1: int
    fees0: int
    """Everything that a collect would pay beyond the principal, up to this block, raw units, rounded down."""
    fees1: int


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The positions that play one role."""

    kind: LayerKind
    positions: tuple[Position, ...]


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """All layers that are held; a layer without positions is absent."""

    layers: tuple[Layer, ...]

    def layer(self, kind: LayerKind) -> Layer | None:
        """The layer of that role, or None when nothing is held in it."""
        for layer in self.layers:
            if layer.kind is kind:
                return layer
        return None

    @property
    def positions(self) -> tuple[Position, ...]:
        """Every position of every layer, core first."""
        return tuple(position for layer in self.layers for position in layer.positions)


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBand:
    """One wanted position."""

    pool: str
    range: TickRange
    share: float
    """Part of the layer's value, in (0, 1]; the shares of a layer add up to 1."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLayer:
    """One wanted layer: a single band, or two wings."""

    kind: LayerKind
    bands: tuple[TargetBand, ...]
    weight: float
    """Part of the whole ladder's value (idle included), in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLadder:
    """The wanted ladder; what the weights leave of 1 stays idle in the wallet."""

    layers: tuple[TargetLayer, ...]

    def layer(self, kind: LayerKind) -> TargetLayer | None:
        """The wanted layer of that role, or None when it is not wanted."""
        return next((layer for layer in self.layers if layer.kind is kind), None)

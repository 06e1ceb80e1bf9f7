"""What to do and why, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keeper.core.model.ladder import LayerKind, Regime, TargetLayer
from keeper.core.model.option import CloseHow, OptionKind, OptionPosition, OptionQuote
from keeper.core.model.quick import quick_init
from keeper.core.model.token import TokenAmount


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A trigger that fired, with the numbers that a person needs to judge it."""

    trigger: str
    layer: LayerKind | None
    """None when it concerns the whole ladder."""
    found: float
    limit: float
    unit: str


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """A gate that refused, with the numbers that a person needs to judge it."""

    gate: str
    layer: LayerKind | None
    found: float
    limit: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLayer:
    """Place a layer that is not held, from what the wallet holds."""

    target: TargetLayer
    kind: Literal["open"] = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftLayer:
    """Withdraw a layer and place it anew."""

    target: TargetLayer
    token_ids: tuple[int, ...]
    kind: Literal["shift"] = "shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLayer:
    """Withdraw a layer that is no longer wanted; its value stays idle."""

    layer: LayerKind
    token_ids: tuple[int, ...]
    kind: Literal["close"] = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundLayer:
    """Put a layer's fees back into its own ranges."""

    layer: LayerKind
    token_ids: tuple[int, ...]
    kind: Literal["compound"] = "compound"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitAll:
    """Withdraw every layer to tokens."""

    token_ids: tuple[int, ...]
    kind: Literal["exit"] = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyProtection:
    """Buy an option for a tier of the hedge ladder."""

    tier: str
    quote: OptionQuote
    max_cost: TokenAmount
    """Premium and fee together, raw units, rounded up."""
    stands_for: OptionKind | None = None
    """The other kind, where base is traded beside it to make it that; None: it stands for itself."""
    kind: Literal["buy"] = "buy"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndProtection:
    """End a held option: exercise it, redeem it, sell it, or clear it away."""

    position: OptionPosition
    how: CloseHow
    min_out: TokenAmount
    """Raw units, rounded up."""
    kind: Literal["end"] = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class TiltInventory:
    """Sell some of one token of the pair for the other; what is idle, and what positions owe, but no liquidity.

    Never beside a move of the ladder. Beside a purchase it comes after it, and not at all when nothing was bought.
    """

    sold: TokenAmount
    """Most to sell, raw units, rounded down."""
    token_ids: tuple[int, ...]
    """Positions whose fees are collected first."""
    kind: Literal["tilt"] = "tilt"


Move = OpenLayer | ShiftLayer | CloseLayer | CompoundLayer | ExitAll | BuyProtection | EndProtection | TiltInventory
ProtectionMove = BuyProtection | EndProtection


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of one cycle's thinking; no moves is a hold, and it explains itself too."""

    moves: tuple[Move, ...]
    reasons: tuple[Reason, ...]
    """Every trigger that fired, also when a gate then refused."""
    vetoes: tuple[Veto, ...]
    regime: Regime
    lower_regime_since_s: int | None
    """Since when the readings have asked for a calmer regime; carried into the next cycle's memory."""
    volatility: float | None
    """The annualised forecast; widths are made of it, times what score and calendar ask for. None when there was none."""
    awake: tuple[str, ...] = ()
    """Tiers of the hedge ladder that are awake."""

    @property
    def is_hold(self) -> bool:
        """Whether nothing is to be done."""
        return not self.moves

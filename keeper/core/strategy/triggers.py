"""Reasons to act on a layer. Each says yes with numbers, or None."""

from __future__ import annotations

from keeper.core.model.decision import Reason
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.strategy.caution import Caution, event_at
from keeper.core.strategy.regime import RegimeState
from keeper.core.strategy.sight import Sight, drift_share

MISSING = "missing"
UNWANTED = "unwanted"
SHAPE = "shape"
OUTSIDE = "outside"
DRIFT = "drift"
NARROWER = "narrower"
WIDER = "wider"
REGIME = "regime"
NESTING = "nesting"
FEES = "fees"
IDLE = "idle"
STEADY = "steady"
EXIT = "exit"
EVENT = "event"
EVENT_OVER = "event_over"
PROTECT = "protect"
"""Asks that protection be quoted: by the score, or ahead of a scheduled event."""
VOLATILITY = "volatility"
"""Not a trigger: the forecast and the usual level, told with every hold."""
SCORE = "score"
"""Not a trigger: the stress score and from where it counts, told with every hold."""

FOR_INCOME = frozenset({OUTSIDE, DRIFT, NARROWER, EVENT_OVER})
"""What is done to earn more must earn its cost. The others keep the mandate or reduce risk, and are not weighed against it."""


def shift_reasons(sight: Sight, view: MarketView, policy: Policy, state: RegimeState, careful: Caution) -> tuple[Reason, ...]:
    """Every trigger that asks for a held layer to be placed anew."""
    found = (
        _shape(sight),
        _outside(sight, view, policy),
        _drift(sight, view, policy),
        _width(sight, policy),
        _event(sight, policy, careful),
        _regime(sight, policy, state),
        _nesting(sight, policy),
    )
    return tuple([reason for reason in found if reason is not None])


def missing(sight: Sight) -> Reason:
    """A wanted layer is not held."""
    return _reason(MISSING, sight, 0.0, sight.weight, "part of value held, wanted")


def unwanted(sight: Sight) -> Reason:
    """A layer is held that the regime or the configuration does not want."""
    return _reason(UNWANTED, sight, sight.share, 0.0, "part of value")


def idle(sight: Sight, free_quote: float, policy: Policy) -> Reason | None:
    """A layer holds less than its regime gives it while the wallet holds enough to fill it up.

    It comes to this when layers move one after another: the first ones find less than they want, the last one frees more than
    is left to want. Twice the tolerance of a placement is let be.
    """
    short = (sight.weight - sight.share) * sight.total_quote
    limit = 2 * policy.execution.unplaced_tolerance * sight.total_quote
    found = min(short, free_quote)
    return _reason(IDLE, sight, found, limit, policy.quote.symbol) if found > limit else None


def steady(sight: Sight, policy: Policy) -> Reason:
    """Why a held layer is left alone: how far the price has drifted, and how far it may. Not a trigger."""
    found = drift_share(sight.placed, sight.tick) if sight.placed is not None else 0.0
    return _reason(STEADY, sight, found, policy.triggers.drift_share, "of half width")


def _shape(sight: Sight) -> Reason | None:
    if sight.rules is None:
        return None
    wanted = 2 if sight.is_winged else 1
    pool = sight.rules.pool
    at_home = sum([position.pool == pool for position in sight.live])
    if at_home == len(sight.live) == wanted:
        return None
    return _reason(SHAPE, sight, at_home, wanted, "live positions in the layer's pool")


def _outside(sight: Sight, view: MarketView, policy: Policy) -> Reason | None:
    """The price has left the layer for the dwell; wings are left only past their outer ends: to be idle is their work."""
    if sight.placed is None or sight.placed.contains(sight.tick):
        return None
    elapsed_s = _elapsed_s(view.now_s, None if sight.memory is None else sight.memory.outside_since_s)
    if elapsed_s < policy.triggers.outside_dwell_s:
        return None
    return _reason(OUTSIDE, sight, elapsed_s, policy.triggers.outside_dwell_s, "s outside")


def _drift(sight: Sight, view: MarketView, policy: Policy) -> Reason | None:
    if sight.placed is None or sight.is_winged:
        return None
    found = drift_share(sight.placed, sight.tick)
    elapsed_s = _elapsed_s(view.now_s, None if sight.memory is None else sight.memory.drifted_since_s)
    if found <= policy.triggers.drift_share or elapsed_s < policy.triggers.drift_dwell_s:
        return None
    return _reason(DRIFT, sight, found, policy.triggers.drift_share, "of half width")


def _width(sight: Sight, policy: Policy) -> Reason | None:
    if sight.placed is None or sight.wanted is None:
        return None
    ratio = sight.wanted.half_width / sight.placed.half_width
    limit = 1.0 + policy.triggers.width_change
    if ratio > limit:
        return _reason(WIDER, sight, ratio, limit, "wanted over placed half width")
    if ratio < 1.0 / limit:
        return _reason(NARROWER, sight, ratio, 1.0 / limit, "wanted over placed half width")
    return None


def _event(sight: Sight, policy: Policy, careful: Caution) -> Reason | None:
    """A scheduled event is near and the layer was placed for none or for a weaker one, or none is and it was.

    The widening is done ahead of the window and is not weighed against its cost; to take it back is done for income, and is.
    """
    if sight.placed is None or sight.wanted is None or sight.memory is None:
        return None
    ratio = sight.wanted.half_width / sight.placed.half_width
    limit = 1.0 + policy.calendar.width_change
    is_wider, is_narrower = ratio > limit and careful.event > 1.0, ratio < 1.0 / limit and careful.event <= 1.0
    if not (is_wider or is_narrower):
        return None
    unit = "wanted over placed half width"
    placed_for = event_at(policy.calendar, sight.memory.placed_at_s, policy.ladder.horizon_s)
    if is_wider and careful.event > placed_for:
        return _reason(EVENT, sight, ratio, limit, unit)
    if is_narrower and placed_for > 1.0:
        return _reason(EVENT_OVER, sight, ratio, 1.0 / limit, unit)
    return None


def protect(careful: Caution, policy: Policy) -> Reason | None:
    """The score, or an event ahead, says that it is time to quote protection: before trouble, while it is cheap."""
    if careful.score is not None and careful.score >= policy.stress.protect_from:
        return Reason(trigger=PROTECT, layer=None, found=careful.score, limit=policy.stress.protect_from, unit="stress score")
    if careful.event > 1.0:
        return Reason(trigger=PROTECT, layer=None, found=careful.event, limit=1.0, unit="times variance scheduled")
    return None


def _regime(sight: Sight, policy: Policy, state: RegimeState) -> Reason | None:
    """The layer was placed under another regime and holds more or less than this one gives it.

    A placement of this regime is left as it came out: shares that the market moves are no reason to act.
    """
    if sight.memory is None or sight.memory.placed_at_s >= state.since_s:
        return None
    if abs(sight.share - sight.weight) <= policy.execution.unplaced_tolerance:
        return None
    return _reason(REGIME, sight, sight.share, sight.weight, "part of value held, wanted")


def _nesting(sight: Sight, policy: Policy) -> Reason | None:
    """A layer no longer lies outside the next inner one, by more than the dead band's share of a width.

    Bands: ticks by which the inner band protrudes, against its half width. Wings: ticks by which an inner end is away from the
    inner layer's, gap or overlap, against the narrower wing's width. An inner layer that the price has left is about to
    move itself and is waited for.
    """
    if sight.placed is None or sight.inner is None or not sight.inner.contains(sight.tick):
        return None
    if sight.is_winged:
        ranges = sorted((p.range for p in sight.live), key=lambda r: r.lower)
        found = max(abs(ranges[0].upper - sight.inner.lower), abs(ranges[-1].lower - sight.inner.upper))
        size = min(r.upper - r.lower for r in ranges)
    else:
        found = max(sight.placed.lower - sight.inner.lower, sight.inner.upper - sight.placed.upper)
        size = sight.inner.half_width
    limit = policy.triggers.drift_share * size
    return _reason(NESTING, sight, found, limit, "ticks from the inner layer") if found > limit else None


def _elapsed_s(now_s: int, since_s: int | None) -> int:
    return 0 if since_s is None else now_s - since_s


def _reason(trigger: str, sight: Sight, found: float, limit: float, unit: str) -> Reason:
    return Reason(trigger=trigger, layer=sight.kind, found=float(found), limit=float(limit), unit=unit)

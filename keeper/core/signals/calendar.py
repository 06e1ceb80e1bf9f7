"""How much the scheduled events raise variance, from before their windows until after them.

An event acts from ``lead_s`` before its window opens until the window closes, with its whole window all the time. Measured by
what of the window still lies within the horizon, the multiplier would creep from minute to minute and move the layers with it;
so it takes one step up and one step back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from keeper.core.model.calendar import Calendar, EventRule, EventStatus, ScheduledEvent
from keeper.core.quant.fusion import variance_multiplier

RUNS_OUT_WITHIN_S = 14 * 86_400
"""A kind whose last known event is nearer than this has run out, so that the next schedule is fetched in time."""


class Phase(StrEnum):
    """Where now lies with respect to the event that acts."""

    QUIET = "quiet"
    """No event acts."""
    AHEAD = "ahead"
    """Before its window: the time to widen and to insure."""
    INSIDE = "inside"
    """In its window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWindow:
    """When one event raises the variance."""

    event: ScheduledEvent
    rule: EventRule
    opens_s: int
    """First second inside."""
    closes_s: int
    """First second after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarOutlook:
    """What the calendar says at one moment."""

    multiplier: float
    """Of the variance over the horizon, at least 1; its root multiplies widths. Never a direction."""
    phase: Phase
    event: ScheduledEvent | None
    """The one that sets the multiplier; None when quiet."""
    until_s: int | None
    """When that event stops acting; None when quiet."""
    next_event: ScheduledEvent | None
    """The next release of a kind that acts, not before now; None when none is known."""
    next_in_s: int | None
    """Seconds until then."""
    exhausted: tuple[str, ...]
    """Kinds that act, have a rhythm and are not known far enough ahead, in order of the rules: not to be relied on."""
    unconfirmed: tuple[str, ...]
    """Kinds that act and whose next event is only expected, in order of the rules."""


def windows(calendar: Calendar) -> tuple[EventWindow, ...]:
    """The window of every event of a kind that acts, in the calendar's order."""
    rules = {rule.kind: rule for rule in calendar.rules if rule.acts}
    return tuple(_window(event, rule) for event in calendar.events if (rule := rules.get(event.kind)) is not None)


def outlook(calendar: Calendar, now_s: int, *, horizon_s: int, lead_s: int) -> CalendarOutlook:
    """What the calendar says at ``now_s`` about the variance of the coming ``horizon_s``.

    Overlapping events take the largest multiplier, not the product; of equal ones, the earlier event tells.

    Args:
        calendar: what is known.
        now_s: unix time.
        horizon_s: over which variance is forecast, in seconds, > 0; the part of a window beyond it does not count.
        lead_s: how long before its window an event begins to act, in seconds, >= 0.

    Raises:
        ValueError: a horizon that is not above zero, or a negative lead.
    """
    chosen = _strongest(calendar, now_s, horizon_s=horizon_s, lead_s=lead_s)
    ahead = next((event for event in calendar.events if event.at_s >= now_s and calendar.rule(event.kind).acts), None)
    return CalendarOutlook(
        multiplier=1.0 if chosen is None else alone(chosen.rule, horizon_s),
        phase=_phase(chosen, now_s),
        event=None if chosen is None else chosen.event,
        until_s=None if chosen is None else chosen.closes_s,
        next_event=ahead,
        next_in_s=None if ahead is None else ahead.at_s - now_s,
        exhausted=exhausted(calendar, now_s),
        unconfirmed=_unconfirmed(calendar, now_s),
    )


def multiplier_at(calendar: Calendar, now_s: int, *, horizon_s: int, lead_s: int) -> float:
    """That of :func:`outlook`, alone; same arguments, same refusals."""
    chosen = _strongest(calendar, now_s, horizon_s=horizon_s, lead_s=lead_s)
    return 1.0 if chosen is None else alone(chosen.rule, horizon_s)


def _strongest(calendar: Calendar, now_s: int, *, horizon_s: int, lead_s: int) -> EventWindow | None:
    if horizon_s <= 0 or lead_s < 0:
        raise ValueError(f"the horizon must be above zero and the lead not below it, not {horizon_s} s and {lead_s} s")
    # max() keeps the first of equal ones, and windows come in order of time.
    return max(_acting(calendar, now_s, lead_s), key=lambda window: alone(window.rule, horizon_s), default=None)


def steps(calendar: Calendar, *, lead_s: int) -> tuple[int, ...]:
    """The moments, in order, from which on the outlook may say something else; in between only the countdown moves."""
    found: set[int] = set()
    for event in calendar.events:
        rule, at_s = calendar.rule(event.kind), event.at_s
        if rule.acts:
            opens_s = at_s - rule.before_s
            found |= {opens_s - lead_s, opens_s, at_s + 1, at_s + rule.after_s}  # it acts, is inside, is not the next, is over
            found |= {at_s - rule.rhythm_s, at_s - RUNS_OUT_WITHIN_S + 1}  # it is near enough, its kind runs out
    return tuple(sorted(found))


def alone(rule: EventRule, horizon_s: int) -> float:
    """Multiplier of the variance over ``horizon_s``, > 0, while one event of the kind acts: at least 1."""
    return variance_multiplier(horizon_s=horizon_s, event_s=min(rule.window_s, horizon_s), kappa=rule.kappa)


def exhausted(calendar: Calendar, now_s: int) -> tuple[str, ...]:
    """Kinds that act, have a rhythm and are not known far enough ahead, in order of the rules.

    Such is a kind without any event at or after ``now_s`` within its rhythm, and one whose last event comes within
    ``RUNS_OUT_WITHIN_S``.
    """
    return tuple(rule.kind for rule in calendar.rules if rule.acts and rule.rhythm_s and _runs_out(calendar, rule, now_s))


def nearby(calendar: Calendar, now_s: int, *, lead_s: int) -> Calendar:
    """The calendar without the events that cannot matter at ``now_s``: few enough to be journaled with every view.

    The outlook of the result at ``now_s`` is that of ``calendar``, with the same lead and any horizon.
    """
    acting = {window.event for window in _acting(calendar, now_s, lead_s)}
    coming = [_coming(calendar, rule.kind, now_s) for rule in calendar.rules]
    kept = acting | {event for of_kind in coming if of_kind for event in (of_kind[0], of_kind[-1])}
    return Calendar(events=tuple(event for event in calendar.events if event in kept), rules=calendar.rules)


def _acting(calendar: Calendar, now_s: int, lead_s: int) -> list[EventWindow]:
    """The windows that are open or about to be, in the calendar's order; asked every cycle, so that no other one is made."""
    rules = {rule.kind: rule for rule in calendar.rules if rule.acts}
    least_s = now_s - max([rule.after_s for rule in rules.values()], default=0)
    most_s = now_s + lead_s + max([rule.before_s for rule in rules.values()], default=0)
    first = bisect_left(calendar.events, least_s, key=attrgetter("at_s"))
    last = bisect_right(calendar.events, most_s, first, key=attrgetter("at_s"))
    return [
        _window(event, rule)
        for event in calendar.events[first:last]
        if (rule := rules.get(event.kind)) is not None
        and event.at_s - rule.before_s - lead_s <= now_s < event.at_s + rule.after_s
    ]


def _window(event: ScheduledEvent, rule: EventRule) -> EventWindow:
    return EventWindow(event=event, rule=rule, opens_s=event.at_s - rule.before_s, closes_s=event.at_s + rule.after_s)


def _phase(window: EventWindow | None, now_s: int) -> Phase:
    if window is None:
        return Phase.QUIET
    return Phase.AHEAD if now_s < window.opens_s else Phase.INSIDE


def _coming(calendar: Calendar, kind: str, now_s: int) -> list[ScheduledEvent]:
    first = bisect_left(calendar.events, now_s, key=attrgetter("at_s"))
    return [event for event in calendar.events[first:] if event.kind == kind]


def _runs_out(calendar: Calendar, rule: EventRule, now_s: int) -> bool:
    coming = _coming(calendar, rule.kind, now_s)
    return not coming or coming[0].at_s > now_s + rule.rhythm_s or coming[-1].at_s < now_s + RUNS_OUT_WITHIN_S


def _unconfirmed(calendar: Calendar, now_s: int) -> tuple[str, ...]:
    return tuple(
        rule.kind
        for rule in calendar.rules
        if rule.acts and (coming := _coming(calendar, rule.kind, now_s)) and coming[0].status is EventStatus.EXPECTED
    )

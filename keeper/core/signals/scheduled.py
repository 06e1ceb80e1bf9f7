"""The calendar as readings: the variance that is known to come."""

from __future__ import annotations

from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.signals import names
from keeper.core.signals.calendar import outlook
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, missing

UNIT = "times variance"


class Scheduled(Instrument):
    """The multiplier of the coming horizon's variance, and the time to the next event.

    A calendar that has run out gives a reading of poor quality: that no event is known is not known to mean that none comes.

    Args:
        policy: holds the calendar.
    """

    def __init__(self, policy: Policy) -> None:
        self._rules = policy.calendar
        self._horizon_s = policy.ladder.horizon_s

    def measures(self, moment: Moment, _before: Measures, /) -> Measures:
        """Multiplier, and hours until the next event that acts."""
        if not self._rules.calendar.rules:
            why = "no calendar is configured: calendar.file"
            return {
                names.CALENDAR: missing(UNIT, moment.now_s, "calendar", why),
                names.CALENDAR_NEXT: missing("hours", moment.now_s, "calendar", why),
            }
        seen = outlook(self._rules.calendar, moment.now_s, horizon_s=self._horizon_s, lead_s=self._rules.lead_s)
        quality, note = Quality.GOOD, "" if seen.event is None else f"{seen.event.title}, {seen.phase.value}"
        if seen.exhausted:
            quality, note = Quality.STALE, f"has run out for {', '.join(seen.exhausted)}: keeper calendar import"
        found = {
            names.CALENDAR: Measure(
                value=seen.multiplier, unit=UNIT, as_of_s=moment.now_s, source="calendar", quality=quality, note=note
            ),
            names.CALENDAR_NEXT: missing("hours", moment.now_s, "calendar", "no further event is known"),
        }
        if seen.next_in_s is not None and seen.next_event is not None:
            found[names.CALENDAR_NEXT] = Measure(
                value=seen.next_in_s / 3_600,
                unit="hours",
                as_of_s=moment.now_s,
                source="calendar",
                quality=quality,
                note=seen.next_event.title,
            )
        return found

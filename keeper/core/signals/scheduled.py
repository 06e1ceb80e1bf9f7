"""The calendar as readings: the variance that is known to come."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.signals import names
from keeper.core.signals.calendar import CalendarOutlook, outlook, steps
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing

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
        self._steps = steps(policy.calendar.calendar, lead_s=policy.calendar.lead_s)
        self._seen: tuple[int, CalendarOutlook, Quality, str] | None = None

    def ways(self) -> Mapping[str, Way]:
        """Both together."""
        return dict.fromkeys((names.CALENDAR, names.CALENDAR_NEXT), self.measures)

    def measures(self, moment: Moment, _before: Measures, /) -> Measures:
        """Multiplier, and hours until the next event that acts."""
        if not self._rules.calendar.rules:
            why = "no calendar is configured: calendar.file"
            return {
                names.CALENDAR: missing(UNIT, moment.now_s, "calendar", why),
                names.CALENDAR_NEXT: missing("hours", moment.now_s, "calendar", why),
            }
        seen, quality, note = self._outlook(moment.now_s)
        return {
            names.CALENDAR: Measure(seen.multiplier, UNIT, moment.now_s, "calendar", quality, note),
            names.CALENDAR_NEXT: missing("hours", moment.now_s, "calendar", "no further event is known")
            if seen.next_event is None
            else Measure(
                value=(seen.next_event.at_s - moment.now_s) / 3_600,
                unit="hours",
                as_of_s=moment.now_s,
                source="calendar",
                quality=quality,
                note=seen.next_event.title,
            ),
        }

    def _outlook(self, now_s: int) -> tuple[CalendarOutlook, Quality, str]:
        """The calendar's and what it is worth, kept until its next step; the countdown in it is that of an earlier moment."""
        step = bisect_right(self._steps, now_s)
        if self._seen is None or self._seen[0] != step:
            seen = outlook(self._rules.calendar, now_s, horizon_s=self._horizon_s, lead_s=self._rules.lead_s)
            quality, note = Quality.GOOD, "" if seen.event is None else f"{seen.event.title}, {seen.phase.value}"
            if seen.exhausted:
                quality, note = Quality.STALE, f"has run out for {', '.join(seen.exhausted)}: keeper calendar import"
            self._seen = step, seen, quality, note
        return self._seen[1:]

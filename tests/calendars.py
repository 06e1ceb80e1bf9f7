"""Calendars for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from keeper.core.model.calendar import Calendar, EventRule, EventStatus, ScheduledEvent

HOUR_S = 3_600
DAY_S = 86_400
NOON_S = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp())


def rule(kind="cpi", *, kappa=4.0, before_s=HOUR_S, after_s=5 * HOUR_S, rhythm_s=0):
    return EventRule(
        kind=kind, time_zone="America/New_York", kappa=kappa, before_s=before_s, after_s=after_s, rhythm_s=rhythm_s
    )


def event(at_s, kind="cpi", *, status=EventStatus.OFFICIAL):
    return ScheduledEvent(kind=kind, title=kind.upper(), at_s=at_s, status=status, source="a test")


CPI = rule()


def calendar(*events, rules=(CPI,)):
    return Calendar(events=tuple(sorted(events, key=lambda one: (one.at_s, one.kind))), rules=tuple(rules))


def utc(text):
    """Unix time of ``YYYY-MM-DD HH:MM`` in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())

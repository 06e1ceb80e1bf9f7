"""The economic calendar: what comes, what it does now, and new dates from an .ics file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.adapters.calendar.ics_import import IcsImport, import_events, read_ics, write
from keeper.adapters.calendar.local_time import zone
from keeper.adapters.calendar.toml_calendar import read, read_file
from keeper.app.cli import words
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.core.model.calendar import Calendar, ScheduledEvent
from keeper.core.signals.calendar import RUNS_OUT_WITHIN_S, CalendarOutlook, Phase, alone, outlook


def show(session: Session, *, days: int) -> ExitCode:
    """The events of the coming days, and what they do to the variance now."""
    settings = session.load().settings
    calendar = read(str(settings.calendar.file)).calendar
    now_s, horizon_s, lead_s = int(time.time()), settings.ladder.horizon_s, settings.calendar.lead_s
    seen = outlook(calendar, now_s, horizon_s=horizon_s, lead_s=lead_s)
    coming = events_within(calendar, now_s, days=days)
    session.out.show(
        document(calendar, seen, coming, now_s=now_s, horizon_s=horizon_s),
        *render(calendar, seen, coming, now_s=now_s, horizon_s=horizon_s),
    )
    return ExitCode.OK


def import_ics(session: Session, path: Path, *, kind: str | None, into: Path) -> ExitCode:
    """Append what is new to ``into``, which begins as a copy of the calendar in use when there is no such file.

    Ends with 1 when an event was refused.
    """
    in_use = str(session.load().settings.calendar.file)
    found = import_events(read_ics(path), path.name, read_file(into) if into.exists() else read(in_use), kind=kind)
    if found.added:
        write(into, found.text)
    session.out.show(import_document(found, into), *render_import(found, into, in_use=in_use))
    return ExitCode.DIFFERENT if found.refused else ExitCode.OK


def events_within(calendar: Calendar, now_s: int, *, days: int) -> tuple[ScheduledEvent, ...]:
    """Events whose windows are not over and whose release comes within ``days``."""
    until_s = now_s + days * words.DAY_S
    return tuple(event for event in calendar.events if event.at_s <= until_s and _closes_s(calendar, event) > now_s)


def document(
    calendar: Calendar, seen: CalendarOutlook, coming: tuple[ScheduledEvent, ...], *, now_s: int, horizon_s: int
) -> dict[str, Any]:
    """What a program reads; times in unix seconds."""
    return {
        "now_s": now_s,
        "multiplier": seen.multiplier,
        "phase": seen.phase,
        "acting": None if seen.event is None else _event(calendar, seen.event, horizon_s=horizon_s),
        "until_s": seen.until_s,
        "next": None if seen.next_event is None else _event(calendar, seen.next_event, horizon_s=horizon_s),
        "next_in_s": seen.next_in_s,
        "exhausted": list(seen.exhausted),
        "unconfirmed": list(seen.unconfirmed),
        "events": [_event(calendar, event, horizon_s=horizon_s) for event in coming],
    }


def render(
    calendar: Calendar, seen: CalendarOutlook, coming: tuple[ScheduledEvent, ...], *, now_s: int, horizon_s: int
) -> Iterator[RenderableType]:
    """What a person reads."""
    columns = ("event", "local", "utc", "in", "window", "variance", "status", "source")
    yield table("Calendar", columns, [_row(calendar, event, now_s, horizon_s) for event in coming], right=("in", "variance"))
    yield Text(_standing(seen, now_s, horizon_s))
    yield from (Text(line, style="yellow") for line in warnings(calendar, seen, now_s=now_s))


def warnings(calendar: Calendar, seen: CalendarOutlook, *, now_s: int) -> list[str]:
    """One line a kind that is not known well enough."""
    lines = []
    for kind in seen.exhausted:
        coming = [event.at_s for event in calendar.events if event.kind == kind and event.at_s >= now_s]
        if not coming:
            told = "has run out"
        elif coming[-1] < now_s + RUNS_OUT_WITHIN_S:
            told = f"runs out on {words.utc(coming[-1])}"
        else:
            told = f"has a gap until {words.utc(coming[0])}"
        lines.append(f"warning: the calendar of {kind} {told}: keeper calendar import adds the next schedule")
    lines.extend(f"note: the next {kind} is expected by its pattern, not published" for kind in seen.unconfirmed)
    return lines


def import_document(found: IcsImport, into: Path) -> dict[str, Any]:
    """What a program reads of an import."""
    return {
        "into": str(into),
        "added": [
            {"kind": event.kind, "title": event.title, "at_s": event.at_s, "status": event.status} for event in found.added
        ],
        "known": [{"kind": event.kind, "at_s": event.at_s} for event in found.known],
        "refused": [{"line": one.line, "summary": one.summary, "why": one.why} for one in found.refused],
        "other": found.other,
    }


def render_import(found: IcsImport, into: Path, *, in_use: str) -> Iterator[RenderableType]:
    """What a person reads of an import."""
    for event in found.added:
        yield Text(f"added {event.kind} {words.utc(event.at_s)}: {event.title} ({event.status})")
    for one in found.refused:
        yield Text(f"refused line {one.line}, {one.summary or 'no summary'}: {one.why}", style="yellow")
    counts = f"{len(found.added)} added, {len(found.known)} known, {len(found.refused)} refused"
    yield Text(f"{counts}, {found.other} of no kind of the calendar")
    if found.added:
        yield Text(f"wrote {into}" + ("" if in_use == str(into) else f'; to use it: calendar.file = "{into}"'))


def _closes_s(calendar: Calendar, event: ScheduledEvent) -> int:
    return event.at_s + calendar.rule(event.kind).after_s


def _event(calendar: Calendar, event: ScheduledEvent, *, horizon_s: int) -> dict[str, Any]:
    rule = calendar.rule(event.kind)
    return {
        "kind": event.kind,
        "title": event.title,
        "at_s": event.at_s,
        "local": _local(calendar, event).isoformat(),
        "time_zone": rule.time_zone,
        "opens_s": event.at_s - rule.before_s,
        "closes_s": event.at_s + rule.after_s,
        "multiplier": alone(rule, horizon_s),
        "status": event.status,
        "source": event.source,
    }


def _local(calendar: Calendar, event: ScheduledEvent) -> datetime:
    return datetime.fromtimestamp(event.at_s, zone(calendar.rule(event.kind).time_zone))


def _row(calendar: Calendar, event: ScheduledEvent, now_s: int, horizon_s: int) -> tuple[str, ...]:
    rule = calendar.rule(event.kind)
    return (
        event.title,
        _local(calendar, event).strftime("%a %Y-%m-%d %H:%M %Z"),
        words.utc(event.at_s),
        words.duration(event.at_s - now_s),
        f"-{words.duration(rule.before_s)} to +{words.duration(rule.after_s)}",
        f"x {alone(rule, horizon_s):.3f}",
        event.status,
        event.source,
    )


def _standing(seen: CalendarOutlook, now_s: int, horizon_s: int) -> str:
    over = words.duration(horizon_s)
    if seen.event is not None and seen.until_s is not None:
        where = "ahead of" if seen.phase is Phase.AHEAD else "in the window of"
        left = words.duration(seen.until_s - now_s)
        return f"now: variance of {over} x {seen.multiplier:.3f}, {where} {seen.event.title}, for another {left}"
    if seen.next_event is None or seen.next_in_s is None:
        return "now: no event acts, and none is known to come"
    return f"now: no event acts; next is {seen.next_event.title} in {words.duration(seen.next_in_s)}"

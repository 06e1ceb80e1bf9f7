"""An .ics file joined to a calendar file: what is new is appended, what is known stays, what cannot be taken is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from keeper.adapters.calendar.ics import LARGEST_BYTES, IcsEvent, IcsRefusal
from keeper.adapters.calendar.ics import parse as parse_ics
from keeper.adapters.calendar.local_time import to_unix, zone
from keeper.adapters.calendar.toml_calendar import NEAR_S, CalendarFile, Kind, at_release, parse
from keeper.core.model.calendar import EventStatus, ScheduledEvent
from keeper.core.model.errors import ConfigError

_LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class IcsImport:
    """What came of an import."""

    added: tuple[ScheduledEvent, ...]
    """By kind, then time."""
    known: tuple[ScheduledEvent, ...]
    """In the calendar already, or twice in the file."""
    refused: tuple[IcsRefusal, ...]
    other: int
    """Events of no kind of the calendar."""
    text: str
    """The calendar file with what was added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    event: ScheduledEvent
    line: int


def read_ics(path: Path) -> bytes:
    """A file, as far as an import needs it.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


def import_events(data: bytes, name: str, into: CalendarFile, *, kind: str | None = None) -> IcsImport:
    """The events of an .ics file as additions to a calendar.

    Args:
        data: the .ics file.
        name: what to call it: in messages, and as the source of its events.
        into: the calendar.
        kind: of every event; None: each is known by its summary, and those that are not are only counted.

    Raises:
        ConfigError: the file cannot be read as a calendar, or there is no such kind.
    """
    given = None if kind is None else into.kind(kind)
    refused: list[IcsRefusal] = []
    found: list[_Found] = []
    other = 0
    for event in parse_ics(data, name):
        kinds = [given] if given is not None else _kinds_of(event.summary, into.kinds)
        if not kinds:
            other += 1
        elif isinstance(event, IcsRefusal):
            refused.append(event)
        elif len(kinds) > 1:
            names = " and ".join(one.rule.kind for one in kinds)
            refused.append(IcsRefusal(line=event.line, summary=event.summary, why=f"could be {names}: name one with --kind"))
        else:
            try:
                found.append(_Found(event=_scheduled(event, kinds[0], name), line=event.line))
            except ValueError as error:
                refused.append(IcsRefusal(line=event.line, summary=event.summary, why=str(error)))
    added, known, moved = _sorted_out(found, into)
    text = _with(into.text, added, into)
    return IcsImport(added=tuple(added), known=tuple(known), refused=(*refused, *moved), other=other, text=text)


def write(path: Path, text: str) -> CalendarFile:
    """Check ``text`` and put it in place of the file at ``path``, at once or not at all.

    Raises:
        ConfigError: it is no calendar, or cannot be written.
    """
    checked = parse(text, str(path))
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from None
    return checked


def _kinds_of(summary: str, kinds: Iterable[Kind]) -> list[Kind]:
    folded = summary.casefold()
    return [kind for kind in kinds if any(part.casefold() in folded for part in kind.ics)]


def _scheduled(event: IcsEvent, kind: Kind, name: str) -> ScheduledEvent:
    home = event.home or zone(kind.rule.time_zone)
    moment = event.start if isinstance(event.start, datetime) else at_release(event.start, kind)
    return ScheduledEvent(
        kind=kind.rule.kind,
        title=kind.title if kind.rule.rhythm_s or not event.summary else event.summary[:_LONGEST_TITLE].rstrip(),
        at_s=to_unix(moment, home),
        status=EventStatus.EXPECTED if event.tentative else EventStatus.OFFICIAL,
        source=f"imported from {name}",
    )


def _sorted_out(
    found: Sequence[_Found], into: CalendarFile
) -> tuple[list[ScheduledEvent], list[ScheduledEvent], list[IcsRefusal]]:
    """What is new, what is known, and what stands at another time already."""
    added: list[ScheduledEvent] = []
    known: list[ScheduledEvent] = []
    moved: list[IcsRefusal] = []
    for one in sorted(found, key=lambda one: (one.event.kind, one.event.at_s)):
        event = one.event
        rhythm_s = into.calendar.rule(event.kind).rhythm_s
        near = [other for other in (*into.calendar.events, *added) if _same(other, event, NEAR_S if rhythm_s else 1)]
        # In a kind with a rhythm an official event may join an expected one, which then gives way.
        joins = rhythm_s and event.status is EventStatus.OFFICIAL
        fixed = [other for other in near if other.status is EventStatus.OFFICIAL or not joins]
        if not fixed:
            added.append(event)
        elif event.status is EventStatus.EXPECTED or any(other.at_s == event.at_s for other in fixed):
            known.append(event)
        else:
            why = f"stands at {_local(fixed[0], into)} already, now {_local(event, into)}: take the old one out if it was moved"
            moved.append(IcsRefusal(line=one.line, summary=event.title, why=why))
    return added, known, moved


def _same(one: ScheduledEvent, event: ScheduledEvent, within_s: int) -> bool:
    return one.kind == event.kind and abs(one.at_s - event.at_s) < within_s


def _with(text: str, added: Sequence[ScheduledEvent], into: CalendarFile) -> str:
    blocks = [text.rstrip("\n")]
    for (kind, title, status, source), events in groupby(added, key=lambda one: (one.kind, one.title, one.status, one.source)):
        lines = ["", "[[events]]", f"kind = {_quoted(kind)}"]
        if title != into.kind(kind).title:
            lines.append(f"title = {_quoted(title)}")
        moments = "".join(f"    {_local(event, into)},\n" for event in events)
        lines += [f"status = {_quoted(status)}", f"source = {_quoted(source)}", f"at = [\n{moments}]"]
        blocks.append("\n".join(lines))
    return "\n".join(blocks) + "\n"


def _local(event: ScheduledEvent, into: CalendarFile) -> str:
    """The local time with its offset: to be read, and exact on the days on which clocks are changed."""
    return datetime.fromtimestamp(event.at_s, zone(into.calendar.rule(event.kind).time_zone)).isoformat()


def _quoted(text: str) -> str:
    # Nothing that is not printable gets here, and for the rest a JSON string is a TOML string.
    return json.dumps(text, ensure_ascii=False)

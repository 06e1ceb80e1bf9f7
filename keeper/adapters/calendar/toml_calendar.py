"""The calendar file: kinds of events and their dates, checked as a whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from keeper.adapters.calendar.local_time import to_unix, zone
from keeper.adapters.calendar.table import Problems, Table
from keeper.core.model.calendar import Calendar, EventRule, EventStatus, ScheduledEvent
from keeper.core.model.errors import ConfigError

SHIPPED = "calendar"
"""Name of the calendar that comes with the keeper."""
"""The file that comes with the keeper."""
NEAR_S = 7 * 86_400
"""In a kind with a rhythm, events nearer to one another than this are one event told twice."""

_LARGEST_BYTES = 1 << 20
_KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the file says of one kind."""

    rule: EventRule
    title: str
    local_time: time | None
    """Of the release, for events known by their date."""
    ics: tuple[str, ...]
    """Parts of an .ics SUMMARY by which the kind is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFile:
    """A file that was read."""

    text: str
    kinds: tuple[Kind, ...]
    calendar: Calendar

    def kind(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            ConfigError: the file has none.
        """
        for kind in self.kinds:
            if kind.rule.kind == name:
                return kind
        known = ", ".join(kind.rule.kind for kind in self.kinds)
        raise ConfigError([f"kind {name!r}: not in the calendar; there are {known}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    event: ScheduledEvent
    path: str


def read_shipped() -> CalendarFile:
    """The calendar that comes with the keeper.

    Raises:
        ConfigError: with every problem.
    """
    file = f"{SHIPPED}.toml"
    return parse(resources.files("keeper.config").joinpath(file).read_text(encoding="utf-8"), file)


def read_file(path: Path) -> CalendarFile:
    """The calendar of an operator.

    Raises:
        ConfigError: with every problem.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None
    if len(data) > _LARGEST_BYTES:
        raise ConfigError([f"{path}: larger than 1 MiB; a calendar holds dates only"])
    return parse(text, str(path))


def read(name: str) -> CalendarFile:
    """The calendar that comes with the keeper by its name, or the one at a path that ends in ``.toml``.

    Raises:
        ConfigError: with every problem.
    """
    if name.endswith(".toml"):
        return read_file(Path(name).expanduser())
    if name != SHIPPED:
        raise ConfigError([f"{name!r} must be {SHIPPED}, which comes with the keeper, or a path that ends in .toml"])
    return read_shipped()


def parse(text: str, source: str) -> CalendarFile:
    """The calendar that ``text`` describes; expected events that an official one replaces are left out.

    Args:
        text: TOML; config/calendar.toml tells the format.
        source: what to call it in messages.

    Raises:
        ConfigError: with every problem.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{source}: not TOML: {error}"]) from None
    problems = Problems(source)
    top = Table(document, "", problems)
    kinds = tuple(_kind(Table(found, f"kinds.{name}", problems), name) for name, found in top.tables("kinds").items())
    entries = top.items("events", "must be at least one [[events]]")
    placed = [one for index, found in enumerate(entries) for one in _events(Table(found, f"events[{index}]", problems), kinds)]
    top.done()
    placed.sort(key=lambda one: (one.event.at_s, one.event.kind))
    _note_doubles(placed, kinds, problems)
    if problems.lines:
        raise ConfigError(problems.lines)
    events = [one.event for one in placed]
    confirmed = tuple(event for event in events if not _replaced(event, events, kinds))
    return CalendarFile(text=text, kinds=kinds, calendar=Calendar(events=confirmed, rules=tuple(kind.rule for kind in kinds)))


def _kind(table: Table, name: str) -> Kind:
    if not _KIND.fullmatch(name):
        table.problems.note(table.path, "a kind must be named by small letters, digits and underscores, a letter first")
    time_zone = table.text("time_zone")
    try:
        zone(time_zone)
    except ValueError as error:
        if time_zone != "-":
            table.problems.note(f"{table.path}.time_zone", str(error), time_zone)
        time_zone = "UTC"
    before_s, after_s = table.whole("before_s", 0, 7 * _DAY_S), table.whole("after_s", 0, 7 * _DAY_S)
    if before_s == after_s == 0:
        table.problems.note(table.path, "the window is empty: before_s or after_s must be above zero")
        after_s = 1
    kind = Kind(
        rule=EventRule(
            kind=name,
            time_zone=time_zone,
            kappa=table.decimal("kappa", "1", "100"),
            before_s=before_s,
            after_s=after_s,
            rhythm_s=table.whole("rhythm_s", 0, 365 * _DAY_S),
        ),
        title=table.text("title"),
        local_time=table.clock("local_time"),
        ics=table.texts("ics"),
    )
    table.done()
    return kind


def _events(table: Table, kinds: Sequence[Kind]) -> Iterator[_Placed]:
    name = table.one_of("kind", tuple(kind.rule.kind for kind in kinds))
    status = table.one_of("status", tuple(EventStatus))
    source = table.text("source")
    fold = table.fold("fold")
    kind = next((kind for kind in kinds if kind.rule.kind == name), None)
    title = table.text("title", default="-" if kind is None else kind.title)
    moments = table.items("at", "must be a list of dates or times such as [2025-01-29, 2025-03-19T14:00:00]")
    table.done()
    if kind is None or status not in tuple(EventStatus):
        return
    for index, moment in enumerate(moments):
        path = f"{table.path}.at[{index}]"
        try:
            at_s = _at_s(moment, kind, fold)
        except ValueError as error:
            table.problems.note(path, str(error), moment)
            continue
        event = ScheduledEvent(kind=name, title=title, at_s=at_s, status=EventStatus(status), source=source)
        yield _Placed(event=event, path=path)


def _at_s(moment: Any, kind: Kind, fold: int | None) -> int:
    if isinstance(moment, datetime):
        return to_unix(moment, zone(kind.rule.time_zone), fold)
    if isinstance(moment, date):
        return to_unix(at_release(moment, kind), zone(kind.rule.time_zone), fold)
    raise ValueError("must be a date or a date and time, not in quotes")


def at_release(day: date, kind: Kind) -> datetime:
    """The local time of a release on that day.

    Raises:
        ValueError: the kind names no time of day.
    """
    if kind.local_time is None:
        raise ValueError(f"a date alone needs local_time in [kinds.{kind.rule.kind}]")
    return datetime.combine(day, kind.local_time)


def _note_doubles(placed: Sequence[_Placed], kinds: Sequence[Kind], problems: Problems) -> None:
    for kind in kinds:
        for status in EventStatus:
            same = [one for one in placed if one.event.kind == kind.rule.kind and one.event.status is status]
            for first, second in pairwise(same):
                apart_s = second.event.at_s - first.event.at_s
                if apart_s == 0:
                    problems.note(second.path, f"is the same as {first.path}")
                elif kind.rule.rhythm_s and apart_s < NEAR_S:
                    problems.note(second.path, f"less than 7 days after {first.path}: take out the one that was moved")
    # In a kind without rhythm nothing gives way, so one moment must not stand under both statuses either.
    for first, second in pairwise(placed):
        a, b = first.event, second.event
        rhythm_s = next(kind.rule.rhythm_s for kind in kinds if kind.rule.kind == b.kind)
        if (a.kind, a.at_s) == (b.kind, b.at_s) and a.status is not b.status and not rhythm_s:
            problems.note(second.path, f"is the same as {first.path}")


def _replaced(event: ScheduledEvent, events: Sequence[ScheduledEvent], kinds: Sequence[Kind]) -> bool:
    if event.status is EventStatus.OFFICIAL or not next(kind for kind in kinds if kind.rule.kind == event.kind).rule.rhythm_s:
        return False
    return any(
        other.status is EventStatus.OFFICIAL and other.kind == event.kind and abs(other.at_s - event.at_s) < NEAR_S
        for other in events
    )

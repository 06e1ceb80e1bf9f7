"""Events of an iCalendar file: as much of RFC 5545 as a list of releases needs, and a clear refusal of the rest.

Taken are the start, the summary and the status of each VEVENT. Time zones are those of the IANA database under the name that
the file gives; the file's own VTIMEZONE tables are not read. Repetition is refused, for a rule is no schedule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from keeper.adapters.calendar.local_time import zone
from keeper.core.model.errors import ConfigError

LARGEST_BYTES = 1 << 20
"""A year of every release of a statistics office is a tenth of this."""

_ZONES: Mapping[str, str] = {
    "US-Eastern": "America/New_York",
    "Eastern Standard Time": "America/New_York",
    "Etc/UTC": "UTC",
}
"""Names outside the IANA database that calendars of US agencies and of Outlook use."""

_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=("[^"]*"|[^";:,]*(?:,(?:"[^"]*"|[^";:,]*))*)')
_NAME = re.compile(r"[A-Za-z0-9-]+")
_DATE = re.compile(r"[0-9]{8}", re.ASCII)
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z?", re.ASCII)
_ESCAPED = re.compile(r"\\([\\;,nN])")
_ONCE = frozenset({"DTSTART", "DTEND", "SUMMARY", "STATUS"})
_REPEATING = frozenset({"RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IcsEvent:
    """One VEVENT whose start can be understood."""

    line: int
    """Where it begins, from 1."""
    summary: str
    start: date | datetime
    """A date, a time with offset 0, or a local time in ``home``."""
    home: ZoneInfo | None
    """Given exactly with a local time."""
    tentative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IcsRefusal:
    """One VEVENT that cannot be taken."""

    line: int
    """Where it begins, from 1."""
    summary: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Property:
    name: str
    parameters: Mapping[str, str]
    value: str

    @property
    def component(self) -> str:
        """What a BEGIN or an END names."""
        return self.value.strip().upper()


@dataclass(slots=True)
class _Raw:
    line: int
    properties: list[_Property] = field(default_factory=list)

    def first(self, name: str) -> _Property | None:
        return next((one for one in self.properties if one.name == name), None)


def parse(data: bytes, source: str) -> tuple[IcsEvent | IcsRefusal, ...]:
    """The events of a file, in its order; those that cannot be taken say why.

    Args:
        data: the file.
        source: what to call it in messages.

    Raises:
        ConfigError: it is no iCalendar file, is damaged, or is larger than ``LARGEST_BYTES``.
    """
    if len(data) > LARGEST_BYTES:
        raise ConfigError([f"{source}: larger than 1 MiB; export only the releases that are wanted"])
    try:
        raws = list(_vevents(_lines(data)))
    except ValueError as error:
        raise ConfigError([f"{source}: {error}"]) from None
    return tuple(_understood(raw) for raw in raws)


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Unfolded lines with the numbers at which they begin."""
    # A fold may split a character, so bytes are joined before they are decoded.
    start = 0
    parts: list[bytes] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n"), 1):
        if parts and line[:1] in {b" ", b"\t"}:
            parts.append(line[1:])
            continue
        if parts:
            yield start, _decoded(start, parts)
        start, parts = number, [line] if line.strip() else []
    if parts:
        yield start, _decoded(start, parts)


def _decoded(number: int, parts: Sequence[bytes]) -> str:
    try:
        return b"".join(parts).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"line {number}: not UTF-8") from None


def _properties(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, _Property]]:
    begun = False
    for number, line in lines:
        found = _property(line)
        if not begun and (found is None or (found.name, found.component) != ("BEGIN", "VCALENDAR")):
            break
        if found is None:
            raise ValueError(f"line {number}: not an iCalendar line")
        begun = True
        yield number, found
    if not begun:
        raise ValueError("not an iCalendar file: it must begin with BEGIN:VCALENDAR")


def _vevents(lines: Iterator[tuple[int, str]]) -> Iterator[_Raw]:
    inside: list[str] = []
    event: _Raw | None = None
    for number, found in _properties(lines):
        if found.name == "BEGIN":
            inside.append(found.component)
            event = _Raw(line=number) if inside == ["VCALENDAR", "VEVENT"] else event
        elif found.name == "END":
            if not inside or inside.pop() != found.component:
                raise ValueError(f"line {number}: END:{found.component} closes nothing that is open")
            if inside == ["VCALENDAR"] and event is not None:
                yield event
                event = None
        elif inside == ["VCALENDAR", "VEVENT"] and event is not None:
            # What lies deeper, in an alarm for instance, is not of the event itself.
            event.properties.append(found)
    if inside:
        raise ValueError(f"ends inside {inside[-1]}: the file is cut off")


def _property(line: str) -> _Property | None:
    name = _NAME.match(line)
    if name is None:
        return None
    parameters, place = {}, name.end()
    while (parameter := _PARAMETER.match(line, place)) is not None:
        parameters[parameter[1].upper()] = parameter[2].strip('"')
        place = parameter.end()
    if line[place : place + 1] != ":":
        return None
    return _Property(name=name[0].upper(), parameters=parameters, value=line[place + 1 :])


def _understood(raw: _Raw) -> IcsEvent | IcsRefusal:
    summary = _summary(raw.first("SUMMARY"))
    try:
        _refuse_unfit(raw.properties)
        start, home = _start(raw.first("DTSTART"))
        _refuse_long(start, raw.first("DTEND"), raw.first("DURATION"))
    except ValueError as error:
        return IcsRefusal(line=raw.line, summary=summary, why=str(error))
    status = raw.first("STATUS")
    tentative = status is not None and status.value.strip().upper() == "TENTATIVE"
    return IcsEvent(line=raw.line, summary=summary, start=start, home=home, tentative=tentative)


def _summary(found: _Property | None) -> str:
    text = "" if found is None else _ESCAPED.sub(lambda match: " " if match[1] in "nN" else match[1], found.value)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _refuse_unfit(properties: Sequence[_Property]) -> None:
    names = [one.name for one in properties]
    if repeating := sorted(_REPEATING.intersection(names)):
        raise ValueError(f"{repeating[0]}: repetition is not read; export each date as an event of its own")
    if twice := sorted(name for name in _ONCE if names.count(name) > 1):
        raise ValueError(f"{twice[0]} stands twice")
    if any(one.name == "STATUS" and one.value.strip().upper() == "CANCELLED" for one in properties):
        raise ValueError("is cancelled; take it out of the calendar if it is there")


def _start(found: _Property | None) -> tuple[date | datetime, ZoneInfo | None]:
    if found is None:
        raise ValueError("has no DTSTART")
    value, kind = found.value.strip(), found.parameters.get("VALUE", "DATE-TIME").upper()
    try:
        if kind == "DATE" and _DATE.fullmatch(value):
            return date.fromisoformat(value), None
        if kind == "DATE-TIME" and _TIME.fullmatch(value):
            return _zoned(datetime.fromisoformat(value.removesuffix("Z")), value, found.parameters.get("TZID"))
    except ValueError as error:
        raise ValueError(f"DTSTART {value}: {error}") from None
    raise ValueError(f"DTSTART {value[:40]}: must be a date or a date and time")


def _zoned(moment: datetime, value: str, name: str | None) -> tuple[datetime, ZoneInfo | None]:
    if value.endswith("Z"):
        return moment.replace(tzinfo=UTC), None
    if name is None:
        raise ValueError("has neither a time zone nor Z: where the clock hangs is not said")
    try:
        return moment, zone(_ZONES.get(name, name.removeprefix("/")))
    except ValueError as error:
        raise ValueError(f"TZID {name}: {error}") from None


def _refuse_long(start: date | datetime, end: _Property | None, duration: _Property | None) -> None:
    """A meeting of two days does not say on which the decision falls."""
    if isinstance(start, datetime):
        return
    days = 1
    if end is not None and _DATE.fullmatch(end.value.strip()):
        days = (date.fromisoformat(end.value.strip()) - start).days
    elif duration is not None and duration.value.strip() != "P1D":
        days = 2
    if days > 1:
        raise ValueError("lasts more than one day: on which the release falls is not said; write it into the calendar by hand")

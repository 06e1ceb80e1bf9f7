"""Laws of the calendar, whatever is scheduled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, starmap
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.adapters.calendar.ics import parse as parse_ics
from keeper.adapters.calendar.local_time import to_unix
from keeper.adapters.calendar.toml_calendar import parse as parse_toml
from keeper.core.model.errors import ConfigError
from keeper.core.signals.calendar import alone, nearby, outlook, steps, windows
from tests.calendars import DAY_S, HOUR_S, calendar, event, rule

hours = st.integers(0, 24).map(lambda count: count * HOUR_S)
kappas = st.floats(1, 50)
moments = st.integers(0, 40 * DAY_S)
NEW_YORK = ZoneInfo("America/New_York")


@st.composite
def calendars(draw):
    rhythms = st.sampled_from([0, 9 * DAY_S])
    kinds = ("cpi", "fomc", "ppi")
    rules = [
        rule(kind, kappa=draw(kappas), before_s=draw(hours), after_s=draw(hours) + 1, rhythm_s=draw(rhythms)) for kind in kinds
    ]
    times = draw(st.sets(st.tuples(moments, st.sampled_from(kinds)), max_size=12))
    return calendar(*starmap(event, times), rules=rules)


@given(calendars(), moments, st.integers(1, 10 * DAY_S), hours)
def test_the_multiplier_is_that_of_the_worst_event_alone(known, now_s, horizon_s, lead_s):
    seen = outlook(known, now_s, horizon_s=horizon_s, lead_s=lead_s)
    singles = [
        outlook(calendar(one, rules=known.rules), now_s, horizon_s=horizon_s, lead_s=lead_s).multiplier for one in known.events
    ]
    assert seen.multiplier == max([1.0, *singles])
    assert 1 <= seen.multiplier <= max(one.kappa for one in known.rules)


@given(calendars(), moments, hours)
def test_looking_twice_changes_nothing(known, now_s, lead_s):
    first = outlook(known, now_s, horizon_s=DAY_S, lead_s=lead_s)
    assert first == outlook(known, now_s, horizon_s=DAY_S, lead_s=lead_s)


@given(calendars(), moments, hours, st.integers(1, 10 * DAY_S))
def test_between_the_edges_of_windows_nothing_moves(known, now_s, lead_s, horizon_s):
    edges = sorted({edge for window in windows(known) for edge in (window.opens_s - lead_s, window.opens_s, window.closes_s)})
    start = max((edge for edge in edges if edge <= now_s), default=None)
    assume(start is not None)
    at_edge, later = (outlook(known, at_s, horizon_s=horizon_s, lead_s=lead_s) for at_s in (start, now_s))
    assert (later.multiplier, later.phase, later.event) == (at_edge.multiplier, at_edge.phase, at_edge.event)


@given(calendars(), hours)
def test_between_two_steps_only_the_countdown_moves(known, lead_s):
    edges = (-100 * DAY_S, *steps(known, lead_s=lead_s), 100 * DAY_S)
    for begin_s, end_s in pairwise(edges):
        first, last = (outlook(known, at_s, horizon_s=DAY_S, lead_s=lead_s) for at_s in (begin_s, end_s - 1))
        assert replace(first, next_in_s=None) == replace(last, next_in_s=None)


@given(calendars(), moments, hours, st.integers(1, 10 * DAY_S))
def test_the_part_that_is_journaled_says_the_same(known, now_s, lead_s, horizon_s):
    near = nearby(known, now_s, lead_s=lead_s)
    assert set(near.events) <= set(known.events)
    assert outlook(near, now_s, horizon_s=horizon_s, lead_s=lead_s) == outlook(known, now_s, horizon_s=horizon_s, lead_s=lead_s)


@given(kappas, st.integers(1, 20 * DAY_S), st.integers(1, 20 * DAY_S))
def test_a_longer_horizon_dilutes_an_event(kappa, one_s, other_s):
    short_s, long_s = sorted((one_s, other_s))
    law = rule(kappa=kappa)
    assert 1 <= alone(law, long_s) <= alone(law, short_s) <= kappa


@given(st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30)).map(lambda moment: moment.replace(microsecond=0)))  # ruff: ignore[call-datetime-without-tzinfo]
def test_local_times_come_back_as_they_went(local):
    before, after = (local.replace(tzinfo=NEW_YORK, fold=fold).utcoffset() for fold in (0, 1))
    assume(before == after)
    assert datetime.fromtimestamp(to_unix(local, NEW_YORK), NEW_YORK).replace(tzinfo=None) == local


@given(st.integers(2007, 2100), st.integers(0, 3_599))
def test_the_hour_that_clocks_skip_does_not_occur(year, second):
    sunday = next(day for day in range(8, 15) if datetime(year, 3, day, tzinfo=UTC).weekday() == 6)
    skipped = datetime(year, 3, sunday, 2) + timedelta(seconds=second)  # ruff: ignore[call-datetime-without-tzinfo]
    with pytest.raises(ValueError, match="does not occur in America/New_York"):
        to_unix(skipped, NEW_YORK)


@given(st.integers(2007, 2100), st.integers(0, 3_599))
def test_the_hour_that_occurs_twice_needs_a_fold(year, second):
    sunday = next(day for day in range(1, 8) if datetime(year, 11, day, tzinfo=UTC).weekday() == 6)
    double = datetime(year, 11, sunday, 1) + timedelta(seconds=second)  # ruff: ignore[call-datetime-without-tzinfo]
    with pytest.raises(ValueError, match="fold = 0"):
        to_unix(double, NEW_YORK)
    assert to_unix(double, NEW_YORK, 1) - to_unix(double, NEW_YORK, 0) == HOUR_S


_ICS_LINES = st.sampled_from([
    b"BEGIN:VCALENDAR", b"END:VCALENDAR", b"BEGIN:VEVENT", b"END:VEVENT", b"BEGIN:VALARM", b"DTSTART:20270210T083000Z",
    b'DTSTART;TZID="x', b"DTSTART;VALUE=DATE:20271399", b"DTEND;VALUE=DATE:1", b"SUMMARY:a", b" folded", b"\xc3", b"RRULE:x",
    b":",
])  # fmt: skip


@given(st.lists(_ICS_LINES | st.binary(max_size=20), max_size=20).map(b"\r\n".join))
def test_whatever_a_file_holds_it_is_read_or_refused(data):
    for candidate in (data, b"BEGIN:VCALENDAR\r\n" + data + b"\r\nEND:VCALENDAR"):
        try:
            parse_ics(candidate, "some.ics")
        except ConfigError as error:
            told = error.problems
        else:
            told = ("some.ics",)
        assert all(line.startswith("some.ics") for line in told)


_VALUES = st.sampled_from(
    ["1", "-1", "true", '"x"', '""', "[]", "[1]", "{}", "2026-01-13", "08:30:00", "2026-01-13T08:30:00Z", "nan"]
)


@given(
    st.dictionaries(st.sampled_from(["title", "time_zone", "local_time", "kappa", "before_s", "rhythm_s", "ics"]), _VALUES),
    _VALUES,
)
def test_whatever_a_calendar_says_every_problem_is_a_line(rule_of_cpi, at):
    lines = ["[kinds.cpi]", *(f"{key} = {value}" for key, value in rule_of_cpi.items()), "[[events]]", f"at = {at}"]
    with pytest.raises(ConfigError) as caught:
        parse_toml("\n".join(lines), "own.toml")
    assert all(line.startswith("own.toml: ") for line in caught.value.problems)
    with pytest.raises(ConfigError):
        parse_toml(f"kinds = {at}\nevents = {at}", "own.toml")

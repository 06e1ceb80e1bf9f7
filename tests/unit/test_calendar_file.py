"""The calendar file is read as a whole or refused with every problem."""

from __future__ import annotations

import pytest

from keeper.adapters.calendar.toml_calendar import SHIPPED, parse, read, read_file, read_shipped
from keeper.core.model.calendar import Calendar, EventStatus
from keeper.core.model.codec import decode, encode
from keeper.core.model.errors import ConfigError
from tests.calendars import utc

KIND = """
[kinds.cpi]
title = "Prices"
time_zone = "America/New_York"
local_time = 08:30:00
kappa = "4"
before_s = 3600
after_s = 18000
rhythm_s = 6912000
ics = ["Consumer Price Index"]
"""
ONCE = '[kinds.fork]\ntitle = "Fork"\ntime_zone = "UTC"\nkappa = "1"\nbefore_s = 0\nafter_s = 60\nrhythm_s = 0\n'


def entry(at, *, kind="cpi", status="official", more=""):
    return f'[[events]]\nkind = "{kind}"\nstatus = "{status}"\nsource = "a test"\nat = [{at}]\n{more}\n'


def events(text):
    return [(one.at_s, one.status) for one in parse(text, "own.toml").calendar.events]


def problems(text):
    with pytest.raises(ConfigError) as caught:
        parse(text, "own.toml")
    return caught.value.problems


def test_the_shipped_calendar_is_read_by_its_bare_name_and_survives_the_journal():
    shipped = read(SHIPPED)
    assert shipped == read_shipped()
    assert decode(Calendar, encode(shipped.calendar)) == shipped.calendar


def test_a_name_that_ends_in_toml_is_a_path_and_any_other_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "calendar.toml"
    path.write_text(read_shipped().text.replace("FOMC decision", "Own decision"), encoding="utf-8")
    for name in ("calendar.toml", str(path)):
        assert any("Own" in event.title for event in read(name).calendar.events)
    assert not any("Own" in event.title for event in read(SHIPPED).calendar.events)
    with pytest.raises(ConfigError, match="must be calendar, which comes with the keeper"):
        read("own")


@pytest.mark.parametrize(("written", "at"), [
    ("2025-03-12", "2025-03-12 12:30"), ("2025-02-12", "2025-02-12 13:30"), ("2025-03-12T10:00:00", "2025-03-12 14:00"),
    ("2025-03-12T10:00:00Z", "2025-03-12 10:00"), ("2025-03-12T10:00:00+02:00", "2025-03-12 08:00"),
])  # fmt: skip
def test_dates_local_times_and_offsets_are_told_apart(written, at):
    assert events(KIND + entry(written)) == [(utc(at), EventStatus.OFFICIAL)]


def test_events_come_sorted_whatever_their_order():
    found = events(KIND + ONCE + entry("2026-05-12, 2026-01-13") + entry("2026-02-01T00:00:00Z", kind="fork"))
    assert found == sorted(found)


def test_a_title_of_its_own_stands_in_place_of_the_kinds():
    text = KIND + entry("2026-01-13", more='title = "December"')
    assert [one.title for one in parse(text, "own.toml").calendar.events] == ["December"]


def test_an_expected_event_gives_way_to_the_published_one():
    expected, official = entry("2027-02-10, 2027-03-10", status="expected"), entry("2027-02-11")
    assert events(KIND + expected + official) == [
        (utc("2027-02-11 13:30"), EventStatus.OFFICIAL),
        (utc("2027-03-10 13:30"), EventStatus.EXPECTED),
    ]


def test_without_a_rhythm_nothing_gives_way():
    text = ONCE + entry("2026-01-01T00:00:00Z", kind="fork") + entry("2026-01-03T00:00:00Z", kind="fork", status="expected")
    assert len(events(KIND + text)) == 2


def test_a_time_that_does_not_occur_is_refused():
    (problem,) = problems(KIND + entry("2025-03-09T02:30:00"))
    assert problem.startswith("own.toml: events[0].at[0]: 2025-03-09T02:30:00: does not occur in America/New_York")


def test_a_time_that_occurs_twice_is_refused_until_one_is_named():
    assert "fold = 0 for the first or 1 for the second" in problems(KIND + entry("2025-11-02T01:30:00"))[0]
    first, second = (events(KIND + entry("2025-11-02T01:30:00", more=f"fold = {fold}"))[0][0] for fold in (0, 1))
    assert (first, second - first) == (utc("2025-11-02 05:30"), 3_600)


def test_every_problem_is_told_at_once_with_its_place():
    text = KIND.replace("before_s", "befor_s").replace('"4"', "4") + entry('"soon", 1999-01-01', kind="cpx", more="weight = 1")
    told = "\n".join(problems(text + "[extra]\n"))
    for part in (
        "own.toml: kinds.cpi.before_s: is missing; must be a whole number, 0 to 604800",
        "own.toml: kinds.cpi.befor_s: unknown key; did you mean before_s?",
        "own.toml: kinds.cpi.kappa: 4: must be a decimal in quotes, 1 to 100",
        "own.toml: events[0].kind: 'cpx': must be cpi",
        "own.toml: events[0].weight: unknown key",
        "own.toml: extra: unknown key",
    ):
        assert part in told


@pytest.mark.parametrize(("text", "told"), [
    (KIND, "events: is missing; must be at least one [[events]]"),
    (KIND + "events = []", "events: unknown"),
    (entry("2026-01-13"), "kind"),
    (KIND.replace("cpi]", "C-P]") + entry("2026-01-13", kind="C-P"), "small letters"),
    (KIND.replace("America/New_York", "EST") + entry("2026-01-13"), "must be an IANA time zone"),
    (KIND.replace("America/New_York", "localtime") + entry("2026-01-13"), "must be an IANA time zone"),
    (KIND.replace("America/New_York", "America/Nowhere") + entry("2026-01-13"), "know none of that name"),
    (KIND.replace("America/New_York", "../etc/passwd") + entry("2026-01-13"), "must be an IANA time zone"),
    (KIND.replace('"4"', '"0.5"') + entry("2026-01-13"), "1 to 100"),
    (KIND.replace('"4"', '"NaN"') + entry("2026-01-13"), "1 to 100"),
    (KIND.replace("3600", "0").replace("18000", "0") + entry("2026-01-13"), "the window is empty"),
    (KIND.replace("3600", "true") + entry("2026-01-13"), "whole number"),
    (KIND.replace("08:30:00", '"08:30"') + entry("2026-01-13"), "not in quotes"),
    (KIND + entry('"2026-01-13"'), "not in quotes"),
    (KIND + entry("08:30:00"), "must be a date or a date and time"),
    (KIND + entry(""), "must be a list of dates"),
    (KIND + entry("1999-12-31"), "years 2000 to 2100"),
    (KIND + entry("2026-01-13T08:30:00.5"), "whole second"),
    (KIND + entry("2026-01-13", status="sure"), "must be official or expected"),
    (KIND + entry("2026-01-13", more="fold = 2"), "must be 0 or 1"),
    (KIND + entry("2026-01-13", more='title = ""'), "printable text"),
    (KIND + entry("2026-01-13", more='title = "a\\u001bb"'), "printable text"),
    (KIND + entry("2026-01-13, 2026-01-13"), "events[0].at[1]: is the same as events[0].at[0]"),
    (KIND + entry("2026-02-11, 2026-02-13"), "less than 7 days after events[0].at[0]"),
    (KIND + ONCE + entry("2026-01-01", kind="fork"), "a date alone needs local_time in [kinds.fork]"),
    (ONCE + "".join(entry("2026-01-01T00:00:00Z", kind="fork", status=one) for one in ("official", "expected")), "is the same"),
    ("kinds = 1", "kinds: 1: must be a table"),
    ("[kinds", "not TOML"),
])  # fmt: skip
def test_what_is_wrong_is_refused_in_words(text, told):
    assert told in "\n".join(problems(text))


def test_files_that_cannot_be_calendars_are_refused(tmp_path):
    for name, data, told in (("large", b"#" * ((1 << 20) + 1), "1 MiB"), ("latin", b"# caf\xe9", "not UTF-8")):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=told):
            read_file(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file(tmp_path / "missing.toml")

"""The shipped calendar against the world's."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.adapters.calendar.toml_calendar import read_shipped
from keeper.core.model.calendar import EventStatus
from keeper.core.signals.calendar import exhausted
from tests.calendars import DAY_S, utc

FOMC_CSV = Path(__file__).resolve().parents[3] / "shared/data/fomc_dates_2000_2026.csv"
CALENDAR = read_shipped().calendar

MISDATED = {date(2026, 5, 6): date(2026, 4, 29)}
"""The recorded list puts the meeting of April 2026 a week late; the Federal Reserve announced 28 and 29 April."""


def days(kind, year=None):
    events = [one for one in CALENDAR.events if one.kind == kind]
    dates = [datetime.fromtimestamp(one.at_s, UTC).date() for one in events]
    return [day for day in dates if year in {None, day.year}]


@pytest.mark.parametrize(("kind", "at"), [
    ("fomc", "2025-01-29 19:00"), ("fomc", "2025-03-19 18:00"), ("fomc", "2025-10-29 18:00"), ("fomc", "2025-12-10 19:00"),
    ("fomc", "2026-04-29 18:00"), ("fomc", "2026-10-28 18:00"), ("fomc", "2027-03-17 18:00"), ("fomc", "2027-12-08 19:00"),
    ("cpi", "2025-03-12 12:30"), ("cpi", "2025-02-12 13:30"), ("cpi", "2025-10-24 12:30"), ("cpi", "2025-12-18 13:30"),
    ("cpi", "2026-02-13 13:30"), ("cpi", "2026-03-11 12:30"), ("cpi", "2026-11-10 13:30"),
    ("ppi", "2025-11-25 13:30"), ("ppi", "2026-01-30 13:30"), ("ppi", "2026-03-18 12:30"), ("ppi", "2025-09-10 12:30"),
])  # fmt: skip
def test_releases_are_at_their_universal_time_on_both_sides_of_a_clock_change(kind, at):
    assert utc(at) in {one.at_s for one in CALENDAR.events if one.kind == kind and one.status is EventStatus.OFFICIAL}


@pytest.mark.parametrize(("title", "at_s"), [("Ethereum: Pectra", 1_746_612_311), ("Ethereum: Fusaka", 1_764_798_551)])
def test_upgrades_are_at_their_activation_timestamps(title, at_s):
    assert [one.at_s for one in CALENDAR.events if one.title == title] == [at_s]


@pytest.mark.tape
@pytest.mark.skipif(not FOMC_CSV.is_file(), reason="recorded market data is not in ../shared/data")
def test_fomc_days_are_those_of_the_recorded_list():
    recorded = [date.fromisoformat(line) for line in FOMC_CSV.read_text().split()[1:]]
    corrected = [MISDATED.get(day, day) for day in recorded if day.year in {2025, 2026}]
    assert corrected == [day for day in days("fomc") if day.year < 2027]


@pytest.mark.parametrize(("kind", "year", "count"), [
    ("fomc", 2025, 8), ("fomc", 2026, 8), ("fomc", 2027, 8),
    ("cpi", 2025, 11), ("cpi", 2026, 12), ("cpi", 2027, 12),
    ("ppi", 2025, 10), ("ppi", 2026, 13), ("ppi", 2027, 12),
])  # fmt: skip
def test_every_release_of_every_year_is_there(kind, year, count):
    assert len(days(kind, year)) == count


def test_the_cancelled_release_of_october_2025_is_not_there():
    assert not [day for day in days("cpi") if date(2025, 10, 25) <= day <= date(2025, 12, 17)]
    assert not [day for day in days("ppi") if date(2025, 11, 26) <= day <= date(2026, 1, 13)]


def test_what_is_not_published_is_marked():
    expected = [one for one in CALENDAR.events if one.status is EventStatus.EXPECTED]
    assert {(one.kind, datetime.fromtimestamp(one.at_s, UTC).year) for one in expected} == {("cpi", 2027), ("ppi", 2027)}
    assert all(one.source.startswith("not published yet") for one in expected)


def test_expected_days_follow_the_pattern_that_they_name():
    for day in days("cpi", 2027):
        assert day.weekday() == 2
        assert abs(day - day.replace(day=12)) <= timedelta(days=3)
    assert all((after - day).days in {1, 2} for day, after in zip(days("cpi", 2027), days("ppi", 2027), strict=True))
    assert date(2027, 11, 11) not in days("ppi", 2027)


def test_decisions_fall_on_wednesdays_and_prices_on_working_days():
    assert {day.weekday() for day in days("fomc")} == {2}
    assert {day.weekday() for kind in ("cpi", "ppi") for day in days(kind)} <= {0, 1, 2, 3, 4}


def test_events_are_sorted_and_none_stands_twice():
    keys = [(one.at_s, one.kind) for one in CALENDAR.events]
    assert all(a < b for a, b in pairwise(keys))
    assert max(Counter(keys).values()) == 1


def test_the_calendar_covers_its_years_without_a_hole_and_then_runs_out():
    covered = range(utc("2025-01-01 00:00"), utc("2027-11-20 00:00"), DAY_S)
    assert {kinds for at_s in covered if (kinds := exhausted(CALENDAR, at_s))} == set()
    assert exhausted(CALENDAR, utc("2027-12-20 00:00")) == ("fomc", "cpi", "ppi")


def test_upgrades_are_shown_and_do_not_act():
    assert not CALENDAR.rule("upgrade").acts
    assert {one.kind: one.kappa for one in CALENDAR.rules} == {"fomc": 4.0, "cpi": 4.0, "ppi": 2.0, "upgrade": 1.0}

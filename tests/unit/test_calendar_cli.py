"""What keeper calendar prints."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from keeper.adapters.calendar.ics_import import import_events
from keeper.adapters.calendar.toml_calendar import read_file, read_shipped
from keeper.app.cli import calendar as body
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import Output
from keeper.core.signals.calendar import outlook
from tests.calendars import utc

CALENDAR = read_shipped().calendar
HORIZON_S = 72 * 3_600

pytestmark = pytest.mark.usefixtures("wide")


def printed(now_s, *, days, as_json=False):
    seen = outlook(CALENDAR, now_s, horizon_s=HORIZON_S, lead_s=6 * 3_600)
    coming = body.events_within(CALENDAR, now_s, days=days)
    stream = io.StringIO()
    Output(as_json=as_json, color=False, stream=stream).show(
        body.document(CALENDAR, seen, coming, now_s=now_s, horizon_s=HORIZON_S),
        *body.render(CALENDAR, seen, coming, now_s=now_s, horizon_s=HORIZON_S),
    )
    return stream.getvalue()


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")


def test_coming_events_are_told_in_both_times_with_window_and_effect():
    text = printed(utc("2026-03-10 12:30"), days=9)
    for part in (
        "Wed 2026-03-11 08:30 EDT  2026-03-11 12:30:00 UTC",
        "1 d 0 h",
        "-1 h 0 min to +5 h 0 min",
        "x 1.250",
        "x 1.083",
        "official",
        "Federal Reserve, FOMC calendars",
        "now: no event acts; next is US consumer prices (CPI) in 1 d 0 h",
    ):
        assert part in text


@pytest.mark.parametrize(("at", "told"), [
    ("2026-03-11 06:00", "now: variance of 3 d 0 h x 1.250, ahead of US consumer prices (CPI), for another 11 h 30 min"),
    ("2026-03-11 13:00", "now: variance of 3 d 0 h x 1.250, in the window of US consumer prices (CPI), for another 4 h 30 min"),
])  # fmt: skip
def test_what_acts_now_is_told_with_the_time_left(at, told):
    assert told in printed(utc(at), days=1)


def test_an_event_in_its_window_is_still_listed_and_a_past_one_is_not():
    assert "2026-03-11 12:30:00" in printed(utc("2026-03-11 17:29"), days=1)
    assert "2026-03-11 12:30:00" not in printed(utc("2026-03-11 17:30"), days=1)


def test_a_calendar_that_runs_out_is_a_warning():
    text = printed(utc("2027-12-01 00:00"), days=30)
    assert "warning: the calendar of fomc runs out on 2027-12-08 19:00:00 UTC" in text
    assert "warning: the calendar of fomc has run out" in printed(utc("2028-01-01 00:00"), days=30)
    assert "warning: the calendar of cpi has a gap until 2025-01-15" in printed(utc("2024-01-01 00:00"), days=30)
    assert "warning" not in printed(utc("2026-06-01 00:00"), days=30)


def test_dates_by_pattern_are_told_as_such():
    assert "note: the next cpi is expected by its pattern" in printed(utc("2026-12-20 00:00"), days=30)


def test_programs_get_the_same_in_numbers():
    document = json.loads(printed(utc("2026-03-11 06:00"), days=9, as_json=True))
    assert (document["phase"], document["acting"]["kind"], document["until_s"]) == ("ahead", "cpi", utc("2026-03-11 17:30"))
    assert document["multiplier"] == pytest.approx(1.25)
    assert [one["kind"] for one in document["events"]] == ["cpi", "ppi", "fomc"]
    assert document["events"][0]["local"] == "2026-03-11T08:30:00-04:00"
    assert (document["exhausted"], document["unconfirmed"]) == ([], [])


def ics(*events):
    lines = ["BEGIN:VCALENDAR"]
    for summary, day in events:
        lines += ["BEGIN:VEVENT", f"SUMMARY:{summary}", f"DTSTART;VALUE=DATE:{day}", "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR"]).encode()


NEW, MOVED, OTHER = ("Consumer Price Index", "20280112"), ("Consumer Price Index", "20261211"), ("Real Earnings", "20280112")


class StubSession:
    """A session whose settings name the shipped calendar."""

    def __init__(self, *, as_json=False):
        self.stream = io.StringIO()
        self.out = Output(as_json=as_json, color=False, stream=self.stream)

    def load(self):
        calendar = SimpleNamespace(file="calendar", lead_s=6 * 3_600)
        return SimpleNamespace(settings=SimpleNamespace(calendar=calendar, ladder=SimpleNamespace(horizon_s=HORIZON_S)))


def test_an_import_tells_what_came_of_every_event(tmp_path):
    found = import_events(ics(NEW, MOVED, OTHER), "bls.ics", read_shipped())
    into = tmp_path / "own.toml"
    text = "\n".join(str(line) for line in body.render_import(found, into, in_use="calendar"))
    assert "added cpi 2028-01-12 13:30:00 UTC: US consumer prices (CPI) (official)" in text
    assert "refused line 6, US consumer prices (CPI): stands at 2026-12-10T08:30:00-05:00" in text
    assert "1 added, 0 known, 1 refused, 1 of no kind of the calendar" in text
    assert f'to use it: calendar.file = "{into}"' in text
    document = body.import_document(found, into)
    assert json.loads(json.dumps(document))["added"][0]["at_s"] == utc("2028-01-12 13:30")


def test_an_own_calendar_begins_as_a_copy_and_grows(tmp_path):
    path, into = tmp_path / "bls.ics", tmp_path / "own.toml"
    path.write_bytes(ics(NEW))
    assert body.import_ics(StubSession(), path, kind=None, into=into) is ExitCode.OK
    assert len(read_file(into).calendar.events) == len(CALENDAR.events) + 1
    path.write_bytes(ics(NEW, ("Producer Price Index", "20280113")))
    session = StubSession(as_json=True)
    assert body.import_ics(session, path, kind=None, into=into) is ExitCode.OK
    assert len(json.loads(session.stream.getvalue())["added"]) == 1
    assert len(read_file(into).calendar.events) == len(CALENDAR.events) + 2


def test_an_import_with_refusals_ends_differently_and_one_without_news_writes_nothing(tmp_path):
    path, into = tmp_path / "bls.ics", tmp_path / "own.toml"
    path.write_bytes(ics(MOVED))
    assert body.import_ics(StubSession(), path, kind=None, into=into) is ExitCode.DIFFERENT
    assert not into.exists()


def test_showing_reads_the_calendar_that_the_settings_name(monkeypatch):
    monkeypatch.setattr(body, "time", SimpleNamespace(time=lambda: float(utc("2026-03-11 06:00"))))
    session = StubSession(as_json=True)
    assert body.show(session, days=9) is ExitCode.OK
    assert json.loads(session.stream.getvalue())["phase"] == "ahead"

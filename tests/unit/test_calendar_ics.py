"""An .ics file is taken event by event; what is doubtful is refused with its reason."""

from __future__ import annotations

import pytest

from keeper.adapters.calendar.ics import IcsEvent, parse
from keeper.adapters.calendar.ics_import import import_events, write
from keeper.adapters.calendar.toml_calendar import parse as parse_toml
from keeper.adapters.calendar.toml_calendar import read_file, read_shipped
from keeper.core.model.calendar import EventStatus
from keeper.core.model.errors import ConfigError
from tests.calendars import utc

ZONE = (
    "BEGIN:VTIMEZONE", "TZID:America/New_York", "BEGIN:STANDARD", "DTSTART:20071104T020000",
    "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU", "TZOFFSETFROM:+0900", "TZOFFSETTO:+0900", "END:STANDARD", "END:VTIMEZONE",
)  # fmt: skip
CPI = "SUMMARY:Consumer Price Index for January 2027"


def event(*lines, summary=CPI):
    return ("BEGIN:VEVENT", "UID:1", summary, *lines, "END:VEVENT")


def ics(*groups, end="\r\n"):
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//a test//EN",
        *(line for group in groups for line in group),
        "END:VCALENDAR",
    )
    return (end.join(lines) + end).encode()


def only(*lines, **kind):
    (one,) = parse(ics(ZONE, event(*lines, **kind)), "some.ics")
    return one


def imported(*groups, into=None, kind=None):
    return import_events(ics(*groups), "bls.ics", into or read_shipped(), kind=kind)


def times(found):
    return [(one.kind, one.at_s, one.status) for one in found]


@pytest.mark.parametrize(("start", "at"), [
    ("DTSTART;TZID=America/New_York:20270210T083000", "2027-02-10 13:30"),
    ("DTSTART;TZID=America/New_York:20270316T083000", "2027-03-16 12:30"),
    ('DTSTART;VALUE=DATE-TIME;TZID="America/New_York":20270210T083000', "2027-02-10 13:30"),
    ("DTSTART;TZID=US/Eastern:20270210T083000", "2027-02-10 13:30"),
    ("DTSTART;TZID=US-Eastern:20270210T083000", "2027-02-10 13:30"),
    ("DTSTART;TZID=Eastern Standard Time:20270316T083000", "2027-03-16 12:30"),
    ("DTSTART:20270210T133000Z", "2027-02-10 13:30"),
    ("DTSTART;VALUE=DATE:20270210", "2027-02-10 13:30"),
    ("dtstart;value=date:20270210", "2027-02-10 13:30"),
])  # fmt: skip
def test_starts_are_right_in_every_form_and_zones_are_not_taken_from_the_file(start, at):
    assert times(imported(ZONE, event(start)).added) == [("cpi", utc(at), EventStatus.OFFICIAL)]


@pytest.mark.parametrize(("lines", "why"), [
    (("DTSTART:20270210T083000",), "neither a time zone nor Z"),
    (("DTSTART;TZID=Mars/Olympus:20270210T083000",), "TZID Mars/Olympus: must be an IANA time zone"),
    (("DTSTART:20270210T083000Z", "RRULE:FREQ=MONTHLY"), "repetition is not read"),
    (("DTSTART:20270210T083000Z", "RDATE:20270310T083000Z"), "repetition is not read"),
    (("DTSTART:20270210T083000Z", "RECURRENCE-ID:20270210T083000Z"), "repetition is not read"),
    (("DTSTART:20270210T083000Z", "DTSTART:20270211T083000Z"), "DTSTART stands twice"),
    (("DTSTART:20270210T083000Z", "STATUS:CANCELLED"), "is cancelled"),
    (("DTSTART;VALUE=DATE:20270126", "DTEND;VALUE=DATE:20270128"), "lasts more than one day"),
    (("DTSTART;VALUE=DATE:20270126", "DURATION:P2D"), "lasts more than one day"),
    (("DTSTART;VALUE=DATE:20270230",), "DTSTART 20270230: "),
    (("DTSTART:2027-02-10T08:30:00Z",), "must be a date or a date and time"),
    (("DTSTART;VALUE=PERIOD:20270210T083000Z/PT1H",), "must be a date or a date and time"),
    ((), "has no DTSTART"),
])  # fmt: skip
def test_doubtful_events_are_refused_and_the_rest_is_taken(lines, why):
    found = imported(ZONE, event(*lines), event("DTSTART;VALUE=DATE:20270610"))
    assert [(one.summary, why in one.why) for one in found.refused] == [("Consumer Price Index for January 2027", True)]
    assert times(found.added) == [("cpi", utc("2027-06-10 12:30"), EventStatus.OFFICIAL)]


@pytest.mark.parametrize(
    "start", ["DTSTART;TZID=America/New_York:20270314T023000", "DTSTART;TZID=America/New_York:20271107T013000"]
)
def test_times_at_which_clocks_are_changed_are_refused(start):
    (refused,) = imported(event(start)).refused
    assert "clocks go" in refused.why


def test_a_day_of_its_own_may_say_its_end():
    assert isinstance(only("DTSTART;VALUE=DATE:20270210", "DTEND;VALUE=DATE:20270211"), IcsEvent)
    assert isinstance(only("DTSTART;VALUE=DATE:20270210", "DURATION:P1D"), IcsEvent)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_folded_lines_are_joined_even_inside_a_character(end):
    summary = "SUMMARY:Consumer Price Index é\\, core".encode()
    place = summary.index("é".encode()) + 1
    folded = summary[:place] + f"{end} ".encode() + summary[place : place + 3] + f"{end}\t".encode() + summary[place + 3 :]
    data = ics(event("DTSTART:20270210T133000Z"), end=end).replace(CPI.encode(), folded)
    (one,) = parse(data, "some.ics")
    assert one.summary == "Consumer Price Index é, core"


def test_a_byte_order_mark_and_blank_lines_do_no_harm():
    data = b"\xef\xbb\xbf" + ics(("", ""), event("DTSTART:20270210T133000Z")) + b"\r\n\r\n"
    assert len(parse(data, "some.ics")) == 1


def test_what_an_alarm_says_is_not_the_event():
    alarm = ("BEGIN:VALARM", "SUMMARY:wake up", "DTSTART:20000101T000000Z", "RRULE:FREQ=DAILY", "END:VALARM")
    one = only("DTSTART:20270210T133000Z", *alarm)
    assert isinstance(one, IcsEvent)
    assert one.summary == "Consumer Price Index for January 2027"


def test_control_characters_of_a_summary_reach_no_terminal_and_no_file():
    found = imported(event("DTSTART:20270210T133000Z", summary='SUMMARY:Big\x1b[31m \\"hard fork\\n"'))
    assert [one.title for one in found.added] == ['Big [31m \\"hard fork "']
    assert parse_toml(found.text, "own.toml").calendar.events


@pytest.mark.parametrize(("data", "told"), [
    (b"", "must begin with BEGIN:VCALENDAR"),
    (b"<html>", "must begin with BEGIN:VCALENDAR"),
    (b"BEGIN:VCARD\r\nEND:VCARD\r\n", "must begin with BEGIN:VCALENDAR"),
    (ics(event("DTSTART:20270210T133000Z"))[:-30], "the file is cut off"),
    (ics(("END:VEVENT",)), "closes nothing that is open"),
    (ics(("no colon here",)), "line 4: not an iCalendar line"),
    (ics(("X-A:1",)).replace(b"X-A:1", b"X-A:\xff"), "line 4: not UTF-8"),
    (b" " * ((1 << 20) + 1), "larger than 1 MiB"),
])  # fmt: skip
def test_files_that_are_no_calendars_are_refused(data, told):
    with pytest.raises(ConfigError, match=r"some\.ics") as caught:
        parse(data, "some.ics")
    assert told in str(caught.value)


def test_kinds_are_known_by_their_summaries_and_others_are_counted():
    found = imported(
        event("DTSTART;VALUE=DATE:20270610", summary="SUMMARY:CONSUMER PRICE INDEX"),
        event("DTSTART;VALUE=DATE:20270611", summary="SUMMARY:Producer Price Index"),
        event("DTSTART;VALUE=DATE:20270612", summary="SUMMARY:Real Earnings"),
        event("RRULE:FREQ=DAILY", summary="SUMMARY:Job Openings"),
    )
    assert ([one.kind for one in found.added], found.other, found.refused) == (["cpi", "ppi"], 2, ())


def test_a_summary_of_two_kinds_is_refused_until_one_is_named():
    both = event("DTSTART;VALUE=DATE:20270610", summary="SUMMARY:Consumer Price Index and Producer Price Index")
    assert "could be cpi and ppi" in imported(both).refused[0].why
    assert [one.kind for one in imported(both, kind="ppi").added] == ["ppi"]


def test_an_unknown_kind_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match="there are fomc, cpi, ppi, upgrade"):
        imported(event("DTSTART;VALUE=DATE:20270610"), kind="gdp")


def test_what_is_known_is_not_added_again():
    again = event("DTSTART;VALUE=DATE:20261210")
    new = event("DTSTART;VALUE=DATE:20280112")
    found = imported(again, new, new)
    assert times(found.known) == [("cpi", utc(at), EventStatus.OFFICIAL) for at in ("2026-12-10 13:30", "2028-01-12 13:30")]
    assert times(found.added) == [("cpi", utc("2028-01-12 13:30"), EventStatus.OFFICIAL)]


def test_an_import_twice_changes_nothing_the_second_time():
    groups = (event("DTSTART;VALUE=DATE:20280112"), event("DTSTART;VALUE=DATE:20280209"))
    once = imported(*groups)
    twice = imported(*groups, into=parse_toml(once.text, "own.toml"))
    assert (len(twice.added), len(twice.known), twice.text) == (0, 2, once.text)


def test_a_published_date_takes_the_place_of_the_expected_one():
    found = imported(event("DTSTART;VALUE=DATE:20270211"))
    calendar = parse_toml(found.text, "own.toml").calendar
    february = [
        one for one in calendar.events if one.kind == "cpi" and utc("2027-02-01 00:00") < one.at_s < utc("2027-03-01 00:00")
    ]
    assert times(february) == [("cpi", utc("2027-02-11 13:30"), EventStatus.OFFICIAL)]


def test_a_tentative_date_does_not_stand_beside_what_is_known():
    found = imported(
        event("DTSTART;VALUE=DATE:20261211", "STATUS:TENTATIVE"), event("DTSTART;VALUE=DATE:20280112", "STATUS:TENTATIVE")
    )
    assert times(found.added) == [("cpi", utc("2028-01-12 13:30"), EventStatus.EXPECTED)]
    assert len(found.known) == 1


def test_a_moved_release_is_for_a_person_to_settle():
    (refused,) = imported(event("DTSTART;VALUE=DATE:20261211")).refused
    assert "stands at 2026-12-10T08:30:00-05:00 already, now 2026-12-11T08:30:00-05:00" in refused.why
    assert refused.line == 4


def test_additions_are_readable_and_name_their_source():
    found = imported(event("DTSTART;VALUE=DATE:20280112"), event("DTSTART;VALUE=DATE:20280412"))
    assert found.text.startswith(read_shipped().text.rstrip())
    assert found.text.endswith(
        '\n\n[[events]]\nkind = "cpi"\nstatus = "official"\nsource = "imported from bls.ics"\n'
        "at = [\n    2028-01-12T08:30:00-05:00,\n    2028-04-12T08:30:00-04:00,\n]\n"
    )


def test_single_events_keep_their_own_titles():
    fork = event("DTSTART:20270210T133000Z", summary="SUMMARY:Glamsterdam hard fork")
    found = imported(fork)
    assert [(one.kind, one.title) for one in found.added] == [("upgrade", "Glamsterdam hard fork")]
    assert 'title = "Glamsterdam hard fork"' in found.text


def test_a_single_event_that_stands_as_expected_is_known():
    fork = event("DTSTART:20270210T133000Z", summary="SUMMARY:Glamsterdam hard fork")
    tentative = imported((*fork[:-1], "STATUS:TENTATIVE", fork[-1]))
    again = imported(fork, into=parse_toml(tentative.text, "own.toml"))
    assert (len(tentative.added), len(again.added), len(again.known)) == (1, 0, 1)


def test_a_file_is_replaced_only_by_one_that_can_be_read(tmp_path):
    path = tmp_path / "own.toml"
    text = imported(event("DTSTART;VALUE=DATE:20280112")).text
    assert write(path, text) == read_file(path)
    with pytest.raises(ConfigError):
        write(path, text + "nonsense")
    assert path.read_text() == text
    assert [one.name for one in tmp_path.iterdir()] == ["own.toml"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "missing" / "own.toml", read_shipped().text)

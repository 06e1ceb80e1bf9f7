"""What scheduled events do to the forecast of variance, and when."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from keeper.core.model.calendar import NO_CALENDAR, Calendar, EventStatus
from keeper.core.model.codec import decode, encode
from keeper.core.signals.calendar import Phase, exhausted, nearby, outlook, windows
from tests.calendars import DAY_S, HOUR_S, NOON_S, calendar, event, rule

THREE_DAYS_S = 72 * HOUR_S
LEAD_S = 6 * HOUR_S


def see(known, now_s, *, horizon_s=THREE_DAYS_S, lead_s=LEAD_S):
    return outlook(known, now_s, horizon_s=horizon_s, lead_s=lead_s)


def test_six_hours_of_fourfold_variance_in_three_days_are_the_golden_multiplier():
    seen = see(calendar(event(NOON_S)), NOON_S)
    assert seen.multiplier == pytest.approx(1.25, rel=1e-15)
    assert math.sqrt(seen.multiplier) == pytest.approx(1.1180339887, abs=5e-11)


def test_what_a_window_has_beyond_the_horizon_does_not_count():
    assert see(calendar(event(NOON_S)), NOON_S, horizon_s=2 * HOUR_S).multiplier == pytest.approx(4.0, rel=1e-15)


@pytest.mark.parametrize(("hours_from_release", "phase"), [
    (-7.001, Phase.QUIET), (-7, Phase.AHEAD), (-1.001, Phase.AHEAD), (-1, Phase.INSIDE), (0, Phase.INSIDE),
    (4.999, Phase.INSIDE), (5, Phase.QUIET),
])  # fmt: skip
def test_an_event_acts_from_its_lead_to_the_end_of_its_window(hours_from_release, phase):
    release = event(NOON_S)
    seen = see(calendar(release), NOON_S + round(hours_from_release * HOUR_S))
    assert seen.phase is phase
    assert (seen.multiplier, seen.event) == ((1.0, None) if phase is Phase.QUIET else (1.25, release))
    assert seen.until_s == (None if phase is Phase.QUIET else NOON_S + 5 * HOUR_S)


def test_a_lone_event_moves_the_multiplier_once_up_and_once_down():
    known = calendar(event(NOON_S))
    seen = [see(known, NOON_S + minute * 60).multiplier for minute in range(-24 * 60, 24 * 60)]
    assert sum(before != after for before, after in pairwise(seen)) == 2


def test_overlapping_events_take_the_largest_and_not_the_product():
    rules = (rule("fomc", kappa=4.0), rule("ppi", kappa=2.0))
    both = calendar(event(NOON_S, "ppi"), event(NOON_S + HOUR_S, "fomc"), rules=rules)
    seen = see(both, NOON_S)
    assert (seen.multiplier, seen.event.kind) == (1.25, "fomc")


def test_of_equal_events_the_earlier_one_tells_until_it_is_over():
    first, second = event(NOON_S), event(NOON_S + 2 * HOUR_S)
    known = calendar(first, second)
    assert see(known, NOON_S).event == first
    after = see(known, NOON_S + 5 * HOUR_S)
    assert (after.event, after.multiplier, after.phase) == (second, 1.25, Phase.INSIDE)


def test_a_kind_without_evidence_is_known_and_does_not_act():
    upgrade = calendar(event(NOON_S, "upgrade"), rules=(rule("upgrade", kappa=1.0, rhythm_s=DAY_S),))
    seen = see(upgrade, NOON_S)
    assert (seen.multiplier, seen.phase, seen.next_event, seen.exhausted) == (1.0, Phase.QUIET, None, ())
    assert windows(upgrade) == ()


def test_the_next_event_is_the_next_release_that_acts():
    rules = (rule(), rule("upgrade", kappa=1.0))
    known = calendar(event(NOON_S), event(NOON_S + DAY_S, "upgrade"), event(NOON_S + 2 * DAY_S), rules=rules)
    assert see(known, NOON_S).next_in_s == 0
    later = see(known, NOON_S + 1)
    assert (later.next_event, later.next_in_s) == (event(NOON_S + 2 * DAY_S), 2 * DAY_S - 1)
    assert see(known, NOON_S + 3 * DAY_S).next_event is None


@pytest.mark.parametrize(("days_before_the_last", "out"), [(15, False), (14, False), (13.9, True), (0, True), (-1, True)])
def test_a_kind_runs_out_two_weeks_before_its_last_event(days_before_the_last, out):
    known = calendar(event(NOON_S), rules=(rule(rhythm_s=60 * DAY_S),))
    now_s = NOON_S - round(days_before_the_last * DAY_S)
    assert exhausted(known, now_s) == see(known, now_s).exhausted == (("cpi",) if out else ())


def test_a_hole_wider_than_the_rhythm_is_not_silence():
    known = calendar(event(NOON_S), event(NOON_S + 100 * DAY_S), rules=(rule(rhythm_s=60 * DAY_S),))
    assert exhausted(known, NOON_S) == ()
    assert exhausted(known, NOON_S + DAY_S) == ("cpi",)
    assert exhausted(known, NOON_S + 41 * DAY_S) == ()


def test_a_time_long_before_the_calendar_is_not_covered_either():
    assert exhausted(calendar(event(NOON_S), rules=(rule(rhythm_s=60 * DAY_S),)), NOON_S - 400 * DAY_S) == ("cpi",)


def test_a_kind_without_rhythm_never_runs_out():
    assert exhausted(calendar(rules=(rule(rhythm_s=0),)), NOON_S) == ()


def test_nothing_scheduled_is_quiet():
    seen = see(NO_CALENDAR, NOON_S)
    assert (seen.multiplier, seen.phase, seen.exhausted) == (1.0, Phase.QUIET, ())


def test_an_expected_event_acts_and_is_told_as_unconfirmed():
    known = calendar(event(NOON_S, status=EventStatus.EXPECTED), event(NOON_S + 30 * DAY_S))
    seen = see(known, NOON_S)
    assert (seen.multiplier, seen.unconfirmed) == (1.25, ("cpi",))
    assert see(known, NOON_S + 1).unconfirmed == ()


@pytest.mark.parametrize(("horizon_s", "lead_s"), [(0, 0), (-1, 0), (1, -1)])
def test_times_that_make_no_sense_are_refused(horizon_s, lead_s):
    with pytest.raises(ValueError, match="horizon"):
        see(NO_CALENDAR, NOON_S, horizon_s=horizon_s, lead_s=lead_s)


def test_what_is_nearby_is_small_and_says_the_same():
    months = [event(NOON_S + month * 30 * DAY_S) for month in range(-12, 24)]
    known = calendar(*months, rules=(rule(rhythm_s=60 * DAY_S),))
    near = nearby(known, NOON_S + 10, lead_s=LEAD_S)
    assert len(near.events) == 3
    assert see(near, NOON_S + 10) == see(known, NOON_S + 10)


def test_a_calendar_survives_the_journal():
    known = calendar(event(NOON_S), event(NOON_S + 1, status=EventStatus.EXPECTED), rules=(rule(kappa=2.5),))
    assert decode(Calendar, encode(known)) == known


@pytest.mark.parametrize(("events", "rules", "told"), [
    ((event(1), event(0)), (rule(),), "in order"),
    ((event(1), event(1)), (rule(),), "none twice"),
    ((), (rule(), rule()), "one rule"),
    ((event(1, "ppi"),), (rule(),), "no rule for events of kind ppi"),
])  # fmt: skip
def test_a_calendar_that_contradicts_itself_is_refused(events, rules, told):
    with pytest.raises(ValueError, match=told):
        Calendar(events=events, rules=rules)


@pytest.mark.parametrize("wrong", [
    {"kappa": 0.9}, {"kappa": math.nan}, {"kappa": math.inf}, {"before_s": -1}, {"before_s": 0, "after_s": 0}, {"rhythm_s": -1},
])  # fmt: skip
def test_rules_that_no_market_follows_are_refused(wrong):
    with pytest.raises(ValueError, match="cpi"):
        rule(**wrong)

"""Scheduled events: the ladder is made ready ahead of the window, left alone in it and taken back where that pays."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.adapters.calendar import toml_calendar
from keeper.core.model.ladder import LayerKind
from keeper.core.model.view import Quality, find_reading
from keeper.core.signals import names
from keeper.core.strategy.caution import caution
from tests.builders import NOW_S, gas
from tests.calendars import DAY_S, HOUR_S, calendar, event, rule, utc
from tests.stories import (
    CLOSES_S,
    GOLDEN_ROOT,
    LEAD_S,
    OPENS_S,
    RELEASE_S,
    attentive,
    opened,
    scheduled,
    shifted,
    told,
    triggers,
    vetoes,
)

CORE, SECONDARY, INSURANCE = LayerKind

# ---- time-shifting


def test_a_release_widens_every_layer_ahead_of_its_window_once_and_is_taken_back_after_it():
    story = opened(attentive())
    narrow, insured = story.half_widths(), story.values[INSURANCE]

    quiet = story.cycle(LEAD_S - 1)
    assert quiet.is_hold
    assert ("protect", None) not in triggers(quiet)

    ahead = story.cycle(LEAD_S)
    assert shifted(ahead) == [CORE, SECONDARY, INSURANCE]
    assert {("event", kind) for kind in LayerKind} < triggers(ahead)
    assert ("protect", None) in triggers(ahead)
    assert ahead.vetoes == ()
    wide = story.half_widths()
    for before, after in zip(narrow, wide, strict=True):
        assert after / before == pytest.approx(GOLDEN_ROOT, rel=0.01)
    assert story.values[INSURANCE] > 1.2 * insured
    assert ahead.volatility == pytest.approx(0.6, abs=0)

    for at_s, forecast in ((OPENS_S, 0.63), (RELEASE_S, 0.69), (RELEASE_S + 1, 0.55), (CLOSES_S - 1, 0.6)):
        during = story.cycle(at_s, forecast=forecast)
        assert during.is_hold, (at_s, during.reasons)
        assert ("protect", None) in triggers(during)
        assert story.half_widths() == wide

    after = story.cycle(CLOSES_S)
    assert shifted(after) == [CORE, SECONDARY]
    assert {("event_over", kind) for kind in LayerKind} <= triggers(after)
    # insurance earns nothing more by being nearer: left wide
    assert vetoes(after) == {("cost", INSURANCE)}
    assert ("protect", None) not in triggers(after)
    assert story.half_widths() == [*narrow[:2], wide[2]]
    later = story.cycle(CLOSES_S + 2 * HOUR_S)
    assert later.is_hold
    assert ("steady", CORE) in triggers(later)
    assert vetoes(later) == {("cost", INSURANCE)}


def test_what_does_not_pay_to_take_back_is_left_wide_and_says_so():
    story = opened(attentive(), base_fee_wei=4 * 10**9)
    story.rules = replace(story.rules, gates=replace(story.rules.gates, max_gas_day_wei=10**18))
    story.cycle(LEAD_S)
    wide = story.half_widths()
    story.fee = gas(base_fee_wei=50 * 10**9)
    after = story.cycle(CLOSES_S)
    assert after.is_hold
    assert story.half_widths() == wide
    assert {("event_over", kind) for kind in LayerKind} < triggers(after)
    assert {("cost", kind) for kind in LayerKind} == vetoes(after)
    story.fee = gas(base_fee_wei=10**8)
    assert CORE in shifted(story.cycle(CLOSES_S + HOUR_S))


def test_a_day_of_the_shipped_calendar_is_prepared_for_and_over():
    shipped = toml_calendar.read("calendar").calendar
    rules = attentive(shipped)
    statement_s = utc("2026-09-16 18:00")
    story = opened(rules, utc("2026-09-13 12:00"))
    narrow = story.half_widths()
    assert story.cycle(statement_s - 7 * HOUR_S - 60).is_hold
    ahead = story.cycle(statement_s - 7 * HOUR_S)
    assert shifted(ahead) == list(LayerKind)
    assert story.half_widths()[0] == pytest.approx(GOLDEN_ROOT * narrow[0], rel=0.01)
    assert find_reading(told(rules, statement_s), names.CALENDAR).note == "FOMC decision, inside"
    for hours in (-1, 0, 1, 4):
        assert story.cycle(statement_s + hours * HOUR_S).is_hold
    assert CORE in shifted(story.cycle(statement_s + 5 * HOUR_S))
    assert story.half_widths()[0] == narrow[0]


def test_a_stronger_event_widens_what_was_placed_for_a_weaker_one():
    mild, wild = rule("ppi", kappa=5.0), rule("fomc", kappa=13.0)
    known = calendar(event(RELEASE_S, "ppi"), event(RELEASE_S + 3 * HOUR_S, "fomc"), rules=(mild, wild))
    story = opened(attentive(known))
    first = story.cycle(LEAD_S)
    assert shifted(first) == list(LayerKind)
    for_mild = story.half_widths()
    second = story.cycle(LEAD_S + 3 * HOUR_S)
    assert shifted(second) == list(LayerKind)
    assert ("event", CORE) in triggers(second)
    assert story.half_widths()[0] == pytest.approx(for_mild[0] * math.sqrt(2 / (4 / 3)), rel=0.02)
    assert story.cycle(LEAD_S + 6 * HOUR_S).is_hold


def test_a_layer_placed_for_an_event_at_its_opening_is_not_widened_again():
    story = opened(attentive(), LEAD_S + HOUR_S)
    assert story.half_widths()[0] == pytest.approx(680 * GOLDEN_ROOT, rel=0.01)
    assert story.cycle(LEAD_S + 3 * HOUR_S).is_hold
    assert CORE in shifted(story.cycle(CLOSES_S))


def test_a_layer_that_is_wide_enough_already_is_left_alone():
    story = opened(attentive())
    held = story.half_widths()
    calmer = story.cycle(LEAD_S, forecast=0.6 / GOLDEN_ROOT)
    assert shifted(calmer) == []
    assert story.half_widths() == held


def test_a_layer_that_was_not_placed_for_an_event_is_not_taken_back_for_one():
    story = opened(attentive())
    calmer = story.cycle(NOW_S + 2 * HOUR_S, forecast=0.6 / 1.2)
    assert calmer.is_hold
    assert "event_over" not in {trigger for trigger, _ in triggers(calmer)}


# ---- a calendar that has run out


def test_a_calendar_that_has_run_out_asks_for_nothing_and_its_reading_says_so():
    known = calendar(event(NOW_S - 60 * DAY_S), rules=(rule(rhythm_s=60 * DAY_S),))
    rules = attentive(known)
    seen = scheduled(rules, NOW_S)
    assert seen.quality is Quality.STALE
    assert "has run out for cpi: keeper calendar import" in seen.note
    made = caution(told(rules, NOW_S), rules)
    assert (made.event, made.width, made.insurance) == (1.0, 1.0, 0.0)
    story = opened(rules)
    held = story.cycle(NOW_S + HOUR_S)
    assert held.is_hold
    assert not {"event", "event_over", "protect"} & {trigger for trigger, _ in triggers(held)}


def test_a_calendar_that_runs_out_in_the_middle_of_a_window_does_not_narrow_the_layers_in_it():
    # the last release that is known: from that second on the kind has run out
    last = calendar(event(RELEASE_S), rules=(rule(rhythm_s=60 * DAY_S),))
    rules = attentive(last)
    story = opened(rules)
    story.cycle(LEAD_S)
    wide = story.half_widths()
    assert scheduled(rules, RELEASE_S + 60).quality is Quality.STALE
    during = story.cycle(RELEASE_S + 60)
    assert during.is_hold
    assert not {trigger for trigger, _ in triggers(during)} & {"event_over"}
    assert story.half_widths() == wide
    assert CORE in shifted(story.cycle(CLOSES_S))

"""Lending market, marks and calendar as readings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.core.model.bar import DAY_S, HOUR_S, Liquidations, Quote, Reserve, Sample
from keeper.core.model.policy import CalendarPolicy
from keeper.core.model.view import Quality
from keeper.core.quant.fusion import variance_multiplier
from keeper.core.signals import names
from tests.calendars import CPI, calendar, event, rule
from tests.markets import LEVEL, MARK, hours_of, known, minutes_of, read_at, wide_policy
from tests.pairs import NOW_S, USDC, WETH
from tests.policies import policy

RULES = wide_policy()
LENDING = (names.QUICK_RATIO, names.QUICK_RATIO_CHANGE, names.KINK_DISTANCE, names.LIQUIDATIONS)
EVERY_S = RULES.outside.sample_every_s


def reserve(available, debt=100, *, token=USDC, kink=0.8):
    return Reserve(
        asset=token.address, available=available, debt=debt, kink_ray=None if kink is None else round(kink * 1000) * 10**24
    )


def sampled(at_s, *reserves, liquidated=None):
    """A sample; ``liquidated``: how many, since the sample before."""
    liquidations = None
    if liquidated is not None:
        liquidations = Liquidations(since_block=(at_s - EVERY_S) // 12 + 1, count=liquidated, debt_covered=())
    return Sample(
        timestamp_s=at_s,
        block=at_s // 12,
        fee_growth_global0_x128=0,
        fee_growth_global1_x128=0,
        balance0=0,
        balance1=0,
        reserves=reserves,
        liquidations=liquidations,
    )


def read(*samples, rules=RULES, now_s=NOW_S, **series):
    return read_at(rules, known(rules, samples=samples, **series), now_s)


def test_the_tightest_reserve_decides_and_each_is_told():
    found = read(sampled(NOW_S, reserve(50), reserve(22, token=WETH)))
    assert found[names.QUICK_RATIO].value == pytest.approx(0.22)
    assert found["quick_ratio_usdc"].value == pytest.approx(0.5)
    assert found["quick_ratio_weth"].value == pytest.approx(0.22)
    assert found[names.QUICK_RATIO].quality is Quality.GOOD


def test_distance_to_the_kink_is_the_least_one_and_negative_past_it():
    found = read(sampled(NOW_S, reserve(100, 100), reserve(10, 90, token=WETH)))
    assert found[names.KINK_DISTANCE].value == pytest.approx(1 - 0.9 / 0.8)
    one = read(sampled(NOW_S, reserve(100, 100), reserve(10, 90, token=WETH, kink=None)))
    assert one[names.KINK_DISTANCE].value == pytest.approx(1 - 0.5 / 0.8)
    none = read(sampled(NOW_S, reserve(100, 100, kink=None)))
    assert none[names.KINK_DISTANCE].note == "the market does not tell its kink"


@pytest.mark.parametrize(("available", "debt", "ratio"), [(0, 100, 0.0), (100, 0, 10.0), (0, 0, 10.0), (10**40, 1, 10.0)])
def test_edges_of_the_quick_ratio(available, debt, ratio):
    found = read(sampled(NOW_S, reserve(available, debt)))
    assert found[names.QUICK_RATIO].value == ratio


def test_the_change_is_against_the_sample_of_a_day_ago():
    samples = [sampled(NOW_S - DAY_S * 2 + n * EVERY_S, reserve(200 - n)) for n in range(2 * 96 + 1)]
    found = read(*samples)
    assert found[names.QUICK_RATIO_CHANGE].value == pytest.approx(-0.96)
    assert found[names.QUICK_RATIO_CHANGE].quality is Quality.GOOD
    young = read(*samples[-40:])[names.QUICK_RATIO_CHANGE]
    assert (young.value, young.quality) == (pytest.approx(-0.39), Quality.SHORT)
    assert young.note == f"over {39 * EVERY_S} s: there is no day of samples yet"


def test_liquidations_are_those_of_the_last_hour():
    samples = [sampled(NOW_S - n * EVERY_S, reserve(50), liquidated=n) for n in range(8, -1, -1)]
    assert read(*samples)[names.LIQUIDATIONS].value == 0 + 1 + 2 + 3
    assert read(sampled(NOW_S, reserve(50)))[names.LIQUIDATIONS].quality is Quality.MISSING


def test_an_old_sample_is_stale_and_one_without_reserves_is_missing():
    edge_s = RULES.signals.stale_after_s + EVERY_S
    assert read(sampled(NOW_S - edge_s, reserve(50)))[names.QUICK_RATIO].quality is Quality.GOOD
    assert read(sampled(NOW_S - edge_s - 1, reserve(50)))[names.QUICK_RATIO].note == f"sampled {edge_s + 1} s ago"
    assert {read(sampled(NOW_S - 1, reserve(50)), sampled(NOW_S))[name].value for name in LENDING} == {None}
    assert {read()[name].note for name in LENDING} == {"no reserve could be read"}
    assert {read(rules=policy())[name].note for name in LENDING} == {"no lending market is configured: outside.lending"}


MARKS = replace(RULES, outside=replace(RULES.outside, marks=(MARK, "spare")))


def mark(value, age_s=30, *, name=MARK, fault=None):
    return Quote(name=name, value=value, as_of_s=NOW_S - age_s, source=f"of {name}", fault=fault, seen_s=NOW_S)


def deviation(*quotes, rules=MARKS, now_s=NOW_S, minutes=None):
    bars = minutes_of(rules, [LEVEL, LEVEL + 0.002]) if minutes is None else minutes
    return read_at(rules, known(rules, bars, quotes=quotes), now_s)[names.MARK_DEVIATION]


def test_deviation_is_signed_basis_points_of_the_logarithm():
    found = deviation(mark(4_000.0))
    assert (found.value, found.quality, found.source) == (pytest.approx(20.0, rel=1e-9), Quality.GOOD, f"of {MARK}")
    assert deviation(mark(4_000 * math.exp(0.005))).value == pytest.approx(-30.0, rel=1e-9)


@pytest.mark.parametrize("value", [None, 0.0, -1.0])
def test_the_next_mark_stands_in_for_one_that_cannot_be_believed(value):
    found = deviation(mark(value, fault="stuck"), mark(4_000.0, name="spare"))
    assert (found.value, found.source) == (pytest.approx(20.0, rel=1e-9), "of spare")
    nothing = deviation(mark(value, fault="stuck"))
    assert (nothing.quality, nothing.note) == (Quality.MISSING, f"{MARK}: stuck; spare: not told yet")


@pytest.mark.parametrize(("age_s", "quality"), [(4_200, "good"), (4_201, "stale"), (-4_200, "good"), (-4_201, "stale")])
def test_a_mark_that_is_over_an_hour_off_either_way_is_stale(age_s, quality):
    found = deviation(mark(4_000.0, age_s))
    assert (found.quality, bool(found.note)) == (quality, quality == "stale")


def test_a_fresh_mark_against_an_old_bar_is_stale_and_against_none_missing():
    late_s = RULES.signals.stale_after_s + 1
    found = deviation(mark(4_000.0, -late_s), now_s=NOW_S + late_s)
    assert (found.quality, found.note) == (Quality.STALE, f"the newest bar ended {late_s} s ago")
    assert deviation(mark(4_000.0), minutes=()).note == f"{MARK}: no bar is known; spare: not told yet"
    assert deviation(rules=policy()).note == "no mark is configured: outside.marks"


def scheduled(*events, now_s=NOW_S, rules=(CPI,), lead_s=6 * HOUR_S):
    keeper = policy(calendar=CalendarPolicy(calendar=calendar(*events, rules=rules), lead_s=lead_s))
    return read_at(keeper, known(keeper), now_s), keeper.ladder.horizon_s


def test_an_event_multiplies_from_its_lead_until_its_window_closes():
    at_s = NOW_S + 7 * HOUR_S
    found, horizon_s = scheduled(event(at_s))  # the window opens in six hours: the lead begins now
    assert found[names.CALENDAR].value == pytest.approx(variance_multiplier(horizon_s=horizon_s, event_s=6 * HOUR_S, kappa=4.0))
    assert found[names.CALENDAR].value > 1
    assert found[names.CALENDAR_NEXT].value == pytest.approx(7.0)
    assert scheduled(event(at_s + 1))[0][names.CALENDAR].value == 1
    assert scheduled(event(NOW_S - 5 * HOUR_S + 1))[0][names.CALENDAR].value > 1
    assert scheduled(event(NOW_S - 5 * HOUR_S))[0][names.CALENDAR].value == 1


def test_a_calendar_that_has_run_out_is_poor_and_says_so():
    rhythmic = rule(rhythm_s=40 * DAY_S)
    found, _ = scheduled(event(NOW_S - 30 * DAY_S), rules=(rhythmic,))
    assert (found[names.CALENDAR].value, found[names.CALENDAR].quality) == (1.0, Quality.STALE)
    assert "has run out for cpi" in found[names.CALENDAR].note
    assert found[names.CALENDAR_NEXT].quality is Quality.MISSING
    full, _ = scheduled(event(NOW_S + 20 * DAY_S), event(NOW_S + 50 * DAY_S), rules=(rhythmic,))
    assert full[names.CALENDAR].quality is Quality.GOOD


def test_without_a_calendar_both_are_missing():
    found = read_at(policy(), known(policy()))
    assert found[names.CALENDAR].note == found[names.CALENDAR_NEXT].note == "no calendar is configured: calendar.file"


def test_hours_alone_give_no_mark_deviation():
    found = read_at(MARKS, known(MARKS, hours=hours_of(MARKS, [LEVEL] * 5), quotes=(mark(4_000.0),)))
    assert found[names.MARK_DEVIATION].quality is Quality.MISSING

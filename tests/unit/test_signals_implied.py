from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.core.model.bar import DAY_S, HOUR_S, Quote, Sample
from keeper.core.model.view import Quality
from keeper.core.signals import names
from tests.builders import pool_state
from tests.markets import LEVEL, YEAR_S, fee_growth, hours_of, known, minutes_of, read_at, x96_of
from tests.pairs import NOW_S, USDC_WETH_500, WETH
from tests.policies import policy

RULES = policy()
INDEXED = replace(RULES, outside=replace(RULES.outside, implied="dvol"))
TENORS = (names.VOLATILITY_POOL_IMPLIED, names.VOLATILITY_POOL_IMPLIED_7D, names.VOLATILITY_POOL_IMPLIED_30D)
WRAP = 2**256


def sample(at_s, growth0, growth1):
    return Sample(
        timestamp_s=at_s,
        block=at_s // 12,
        fee_growth_global0_x128=growth0 % WRAP,
        fee_growth_global1_x128=growth1 % WRAP,
        balance0=1,
        balance1=1,
    )


def samples(days=31, *, every_s=HOUR_S, paid=lambda _at_s: 0.8, start=(10**40, 10**50), level=LEVEL):
    """Samples until now of a pool that pays so much; the price stands still."""
    growth, found = list(start), []
    for at_s in range(NOW_S - days * DAY_S, NOW_S + 1, every_s):
        found.append(sample(at_s, *growth))
        grown = fee_growth(USDC_WETH_500, WETH, level, paid(at_s), every_s)
        growth = [one + more for one, more in zip(growth, grown, strict=True)]
    return tuple(found)


def state_after(taken):
    last = taken[-1]
    return pool_state(
        sqrt_price_x96=x96_of(RULES, LEVEL),
        fee_growth_global0_x128=last.fee_growth_global0_x128,
        fee_growth_global1_x128=last.fee_growth_global1_x128,
    )


STILL = hours_of(RULES, [LEVEL] * (24 * 2))


def read(taken, *, now_s=NOW_S, rules=RULES, hours=STILL, **series):
    return read_at(rules, known(rules, hours=hours, samples=taken, **series), now_s, state_after(taken) if taken else None)


def test_a_pool_that_always_pays_the_same_has_a_flat_term_structure():
    found = read(samples())
    assert [found[name].value for name in TENORS] == pytest.approx([0.8] * 3, rel=1e-9)
    assert {found[name].quality for name in TENORS} == {Quality.GOOD}


def test_every_tenor_is_the_root_of_the_mean_variance_that_was_paid_over_it():
    def paid(at_s):
        age_s = NOW_S - at_s
        return 1.2 if age_s <= DAY_S else 0.6 if age_s <= 7 * DAY_S else 0.3

    found = read(samples(paid=paid))
    week = math.sqrt((1.2**2 + 6 * 0.6**2) / 7)
    month = math.sqrt((1.2**2 + 6 * 0.6**2 + 23 * 0.3**2) / 30)
    assert [found[name].value for name in TENORS] == pytest.approx([1.2, week, month], rel=1e-9)


def test_fees_in_both_tokens_are_put_together_at_the_mean_price_of_the_tenor():
    rising = [LEVEL + math.log(4) * n / (24 * 7) for n in range(24 * 7 + 1)]
    paid0, paid1 = 10**36, 3 * 10**44
    taken = (sample(NOW_S - 7 * DAY_S, 0, 0), sample(NOW_S, paid0, paid1))
    found = read(taken, hours=hours_of(RULES, rising))[names.VOLATILITY_POOL_IMPLIED_7D].value
    mean = LEVEL + math.log(4) * (1 + 24 * 7) / 2 / (24 * 7)
    root = x96_of(RULES, mean) / 2**96
    fees = paid0 / 2**128 * root**2 + paid1 / 2**128
    assert found == pytest.approx(2 * math.sqrt(fees / root * YEAR_S / (7 * DAY_S)), rel=1e-9)


def test_growth_past_the_wrap_reads_the_same():
    plain, wrapped = read(samples()), read(samples(start=(WRAP - 10**30, WRAP - 10**37)))
    assert [wrapped[name].value for name in TENORS] == pytest.approx([plain[name].value for name in TENORS], rel=1e-9)


@pytest.mark.parametrize("token", [0, 1])
def test_growth_that_ran_backwards_is_missing_not_absurd(token):
    taken = samples(2)
    field = f"fee_growth_global{token}_x128"
    ahead = {field: getattr(taken[-1], field) + 1}
    orphaned = tuple(replace(one, **ahead) if one.timestamp_s == NOW_S - DAY_S else one for one in taken)
    found = read(orphaned)[names.VOLATILITY_POOL_IMPLIED]
    assert (found.value, found.quality) == (None, Quality.MISSING)
    assert "orphaned" in found.note


def test_a_young_keeper_measures_over_what_it_has_and_says_so():
    found = read(samples(1))
    assert found[names.VOLATILITY_POOL_IMPLIED_7D].value == pytest.approx(0.8, rel=1e-9)
    assert found[names.VOLATILITY_POOL_IMPLIED_7D].note == f"{DAY_S} s of samples, {int(6.3 * DAY_S)} wanted"
    assert found[names.VOLATILITY_POOL_IMPLIED].quality is Quality.GOOD
    younger = read(tuple(one for one in samples(1) if one.timestamp_s >= NOW_S - 5 * HOUR_S))[names.VOLATILITY_POOL_IMPLIED]
    assert (younger.quality, younger.note) == (Quality.SHORT, "18000 s of samples, 21600 wanted")


def test_a_tenor_that_reaches_over_a_gap_in_the_samples_is_stale():
    lost = range(NOW_S - 3 * DAY_S, NOW_S - 4 * HOUR_S)
    found = read(tuple(one for one in samples() if one.timestamp_s not in lost))
    assert found[names.VOLATILITY_POOL_IMPLIED].quality is Quality.STALE
    assert found[names.VOLATILITY_POOL_IMPLIED].note == f"over {3 * DAY_S + HOUR_S} s: there is no nearer sample"
    assert found[names.VOLATILITY_POOL_IMPLIED_7D].quality is Quality.GOOD


def test_no_sample_or_only_one_of_now_is_missing():
    assert {read(())[name].note for name in TENORS} == {"no earlier sample of fee growth"}
    assert {read(samples(0))[name].quality for name in TENORS} == {Quality.MISSING}


def test_a_pool_without_a_swap_implies_nothing_at_all():
    found = read(samples(paid=lambda _at_s: 0.0))
    assert {found[name].value for name in TENORS} == {0.0}


def test_without_any_bar_the_price_is_the_pools_own():
    assert read(samples(2), hours=())[names.VOLATILITY_POOL_IMPLIED].value == pytest.approx(0.8, rel=1e-9)


def test_the_ratio_is_over_a_week_where_there_is_one():
    moving = hours_of(RULES, [LEVEL + 0.005 * (n % 2) for n in range(24 * 8)])
    found = read(samples(), hours=moving)
    assert found[names.IMPLIED_OVER_REALISED].value == pytest.approx(
        found[names.VOLATILITY_POOL_IMPLIED_7D].value / found[names.VOLATILITY_7D].value, rel=1e-12
    )
    assert found[names.IMPLIED_OVER_REALISED].quality is Quality.GOOD
    day = read(samples(2), hours=moving)
    assert day[names.IMPLIED_OVER_REALISED].value == pytest.approx(
        day[names.VOLATILITY_POOL_IMPLIED].value / day[names.VOLATILITY_1D].value, rel=1e-12
    )
    assert day[names.IMPLIED_OVER_REALISED].note == "over a day: there is no week of samples yet"


def test_against_no_volatility_at_all_there_is_no_ratio():
    found = read(samples())[names.IMPLIED_OVER_REALISED]
    assert (found.value, found.quality) == (None, Quality.MISSING)


def test_the_ratio_is_no_better_than_the_volatility_under_it():
    moving = minutes_of(RULES, [LEVEL + 0.001 * (n % 2) for n in range(5 * 60)])
    found = read(samples(2), hours=(), minutes=moving)[names.IMPLIED_OVER_REALISED]
    assert found.quality is Quality.SHORT


def quoted(value=0.55, as_of_s=NOW_S - 60, fault=None):
    return Quote(name="dvol", value=value, as_of_s=as_of_s, source="options", fault=fault, seen_s=NOW_S)


@pytest.mark.parametrize(
    ("quote", "value", "quality"),
    [
        (quoted(), 0.55, Quality.GOOD),
        (quoted(as_of_s=NOW_S - 7_200), 0.55, Quality.GOOD),
        (quoted(as_of_s=NOW_S - 7_201), 0.55, Quality.STALE),
        (quoted(as_of_s=NOW_S + 7_201), 0.55, Quality.STALE),
        (quoted(None, fault="timed out"), None, Quality.MISSING),
    ],
)
def test_what_options_say_is_told_with_its_age(quote, value, quality):
    found = read((), rules=INDEXED, quotes=(quote,))[names.VOLATILITY_OUTSIDE]
    assert (found.value, found.quality) == (value, quality)
    assert found.note if quality is not Quality.GOOD else not found.note


def test_a_fault_is_not_papered_over_with_the_number_before_it():
    found = read((), rules=INDEXED, quotes=(quoted(), quoted(None, fault="timed out")))[names.VOLATILITY_OUTSIDE]
    assert (found.value, found.note) == (None, "timed out")


def test_where_nothing_is_configured_it_says_where_to():
    assert read((), quotes=(quoted(),))[names.VOLATILITY_OUTSIDE].note == "none is configured: outside.implied"
    assert read((), rules=INDEXED)[names.VOLATILITY_OUTSIDE].note == "not told yet"

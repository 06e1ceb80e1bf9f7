"""Sums that are carried on and taken apart are those that are made anew, to the last bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.bar import HOUR_S
from keeper.core.quant.exact_sum import exact, parts, rounded
from keeper.core.quant.fusion import Term, named_score, stress_score
from keeper.core.signals.hours import ClosedHours, HourSums, Window

FLOATS = st.floats(min_value=-1e30, max_value=1e30)
VARIANCES = st.floats(0, 1e-2)
WEIGHTS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 1), min_size=1)
SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-4, 4))


@given(st.lists(FLOATS))
def test_an_exact_sum_is_rounded_once(values):
    assert rounded(sum(map(exact, values))) == math.fsum(values)


@given(st.lists(FLOATS, max_size=20), st.lists(FLOATS, max_size=20))
def test_what_was_added_can_be_taken_out_again_without_a_trace(kept, gone):
    total = sum(map(exact, kept + gone)) - sum(map(exact, gone))
    assert rounded(total) == math.fsum(kept)


@given(st.lists(FLOATS, max_size=20), FLOATS)
def test_parts_of_a_sum_take_one_more_value_at_one_rounding(values, more):
    assert math.fsum((*parts(sum(map(exact, values))), more)) == math.fsum((*values, more))


def test_nothing_has_no_parts_and_what_is_no_number_is_refused():
    assert parts(0) == ()
    with pytest.raises(ValueError, match="NaN"):
        exact(math.nan)
    with pytest.raises(OverflowError):
        exact(math.inf)


HOURS = st.lists(
    st.builds(
        lambda minutes, variance, bipower, finest: (minutes, variance, bipower, finest),
        st.integers(0, 60),
        VARIANCES,
        VARIANCES,
        VARIANCES,
    ),
    max_size=40,
)


def made(rows):
    return [
        HourSums(
            start_s=at * HOUR_S,
            covered_s=HOUR_S,
            swaps=at,
            sampled_s=60 * minutes or HOUR_S,
            variance=variance,
            bipower=bipower,
            finest=finest,
            minutes=minutes,
        )
        for at, (minutes, variance, bipower, finest) in enumerate(rows)
    ]


@given(HOURS, st.integers(1, 30), st.integers(0, 45), st.booleans())
def test_a_window_says_what_its_hours_say_one_by_one(rows, size, first, is_open):
    hours = made(rows)
    closed = ClosedHours(size)
    done = hours[:-1] if is_open else hours
    for hour in done:
        closed.append(hour)
    window = Window(closed.since(first * HOUR_S), first * HOUR_S).with_open(hours[-1] if is_open and hours else None)
    within = [hour for hour in (*done[-size:], *hours[len(done) :]) if hour.start_s >= first * HOUR_S]
    assert list(closed.hours) == done[-size:]
    for name in ("covered_s", "swaps", "sampled_s", "minutes", "fine_sampled_s"):
        assert getattr(window, name) == sum(getattr(hour, name) for hour in within)
    for name in ("variance", "bipower", "finest", "fine_variance"):
        assert window.total(name) == math.fsum(getattr(hour, name) for hour in within)


@given(HOURS, st.integers(1, 30), st.integers(1, 8))
def test_stretches_end_with_the_newest_hour_and_count_whole_ones_only(rows, size, stretch):
    closed = ClosedHours(size)
    for hour in made(rows):
        closed.append(hour)
    each = [hour.variance * HOUR_S / hour.sampled_s for hour in closed.hours]
    first = len(each) % stretch
    assert closed.rates(stretch) == [math.fsum(each[at : at + stretch]) for at in range(first, len(each), stretch)]
    assert rounded(closed.all().variance) == math.fsum(hour.variance for hour in closed.hours)


@given(WEIGHTS, SCORES)
def test_a_score_by_name_is_that_of_its_terms(weights, scores):
    terms = [Term(weight=weight, z=scores.get(name)) for name, weight in weights.items()]
    assert named_score(weights, scores) == stress_score(terms)

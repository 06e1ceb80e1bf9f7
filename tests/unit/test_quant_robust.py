from __future__ import annotations

import math
import random

import pytest

from keeper.core.quant.robust import LEAST_VALUES, Z_LIMIT, RollingMedian, robust_z, z_of


def window_of(values, size=100):
    window = RollingMedian(size)
    for value in values:
        window.push(value)
    return window


def test_the_oldest_value_leaves_first():
    window = window_of([100.0, 1.0, 2.0, 3.0], size=3)
    assert len(window) == 3
    assert window.median == 2
    window.push(4.0)
    assert window.median == 3
    assert window.mad == 1


def test_one_value_is_its_own_median():
    window = window_of([5.0], size=1)
    assert (window.median, window.mad) == (5, 0)
    window.push(7.0)
    assert (len(window), window.median) == (1, 7)


def test_a_third_of_wild_values_moves_neither_median_far():
    values = [float(i) for i in range(60)]
    calm, shaken = window_of(values), window_of([1e12 if i % 3 == 0 else v for i, v in enumerate(values)])
    assert abs(shaken.median - calm.median) <= 20
    assert shaken.mad <= 40


def test_z_of_a_normal_sample_is_in_its_deviations():
    chance = random.Random(2)
    window = window_of([chance.gauss(10, 2) for _ in range(4_000)], size=4_000)
    assert z_of(window, 12.0) == pytest.approx(1, abs=0.06)
    assert z_of(window, 6.0) == pytest.approx(-2, abs=0.1)


def test_z_is_scaled_and_clipped():
    assert robust_z(3.0, 1.0, 1.0) == pytest.approx(2 / 1.4826)
    assert robust_z(1e300, 1.0, 1e-300) == Z_LIMIT == 3
    assert robust_z(-1e300, 1.0, 1e-300) == -Z_LIMIT


def test_what_never_varied_knows_only_the_same_and_the_unheard_of():
    assert robust_z(1.0, 1.0, 0.0) == 0
    assert robust_z(1.0 + 1e-12, 1.0, 0.0) == 3
    assert robust_z(1.0 - 1e-12, 1.0, 0.0) == -3


def test_a_short_past_gives_no_z():
    window = window_of([float(i) for i in range(LEAST_VALUES - 1)])
    assert z_of(window, 1.0) is None
    window.push(1.0)
    assert z_of(window, 1.0) is not None


def test_asking_changes_nothing():
    window = window_of([float(i) for i in range(40)])
    assert z_of(window, 1e9) == z_of(window, 1e9) == 3
    assert (len(window), window.median) == (40, 19.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_refused_and_leaves_the_window(bad):
    window = window_of([1.0, 2.0], size=2)
    with pytest.raises(ValueError, match="finite"):
        window.push(bad)
    assert (len(window), window.median) == (2, 1.5)
    with pytest.raises(ValueError, match="finite"):
        z_of(window, bad)
    with pytest.raises(ValueError, match="finite"):
        robust_z(bad, 0.0, 1.0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: RollingMedian(0), "size"),
        (lambda: RollingMedian(3).median, "empty"),
        (lambda: RollingMedian(3).mad, "empty"),
        (lambda: robust_z(1.0, 0.0, -1.0), "mad"),
        (lambda: robust_z(1.0, 0.0, math.nan), "mad"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

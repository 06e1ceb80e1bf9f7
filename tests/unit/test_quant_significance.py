from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.core.quant.significance import holm, newey_west_test


@pytest.mark.parametrize("lags", [0, 1, 7, 40])
def test_the_test_of_a_mean_is_the_one_of_another_implementation(lags):
    from statsmodels.api import OLS

    values = np.cumsum(np.random.default_rng(1).standard_normal(200)) / 10 + 0.5
    theirs = OLS(values, np.ones(200)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    ours = newey_west_test(values.tolist(), lags=lags)
    assert ours.mean == pytest.approx(float(theirs.params[0]), rel=1e-12)
    assert ours.standard_error == pytest.approx(float(theirs.bse[0]), rel=1e-10)
    assert ours.t == pytest.approx(float(theirs.tvalues[0]), rel=1e-10)
    assert ours.p_value == pytest.approx(float(theirs.pvalues[0]), rel=1e-8)


def test_without_lags_it_is_the_textbooks():
    found = newey_west_test([1.0, 2.0, 3.0, 6.0], lags=0)
    assert found.standard_error == pytest.approx(math.sqrt(14) / 4)
    assert found.t == pytest.approx(3 / (math.sqrt(14) / 4))


@pytest.mark.parametrize(("count", "lags"), [(2, 1), (100, 4), (365, 5), (1_000, 6)])
def test_the_lags_that_are_taken_grow_slowly(count, lags):
    assert newey_west_test(np.random.default_rng(2).standard_normal(count).tolist()).lags == lags


def test_neighbours_that_resemble_one_another_make_the_mean_less_sure():
    level = np.repeat(np.random.default_rng(3).standard_normal(100), 10).tolist()
    alone, together = (newey_west_test(level, lags=lags).standard_error for lags in (0, 30))
    # ten copies of each value are worth a tenth of them
    assert together / alone == pytest.approx(math.sqrt(10), rel=0.25)


def test_adjusted_p_values_are_those_of_another_implementation():
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(4).uniform(size=25) ** 3
    theirs = multipletests(p_values, method="holm")[1]
    assert holm(p_values.tolist()) == pytest.approx(theirs.tolist(), rel=1e-12)


def test_holms_steps_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.6]) == (1.0, 1.0)
    assert holm([]) == ()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: newey_west_test([1.0]), "two values"),
        (lambda: newey_west_test([1.0, 2.0], lags=2), "fewer lags"),
        (lambda: newey_west_test([1.0, 2.0], lags=-1), "fewer lags"),
        (lambda: newey_west_test([0.1, 0.1, 0.1]), "all equal"),
        (lambda: newey_west_test([1.0, math.nan]), "finite"),
        (lambda: holm([0.1, 1.1]), "p-value"),
        (lambda: holm([math.nan]), "p-value"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from keeper.core.model.errors import ConfigError
from keeper.core.quant.bootstrap import compare_paired
from keeper.core.quant.overfitting import backtest_overfitting
from keeper.core.quant.sharpe import deflated_sharpe, sharpe_ratio, track_of
from keeper.simulation.sweep_plan import Sampling, Split
from keeper.simulation.sweep_result import SweepResult, result_of_study
from keeper.simulation.sweep_study import DAYS, REASON, RETRY_OF, UNCHANGED
from keeper.simulation.sweep_trials import score
from tests.sweep.cheap import WIDTH, space, sweep

SPLIT = Split(days=60, train=20, test=10, embargo=2)
RNG = np.random.default_rng(5)
UNCHANGED_DAYS = [float(day) for day in RNG.normal(0.0, 1.0, 60)]


def shifted(by: float, days: Sequence[float] = UNCHANGED_DAYS) -> list[float]:
    return [day + by for day in days]


class Studies:
    """A study that is filled by hand, and what it shows."""

    def __init__(self, **fields: Any) -> None:
        self.sweep = sweep(space=space(f"{WIDTH}=0.5..3"), current={WIDTH: "1.25"}, **({"split": SPLIT} | fields))
        self.study = optuna.create_study(direction="maximize")

    def add(self, days: Sequence[float] | None = None, *, state: TrialState = TrialState.COMPLETE, **attributes: Any) -> None:
        value = None if days is None else score(days, self.sweep.split)
        number = len(self.study.trials)
        trial = optuna.create_trial(
            state=state,
            value=value,
            params={WIDTH: 1 + number / 100},
            distributions={WIDTH: FloatDistribution(0.5, 3)},
            user_attrs=attributes if days is None else {DAYS: list(days), **attributes},
        )
        self.study.add_trial(trial)

    @property
    def result(self) -> SweepResult:
        return result_of_study(self.study, self.sweep)


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_gain_that_every_statistic_confirms_is_supported():
    study = Studies()
    study.add(shifted(1.0), **{UNCHANGED: True})
    study.add(shifted(1.5, [0.9 * day for day in UNCHANGED_DAYS]))
    study.add(shifted(1.6, [0.9 * day for day in UNCHANGED_DAYS]))
    result = study.result
    assert result.verdict.reasons == ()
    assert result.verdict.word == "supported"
    assert result.best.number == 2
    assert result.best.params == {WIDTH: "1.02"}


def test_every_statistic_is_what_it_says_over_the_days_it_says():
    study = Studies()
    study.add(UNCHANGED_DAYS, **{UNCHANGED: True})
    others = [[float(day) for day in RNG.normal(0.1, 1.0, 60)] for _ in range(7)]
    for days in others:
        study.add(days)
    result = study.result
    matrix = [UNCHANGED_DAYS, *others]
    chosen: list[float] = []
    theirs: list[float] = []
    for fold, row in zip(SPLIT.folds, result.folds, strict=True):
        means = [sum(days[day] for day in fold.train) / 20 for days in matrix]
        assert row.trial == means.index(max(means))
        assert row.train_bps == pytest.approx(max(means))
        chosen += [matrix[row.trial][day] for day in fold.test]
        theirs += [UNCHANGED_DAYS[day] for day in fold.test]
        assert row.unchanged_bps == pytest.approx(sum(theirs[-10:]) / 10)
    assert len(chosen) == 30
    assert result.out_of_sample_bps == pytest.approx(sum(chosen) / 30)
    assert result.unseen_bps == pytest.approx(sum(chosen[-10:]) / 10)
    assert result.comparison == compare_paired(chosen, theirs, seed=7)
    assert result.overfitting == backtest_overfitting(matrix, blocks=16)
    spread = float(np.var([sharpe_ratio(days) for days in matrix], ddof=1))
    assert result.variance == pytest.approx(spread)
    expected = deflated_sharpe(track_of(matrix[result.best.number]), trials=8, variance=spread)
    assert result.deflated_sharpe == pytest.approx(expected)


def test_drawn_at_random_all_test_days_are_unseen():
    study = Studies(sampling=Sampling.RANDOM)
    study.add(UNCHANGED_DAYS, **{UNCHANGED: True})
    assert study.result.unseen_bps == study.result.out_of_sample_bps


def test_refused_failed_running_and_repeated_trials_count_and_waiting_ones_do_not():
    study = Studies()
    study.add(shifted(1.0), **{UNCHANGED: True})
    study.add(shifted(1.5))
    few = study.result
    study.add(state=TrialState.PRUNED, **{REASON: "not nested"})
    study.add(state=TrialState.FAIL)
    study.add(state=TrialState.RUNNING, **{RETRY_OF: 3})
    study.add(state=TrialState.WAITING)
    many = study.result
    assert (few.tried, many.tried) == (2, 5)
    assert few.deflated_sharpe > many.deflated_sharpe
    assert [row.state for row in many.trials] == ["complete", "complete", "pruned", "failed", "running", "waiting"]
    assert [row.reason for row in many.trials[2:4]] == ["not nested", "its worker ended before it did"]
    assert many.trials[4].retry_of == 3


def test_of_equals_the_unchanged_policy_is_taken_and_that_is_told():
    study = Studies()
    study.add(UNCHANGED_DAYS, **{UNCHANGED: True})
    study.add(UNCHANGED_DAYS)
    result = study.result
    assert result.best.unchanged
    assert result.best.params == {WIDTH: "1.25"}
    assert {row.trial for row in result.folds} == {0}
    assert (result.comparison.interval.lower, result.comparison.interval.upper) == (0, 0)
    assert any("nothing that was tried scores above" in reason for reason in result.verdict.reasons)


def test_noise_is_unproven():
    study = Studies()
    study.add(UNCHANGED_DAYS, **{UNCHANGED: True})
    for _ in range(30):
        study.add([float(day) for day in RNG.normal(0.0, 1.0, 60)])
    assert study.result.verdict.word == "unproven"
    assert any("deflated Sharpe" in reason for reason in study.result.verdict.reasons)


def test_a_loss_on_test_days_is_told():
    study = Studies()
    study.add(shifted(-2.0), **{UNCHANGED: True})
    study.add(shifted(-1.0))
    reasons = " / ".join(study.result.verdict.reasons)
    assert "earned nothing on test days" in reasons
    assert "the last fold chose earned nothing" in reasons


def test_without_the_unchanged_policy_nothing_is_compared():
    study = Studies()
    study.add(shifted(1.0))
    study.add(shifted(1.1))
    assert study.result.comparison is None
    assert study.result.folds[0].unchanged_bps is None
    assert any("nothing to compare with" in reason for reason in study.result.verdict.reasons)


def test_few_days_give_no_interval_and_fewer_no_probability():
    study = Studies(split=Split(days=7, train=3, test=2, embargo=1))
    study.add(UNCHANGED_DAYS[:7], **{UNCHANGED: True})
    study.add(shifted(1.0)[:7])
    result = study.result
    assert result.comparison is None
    assert result.overfitting is None
    reasons = " / ".join(result.verdict.reasons)
    assert "test days are too few" in reasons
    assert "probability of overfitting has no value" in reasons


def test_a_single_trial_has_nothing_to_be_deflated_by():
    study = Studies()
    study.add(shifted(1.0), **{UNCHANGED: True})
    result = study.result
    assert result.variance == 0
    assert result.deflated_sharpe == pytest.approx(deflated_sharpe(track_of(shifted(1.0)), trials=1, variance=0))
    assert result.overfitting is None


def test_one_that_never_acts_counts_in_the_number_and_not_in_the_variance():
    study = Studies()
    study.add([0.0] * 60, **{UNCHANGED: True})
    study.add(shifted(1.0))
    alone = study.result
    assert alone.variance is None
    assert alone.deflated_sharpe is None
    assert any("deflated Sharpe ratio has no value" in reason for reason in alone.verdict.reasons)
    study.add(shifted(1.1))
    ratios = [sharpe_ratio(shifted(by)) for by in (1.0, 1.1)]
    assert study.result.tried == 3
    assert study.result.variance == pytest.approx(math.pow(ratios[0] - ratios[1], 2) / 2)


def test_a_study_without_a_complete_trial_says_why():
    study = Studies()
    with pytest.raises(ConfigError, match="no trial of 0"):
        _ = study.result
    study.add(state=TrialState.PRUNED, **{REASON: "not nested"})
    with pytest.raises(ConfigError, match="no trial of 1 has come to its end\nnot nested"):
        _ = study.result

"""One trial: values are drawn, a policy is made of them, a simulation tells its days, and train days are its score."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from keeper.core.model.errors import ConfigError, Fault, Refused, Transient
from keeper.core.model.policy import Policy
from keeper.simulation.sweep_plan import Sampling, Split, Sweep, Trying
from keeper.simulation.sweep_space import Dimension, Range
from keeper.simulation.sweep_study import DAYS, INTERRUPTED, REASON, UNCHANGED

FAILURES = (Fault, Refused, Transient, ArithmeticError, ValueError)
"""What fails a trial and not the search."""
_DECIMALS = 6
"""Of a day's bps in the study: a thousandth of a cent on a hundred thousand."""
_LONGEST_REASON = 500


class TrialSampler(BaseSampler):
    """Draws that depend on the seed, on the trial's number and on what has ended: a search that was stopped goes on the same.

    With several workers it also depends on who is ready first.
    """

    def __init__(self, sampling: Sampling, seed: int) -> None:
        self._sampling = sampling
        self._seed = seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Each parameter is drawn by itself."""
        del study, trial
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None, see above."""
        del study, trial, search_space
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value of one parameter."""
        mixed = hashlib.sha256(f"{self._seed} {trial.number} {param_name}".encode()).digest()
        seed = int.from_bytes(mixed[:4])
        sampler = RandomSampler(seed=seed) if self._sampling is Sampling.RANDOM else TPESampler(seed=seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def sampler_of(sweep: Sweep) -> BaseSampler:
    """The sampler of a search."""
    return TrialSampler(sweep.sampling, sweep.seed)


class Objective:
    """Mean daily hedged PnL over the train days of each fold, averaged over the folds, in bps of the capital.

    One simulation a trial goes over all days, and its days are divided afterwards: to run every train stretch by itself would
    cost as many times as much, and start each without a position and without memory. It is honest as the policy is causal and
    nothing in a run is fitted: what a train day earned does not depend on any later day. Which trial a fold takes is decided by
    its train days alone, and its test days judge it. Through the mean over all folds, though, a guided search *proposes* trials
    that did well on days which are test days of earlier folds; only the last fold's are unseen by it, and with
    ``Sampling.RANDOM`` all are.
    """

    def __init__(self, sweep: Sweep, trying: Trying) -> None:
        self._sweep = sweep
        self._trying = trying

    def __call__(self, trial: optuna.Trial) -> float:
        """Make the trial.

        Raises:
            TrialPruned: its policy is refused.
            KeeperError: the simulation could not be made.
        """
        policy = self._policy(trial)
        try:
            days = checked(self._trying.simulate(policy), self._sweep.split)
        except (ConfigError, *FAILURES) as error:
            trial.set_user_attr(REASON, _reason(error))
            raise
        except KeyboardInterrupt:
            trial.set_user_attr(REASON, INTERRUPTED)
            raise
        trial.set_user_attr(DAYS, days)
        return score(days, self._sweep.split)

    def _policy(self, trial: optuna.Trial) -> Policy:
        space = self._sweep.space
        if UNCHANGED in trial.user_attrs:
            for dimension in space.dimensions:
                if dimension.holds(self._sweep.current[dimension.key]):
                    _suggest(trial, dimension)
            changes = {}
        else:
            changes = space.texts({dimension.key: _suggest(trial, dimension) for dimension in space.dimensions})
        try:
            return self._trying.policy_of(changes)
        except (ConfigError, ValueError) as error:
            trial.set_user_attr(REASON, _reason(error))
            raise optuna.TrialPruned from None


def score(days: Sequence[float], split: Split) -> float:
    """Mean over the folds of the mean over each one's train days, in the unit of the days."""
    return fmean(fmean(days[fold.train.start : fold.train.stop]) for fold in split.folds)


def checked(days: Sequence[float], split: Split) -> list[float]:
    """The days as they are stored.

    Raises:
        ConfigError: they are not as many as the split divides: that would be so in every trial.
        ValueError: one of them is not finite.
    """
    if len(days) != split.days:
        raise ConfigError(
            [f"a run tells {len(days)} whole days where the folds divide {split.days}: give the days of the tape"]
        )
    if not all(map(math.isfinite, days)):
        raise ValueError("a day's PnL is not finite")
    return [round(float(day), _DECIMALS) for day in days]


def _suggest(trial: optuna.Trial, dimension: Dimension) -> object:
    if not isinstance(dimension, Range):
        return trial.suggest_categorical(dimension.key, dimension.values)
    if dimension.whole:
        return trial.suggest_int(dimension.key, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(dimension.key, float(dimension.low), float(dimension.high), log=dimension.log)


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:_LONGEST_REASON]

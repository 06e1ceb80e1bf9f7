"""Search for better settings, with every trial kept and counted for ever."""

from __future__ import annotations

import optuna

from keeper.simulation.sweep_plan import Sweep, Trying
from keeper.simulation.sweep_result import SweepResult, result_of_study
from keeper.simulation.sweep_store import Place
from keeper.simulation.sweep_study import begin, resume
from keeper.simulation.sweep_trials import sampler_of
from keeper.simulation.sweep_workers import OnProgress, Workforce


def run_sweep(
    sweep: Sweep,
    trying: Trying,
    place: Place,
    *,
    trials: int,
    workers: int = 1,
    on_progress: OnProgress = lambda _ended, _total: None,
) -> SweepResult:
    """Add trials to a study, which is made if there is none; the first of a study is the unchanged policy.

    With one worker the same search gives the same trials, also when it was stopped and taken up again in between; with several,
    or on several machines, it also depends on who is ready first. A worker that dies loses the trial that it was at: that one
    is counted as failed and tried again, once.

    Args:
        sweep: what is searched, and over what.
        trying: how a trial is made; with several workers it must go from process to process.
        place: where the study is kept; a database may be shared by several machines, each adding its trials.
        trials: new ones, at least 1; lost ones are tried again besides.
        workers: processes on this machine, at least 1.
        on_progress: told as trials end.

    Raises:
        ConfigError: the study is of another search, the place cannot be used, or no trial can be made.
        Transient: every worker died before it had ended a single trial.
        ValueError: trials or workers are out of their range.
    """
    if trials < 1 or workers < 1:
        raise ValueError(f"trials and workers must be at least 1, not {trials} and {workers}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = begin(sweep, place, sampler_of(sweep))
    Workforce(sweep, place, trying, workers=workers, on_progress=on_progress).make(study, trials)
    return result_of_study(study, sweep)


def read_sweep(sweep: Sweep, place: Place) -> SweepResult:
    """What a study shows as it stands; nothing is added.

    Raises:
        ConfigError: there is no such study, it is of another search, or no trial of it has come to its end.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return result_of_study(resume(sweep, place, sampler_of(sweep)), sweep)

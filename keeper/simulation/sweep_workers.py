"""Processes that make the trials of one study, and what is done about those that die."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Semaphore

import optuna
from optuna.trial import TrialState

from keeper.core.model.errors import ConfigError, Transient
from keeper.simulation.sweep_plan import Sweep, Trying
from keeper.simulation.sweep_store import Place, working
from keeper.simulation.sweep_study import REASON, count_retries, recover, resume
from keeper.simulation.sweep_trials import FAILURES, Objective, sampler_of

OnProgress = Callable[[int, int], None]
"""Told how many trials have ended, of how many."""

_HOPELESS = 3
"""Exit code of a worker that met what every trial would meet."""
_STOPPED = 130
_LOOK_EVERY_S = 0.2


def make_trials(study: optuna.Study, objective: Objective, tickets: Semaphore, on_end: Callable[[], object]) -> None:
    """Make a trial for every ticket that is left.

    Args:
        study: to which they belong.
        objective: makes one.
        tickets: shared by all workers of a search.
        on_end: told when a trial has ended, whatever became of it.

    Raises:
        ConfigError: no trial can be made at all.
    """
    while tickets.acquire(block=False):
        study.optimize(objective, n_trials=1, catch=FAILURES)
        on_end()


class Workforce:
    """Makes trials with a number of processes: with one, in this very process.

    Args:
        sweep: what is searched.
        place: where the study is.
        trying: how a trial is made.
        workers: at least 1.
        on_progress: told as trials end.
    """

    def __init__(self, sweep: Sweep, place: Place, trying: Trying, *, workers: int, on_progress: OnProgress) -> None:
        self._sweep, self._place, self._trying = sweep, place, trying
        self._workers = workers
        self._on_progress = on_progress
        self._context = multiprocessing.get_context("spawn")
        # semaphores, as no process can die holding one in a way that stops the others
        self._tickets, self._ends = self._context.Semaphore(0), self._context.Semaphore(0)
        self._ended = self._total = 0

    def make(self, study: optuna.Study, trials: int) -> None:
        """Make as many new trials, and besides those that were lost and wait to be tried again.

        Raises:
            ConfigError: no trial can be made at all.
            Transient: every worker died before it had ended a single trial.
        """
        left = trials + count_retries(study)
        while left:
            before, self._total = self._ended, self._ended + left
            for _ in range(left):
                self._tickets.release()
            codes = self._round(study)
            left = _drain(self._tickets)
            if left and self._ended == before:
                raise Transient(f"every worker died at its first trial (exit codes {codes}); the study is kept: try with fewer")
            recover(study, self._place)
            left += count_retries(study)

    def _round(self, study: optuna.Study) -> list[int | None]:
        """Exit codes of the workers; none when there was no process but this one."""
        if self._workers > 1:
            return self._supervise(study)
        with working(self._place):
            make_trials(study, Objective(self._sweep, self._trying), self._tickets, lambda: self._tell(1))
        return []

    def _supervise(self, study: optuna.Study) -> list[int | None]:
        given = (self._sweep, self._place, self._trying, self._tickets, self._ends)
        processes: list[SpawnProcess] = []
        try:
            for _ in range(self._workers):
                process = self._context.Process(target=_work, args=given, daemon=True)
                process.start()
                processes.append(process)
            for process in processes:
                while process.is_alive():
                    process.join(_LOOK_EVERY_S)
                    self._tell(_drain(self._ends))
        finally:
            for process in processes:
                process.terminate()
                process.join()
        self._tell(_drain(self._ends))
        codes = [process.exitcode for process in processes]
        if _HOPELESS in codes:
            raise ConfigError([_last_reason(study)])
        return codes

    def _tell(self, ended: int) -> None:
        if ended:
            self._ended += ended
            self._on_progress(self._ended, self._total)


def _work(sweep: Sweep, place: Place, trying: Trying, tickets: Semaphore, ends: Semaphore) -> None:
    """What a worker process does from its start to its end."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with working(place):
            study = resume(sweep, place, sampler_of(sweep))
            make_trials(study, Objective(sweep, trying), tickets, ends.release)
    except ConfigError:
        sys.exit(_HOPELESS)
    except KeyboardInterrupt:
        sys.exit(_STOPPED)


def _drain(semaphore: Semaphore) -> int:
    count = 0
    while semaphore.acquire(block=False):
        count += 1
    return count


def _last_reason(study: optuna.Study) -> str:
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    reasons = [str(trial.user_attrs[REASON]) for trial in failed if REASON in trial.user_attrs]
    return reasons[-1] if reasons else "a worker could not open the study"

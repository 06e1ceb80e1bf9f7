"""A study: opened only for the search that it is of, never deleted, and put in order when its workers were lost."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from keeper.core.model.errors import ConfigError
from keeper.simulation.sweep_plan import Sweep
from keeper.simulation.sweep_space import Dimension, Range
from keeper.simulation.sweep_store import Place, alone, exists, open_storage

IDENTITY = "keeper"
"""Attribute of a study: what it is of."""
UNCHANGED = "unchanged"
"""Attribute of the trial of the unchanged policy."""
DAYS = "days_bps"
"""Attribute of a trial: what each day earned."""
REASON = "reason"
"""Attribute of a trial: why it came to nothing."""
RETRY_OF = "retry_of"
"""Attribute of a trial: number of the one whose worker was lost."""
INTERRUPTED = "interrupted by hand"

_NOT_OVER = (TrialState.RUNNING, TrialState.WAITING)


def begin(sweep: Sweep, place: Place, sampler: BaseSampler) -> optuna.Study:
    """The study, made if there is none, with the unchanged policy as a trial of it, and with lost trials to be tried again.

    Raises:
        ConfigError: the place cannot be used, or the study there is of another search: what differs is told.
    """
    study = _load_or_create(sweep.name, open_storage(place, retry_once), sampler)
    trials = study.get_trials(deepcopy=False)
    if IDENTITY not in study.user_attrs and all(UNCHANGED in trial.user_attrs for trial in trials):
        study.set_user_attr(IDENTITY, sweep.identity)
    check_identity(study, sweep)
    recover(study, place)
    _enqueue_unchanged(study, sweep)
    return study


def resume(sweep: Sweep, place: Place, sampler: BaseSampler) -> optuna.Study:
    """The study that :func:`begin` has made.

    Raises:
        ConfigError: there is none, or it is of another search: what differs is told.
    """
    if not exists(place):
        raise _missing(sweep.name)
    try:
        study = optuna.load_study(storage=open_storage(place, retry_once), study_name=sweep.name, sampler=sampler)
    except KeyError:
        raise _missing(sweep.name) from None
    check_identity(study, sweep)
    return study


def resume_any(name: str, place: Place, code_version: str) -> optuna.Study:
    """A study of whatever search, to be looked at.

    Raises:
        ConfigError: there is none of that name, or it was made by something else or by another version.
    """
    if not exists(place):
        raise _missing(name)
    try:
        study = optuna.load_study(storage=open_storage(place, retry_once), study_name=name)
    except KeyError:
        raise _missing(name) from None
    made_by = _identity_of(study).get("version")
    if made_by != code_version:
        raise ConfigError([f"study {name}: was made by version {made_by}, this is {code_version}: search anew"])
    return study


def check_identity(study: optuna.Study, sweep: Sweep) -> None:
    """Refuse a study of another search.

    Raises:
        ConfigError: every difference, one line each.
    """
    stored, wanted = _identity_of(study), sweep.identity
    problems = [
        f"study {sweep.name}: its {key} is {stored.get(key, 'not known')}, this search has {wanted.get(key, 'none')}"
        for key in {**wanted, **stored}
        if stored.get(key) != wanted.get(key)
    ]
    if problems:
        raise ConfigError([*problems, "a study is never changed: search under another name, or with what it was made with"])


def recover(study: optuna.Study, place: Place) -> None:
    """Fail trials that were left running where it is sure that nobody runs them, and let each lost one be tried again, once.

    Of a journal that is sure when no process works on it; in a database the heartbeat tells, and who works there sees to it.
    """
    with alone(place) as sure:
        if sure:
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                study.tell(trial.number, state=TrialState.FAIL)
        trials = study.get_trials(deepcopy=False)
        retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
        lost = {INTERRUPTED, None} if sure else {INTERRUPTED}
        for trial in trials:
            failed = trial.state is TrialState.FAIL and trial.user_attrs.get(REASON) in lost
            if failed and trial.number not in retried:
                retry_once(study, trial)


def retry_once(study: optuna.Study, trial: FrozenTrial) -> None:
    """Let a lost trial be tried again, unless it was that already."""
    attributes = trial.user_attrs
    if RETRY_OF in attributes:
        return
    again = {RETRY_OF: trial.number} | {key: attributes[key] for key in (UNCHANGED,) if key in attributes}
    study.enqueue_trial(trial.params, user_attrs=again)


def count_retries(study: optuna.Study) -> int:
    """Lost trials that wait to be tried again."""
    return sum(RETRY_OF in trial.user_attrs for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _identity_of(study: optuna.Study) -> Mapping[str, str]:
    stored = study.user_attrs.get(IDENTITY)
    if not isinstance(stored, Mapping):
        raise ConfigError([f"study {study.study_name}: was not made by keeper sweep: choose another name"])
    return stored


def _missing(name: str) -> ConfigError:
    return ConfigError([f"study {name}: there is none at this place yet: begin it"])


def _load_or_create(name: str, storage: BaseStorage, sampler: BaseSampler) -> optuna.Study:
    """An existing study is loaded without a write: it may turn out to be another search's."""
    try:
        return optuna.load_study(storage=storage, study_name=name, sampler=sampler)
    except KeyError:
        maximize = StudyDirection.MAXIMIZE
        return optuna.create_study(storage=storage, study_name=name, direction=maximize, load_if_exists=True, sampler=sampler)


def _enqueue_unchanged(study: optuna.Study, sweep: Sweep) -> None:
    """Let the unchanged policy be tried next, unless it was, or is about to be.

    Values of it that lie outside the space teach the search nothing, and are left out of the trial's parameters.
    """
    known = (TrialState.COMPLETE, TrialState.PRUNED, *_NOT_OVER)
    if any(UNCHANGED in trial.user_attrs for trial in study.get_trials(deepcopy=False, states=known)):
        return
    inside = {
        one.key: native(one, sweep.current[one.key]) for one in sweep.space.dimensions if one.holds(sweep.current[one.key])
    }
    study.enqueue_trial(inside, user_attrs={UNCHANGED: True})


def native(dimension: Dimension, text: str) -> object:
    """A value as the sampler knows it."""
    if not isinstance(dimension, Range):
        return text
    return int(text) if dimension.whole else float(text)

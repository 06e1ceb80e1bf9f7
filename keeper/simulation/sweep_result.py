"""What a search has found, and how much of it may be luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, variance

import optuna
from optuna.trial import FrozenTrial, TrialState

from keeper.core.model.errors import ConfigError
from keeper.core.quant.bootstrap import Comparison, compare_paired
from keeper.core.quant.folds import Fold
from keeper.core.quant.overfitting import MOST_BLOCKS, Overfitting, backtest_overfitting
from keeper.core.quant.sharpe import deflated_sharpe, sharpe_ratio, track_of
from keeper.simulation.suite import LEAST_DAYS
from keeper.simulation.sweep_plan import Sampling, Sweep
from keeper.simulation.sweep_study import DAYS, REASON, RETRY_OF, UNCHANGED
from keeper.simulation.verdict import LEAST_SHARPE, MOST_OVERFITTING, SUPPORTED, UNPROVEN, Search, Verdict

_LEAST_BLOCKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One thing that was tried."""

    number: int
    state: str
    """``complete``, ``pruned`` (its policy was refused), ``failed``, ``running`` or ``waiting``."""
    params: Mapping[str, str]
    score_bps: float | None
    """Mean over the folds' train days, in bps of the capital a day; None unless complete."""
    days_bps: tuple[float, ...]
    """Hedged PnL of each day; empty unless complete."""
    reason: str | None
    """Why it came to nothing."""
    retry_of: int | None
    unchanged: bool
    """Whether it is the policy as it was before the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    """What a fold's train days chose, and what its test days say of it."""

    fold: Fold
    trial: int
    params: Mapping[str, str]
    train_bps: float
    """Mean a day."""
    test_bps: float
    unchanged_bps: float | None
    """Of the unchanged policy on the test days; None when it has not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """A study as it stands."""

    name: str
    identity: Mapping[str, str]
    trials: tuple[TrialRow, ...]
    """All that were ever begun or wait, by number."""
    tried: int
    """All that were ever begun: what the deflated ratio is deflated by. Refused, failed and repeated ones count."""
    best: TrialRow
    """Highest score of all complete ones."""
    folds: tuple[FoldRow, ...]
    out_of_sample_bps: float
    """Mean of all folds' test days."""
    unseen_bps: float
    """Mean of the test days that had no part in what was tried: the last fold's, or all when drawn at random."""
    comparison: Comparison | None
    """Test days of what the folds chose less those of the unchanged policy."""
    variance: float | None
    """Of the complete trials' daily Sharpe ratios, true differences included, which is strict; None while unknown."""
    deflated_sharpe: float | None
    """Of the best over all days; None when it has no ratio, or the variance is not known."""
    overfitting: Overfitting | None
    """Over all complete trials and all days, by Sharpe ratio."""
    verdict: Verdict
    """Of the search: what it chose is then judged against the benchmarks, see ``verdict.judged``."""


def result_of_study(study: optuna.Study, sweep: Sweep) -> SweepResult:
    """What the study's trials show so far.

    Raises:
        ConfigError: none has come to its end; why is told.
    """
    rows = tuple(_row(trial, sweep) for trial in study.get_trials(deepcopy=False))
    complete = [row for row in rows if row.state == "complete"]
    if not complete:
        why = sorted({row.reason for row in rows if row.reason is not None})
        raise ConfigError([f"study {sweep.name}: no trial of {len(rows)} has come to its end", *why[:10]])
    unchanged = next((row for row in complete if row.unchanged), None)
    folds = tuple(_fold_row(fold, complete, unchanged) for fold in sweep.split.folds)
    best, tried = max(complete, key=_score), sum(row.state != "waiting" for row in rows)
    days = {row.number: row.days_bps for row in complete}
    tests = [days[row.trial][row.fold.test.start : row.fold.test.stop] for row in folds]
    chosen = list(chain.from_iterable(tests))
    comparison = _compare(chosen, folds, unchanged, sweep.seed)
    spread = _variance(list(days.values()), tried)
    deflated = _deflated(best, spread, tried)
    overfitting = _overfitting(list(days.values()))
    doubts = (
        *_doubts_of_choice(best, unchanged, len(chosen), comparison),
        *_doubts_of_luck(deflated, overfitting),
        *_doubts_of_gain(fmean(chosen), fmean(tests[-1])),
    )
    return SweepResult(
        name=sweep.name,
        identity=sweep.identity,
        trials=rows,
        tried=tried,
        best=best,
        folds=folds,
        out_of_sample_bps=fmean(chosen),
        unseen_bps=fmean(chosen if sweep.sampling is Sampling.RANDOM else tests[-1]),
        comparison=comparison,
        variance=spread,
        deflated_sharpe=deflated,
        overfitting=overfitting,
        verdict=Verdict(word=UNPROVEN if doubts else SUPPORTED, reasons=doubts),
    )


def search_of(study: optuna.Study) -> Search:
    """What a study's trials say against whatever policy came out of it."""
    trials = study.get_trials(deepcopy=False)
    tried = sum(trial.state is not TrialState.WAITING for trial in trials)
    complete = [tuple(trial.user_attrs[DAYS]) for trial in trials if trial.state is TrialState.COMPLETE]
    overfitting = _overfitting(complete)
    return Search(
        trials=tried,
        variance=_variance(complete, tried),
        overfitting=None if overfitting is None else overfitting.probability,
    )


def _row(trial: FrozenTrial, sweep: Sweep) -> TrialRow:
    attributes = trial.user_attrs
    complete, unchanged = trial.state is TrialState.COMPLETE, UNCHANGED in attributes
    failed = trial.state is TrialState.FAIL
    return TrialRow(
        number=trial.number,
        state="failed" if failed else trial.state.name.lower(),
        params={key: sweep.current[key] for key in sweep.space.keys} if unchanged else sweep.space.texts(trial.params),
        score_bps=trial.value if complete else None,
        days_bps=tuple(attributes[DAYS]) if complete else (),
        reason=attributes.get(REASON, "its worker ended before it did" if failed else None),
        retry_of=attributes.get(RETRY_OF),
        unchanged=unchanged,
    )


def _fold_row(fold: Fold, complete: Sequence[TrialRow], unchanged: TrialRow | None) -> FoldRow:
    """The trial that was best on the train days, the earliest of equals."""
    best = max(complete, key=lambda row: _mean(row, fold.train))
    return FoldRow(
        fold=fold,
        trial=best.number,
        params=best.params,
        train_bps=_mean(best, fold.train),
        test_bps=_mean(best, fold.test),
        unchanged_bps=None if unchanged is None else _mean(unchanged, fold.test),
    )


def _mean(row: TrialRow, days: range) -> float:
    return fmean(row.days_bps[days.start : days.stop])


def _score(row: TrialRow) -> float:
    return float("-inf") if row.score_bps is None else row.score_bps


def _compare(chosen: Sequence[float], folds: Sequence[FoldRow], unchanged: TrialRow | None, seed: int) -> Comparison | None:
    if unchanged is None or len(chosen) < LEAST_DAYS:
        return None
    theirs = list(chain.from_iterable(unchanged.days_bps[row.fold.test.start : row.fold.test.stop] for row in folds))
    return compare_paired(chosen, theirs, seed=seed)


def _variance(complete: Sequence[Sequence[float]], tried: int) -> float | None:
    """Of the ratios of all that have one; of a single trial 0, of which nothing was chosen.

    A trial whose days are all alike, as of one that never acts, has none: it counts in the number and not in the variance.
    """
    ratios = [sharpe_ratio(days) for days in complete if _varies(days)]
    if len(ratios) > 1:
        return variance(ratios)
    return 0.0 if tried == 1 else None


def _deflated(best: TrialRow, spread: float | None, tried: int) -> float | None:
    if spread is None or not _varies(best.days_bps):
        return None
    return deflated_sharpe(track_of(best.days_bps), trials=tried, variance=spread)


def _varies(days: Sequence[float]) -> bool:
    return len(days) > 1 and min(days) < max(days)


def _overfitting(complete: Sequence[Sequence[float]]) -> Overfitting | None:
    """None with a single trial, or with fewer days than the fewest blocks take."""
    if len(complete) < 2 or (blocks := min(MOST_BLOCKS, len(complete[0]) // 4 * 2)) < _LEAST_BLOCKS:
        return None
    return backtest_overfitting(complete, blocks=blocks)


def _doubts_of_choice(best: TrialRow, unchanged: TrialRow | None, days: int, comparison: Comparison | None) -> list[str]:
    if unchanged is None:
        return ["the unchanged policy has not come to its end: there is nothing to compare with"]
    doubts = ["nothing that was tried scores above the unchanged policy"] if best.unchanged else []
    if comparison is None:
        return [*doubts, f"{days} test days are too few for an interval: {LEAST_DAYS} are needed"]
    if comparison.interval.lower <= 0:
        low, high = comparison.interval.lower, comparison.interval.upper
        doubts.append(f"the gain over the unchanged policy may be none: {low:+.2f} to {high:+.2f} bps a day")
    return doubts


def _doubts_of_luck(deflated: float | None, overfitting: Overfitting | None) -> list[str]:
    doubts = []
    if deflated is None:
        doubts.append("the deflated Sharpe ratio has no value: too few trials whose days differ")
    elif deflated < LEAST_SHARPE:
        doubts.append(f"the deflated Sharpe ratio is {deflated:.3f}, below {LEAST_SHARPE}: it may be the best of many by luck")
    if overfitting is None:
        doubts.append("the probability of overfitting has no value: too few trials or days")
    elif overfitting.probability >= MOST_OVERFITTING:
        doubts.append(f"the probability of overfitting is {overfitting.probability:.2f}, not below {MOST_OVERFITTING}")
    return doubts


def _doubts_of_gain(out_of_sample_bps: float, last_bps: float) -> list[str]:
    doubts = []
    if out_of_sample_bps <= 0:
        doubts.append(f"what the folds chose earned nothing on test days: {out_of_sample_bps:+.2f} bps a day")
    if last_bps <= 0:
        doubts.append(f"what the last fold chose earned nothing on its test days: {last_bps:+.2f} bps a day")
    return doubts

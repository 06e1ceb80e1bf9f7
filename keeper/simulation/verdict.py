"""Whether a result shows anything: a word, and every reason against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.core.quant.sharpe import deflated_sharpe, probabilistic_sharpe, track_of
from keeper.simulation.suite import LEAST_DAYS, Comparison

UNPROVEN, SUPPORTED = "unproven", "supported"
LEAST_SHARPE = 0.95
MOST_OVERFITTING = 0.2
JUDGES = ("equal_gamma", "full_range")
"""The benchmarks that an edge must be shown against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a result may be called."""

    word: str
    reasons: tuple[str, ...]
    """Against calling it more; empty for ``supported``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is known of the search that a policy came from."""

    trials: int
    """Every one that was ever made, failed ones included."""
    variance: float | None
    """Of the trials' daily Sharpe ratios; None while unknown."""
    overfitting: float | None
    """Probability of backtest overfitting; None with too few trials or days."""


def judged(
    days_bps: Sequence[float],
    comparisons: Sequence[Comparison],
    *,
    evidence: bool,
    checked: bool | None,
    search: Search | None = None,
) -> Verdict:
    """Every reason why a result is unproven, or that it is supported.

    Args:
        days_bps: hedged PnL of every whole day.
        comparisons: with the benchmarks.
        evidence: whether the tape is a record, not a made-up or coarse one.
        checked: whether the checks passed; None when they were not run.
        search: that the policy came from; None where none is named, of which nothing can be said.
    """
    reasons: list[str] = []
    if not evidence:
        reasons.append("the tape is no exact record")
    if len(days_bps) < LEAST_DAYS:
        reasons.append(f"whole days: {len(days_bps)}, at least {LEAST_DAYS} are wanted")
    elif min(days_bps) == max(days_bps):
        reasons.append("all days are alike: a Sharpe ratio has no value")
    else:
        reasons += _of_sharpe(days_bps, search)
    reasons += [reason for name in JUDGES for reason in _of_judge(name, comparisons)]
    if checked is None:
        reasons.append("keeper backtest check was not run")
    elif not checked:
        reasons.append("a check failed")
    reasons += _of_search(search)
    return Verdict(word=UNPROVEN if reasons else SUPPORTED, reasons=tuple(reasons))


def _of_sharpe(days_bps: Sequence[float], search: Search | None) -> list[str]:
    track = track_of(days_bps)
    if search is None or search.trials < 2:
        found, told = probabilistic_sharpe(track), "one trial"
    elif search.variance is None:
        return [f"no Deflated Sharpe: too few of {search.trials} trials have days that differ"]
    else:
        found = deflated_sharpe(track, trials=search.trials, variance=search.variance)
        told = f"{search.trials} trials"
    return [] if found >= LEAST_SHARPE else [f"Deflated Sharpe {found:.2f} over {told}, {LEAST_SHARPE} is wanted"]


def _of_search(search: Search | None) -> list[str]:
    if search is None:
        return ["no study is named (--study): how much was tried before, and with how much luck, is not known"]
    if search.overfitting is None:
        return ["the probability of overfitting has no value: too few trials or days in the study"]
    if search.overfitting >= MOST_OVERFITTING:
        return [f"probability of overfitting {search.overfitting:.2f}, below {MOST_OVERFITTING} is wanted"]
    return []


def _of_judge(name: str, comparisons: Sequence[Comparison]) -> list[str]:
    found, told = next((one for one in comparisons if one.name == name), None), name.replace("_", " ")
    if found is None:
        return [f"not compared with {told}"]
    if found.lower_bps is None or found.p_value is None:
        return [f"too few days for an interval against {told}"]
    if found.lower_bps > 0 and found.p_value < 0.05:
        return []
    interval = f"95 % interval {found.lower_bps:+.2f} to {found.upper_bps:+.2f}"
    return [f"against {told} {found.mean_bps:+.2f} bps a day, {interval}, p {found.p_value:.2f} after correction"]

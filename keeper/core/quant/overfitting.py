"""How often the best of many trials is best by luck alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

MOST_BLOCKS = 16
"""12,870 ways to choose half of them; two blocks more would quadruple that and change the answer by less than luck does."""
_SPLITS_AT_ONCE = 1_024
"""Keeps a thousand trials within some ten megabytes."""
_STILL = 1e-12
"""Variance within a half, as a part of the whole's, below which it is rounding."""
_LEAST_VARIANCE = 1e-300

_Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What became of the best trial of one half of the time in the other half, over all ways to halve it."""

    probability: float
    """Share of splits in which it came out at or below the median there: 0.5 is what luck alone gives, 0 is merit."""
    loss_probability: float
    """Share of splits in which its ratio there was below zero."""
    splits: int


def backtest_overfitting(trials: Sequence[Sequence[float]], *, blocks: int = MOST_BLOCKS) -> Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation, with the Sharpe ratio as the measure.

    Time is cut into blocks; of every choice of half of them the best trial is found and ranked in the other half.

    Args:
        trials: returns of each trial, all over the same periods, oldest first; at least two trials, and every one that was
            tried: to leave out the bad ones is what this is meant to find.
        blocks: even, 4 to :data:`MOST_BLOCKS`, of at least two periods each.

    Raises:
        ValueError: a number is out of its range, the trials differ in length, or a return is not finite.

    Ref: Bailey, Borwein, Lopez de Prado & Zhu 2015, section 3.
    """
    returns = _matrix(trials)
    periods = returns.shape[1]
    if blocks % 2 or not 4 <= blocks <= MOST_BLOCKS or blocks * 2 > periods:
        raise ValueError(f"blocks must be even, 4 to {MOST_BLOCKS} and of two periods each, not {blocks} of {periods} periods")
    sums = _BlockSums(returns, blocks)
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    overfitted = lost = 0
    for first in range(0, len(chosen), _SPLITS_AT_ONCE):
        seen = np.zeros((len(chosen[first : first + _SPLITS_AT_ONCE]), blocks))
        np.put_along_axis(seen, chosen[first : first + _SPLITS_AT_ONCE], 1.0, axis=1)
        best = np.argmax(sums.ratios(seen), axis=1)[:, None]
        unseen = sums.ratios(1 - seen)
        there = np.take_along_axis(unseen, best, axis=1)
        # twice the rank, ties shared, against the middle of all ranks: the sign is that of the paper's logit
        above, below = (unseen > there).sum(axis=1), (unseen < there).sum(axis=1)
        overfitted += int((below <= above).sum())
        lost += int((there < 0).sum())
    return Overfitting(probability=overfitted / len(chosen), loss_probability=lost / len(chosen), splits=len(chosen))


class _BlockSums:
    """Counts, sums and squares of every block, from which the ratio over any set of blocks follows."""

    def __init__(self, returns: _Array, blocks: int) -> None:
        periods = returns.shape[1]
        edges = np.arange(blocks) * periods // blocks
        self._counts = np.diff(np.append(edges, periods)).astype(np.float64)
        self._middle = returns.mean(axis=1)
        apart = returns - self._middle[:, None]
        self._sums = np.add.reduceat(apart, edges, axis=1).T
        self._squares = np.add.reduceat(apart**2, edges, axis=1).T
        self._floor = np.maximum(_STILL * apart.var(axis=1), _LEAST_VARIANCE)

    def ratios(self, taken: _Array) -> _Array:
        """Mean over deviation of every trial, one row for each row of ones and zeros."""
        counts = (taken @ self._counts)[:, None]
        means = taken @ self._sums / counts
        variances = np.maximum(taken @ self._squares / counts - means**2, self._floor)
        return np.asarray((means + self._middle) / np.sqrt(variances), dtype=np.float64)


def _matrix(trials: Sequence[Sequence[float]]) -> _Array:
    if len(trials) < 2:
        raise ValueError(f"two trials are needed, {len(trials)} given")
    lengths = {len(trial) for trial in trials}
    if len(lengths) > 1:
        raise ValueError(f"trials must cover the same periods, not {min(lengths)} to {max(lengths)} of them")
    returns = np.asarray(trials, dtype=np.float64)
    if not np.isfinite(returns).all():
        raise ValueError("returns must be finite")
    return returns

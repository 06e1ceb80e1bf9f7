"""How far the mean of a series that is not independent may be from the truth, by drawing it again in blocks of random length.

:func:`~keeper.core.quant.scores.mean_interval` keeps blocks of one given length; here the length is random, its mean may be
found from the series itself, and two policies are compared on the same days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.quant.checks import finite
from keeper.core.quant.scores import Interval

LEAST_VALUES = 16
"""With fewer the autocorrelations that the length is found from are noise."""
_LEAST_RUN = 5
"""Lags in a row that must be insignificant before the rest counts as noise."""
_BLOCKS_AT_ONCE = 2_000_000
"""Keeps the draws within some fifty megabytes, however long the series."""

_Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Mean of a series or of a paired difference, and what luck allows."""

    interval: Interval
    p_value: float
    """Two-sided, of a true mean of 0; never below one over the resamples and one."""
    block: float
    """Mean block length that was used, in values."""


def optimal_block(values: Sequence[float]) -> float:
    """Mean block length of the stationary bootstrap that serves the variance of the mean best, in values, at least 1.

    Independent values need none, and give about 1; a series that never moves gives 1.

    Args:
        values: oldest first, at least :data:`LEAST_VALUES`.

    Raises:
        ValueError: too few values, or one that is not finite.

    Ref: Politis & White 2004, with the correction of Patton, Politis & White 2009.
    """
    finite("values", values)
    count = len(values)
    if count < LEAST_VALUES:
        raise ValueError(f"{LEAST_VALUES} values are needed, {count} given")
    apart = np.asarray(values, dtype=np.float64) - math.fsum(values) / count
    if min(values) == max(values):
        return 1.0
    run = max(_LEAST_RUN, int(math.log10(count)))
    lags = min(math.ceil(math.sqrt(count)) + run, count - 2)
    covariances = [float(apart[lag:] @ apart[: count - lag]) / count for lag in range(lags + 1)]
    reach = min(2 * _last_significant(apart, lags, run), lags)
    # a flat-topped kernel: lags up to half the reach in full, then fading to nothing
    weights = [min(1.0, 2 * (1 - lag / reach)) for lag in range(reach + 1)]
    long_run = covariances[0] + 2 * math.fsum(weights[k] * covariances[k] for k in range(1, reach + 1))
    slope = 2 * math.fsum(weights[k] * k * covariances[k] for k in range(1, reach + 1))
    longest = math.ceil(min(3 * math.sqrt(count), count / 3))
    if long_run**2 <= 0:
        return float(longest)
    return min(math.cbrt(max((slope / long_run) ** 2 * count, 1.0)), float(longest))


def compare_mean(
    values: Sequence[float], *, seed: int, block: float | None = None, resamples: int = 2_000, confidence: float = 0.95
) -> Comparison:
    """Mean, percentile interval and p-value by the stationary bootstrap; the same arguments give the same answer.

    Args:
        values: oldest first, at least two.
        seed: of the draw.
        block: mean block length, 1 to ``len(values)``; None finds it by :func:`optimal_block`.
        resamples: at least 100.
        confidence: in (0, 1).

    Raises:
        ValueError: a number is out of its range, or a value is not finite.

    Ref: Politis & Romano 1994.
    """
    count = len(values)
    finite("values", values)
    if block is None:
        block = optimal_block(values)
    if count < 2 or not 1 <= block <= count:
        raise ValueError(f"at least two values and a block of 1 to as many are needed, not {count} and {block}")
    if resamples < 100 or not 0 < confidence < 1:
        raise ValueError(f"resamples must be at least 100 and confidence in (0, 1), not {resamples} and {confidence}")
    mean = math.fsum(values) / count
    means = _resampled(np.asarray(values, dtype=np.float64) - mean, block, resamples, seed)
    lower, upper = np.quantile(means, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    as_far = int((np.abs(means) >= abs(mean)).sum())
    return Comparison(
        interval=Interval(mean=mean, lower=mean + lower, upper=mean + upper),
        p_value=(1 + as_far) / (1 + resamples),
        block=block,
    )


def compare_paired(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    seed: int,
    block: float | None = None,
    resamples: int = 2_000,
    confidence: float = 0.95,
) -> Comparison:
    """:func:`compare_mean` of ``ours - theirs``, day by day: what both had to suffer cancels.

    Raises:
        ValueError: as :func:`compare_mean`, or the two differ in length.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"both must cover the same days, not {len(ours)} and {len(theirs)}")
    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    return compare_mean(differences, seed=seed, block=block, resamples=resamples, confidence=confidence)


def _resampled(apart: _Array, block: float, resamples: int, seed: int) -> _Array:
    """Means of ``resamples`` series drawn in blocks whose length is geometric, round the end to the start."""
    count = len(apart)
    draw = np.random.default_rng(seed)
    running = np.concatenate(([0.0], np.cumsum(np.concatenate((apart, apart)))))
    columns = int(count / block + 6 * math.sqrt(count / block)) + 2
    rows = max(_BLOCKS_AT_ONCE // columns, 1)
    means = []
    for first in range(0, resamples, rows):
        wanted = min(rows, resamples - first)
        lengths = np.minimum(draw.geometric(1 / block, size=(wanted, columns)), count)
        while lengths.sum(axis=1).min() < count:
            more = np.minimum(draw.geometric(1 / block, size=(wanted, columns)), count)
            lengths = np.concatenate((lengths, more), axis=1)
        ends = np.minimum(np.cumsum(lengths, axis=1), count)
        kept = np.diff(ends, axis=1, prepend=0)
        starts = draw.integers(0, count, size=kept.shape)
        means.append((running[starts + kept] - running[starts]).sum(axis=1) / count)
    return np.concatenate(means)


def _last_significant(apart: _Array, lags: int, run: int) -> int:
    """First lag of ``run`` that are all insignificant, at least 1; half of the lags, rounded up, when there are none such."""
    count = len(apart)
    limit = 2 * math.sqrt(math.log10(count) / count)
    quiet = 0
    for lag in range(1, lags):
        ahead, behind = apart[lag:], apart[: count - lag]
        scale = math.sqrt(float(ahead @ ahead) * float(behind @ behind))
        quiet = quiet + 1 if abs(float(ahead @ behind)) < limit * scale else 0
        if quiet == run:
            return lag - run + 1
    return (lags + 1) // 2

"""Tests of a mean that allow for memory, and of many hypotheses at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from keeper.core.quant.checks import finite

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanTest:
    """A mean and how sure it is, in the unit of what was averaged."""

    mean: float
    standard_error: float
    t: float
    """Mean over its standard error: of a true mean of 0 it is about standard normal."""
    p_value: float
    """Two-sided, by the normal distribution."""
    lags: int


def newey_west_test(values: Sequence[float], *, lags: int | None = None) -> MeanTest:
    """Whether a mean differs from 0 when neighbours resemble one another.

    Args:
        values: oldest first, at least two that are not all equal.
        lags: how far the memory reaches, 0 to ``len(values) - 1``; None takes ``4 (n / 100)^(2/9)``, rounded down.

    Raises:
        ValueError: too few values, one that is not finite, none that differs, or lags out of their range.

    Ref: Newey & West 1987, Bartlett weights, no small-sample correction; the number of lags as in Newey & West 1994.
    """
    finite("values", values)
    count = len(values)
    if lags is None:
        lags = min(int(4 * (count / 100) ** (2 / 9)), count - 1)
    if count < 2 or not 0 <= lags < count:
        raise ValueError(f"at least two values and fewer lags than values are needed, not {count} and {lags}")
    mean = math.fsum(values) / count
    apart = [value - mean for value in values]
    variance = math.fsum(a * a for a in apart)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * math.fsum(a * b for a, b in zip(apart, apart[lag:], strict=False))
    if min(values) == max(values) or variance <= 0:
        raise ValueError("values are all equal or cancel one another: the mean has no error to be held against")
    error = math.sqrt(variance) / count
    return MeanTest(mean=mean, standard_error=error, t=mean / error, p_value=2 * _NORMAL.cdf(-abs(mean / error)), lags=lags)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values adjusted for their number by Holm's step-down, in the order given, each in [0, 1].

    Those at or below a level may all be rejected together: the chance that any of it is false stays below that level, however
    the tests hang together.

    Raises:
        ValueError: a p-value lies outside [0, 1].

    Ref: Holm 1979.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value must lie in [0, 1], not {p}")
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted = [0.0] * len(p_values)
    so_far = 0.0
    for rank, at in enumerate(order):
        so_far = max(so_far, min((len(p_values) - rank) * p_values[at], 1.0))
        adjusted[at] = so_far
    return tuple(adjusted)

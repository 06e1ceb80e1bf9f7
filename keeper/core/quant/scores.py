"""How good a forecast of variance was, and whether it was better than another by more than luck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keeper.core.quant.checks import finite, positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and the bounds of its confidence interval, in the unit of what was averaged."""

    mean: float
    lower: float
    upper: float


def qlike(realised: float, forecast: float) -> float:
    """Loss ``RV/h - ln(RV/h) - 1``: 0 for a perfect forecast; too low costs more than too high by the same factor.

    The same in every unit, and it ranks forecasts rightly although the realised variance is itself only an estimate.

    Args:
        realised: variance that came, > 0; raise a zero to a floor of your own before, the same one for all forecasts.
        forecast: variance that was expected, > 0.

    Raises:
        ValueError: either is not above zero or not finite.

    Ref: Patton 2011, the loss homogeneous of degree 0.
    """
    positive(realised=realised, forecast=forecast)
    ratio = realised / forecast
    return ratio - math.log(ratio) - 1


def mean_interval(
    values: Sequence[float], *, block: int, seed: int, resamples: int = 2_000, confidence: float = 0.95
) -> Interval:
    """Mean of a series that is not independent, with a percentile interval by the circular moving-block bootstrap.

    Fed with the differences of two losses it says whether one forecast is better: when the interval leaves 0 out. The same
    arguments give the same interval.

    Args:
        values: oldest first, at least two.
        block: values that are kept together, 1 to ``len(values)``: as long as a value is felt, at least the forecast's horizon.
        seed: of the draw.
        resamples: at least 100.
        confidence: in (0, 1).

    Raises:
        ValueError: a number is out of its range, or a value is not finite.

    Ref: Politis & Romano 1992.
    """
    count = len(values)
    finite("values", values)
    if count < 2 or not 1 <= block <= count:
        raise ValueError(f"at least two values and a block of 1 to as many are needed, not {count} and {block}")
    if resamples < 100 or not 0 < confidence < 1:
        raise ValueError(f"resamples must be at least 100 and confidence in (0, 1), not {resamples} and {confidence}")
    series = np.asarray(values, dtype=np.float64)
    whole, rest = divmod(count, block)
    starts = np.random.default_rng(seed).integers(0, count, size=(resamples, whole + 1))
    sums = np.concatenate(([0.0], np.cumsum(np.concatenate((series, series[:block])))))
    totals = (sums[starts[:, :whole] + block] - sums[starts[:, :whole]]).sum(axis=1)
    totals += sums[starts[:, whole] + rest] - sums[starts[:, whole]]
    lower, upper = np.quantile(totals / count, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    return Interval(mean=math.fsum(values) / count, lower=lower, upper=upper)

"""Tomorrow's variance from the last day, week and month of it: heterogeneous autoregression.

Markets never close here, so a week has 7 days and a month 30.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.quant.checks import finite, not_negative, positive

WEEK_DAYS = 7
MONTH_DAYS = 30
LEAST_DAYS = 90
"""Sixty days to explain, after the thirty that explain the first of them: fifteen for each of the four coefficients."""
FLOOR_QUANTILE = 0.05
"""No forecast lies below this quantile of the days that it was fitted to."""

_Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarModel:
    """``intercept + daily RV_1 + weekly mean(RV_7) + monthly mean(RV_30)``, and never below ``floor``.

    Raises:
        ValueError: a coefficient is not finite, or the floor is not above zero.
    """

    intercept: float
    """Variance per day."""
    daily: float
    weekly: float
    monthly: float
    floor: float
    """Variance per day, > 0."""

    def __post_init__(self) -> None:
        finite("coefficients", (self.intercept, self.daily, self.weekly, self.monthly))
        positive(floor=self.floor)


def fit_har(daily_variances: Sequence[float]) -> HarModel | None:
    """Fit by weighted least squares; None with fewer than :data:`LEAST_DAYS` days or when no day moved at all.

    A measured variance errs in proportion to its level, so each day's error is divided by what plain least squares expects
    there. Out of sample that does as well as a fit in logarithms, and unlike there a day without a trade does no harm.

    Args:
        daily_variances: realised variance per day, oldest first, without gaps.

    Raises:
        ValueError: a variance is negative or not finite.

    Ref: Corsi 2009; Clements & Preve 2021 for the weights.
    """
    _check(daily_variances)
    moved = [v for v in daily_variances if v > 0]
    if len(daily_variances) < LEAST_DAYS or not moved:
        return None
    unit = math.fsum(moved) / len(moved)  # makes the columns comparable, and the fit the same in every unit
    days = np.asarray(daily_variances, dtype=np.float64) / unit
    floor = float(np.quantile(np.asarray(moved), FLOOR_QUANTILE)) / unit
    design, target = _design(days)[:-1], days[MONTH_DAYS:]
    plain = design @ _least_squares(design, target)
    weight = 1 / np.maximum(plain, floor)
    intercept, daily, weekly, monthly = _least_squares(design * weight[:, None], target * weight).tolist()
    return HarModel(intercept=intercept * unit, daily=daily, weekly=weekly, monthly=monthly, floor=floor * unit)


def forecast(model: HarModel, daily_variances: Sequence[float]) -> float:
    """Variance of the day after the last one, at least the model's floor.

    Args:
        model: as fitted.
        daily_variances: oldest first, at least :data:`MONTH_DAYS`; older ones are not looked at.

    Raises:
        ValueError: too few days, or a variance is negative or not finite.
    """
    month = daily_variances[-MONTH_DAYS:]
    if len(month) < MONTH_DAYS:
        raise ValueError(f"{MONTH_DAYS} days are needed, {len(month)} given")
    _check(month)
    weekly, monthly = math.fsum(month[-WEEK_DAYS:]) / WEEK_DAYS, math.fsum(month) / MONTH_DAYS
    return max(model.intercept + model.daily * month[-1] + model.weekly * weekly + model.monthly * monthly, model.floor)


def _design(days: _Array) -> _Array:
    """One row for each day that has a month before it, and one for the day after the last."""
    sums = np.concatenate(([0.0], np.cumsum(days)))
    ends = np.arange(MONTH_DAYS, len(days) + 1)
    weekly = (sums[ends] - sums[ends - WEEK_DAYS]) / WEEK_DAYS
    monthly = (sums[ends] - sums[ends - MONTH_DAYS]) / MONTH_DAYS
    return np.column_stack((np.ones(len(ends)), days[ends - 1], weekly, monthly))


def _least_squares(design: _Array, target: _Array) -> _Array:
    # columns that say the same leave many solutions: this is the shortest
    return np.asarray(np.linalg.lstsq(design, target, rcond=None)[0], dtype=np.float64)


def _check(variances: Sequence[float]) -> None:
    for variance in variances:
        not_negative(variance=variance)

"""Variance that feeds on the last return and on itself: GARCH(1,1) with Student's t.

The fit is slow and rare; the filter is one multiplication a return, live and over a recorded year.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.core.quant.checks import finite, not_negative, positive

LEAST_RETURNS = 500
"""With fewer the persistence that is fitted is mostly luck, and reads low."""
MOST_PERSISTENT = 0.9999
"""``alpha + beta`` at and above which a fit is refused: variance would not come back within any horizon of ours."""
_FITTED_DEVIATION = 10.0
"""Deviation to which returns are scaled for the fit; its search is at its best for variances of 1 to 1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchModel:
    """``h' = omega + alpha r^2 + beta h``: variance per interval after a return r that had variance h.

    Raises:
        ValueError: a number is out of its range, or ``alpha + beta`` is not below 1: then no mean variance exists.
    """

    omega: float
    """Variance per interval, > 0."""
    alpha: float
    """Of the newest squared return, >= 0."""
    beta: float
    """Of the variance before, >= 0."""
    nu: float = math.inf
    """Degrees of freedom of the returns' t distribution, > 2; infinite for a normal one. The filter does not use it."""

    def __post_init__(self) -> None:
        positive(omega=self.omega)
        not_negative(alpha=self.alpha, beta=self.beta)
        if self.persistence >= 1:
            raise ValueError(f"alpha {self.alpha} + beta {self.beta} must lie below 1")
        if not self.nu > 2:
            raise ValueError(f"nu must lie above 2, not {self.nu}")

    @property
    def persistence(self) -> float:
        """Part of a shock to variance that is left one interval later."""
        return self.alpha + self.beta

    @property
    def mean_variance(self) -> float:
        """Variance per interval to which every forecast returns."""
        return self.omega / (1 - self.persistence)


def next_variance(model: GarchModel, variance: float, r: float) -> float:
    """Variance of the next interval, given this one's and its return; arguments not checked: one call a return, for ever."""
    return model.omega + model.alpha * r * r + model.beta * variance


def filtered(returns: Sequence[float], model: GarchModel, seed: float | None = None) -> list[float]:
    """Variance in force at each return, and last the one of the interval to come: one more than there are returns.

    Args:
        returns: log returns, oldest first, at least one.
        model: per the same interval.
        seed: variance of the first return; None takes the variance of all of them about their mean, over n.

    Raises:
        ValueError: no return, one that is not finite, or a negative seed.

    Ref: Bollerslev 1986.
    """
    if not returns:
        raise ValueError("one return is needed, none given")
    finite("returns", returns)
    if seed is None:
        mean = math.fsum(returns) / len(returns)
        seed = math.fsum((r - mean) ** 2 for r in returns) / len(returns)
    not_negative(seed=seed)
    variances = [seed]
    for r in returns:
        variances.append(next_variance(model, variances[-1], r))
    return variances


def horizon_sum(model: GarchModel, variance: float, steps: int) -> float:
    """Expected variance of the next ``steps`` intervals together: ``n s + (h - s) (1 - p^n) / (1 - p)``.

    Here s is the mean variance and p the persistence.

    Args:
        model: per interval.
        variance: h, of the first of those intervals: the last of :func:`filtered`.
        steps: at least 1.

    Raises:
        ValueError: a number is out of its range.
    """
    not_negative(variance=variance)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    persistence, mean = model.persistence, model.mean_variance
    return steps * mean + (variance - mean) * (1 - persistence**steps) / (1 - persistence)


def fit_garch(returns: Sequence[float]) -> GarchModel | None:
    """Fit by maximum likelihood, mean zero; the same returns always give the same model.

    None when there are fewer than :data:`LEAST_RETURNS` returns or none that moves, when the search does not converge, and
    when what it finds has no mean variance. Takes some 10 ms per thousand returns, and a second to load at the first call.

    Args:
        returns: log returns over equal intervals, oldest first.

    Raises:
        ValueError: a return is not finite.

    Ref: Bollerslev 1987.
    """
    finite("returns", returns)
    if len(returns) < LEAST_RETURNS:
        return None
    deviation = math.sqrt(math.fsum(r * r for r in returns) / len(returns))
    if deviation <= 0:
        return None
    found = _maximum_likelihood([r / deviation * _FITTED_DEVIATION for r in returns])
    if found is None:
        return None
    omega, alpha, beta, nu = found
    if not (math.isfinite(math.fsum(found)) and omega > 0 and alpha + beta < MOST_PERSISTENT):
        return None
    return GarchModel(omega=omega * (deviation / _FITTED_DEVIATION) ** 2, alpha=max(alpha, 0.0), beta=max(beta, 0.0), nu=nu)


def _maximum_likelihood(scaled: list[float]) -> tuple[float, float, float, float] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed search is told by None
        # a second of loading, which only a fit should pay
        import numpy as np  # ruff: ignore[import-outside-top-level]
        from arch import arch_model  # ruff: ignore[import-outside-top-level]

        model = arch_model(np.asarray(scaled), mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
        result = model.fit(disp="off", show_warning=False)
    if result.convergence_flag != 0:
        return None
    omega, alpha, beta, nu = (float(value) for value in result.params)
    return omega, alpha, beta, nu

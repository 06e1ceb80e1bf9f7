"""Return for risk, and how much of it survives the length of the record and the number of things that were tried.

Ratios are per period of the returns unless a name says annual; kurtosis is not the excess: that of a normal distribution is 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from keeper.core.quant.checks import finite, not_negative, positive

_NORMAL = NormalDist()
_EULER_MASCHERONI = 0.5772156649015329
_SHAPE_ROUNDING = 1e-9
"""Rounding forgiven when kurtosis is held against skewness: two-valued returns lie exactly on the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What the statistics below need to know of a record of returns.

    Raises:
        ValueError: a number is out of its range, or no distribution has this skewness and kurtosis together.
    """

    observations: int
    """At least 2."""
    ratio: float
    """Sharpe ratio per period."""
    skewness: float = 0.0
    kurtosis: float = 3.0
    """Fourth standardised moment, not the excess: at least ``1 + skewness^2``."""

    def __post_init__(self) -> None:
        finite("ratio and skewness", (self.ratio, self.skewness))
        positive(kurtosis=self.kurtosis)
        if self.observations < 2:
            raise ValueError(f"two observations are needed, not {self.observations}")
        if self.kurtosis < (1 + self.skewness**2) * (1 - _SHAPE_ROUNDING):
            raise ValueError(
                f"no distribution has skewness {self.skewness} with kurtosis {self.kurtosis}: give it plain, not excess"
            )

    @property
    def uncertainty(self) -> float:
        """Variance of the ratio's estimate times ``observations - 1``: ``1 - skew SR + (kurt - 1) / 4 SR^2``.

        Ref: Mertens 2002; Bailey & Lopez de Prado 2012, eq. 8.
        """
        return max(1 - self.skewness * self.ratio + (self.kurtosis - 1) / 4 * self.ratio**2, 0.0)


def sharpe_ratio(returns: Sequence[float], *, target: float = 0.0) -> float:
    """Mean of the returns above ``target`` over their sample deviation (n - 1), per period.

    Args:
        returns: simple or log, or money: any unit, oldest first, at least two that are not all equal.
        target: per period, in the same unit.

    Raises:
        ValueError: too few returns, one that is not finite, or none that differs: then the ratio has no value.

    Ref: Sharpe 1994.
    """
    mean, deviation = _mean_and_deviation(returns)
    finite("target", (target,))
    return (mean - target) / deviation


def sortino_ratio(returns: Sequence[float], *, target: float = 0.0) -> float:
    """Mean above ``target`` over the root mean square of what fell short of it, all returns in the denominator, per period.

    Args:
        returns: as in :func:`sharpe_ratio`, at least one below ``target``.
        target: per period, in the same unit.

    Raises:
        ValueError: too few returns, one that is not finite, or none below the target.

    Ref: Sortino & Price 1994.
    """
    _check(returns)
    finite("target", (target,))
    short = math.sqrt(math.fsum(min(r - target, 0.0) ** 2 for r in returns) / len(returns))
    if short <= 0:
        raise ValueError(f"no return lies below the target {target}: the ratio has no value")
    return (math.fsum(returns) / len(returns) - target) / short


def annualised(ratio: float, *, periods_a_year: float) -> float:
    """A Sharpe or Sortino ratio per year: times the root of the periods, which holds for independent returns only.

    Raises:
        ValueError: a number is not finite, or the periods are not above zero.
    """
    finite("ratio", (ratio,))
    positive(periods_a_year=periods_a_year)
    return ratio * math.sqrt(periods_a_year)


def max_drawdown(values: Sequence[float]) -> float:
    """Deepest fall from a peak so far, as a fraction of that peak: 0 when the value never fell, at least -1.

    Args:
        values: of the holding, oldest first, the first one included, each at or above zero and the first above it.

    Raises:
        ValueError: no value, one below zero or not finite, or a first one of zero.
    """
    if not values:
        raise ValueError("one value is needed, none given")
    positive(first_value=values[0])
    peak, worst = values[0], 0.0
    for value in values:
        not_negative(value=value)
        peak = max(peak, value)
        worst = min(worst, value / peak - 1)
    return worst


def track_of(returns: Sequence[float]) -> Track:
    """Length, ratio (n - 1), skewness and kurtosis (n) of a record.

    Raises:
        ValueError: as :func:`sharpe_ratio`.
    """
    mean, deviation = _mean_and_deviation(returns)
    count = len(returns)
    second, third, fourth = (math.fsum(((r - mean) / deviation) ** power for r in returns) / count for power in (2, 3, 4))
    return Track(
        observations=count, ratio=mean / deviation, skewness=third / second**1.5, kurtosis=max(fourth / second**2, 1.0)
    )


def probabilistic_sharpe(track: Track, *, benchmark: float = 0.0) -> float:
    """Probability that the true ratio lies above ``benchmark``, given the length and the shape of the record.

    Args:
        track: the record.
        benchmark: Sharpe ratio per period.

    Raises:
        ValueError: the benchmark is not finite.

    Ref: Bailey & Lopez de Prado 2012, eq. 11.
    """
    finite("benchmark", (benchmark,))
    distance = (track.ratio - benchmark) * math.sqrt(track.observations - 1)
    if track.uncertainty <= 0:
        return 0.5 if distance == 0 else float(distance > 0)
    return _NORMAL.cdf(distance / math.sqrt(track.uncertainty))


def expected_best_ratio(*, trials: int, variance: float) -> float:
    """Sharpe ratio that the best of ``trials`` independent ones without any merit is expected to show, per period.

    Args:
        trials: all that were ever tried, at least 1; of one trial nothing is chosen, and the answer is 0.
        variance: of the trials' ratios, per period, >= 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: Bailey & Lopez de Prado 2014, eq. 1.
    """
    not_negative(variance=variance)
    if trials < 1:
        raise ValueError(f"trials must be at least 1, not {trials}")
    if trials == 1:
        return 0.0
    usual, rare = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER_MASCHERONI) * usual + _EULER_MASCHERONI * rare)


def deflated_sharpe(track: Track, *, trials: int, variance: float) -> float:
    """Probability that the chosen record is better than the best of as many worthless ones.

    Trials that resemble one another count as fewer; to give them all is to be too strict rather than too kind.

    Args:
        track: of the one that was chosen.
        trials: all that were ever tried, the chosen one included.
        variance: of the trials' ratios, per period: an annual one over the periods in a year.

    Raises:
        ValueError: as :func:`expected_best_ratio`.

    Ref: Bailey & Lopez de Prado 2014, The deflated Sharpe ratio.
    """
    return probabilistic_sharpe(track, benchmark=expected_best_ratio(trials=trials, variance=variance))


def minimum_track_length(track: Track, *, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Observations after which a record like this one would be told from ``benchmark``; infinite when it is not above it.

    Args:
        track: ratio and shape of the record; its length does not matter.
        benchmark: Sharpe ratio per period.
        confidence: in (0.5, 1).

    Raises:
        ValueError: a number is out of its range.

    Ref: Bailey & Lopez de Prado 2012, eq. 13.
    """
    finite("benchmark", (benchmark,))
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence must lie in (0.5, 1), not {confidence}")
    if track.ratio <= benchmark:
        return math.inf
    deviations = _NORMAL.inv_cdf(confidence) / (track.ratio - benchmark)
    return 1 + track.uncertainty * deviations * deviations  # a power would raise where a product is infinite


def _check(returns: Sequence[float]) -> None:
    if len(returns) < 2:
        raise ValueError(f"two returns are needed, {len(returns)} given")
    finite("returns", returns)


def _mean_and_deviation(returns: Sequence[float]) -> tuple[float, float]:
    _check(returns)
    mean = math.fsum(returns) / len(returns)
    # of equal returns the mean may be off by a rounding, and what is left would pass for a deviation
    if min(returns) == max(returns):
        raise ValueError("returns are all equal: the ratio has no value")
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    if deviation <= 0:
        raise ValueError("returns differ by less than can be told: the ratio has no value")
    return mean, deviation

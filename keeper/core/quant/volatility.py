"""Estimators of variance. All return variance per the interval that they are fed; :func:`annualised` makes it a volatility.

Means are taken as zero throughout: over minutes and hours the drift is far below what can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.core.quant.checks import SECONDS_A_YEAR, finite, not_negative, positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Natural logarithms of the prices of one interval.

    Raises:
        ValueError: a price is not finite, or open and close do not lie between low and high.
    """

    open: float
    high: float
    low: float
    close: float

    def __post_init__(self) -> None:
        finite("a bar's prices", (self.open, self.high, self.low, self.close))
        if not (self.low <= min(self.open, self.close) and max(self.open, self.close) <= self.high):
            raise ValueError(f"open {self.open} and close {self.close} must lie between low {self.low} and high {self.high}")


def annualised(variance: float, interval_s: float) -> float:
    """Volatility per year as a fraction (0.80 is 80 %), from a variance per ``interval_s`` seconds.

    Raises:
        ValueError: the variance is negative or the interval is not above zero.
    """
    not_negative(variance=variance)
    positive(interval_s=interval_s)
    return math.sqrt(variance * SECONDS_A_YEAR / interval_s)


def close_to_close(returns: Sequence[float]) -> float:
    """Mean squared log return, per interval.

    Raises:
        ValueError: no return, or one that is not finite.

    Ref: Andersen & Bollerslev 1998.
    """
    _need("returns", returns, 1)
    return math.fsum(r * r for r in returns) / len(returns)


def decay_of(half_life_s: float, interval_s: float) -> float:
    """Factor by which a weight shrinks each interval so that it halves in ``half_life_s``; in (0, 1).

    Raises:
        ValueError: either is not above zero.
    """
    positive(half_life_s=half_life_s, interval_s=interval_s)
    return float(0.5 ** (interval_s / half_life_s))


def ewma(returns: Sequence[float], decay: float, seed: float | None = None) -> float:
    """Exponentially weighted mean of squared log returns, newest last, per interval.

    Args:
        returns: oldest first, at least one.
        decay: weight that the past keeps at each return, in [0, 1).
        seed: variance to start from, before the first return; None starts from the first return's square.

    Raises:
        ValueError: no return, one that is not finite, or a decay or seed outside its range.

    Ref: RiskMetrics technical document 1996.
    """
    _need("returns", returns, 1)
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1), not {decay}")
    if seed is not None:
        not_negative(seed=seed)
    variance = returns[0] * returns[0] if seed is None else seed
    for r in returns[1:] if seed is None else returns:
        variance = decay * variance + (1 - decay) * r * r
    return variance


def garman_klass(bars: Sequence[Bar]) -> float:
    """Mean of ``(ln H/L)^2 / 2 - (2 ln 2 - 1) (ln C/O)^2``, per bar; never negative, since no bar's term is.

    Biased low when a bar holds few trades (about 30 are wanted) and high by prices that no one could trade at.

    Raises:
        ValueError: no bar.

    Ref: Garman & Klass 1980, the two-term form.
    """
    if not bars:
        raise ValueError("one bar is needed, none given")
    terms = (0.5 * (b.high - b.low) ** 2 - (2 * math.log(2) - 1) * (b.close - b.open) ** 2 for b in bars)
    return math.fsum(terms) / len(bars)


def subsampled(log_prices: Sequence[float], stride: int) -> float:
    """Realised variance of the whole stretch, from returns over ``stride`` steps, averaged over all ``stride`` starting points.

    Not corrected for the steps that each of the grids misses at the ends: a fraction of about ``stride / n``.

    Raises:
        ValueError: fewer than ``stride + 1`` prices, a stride below 1, or a price that is not finite.

    Ref: Zhang, Mykland & Ait-Sahalia 2005, the second-best estimator.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, not {stride}")
    _need("log prices", log_prices, stride + 1)
    pairs = zip(log_prices, log_prices[stride:], strict=False)
    return math.fsum((later - earlier) ** 2 for earlier, later in pairs) / stride


def two_scale(log_prices: Sequence[float], stride: int) -> float:
    """Realised variance of the whole stretch with the noise of single prices taken out; the prices may come irregularly.

    ``(RV_stride - n'/n RV_1) / (1 - n'/n)`` with ``n' = (n - stride + 1) / stride``. Noise alone can carry it below zero on a
    short stretch: the caller must judge the sign.

    Args:
        log_prices: oldest first.
        stride: steps of the slow scale, at least 2.

    Raises:
        ValueError: fewer than ``stride + 1`` prices, a stride below 2, or a price that is not finite.

    Ref: Zhang, Mykland & Ait-Sahalia 2005, eq. 55 and its small-sample adjustment, eq. 64.
    """
    if stride < 2:
        raise ValueError(f"stride must be at least 2, not {stride}")
    steps = len(log_prices) - 1
    slow = subsampled(log_prices, stride)
    share = (steps - stride + 1) / stride / steps
    return (slow - share * subsampled(log_prices, 1)) / (1 - share)


def _need(what: str, values: Sequence[float], least: int) -> None:
    if len(values) < least:
        raise ValueError(f"{least} {what} are needed, {len(values)} given")
    finite(what, values)

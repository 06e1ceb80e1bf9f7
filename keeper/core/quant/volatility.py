"""Estimators of variance. All return variance per the interval that they are fed; :func:`annualised` makes it a volatility.

Means are taken as zero unless a docstring says otherwise: over minutes and hours the drift is far below what can be measured.
A ``..._term`` is one bar's part, for whoever keeps a running mean; the function of the same name is the mean of the terms.
Every estimator is the same for a price and for its inverse, and for a price in any unit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
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


def sample_variance(returns: Sequence[float]) -> float:
    """Variance of log returns about their own mean, over ``n - 1``, per interval: for days and longer, where drift counts.

    Raises:
        ValueError: fewer than two returns, or one that is not finite.
    """
    _need("returns", returns, 2)
    mean = math.fsum(returns) / len(returns)
    return math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1)


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
        variance = ewma_next(variance, r, decay)
    return variance


def ewma_next(variance: float, r: float, decay: float) -> float:
    """:func:`ewma` one return later, for whoever keeps it running; arguments as there, not checked again."""
    return decay * variance + (1 - decay) * r * r


def parkinson_term(bar: Bar) -> float:
    """``(ln H/L)^2 / (4 ln 2)``."""
    return (bar.high - bar.low) ** 2 / (4 * math.log(2))


def parkinson(bars: Sequence[Bar]) -> float:
    """Mean of :func:`parkinson_term`, per bar; biased as :func:`garman_klass` is, and high by any drift.

    Raises:
        ValueError: no bar.

    Ref: Parkinson 1980.
    """
    return _mean_of_terms(parkinson_term, bars)


def garman_klass_term(bar: Bar) -> float:
    """``(ln H/L)^2 / 2 - (2 ln 2 - 1) (ln C/O)^2``; never negative."""
    return 0.5 * (bar.high - bar.low) ** 2 - (2 * math.log(2) - 1) * (bar.close - bar.open) ** 2


def garman_klass(bars: Sequence[Bar]) -> float:
    """Mean of :func:`garman_klass_term`, per bar; never negative.

    Biased low when a bar holds few trades (about 30 are wanted) and high by prices that no one could trade at.

    Raises:
        ValueError: no bar.

    Ref: Garman & Klass 1980, the two-term form.
    """
    return _mean_of_terms(garman_klass_term, bars)


def garman_klass_full_term(bar: Bar) -> float:
    """``.511 (u - d)^2 - .019 (c (u + d) - 2 u d) - .383 c^2`` with u, d, c the logs of H, L, C over O; never negative."""
    up, down, net = bar.high - bar.open, bar.low - bar.open, bar.close - bar.open
    return 0.511 * (up - down) ** 2 - 0.019 * (net * (up + down) - 2 * up * down) - 0.383 * net**2


def garman_klass_full(bars: Sequence[Bar]) -> float:
    """Mean of :func:`garman_klass_full_term`, per bar: the form of least variance; :func:`garman_klass` shortens it.

    Raises:
        ValueError: no bar.

    Ref: Garman & Klass 1980, with the published coefficients of three digits.
    """
    return _mean_of_terms(garman_klass_full_term, bars)


def rogers_satchell_term(bar: Bar) -> float:
    """``u (u - c) + d (d - c)`` with u, d, c the logs of H, L, C over O; never negative, 0 for a bar that only rose or fell."""
    up, down, net = bar.high - bar.open, bar.low - bar.open, bar.close - bar.open
    return up * (up - net) + down * (down - net)


def rogers_satchell(bars: Sequence[Bar]) -> float:
    """Mean of :func:`rogers_satchell_term`, per bar; right whatever the drift.

    Raises:
        ValueError: no bar.

    Ref: Rogers & Satchell 1991.
    """
    return _mean_of_terms(rogers_satchell_term, bars)


def yang_zhang_weight(bars: int) -> float:
    """Weight of the open-to-close variance in :func:`yang_zhang` over so many bars: ``.34 / (1.34 + (n + 1) / (n - 1))``.

    Raises:
        ValueError: fewer than two bars.
    """
    if bars < 2:
        raise ValueError(f"two bars are needed, {bars} given")
    return 0.34 / (1.34 + (bars + 1) / (bars - 1))


def yang_zhang(bars: Sequence[Bar]) -> float:
    """Variance of gaps between bars, plus a weighted mean of open-to-close variance and :func:`rogers_satchell`; per bar.

    Right whatever the drift and the gaps. A market that never closes gaps by a swap at most: there it adds little.

    Args:
        bars: oldest first; the first one gives only the close before the second.

    Raises:
        ValueError: fewer than three bars.

    Ref: Yang & Zhang 2000.
    """
    if len(bars) < 3:
        raise ValueError(f"3 bars are needed, {len(bars)} given")
    used = bars[1:]
    gaps = [bar.open - before.close for before, bar in itertools.pairwise(bars)]
    weight = yang_zhang_weight(len(used))
    through = sample_variance([bar.close - bar.open for bar in used])
    return sample_variance(gaps) + weight * through + (1 - weight) * rogers_satchell(used)


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


def bipower(returns: Sequence[float]) -> float:
    """Variance of the whole stretch without its jumps: ``pi/2 n/(n - 1)`` times the sum of ``|r_i| |r_(i-1)|``.

    Jumps leave it only as the intervals shrink: at 78 a day a jump of two standard deviations of the day still hides.

    Raises:
        ValueError: fewer than two returns, or one that is not finite.

    Ref: Barndorff-Nielsen & Shephard 2004.
    """
    _need("returns", returns, 2)
    count = len(returns)
    neighbours = math.fsum(abs(before) * abs(r) for before, r in itertools.pairwise(returns))
    return math.pi / 2 * count / (count - 1) * neighbours


def jump(realised: float, continuous: float) -> float:
    """Part of a realised variance that came in jumps: what it exceeds its :func:`bipower` by, at least 0.

    Raises:
        ValueError: either is negative or not finite.
    """
    not_negative(realised=realised, continuous=continuous)
    return max(realised - continuous, 0.0)


def _mean_of_terms(term: Callable[[Bar], float], bars: Sequence[Bar]) -> float:
    if not bars:
        raise ValueError("one bar is needed, none given")
    return math.fsum(map(term, bars)) / len(bars)


def _need(what: str, values: Sequence[float], least: int) -> None:
    if len(values) < least:
        raise ValueError(f"{least} {what} are needed, {len(values)} given")
    finite(what, values)

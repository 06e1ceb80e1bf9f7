"""Realised volatility of the signal pool, minute by minute.

Returns are taken over ``sample_interval_s`` and begin at every minute, so that none depends on where a grid happens to lie. The
pool's price is pinned inside the fee on either side of the outside price: the interval should let a typical return exceed three
fees, or volatility reads low. Prices are those of block ends: what was pushed and brought back inside a block was never there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from keeper.core.model.bar import HOUR_S, MINUTE_S
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.exact_sum import rounded
from keeper.core.quant.volatility import Bar, annualised, garman_klass, jump, parkinson, rogers_satchell, yang_zhang
from keeper.core.signals import names
from keeper.core.signals.candle import Candle, Minute
from keeper.core.signals.hours import ClosedHours, HourSums, Window
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing

UNIT = "per year"
MIN_SWAPS = 12
"""With fewer in the whole look-back a variance has a standard error above 40 %: too few to call good."""
SWAPS_A_BAR = 30
"""With fewer the true high and low of a bar go unseen, and range-based estimators read low."""
WINDOW_HOURS = 30 * 24
MOST_DEVIATIONS = 10.0
"""A return counts as so many deviations of the last 30 days at most, so that a price that stands pushed for a block or ten
moves no variance far. On a month of ETH's minutes it cuts off half a percent of all variance.

Ref: Mancini 2009, with the threshold as a ceiling.
"""
_LEAST_USUAL_S = 24 * HOUR_S
_BIPOWER = math.pi / 2
_TENORS = ((names.VOLATILITY_1D, 24), (names.VOLATILITY_7D, 7 * 24), (names.VOLATILITY_30D, WINDOW_HOURS))


@dataclass(slots=True, kw_only=True)
class Ewma:
    """Exponentially weighted variance per second over data of any spacing; the weights add up to one from the start.

    Ref: RiskMetrics technical document 1996, with the start-up correction of Kingma & Ba 2015.
    """

    half_life_s: float
    _sum: float = 0.0
    _weight: float = 0.0
    _decays: dict[int, float] = field(default_factory=dict)

    def update(self, rate: float, seconds: int) -> None:
        """Take in a variance per second that holds for ``seconds``."""
        decay = self._decays.get(seconds)
        if decay is None:
            decay = self._decays[seconds] = 0.5 ** (seconds / self.half_life_s)
        fresh = 1 - decay
        self._sum = decay * self._sum + fresh * rate
        self._weight = decay * self._weight + fresh

    @property
    def rate(self) -> float | None:
        """Variance per second; None before the first update."""
        return self._sum / self._weight if self._weight > 0 else None


class Realised(Instrument):
    """Every estimator of what volatility has been.

    Args:
        policy: the rules.
    """

    def __init__(self, policy: Policy) -> None:
        rules = policy.signals
        self._policy = policy
        self._stride = rules.sample_interval_s // MINUTE_S
        self._stride_s = self._stride * MINUTE_S
        self._closes: deque[float] = deque(maxlen=self._stride + 1)
        self._returns: deque[float] = deque(maxlen=self._stride)
        self._ewma = Ewma(half_life_s=rules.ewma_half_life_s)
        self._open_hour: HourSums | None = None
        self._closed = ClosedHours(WINDOW_HOURS)
        self._flat_hours = max(flat_window_s(policy) // HOUR_S, 2)
        self._bars: deque[Bar] = deque(maxlen=self._flat_hours)
        self._swaps: deque[int] = deque(maxlen=self._flat_hours)
        self._bars_end_s: int | None = None
        self._end_s: int | None = None
        self._of_hour: dict[str, float | None] = {}
        self._swaps_of_bars = 0
        self._since: dict[int, Window] = {}
        self._most: dict[int, float] = {}
        self._graded: tuple[int, tuple[Quality, str]] | None = None

    def minute(self, minute: Minute) -> None:
        """Add the minute's returns to its hour and to the moving average."""
        close, stride, closes, returns = minute.close, self._stride, self._closes, self._returns
        if self._end_s != minute.start_s:
            self._begin_at(minute.open)
        self._end_s = minute.end_s
        hour = self._hour_of(minute.start_s)
        hour.covered_s += MINUTE_S
        hour.swaps += minute.swaps
        hour.finest += (close - minute.open) ** 2
        hour.minutes += 1
        closes.append(close)
        if len(closes) <= stride:
            return
        r = self.bounded(close - closes[0], self._stride_s)
        square = r * r
        hour.variance += square / stride
        hour.sampled_s += MINUTE_S
        if len(returns) == stride:
            hour.bipower += _BIPOWER * abs(r) * abs(returns[0]) / stride
        else:
            hour.bipower += square / stride  # no earlier return to hold it against
        returns.append(r)
        self._ewma.update(square / self._stride_s, MINUTE_S)

    def hour(self, candle: Candle) -> None:
        """Close the hour; where no minutes of it are known, its own return stands for them."""
        hour = self._hour_of(candle.start_s)
        if not hour.covered_s:
            r = self.bounded(candle.close - candle.open, HOUR_S)
            hour.covered_s = hour.sampled_s = HOUR_S
            hour.swaps = candle.swaps
            hour.variance = hour.bipower = r * r
            self._ewma.update(r * r / HOUR_S, HOUR_S)
            self._end_s = candle.end_s
            self._begin_at(candle.close)
        self._close_hour()
        if self._bars_end_s != candle.start_s:
            self._bars.clear()
            self._swaps.clear()
        self._bars.append(candle.bar)
        self._swaps.append(candle.swaps)
        self._bars_end_s = candle.end_s

    @property
    def end_s(self) -> int | None:
        """Chain time up to which bars are known; None before the first."""
        return self._end_s

    @property
    def hours(self) -> Sequence[HourSums]:
        """The closed hours of the last 30 days, oldest first."""
        return self._closed.hours

    def last_days(self) -> list[float] | None:
        """Variances of the 30 stretches of 24 hours that end with the newest closed hour; None where hours are missing."""
        hours = self._closed.hours
        if len(hours) < WINDOW_HOURS or hours[-1].start_s - hours[0].start_s != (WINDOW_HOURS - 1) * HOUR_S:
            return None
        return self._closed.rates(24)

    def bounded(self, r: float, seconds: int) -> float:
        """A return over so many seconds, at most :data:`MOST_DEVIATIONS` of what the closed hours of 30 days make usual.

        While less than a day of them is known, the operator's usual volatility stands for it.
        """
        most = self._most.get(seconds)
        if most is None:
            most = self._most[seconds] = MOST_DEVIATIONS * math.sqrt(self._usual_rate() * seconds)
        return min(max(r, -most), most)

    def _usual_rate(self) -> float:
        """Variance per second of the closed hours of 30 days, or the operator's."""
        known = self._closed.all()
        total = rounded(known.variance)
        if known.sampled_s >= _LEAST_USUAL_S and total > 0:
            return total / known.sampled_s
        return self._policy.regimes.usual_volatility**2 / SECONDS_A_YEAR

    def variance_day(self) -> float | None:
        """Exponentially weighted variance of a day; None before the first return."""
        rate = self._ewma.rate
        return None if rate is None else rate * 86_400

    def grade(self, now_s: int) -> tuple[Quality, str]:
        """How far anything that is measured over the look-back can be relied on, and why not."""
        if self._graded is None or self._graded[0] != now_s:
            self._graded = now_s, self._grade(now_s)
        return self._graded[1]

    def _grade(self, now_s: int) -> tuple[Quality, str]:
        rules = self._policy.signals
        if self._end_s is None:
            return Quality.MISSING, "no bar is known: wait, or keeper data download"
        if now_s - self._end_s > rules.stale_after_s:
            return Quality.STALE, f"the newest bar ended {now_s - self._end_s} s ago"
        since_s = (now_s - rules.lookback_s) // HOUR_S * HOUR_S
        known = self._window(since_s)
        if known.covered_s < rules.min_history_s - MINUTE_S:
            return Quality.SHORT, f"{known.covered_s} s of bars in the look-back, {rules.min_history_s} wanted"
        if known.swaps < MIN_SWAPS:
            return Quality.SHORT, f"{known.swaps} swaps in the look-back, {MIN_SWAPS} wanted"
        return Quality.GOOD, ""

    def ways(self) -> Mapping[str, Way]:
        """Moving average, windows, two scales and the part of jumps each by itself; the ranges together."""
        alone: dict[str, Callable[[Quality, str], Measure]] = {
            names.VOLATILITY_EWMA: self._average,
            **{name: partial(self._over, hours) for name, hours in _TENORS},
            names.VOLATILITY_TSRV: self._scales,
            names.JUMP_SHARE: self._jumps,
        }
        return {
            **{name: partial(self._alone, name, way) for name, way in alone.items()},
            **dict.fromkeys(_RANGES, self._ranges),
        }

    def _alone(self, name: str, way: Callable[[Quality, str], Measure], moment: Moment, _before: Measures, /) -> Measures:
        quality, note = self.grade(moment.now_s)
        if quality is Quality.MISSING:
            return {name: missing(UNIT, moment.now_s, self._policy.signal_pool, note)}
        return {name: way(quality, note)}

    def _average(self, quality: Quality, note: str) -> Measure:
        return self._measure(_volatility(self._ewma.rate), quality, note)

    def _scales(self, quality: Quality, note: str) -> Measure:
        return self._measure(self._two_scale(self._last(self._flat_hours)), quality, note)

    def _jumps(self, quality: Quality, note: str) -> Measure:
        return self._measure(_jump_share(self._last(24)), quality, note, unit="fraction of variance")

    def _begin_at(self, log_price: float) -> None:
        """Let no return reach back past this price."""
        self._closes.clear()
        self._returns.clear()
        self._closes.append(log_price)

    def _hour_of(self, at_s: int) -> HourSums:
        self._graded = None
        hour = self._open_hour
        if hour is None or not 0 <= at_s - hour.start_s < HOUR_S:
            self._close_hour()
            hour = self._open_hour = HourSums(start_s=at_s // HOUR_S * HOUR_S)
        return hour

    def _close_hour(self) -> None:
        if self._open_hour is not None:
            self._closed.append(self._open_hour)
            self._open_hour = None
            self._of_hour.clear()
            self._since.clear()
            self._most.clear()

    def _last(self, count: int) -> Window:
        """The last ``count`` whole hours and the one that is open."""
        assert self._end_s is not None
        return self._window(self._end_s // HOUR_S * HOUR_S - count * HOUR_S)

    def _window(self, since_s: int) -> Window:
        """The hours that began then or later."""
        known = self._since.get(since_s)
        if known is None:
            known = self._since[since_s] = Window(self._closed.since(since_s), since_s)
        return known.with_open(self._open_hour)

    def _over(self, hours: int, quality: Quality, note: str) -> Measure:
        known = self._last(hours)
        sampled_s = known.sampled_s
        rate = known.total("variance") / sampled_s if sampled_s else None
        if quality is Quality.GOOD and sampled_s < 0.9 * hours * HOUR_S:
            quality, note = Quality.SHORT, f"{sampled_s / HOUR_S:.0f} of {hours} hours are known"
        return self._measure(_volatility(rate), quality, note)

    def _two_scale(self, known: Window) -> float | None:
        """Variance at the sampling interval with the noise of single minutes taken out; uncorrected where noise outweighs it.

        Ref: Zhang, Mykland & Ait-Sahalia 2005, eq. 55 and 64, on the returns of every minute.
        """
        minutes, sampled_s = known.minutes, known.fine_sampled_s
        if minutes <= self._stride or not sampled_s:
            return None
        slow = known.total("fine_variance") / sampled_s
        if self._stride == 1:  # there is no finer scale to tell the noise by
            return _volatility(slow)
        fast = known.total("finest") / (minutes * MINUTE_S)
        share = (minutes - self._stride + 1) / self._stride / minutes
        corrected = (slow - share * fast) / (1 - share)
        return _volatility(corrected if corrected > 0 else slow)

    def _ranges(self, moment: Moment, _before: Measures, /) -> Measures:
        quality, note = self.grade(moment.now_s)
        if quality is Quality.MISSING:
            return {name: missing(UNIT, moment.now_s, self._policy.signal_pool, note) for name in _RANGES}
        bars, least = self._bars, self._policy.signals.min_history_s // HOUR_S
        if quality is Quality.GOOD and len(bars) < least:
            quality, note = Quality.SHORT, f"{len(bars)} whole hours follow on one another, {least} wanted"
        if not self._of_hour:
            of_hours = list(bars)
            self._of_hour = {name: _estimate(estimator, of_hours) for name, estimator in _RANGES.items()}
            self._swaps_of_bars = sum(self._swaps)
        if quality is Quality.GOOD and self._swaps_of_bars < SWAPS_A_BAR * len(bars):
            quality, note = Quality.SHORT, f"fewer than {SWAPS_A_BAR} swaps an hour"
        return {name: self._measure(value, quality, note) for name, value in self._of_hour.items()}

    def _measure(self, value: float | None, quality: Quality, note: str, unit: str = UNIT) -> Measure:
        assert self._end_s is not None
        source = self._policy.signal_pool
        if value is None:
            return missing(unit, self._end_s, source, "too few bars")
        return Measure(value, unit, self._end_s, source, quality, note)


_RANGES: dict[str, Callable[[Sequence[Bar]], float]] = {
    names.VOLATILITY_PARKINSON: parkinson,
    names.VOLATILITY_GK: garman_klass,
    names.VOLATILITY_RS: rogers_satchell,
    names.VOLATILITY_YZ: yang_zhang,
}


def flat_window_s(policy: Policy) -> int:
    """How far back an estimator that weighs all data alike should look, in seconds.

    ``2 / ln 2`` half lives: the mean age of its data is then that of the exponentially weighted ones, so that the estimators
    speak of the same time. Never more than the look-back.
    """
    return min(policy.signals.lookback_s, int(2 / math.log(2) * policy.signals.ewma_half_life_s))


def _estimate(estimator: Callable[[Sequence[Bar]], float], bars: Sequence[Bar]) -> float | None:
    return annualised(max(estimator(bars), 0.0), HOUR_S) if len(bars) > 2 else None


def _jump_share(known: Window) -> float | None:
    if not known.sampled_s:
        return None
    total = known.total("variance")
    return jump(total, known.total("bipower")) / total if total > 0 else 0.0


def _volatility(rate: float | None) -> float | None:
    return None if rate is None else math.sqrt(max(rate, 0.0) * SECONDS_A_YEAR)

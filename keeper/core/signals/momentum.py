"""Wilder's RSI and the MACD of hourly closes: shown, and never traded on for direction."""

from __future__ import annotations

import math
from collections.abc import Mapping

from keeper.core.model.bar import HOUR_S
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.oscillators import Macd, Rsi
from keeper.core.signals import names
from keeper.core.signals.candle import Candle
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing, stale

PERIOD = 14
FAST = 12
SLOW = 26
SIGNAL = 9
_RSI_UNIT = "0 to 100"
_MACD_UNIT = "hourly deviations"


class Momentum(Instrument):
    """RSI over 14 hours, and the histogram of MACD 12/26/9, of the logarithm of the price; MACD in deviations of an hour.

    The averages are seeded with the first value. The logarithm makes the MACD the same at every level of the price, and minus
    itself when the pair is told the other way round.

    Args:
        policy: names the source.
    """

    def __init__(self, policy: Policy) -> None:
        self._source = policy.signal_pool
        self._stale_after_s = policy.signals.stale_after_s
        self._rsi = Rsi(PERIOD)
        self._macd = Macd(FAST, SLOW, SIGNAL)
        self._hours = 0
        self._end_s: int | None = None
        self._strength: Measure | None = None

    def hour(self, candle: Candle) -> None:
        """Take in the close; hours that are missing are passed over."""
        self._rsi.update(candle.close)
        self._macd.update(candle.close)
        self._hours += 1
        self._end_s, self._strength = candle.end_s, None

    def ways(self) -> Mapping[str, Way]:
        """Both together."""
        return dict.fromkeys((names.RSI, names.MACD), self.measures)

    def measures(self, moment: Moment, before: Measures, /) -> Measures:
        """Both oscillators; short until as many hours are known as the slower average spans."""
        if self._end_s is None:
            unknown = "no whole hour is known yet"
            return {
                names.RSI: missing(_RSI_UNIT, moment.now_s, self._source, unknown),
                names.MACD: missing(_MACD_UNIT, moment.now_s, self._source, unknown),
            }
        if self._strength is None:
            self._strength = self._measure(self._rsi.value, _RSI_UNIT, PERIOD + 1)
        found = {names.RSI: self._strength, names.MACD: self._measure(self._normalised(before), _MACD_UNIT, SLOW + SIGNAL)}
        age_s = moment.now_s - self._end_s
        return found if age_s <= HOUR_S + self._stale_after_s else stale(found, f"the newest hour ended {age_s} s ago")

    def _normalised(self, before: Measures) -> float | None:
        volatility, point = before[names.VOLATILITY_FORECAST].value, self._macd.point
        if volatility is None or volatility <= 0 or point is None:
            return None
        return point.histogram / (volatility * math.sqrt(HOUR_S / SECONDS_A_YEAR))

    def _measure(self, value: float | None, unit: str, wanted: int) -> Measure:
        assert self._end_s is not None
        few = f"{self._hours} hours are known, {wanted} wanted"
        if value is None:
            why = few if self._hours < wanted else "no volatility to tell it in"
            return missing(unit, self._end_s, self._source, why)
        quality, note = (Quality.SHORT, few) if self._hours < wanted else (Quality.GOOD, "")
        return Measure(value=value, unit=unit, as_of_s=self._end_s, source=self._source, quality=quality, note=note)

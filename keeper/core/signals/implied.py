"""What the signal pool pays, as a volatility: the pool's own VIX, with its term structure, and what options say."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import partial
from statistics import fmean

from keeper.core.model.bar import DAY_S, HOUR_S, Quote, Sample
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant.lvr import implied_volatility_from_fee_growth
from keeper.core.signals import names
from keeper.core.signals.candle import Candle
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing
from keeper.core.signals.realised import UNIT

TENORS = (
    (names.VOLATILITY_POOL_IMPLIED, names.VOLATILITY_1D, DAY_S),
    (names.VOLATILITY_POOL_IMPLIED_7D, names.VOLATILITY_7D, 7 * DAY_S),
    (names.VOLATILITY_POOL_IMPLIED_30D, names.VOLATILITY_30D, 30 * DAY_S),
)
MOST_OF_TENOR = 1.25
"""Where samples are missing a tenor reaches back to an older one; past this many times its length it no longer speaks of it."""
_WRAP, _BACKWARDS = 1 << 256, 1 << 255
"""Growth is taken modulo 2**256; above this it ran backwards: a sample stems from a block that is no longer canonical."""
_RATIO = "pool-implied over realised"


class Implied(Instrument):
    """Implied volatilities and their ratio to realised ones.

    Args:
        policy: the rules.
    """

    def __init__(self, policy: Policy) -> None:
        key = policy.pool(policy.signal_pool)
        self._policy = policy
        self._samples: list[Sample] = []
        self._sampled_s: list[int] = []
        self._closes: list[float] = []
        self._closed_s: list[int] = []
        self._means: dict[int, float] = {}
        self._quote: Quote | None = None
        self._told: Measure | None = None
        self._base_is_0 = key.token0.address == policy.base.address
        self._shift = (key.token0.decimals - key.token1.decimals) * math.log(10)

    def hour(self, candle: Candle) -> None:
        """Keep the price, by which fees in both tokens are put together."""
        self._means.clear()
        old = bisect_right(self._closed_s, candle.end_s - 30 * DAY_S)
        del self._closes[:old], self._closed_s[:old]
        self._closes.append(candle.close)
        self._closed_s.append(candle.end_s)

    def sample(self, sample: Sample) -> None:
        """Keep the fee growth."""
        self._samples.append(sample)
        self._sampled_s.append(sample.timestamp_s)
        old = bisect_right(self._sampled_s, sample.timestamp_s - 30 * DAY_S) - 1
        if old > 0:
            del self._samples[:old], self._sampled_s[:old]

    def quote(self, quote: Quote) -> None:
        """Keep what options say."""
        if quote.name == self._policy.outside.implied:
            self._quote, self._told = quote, None

    def ways(self) -> Mapping[str, Way]:
        """The term structure, its ratio to realised volatility, and the outside one: each by itself."""
        return {
            **{name: partial(self._tenor, name, tenor_s) for name, _, tenor_s in TENORS},
            names.IMPLIED_OVER_REALISED: self._ratio,
            names.VOLATILITY_OUTSIDE: self._outside,
        }

    def _tenor(self, name: str, tenor_s: int, moment: Moment, _before: Measures, /) -> Measures:
        """Volatility at which the fees of the tenor equal the loss to arbitrage.

        Fee growth is what liquidity providers get: the protocol's part is taken before it. It is an average over the tenor and
        has no age of its own.
        """
        source, now = self._policy.signal_pool, self._growth_now(moment)
        then = self._sample_before(moment.now_s - tenor_s)
        if now is None or then is None or then.timestamp_s >= now[0]:
            return {name: missing(UNIT, moment.now_s, source, "no earlier sample of fee growth")}
        at_s, growth0, growth1 = now
        growth0 = (growth0 - then.fee_growth_global0_x128) % _WRAP
        growth1 = (growth1 - then.fee_growth_global1_x128) % _WRAP
        if growth0 >= _BACKWARDS or growth1 >= _BACKWARDS:
            why = "fee growth ran backwards: the sample is of an orphaned block"
            return {name: missing(UNIT, moment.now_s, source, why)}
        seconds = at_s - then.timestamp_s
        sqrt_price = self._mean_sqrt_price(moment, then.timestamp_s)
        if sqrt_price is None:
            return {name: missing(UNIT, moment.now_s, source, "no price is known")}
        value = implied_volatility_from_fee_growth(
            growth0_x128=growth0, growth1_x128=growth1, sqrt_price=sqrt_price, seconds=seconds
        )
        # the first tenor is good once it spans what the keeper waits for anyway; the longer ones when they are nearly whole
        wanted = min(self._policy.signals.min_history_s, tenor_s) if tenor_s == DAY_S else int(0.9 * tenor_s)
        quality, note = Quality.GOOD, ""
        if seconds < wanted:
            quality, note = Quality.SHORT, f"{seconds} s of samples, {wanted} wanted"
        elif seconds > MOST_OF_TENOR * tenor_s:
            quality, note = Quality.STALE, f"over {seconds} s: there is no nearer sample"
        return {name: Measure(value, UNIT, at_s, source, quality, note)}

    def _growth_now(self, moment: Moment) -> tuple[int, int, int] | None:
        if moment.state is not None:
            return moment.now_s, moment.state.fee_growth_global0_x128, moment.state.fee_growth_global1_x128
        if not self._samples:
            return None
        last = self._samples[-1]
        return last.timestamp_s, last.fee_growth_global0_x128, last.fee_growth_global1_x128

    def _sample_before(self, at_s: int) -> Sample | None:
        """The newest sample not younger than ``at_s``; the oldest there is where all are younger."""
        place = bisect_right(self._sampled_s, at_s)
        return self._samples[max(place - 1, 0)] if self._samples else None

    def _mean_sqrt_price(self, moment: Moment, since_s: int) -> float | None:
        """Square root of the mean price of the hours since, raw token1 per raw token0; within the hour, the newest price."""
        first = bisect_right(self._closed_s, since_s)
        if first < len(self._closes):
            if first not in self._means:
                self._means[first] = fmean(self._closes[first:])
            return self._raw_sqrt(self._means[first])
        if moment.state is not None:
            return moment.state.sqrt_price_x96 / 2**96
        return self._raw_sqrt(self._closes[-1]) if self._closes else None

    def _raw_sqrt(self, log_human: float) -> float:
        return math.exp(((log_human if self._base_is_0 else -log_human) - self._shift) / 2)

    def _ratio(self, moment: Moment, before: Measures, /) -> Measures:
        """Over a week, or over a day while there is no week: above 1 the pool paid more than its volatility cost."""
        for iv_name, rv_name, _ in (TENORS[1], TENORS[0]):
            iv = before[iv_name]
            if iv.value is None or iv.quality is not Quality.GOOD:
                continue
            rv = before[rv_name]
            if rv.value is None or rv.value <= 0:
                continue
            quality = rv.quality if rv_name == names.VOLATILITY_7D or rv.quality is not Quality.GOOD else Quality.SHORT
            measure = Measure(
                value=iv.value / rv.value,
                unit=_RATIO,
                as_of_s=min(iv.as_of_s, rv.as_of_s),
                source=self._policy.signal_pool,
                quality=quality,
                note=rv.note or ("" if rv_name == names.VOLATILITY_7D else "over a day: there is no week of samples yet"),
            )
            return {names.IMPLIED_OVER_REALISED: measure}
        why = "no day of fee growth and of volatility yet"
        return {names.IMPLIED_OVER_REALISED: missing(_RATIO, moment.now_s, self._policy.signal_pool, why)}

    def _outside(self, moment: Moment, _before: Measures, /) -> Measures:
        return {names.VOLATILITY_OUTSIDE: self._told_at(moment.now_s)}

    def _told_at(self, now_s: int) -> Measure:
        name = self._policy.outside.implied
        quote = self._quote
        if name is None:
            return missing(UNIT, now_s, "-", "none is configured: outside.implied")
        if quote is None or quote.value is None:
            why = "not told yet" if quote is None else str(quote.fault)
            return missing(UNIT, now_s if quote is None else quote.as_of_s, name, why)
        if self._told is None:
            self._told = Measure(value=quote.value, unit=UNIT, as_of_s=quote.as_of_s, source=quote.source)
        age_s = now_s - quote.as_of_s
        if abs(age_s) <= 2 * HOUR_S:
            return self._told
        return self._told._replace(quality=Quality.STALE, note=f"made {age_s} s ago")

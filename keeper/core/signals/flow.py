"""Who trades in the signal pool, and what it yields, over the last 24 whole hours."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from keeper.core.model.bar import HOUR_S, Quote, Sample
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant.accumulation import money_flow
from keeper.core.quant.markets import fee_yield, price_to_cash_flow
from keeper.core.signals import names
from keeper.core.signals.candle import Candle, Minute
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing, stale

HOURS = 24
JUDGED = 0.5
"""Part of the volume that must have been held against an external mark for the split into arbitrage and others to be good."""
_MARKS_KEPT = 16
"""Quotes of a source: enough to find the one that was newest when a minute began, however often a cycle comes."""
_OF_VOLUME = "fraction of volume"


@dataclass(slots=True, kw_only=True)
class _Hour:
    start_s: int
    volume: float = 0.0
    volume_quote: float = 0.0
    money_flow: float = 0.0
    directed: float = 0.0
    """Volume whose direction is known."""
    judged: float = 0.0
    """Volume that was held against a mark."""
    arbitrage: float = 0.0
    others_bought: float = 0.0
    """Base bought by takers in minutes that were not arbitrage, less sold."""
    jit: float = 0.0
    jit_known: float = 0.0
    """Volume of which it is known whether just-in-time liquidity served it."""


class Flow(Instrument):
    """Accumulation, signed flow, arbitrage, just-in-time liquidity and yield.

    Args:
        policy: the rules.
    """

    def __init__(self, policy: Policy) -> None:
        key = policy.pool(policy.signal_pool)
        self._policy = policy
        self._mark_max_age_s = policy.outside.mark_max_age_s
        self._fee = key.fee_pips / 1_000_000
        self._base_is_0 = key.token0.address == policy.base.address
        self._units = 10.0**-key.token0.decimals, 10.0**-key.token1.decimals
        self._now: _Hour | None = None
        self._hours: deque[_Hour] = deque(maxlen=HOURS)
        self._totals: dict[str, float] = {}
        self._marks: dict[str, deque[Quote]] = {name: deque(maxlen=_MARKS_KEPT) for name in policy.outside.marks}
        self._last_close: float | None = None
        self._sample: Sample | None = None
        self._end_s: int | None = None
        self._flowed: Measures | None = None
        self._yielded: tuple[int, Measures] | None = None

    def minute(self, minute: Minute) -> None:
        """Split the minute's flow by whether it closed a gap to the external mark."""
        hour, volume, bought, jit_share = self._hour_of(minute.start_s), minute.volume, minute.bought, minute.jit_share
        if jit_share is not None:
            hour.jit += jit_share * volume
            hour.jit_known += volume
        if bought is None:
            return
        hour.directed += volume
        mark = self._mark(minute.start_s)
        if mark is None:
            hour.others_bought += bought
            return
        hour.judged += volume
        gap = mark - minute.open
        if abs(gap) > self._fee and gap * bought > 0:
            hour.arbitrage += min(abs(bought), volume)
        else:
            hour.others_bought += bought

    def hour(self, candle: Candle) -> None:
        """Close the hour."""
        hour = self._hour_of(candle.start_s)
        hour.volume, hour.volume_quote = candle.volume, candle.volume_quote
        hour.money_flow = money_flow(high=candle.high, low=candle.low, close=candle.close, volume=candle.volume)
        if candle.bought is not None and not hour.directed:
            hour.others_bought = candle.bought
            hour.directed = candle.volume
        if candle.jit_share is not None and not hour.jit_known:
            hour.jit = candle.jit_share * candle.volume
            hour.jit_known = candle.volume
        if self._hours and hour.start_s - self._hours[-1].start_s != HOUR_S:
            self._hours.clear()
        self._hours.append(hour)
        self._totals.clear()
        self._flowed = self._yielded = None
        self._now = None
        self._last_close, self._end_s = candle.close, candle.end_s

    def sample(self, sample: Sample) -> None:
        """Keep what the pool holds."""
        self._sample, self._yielded = sample, None

    def quote(self, quote: Quote) -> None:
        """Keep the external marks."""
        if quote.name in self._marks:
            self._marks[quote.name].append(quote)

    def ways(self) -> Mapping[str, Way]:
        """All together."""
        return dict.fromkeys(_NAMES, self.measures)

    def measures(self, moment: Moment, _before: Measures, /) -> Measures:
        """All of it, kept until the next hour or sample; short while fewer than 24 whole hours follow on one another."""
        fee_protocol = 0 if moment.state is None else moment.state.fee_protocol
        if self._flowed is None:
            self._flowed = self._flows(moment)
        if self._yielded is None or self._yielded[0] != fee_protocol:
            self._yielded = fee_protocol, self._yields(moment, _kept(fee_protocol))
        flows, yields = self._flowed, self._yielded[1]
        signals = self._policy.signals
        if self._end_s is not None and moment.now_s - self._end_s > HOUR_S + signals.stale_after_s:
            old = f"the newest hour ended {moment.now_s - self._end_s} s ago"
            flows, yields = stale(flows, old), stale(yields, old)
        age_s = 0 if self._sample is None else moment.now_s - self._sample.timestamp_s
        if age_s > signals.stale_after_s + self._policy.outside.sample_every_s:
            yields = stale(yields, f"what the pool holds was sampled {age_s} s ago")
        found = {**flows, **yields}
        for name, measure in found.items():
            if measure.value is None:  # what is missing is missing now
                found[name] = measure._replace(as_of_s=moment.now_s)
        return found

    def _hour_of(self, at_s: int) -> _Hour:
        hour = self._now
        if hour is None or not 0 <= at_s - hour.start_s < HOUR_S:
            hour = self._now = _Hour(start_s=at_s // HOUR_S * HOUR_S)
        return hour

    def _mark(self, at_s: int) -> float | None:
        """Logarithm of the mark as of a moment: of the most trusted source whose newest quote of before then is fresh."""
        for quotes in self._marks.values():
            for quote in reversed(quotes):
                if quote.as_of_s <= at_s:
                    if quote.value is not None and quote.value > 0 and quote.as_of_s >= at_s - self._mark_max_age_s:
                        return math.log(quote.value)
                    break
        return None

    def _flows(self, moment: Moment) -> Measures:
        return {
            names.ACCUMULATION: self._share(moment, sum(hour.money_flow for hour in self._hours), self._volume()),
            names.TAKER_FLOW: self._taker_flow(moment),
            names.ARBITRAGE_SHARE: self._arbitrage(moment),
            names.JIT_SHARE: self._jit(moment),
        }

    def _volume(self) -> float:
        return self._total("volume")

    def _total(self, name: str) -> float:
        """Sum of a number over the closed hours, kept until the next one closes."""
        if name not in self._totals:
            self._totals[name] = math.fsum(map(attrgetter(name), self._hours))
        return self._totals[name]

    def _taker_flow(self, moment: Moment) -> Measure:
        directed = self._total("directed")
        judged = self._total("judged")
        if not directed and self._volume():
            return missing(_OF_VOLUME, moment.now_s, self._policy.signal_pool, "the record has no direction of trades")
        note = "" if judged >= JUDGED * directed else "arbitrage is not taken out: no external mark"
        return self._share(moment, self._total("others_bought"), directed, note)

    def _arbitrage(self, moment: Moment) -> Measure:
        judged = self._total("judged")
        if not judged:
            why = "no external mark is fresh enough to tell arbitrage from other flow (outside.marks)"
            return missing(_OF_VOLUME, moment.now_s, self._policy.signal_pool, why)
        note = "" if judged >= JUDGED * self._volume() else f"{judged / self._volume():.0%} of the volume could be judged"
        return self._share(moment, self._total("arbitrage"), judged, note)

    def _jit(self, moment: Moment) -> Measure:
        known = self._total("jit_known")
        if not known and self._volume():
            return missing(_OF_VOLUME, moment.now_s, self._policy.signal_pool, "mints and burns of these blocks are not known")
        note = "" if known >= JUDGED * self._volume() else f"known for {known / self._volume():.0%} of the volume"
        return self._share(moment, self._total("jit"), known, note)

    def _share(self, moment: Moment, part: float, whole: float, note: str = "") -> Measure:
        """A part of the volume; 0 of none."""
        value = part / whole if whole > 0 else 0.0
        return self._measure(moment, value, _OF_VOLUME, note)

    def _measure(self, moment: Moment, value: float, unit: str, note: str = "") -> Measure:
        if self._end_s is None:
            return missing(unit, moment.now_s, self._policy.signal_pool, "no whole hour is known yet")
        quality = Quality.SHORT if note else Quality.GOOD
        if len(self._hours) < HOURS:
            quality, note = Quality.SHORT, f"{len(self._hours)} of {HOURS} hours are known"
        return Measure(value=value, unit=unit, as_of_s=self._end_s, source=self._policy.signal_pool, quality=quality, note=note)

    def _yields(self, moment: Moment, kept: float) -> Measures:
        volume_day = self._total("volume_quote") * HOURS / max(len(self._hours), 1)
        tvl = self._tvl()
        found = {name: missing(unit, moment.now_s, self._policy.signal_pool, "no sample of the pool") for name, unit in _YIELDS}
        if self._sample is None or tvl is None or tvl <= 0:
            return found
        found[names.VOLUME_TO_TVL] = self._measure(moment, volume_day / tvl, "per day")
        found[names.FEE_YIELD] = self._measure(
            moment, fee_yield(tvl=tvl, fee=self._fee * kept, volume_day=volume_day), "per year"
        )
        if volume_day > 0:
            # by what traders pay: the protocol's part is known of this block alone, and a past without it is no measure
            years = price_to_cash_flow(tvl=tvl, fee=self._fee, volume_day=volume_day)
            found[names.PRICE_TO_CASH_FLOW] = self._measure(moment, years, "years")
        else:
            found[names.PRICE_TO_CASH_FLOW] = missing("years", moment.now_s, self._policy.signal_pool, "nothing was traded")
        return found

    def _tvl(self) -> float | None:
        """What the pool holds, in tokens of the quote."""
        if self._sample is None or self._last_close is None:
            return None
        held0, held1 = self._sample.balance0 * self._units[0], self._sample.balance1 * self._units[1]
        price = math.exp(self._last_close)
        return held0 * price + held1 if self._base_is_0 else held0 + held1 * price


def _kept(fee_protocol: int) -> float:
    """Part of the fee that the providers keep, the mean of both directions."""
    parts = [1 - 1 / cut if cut else 1.0 for cut in (fee_protocol % 16, fee_protocol >> 4)]
    return sum(parts) / 2


_YIELDS = ((names.VOLUME_TO_TVL, "per day"), (names.FEE_YIELD, "per year"), (names.PRICE_TO_CASH_FLOW, "years"))
_NAMES = (
    names.ACCUMULATION,
    names.TAKER_FLOW,
    names.ARBITRAGE_SHARE,
    names.JIT_SHARE,
    *(name for name, _ in _YIELDS),
)

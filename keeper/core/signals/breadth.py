"""The market around the pair: how many others rise and fall, and what each of the pair's tokens is worth in all the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from keeper.core.model.bar import DAY_S, PoolSample, Sample
from keeper.core.model.policy import Policy, UniversePool
from keeper.core.model.view import Quality
from keeper.core.quant.accumulation import advance_decline
from keeper.core.quant.markets import capped_weights
from keeper.core.quant.robust import RollingMedian, z_of
from keeper.core.signals import names
from keeper.core.signals.candle import Candle, Minute
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing, stale

WANTED_POOLS = 20
"""Breadth over fewer markets is mostly the luck of their choice."""
LEAST_POOLS = 3
AVERAGE_S = 7 * DAY_S
"""Half life of the average that an effective rate is held against."""
_DAYS = 30
_HOURS = 720
_BREADTH, _DIVERGENCE, _RATE = "-1 to 1", "deviations", "log over its average"
Q128 = 2**128


class _Rate:
    """An asset's chained effective rate, and its moving average."""

    def __init__(self) -> None:
        self.log = 0.0
        self.average: float | None = None

    def step(self, move: float, elapsed_s: int) -> None:
        self.log += move
        kept = 0.5 ** (elapsed_s / AVERAGE_S)
        self.average = self.log if self.average is None else kept * self.average + (1 - kept) * self.log

    @property
    def deviation(self) -> float:
        return 0.0 if self.average is None else self.log - self.average


class Breadth(Instrument):
    """Advances against declines over 24 hours, their divergence from the price, and effective rates of base and quote.

    Every price is told in the pair's quote token. The basket's weights are the shares of the universe's volume of the last 30
    whole days, no token above the cap; today's volume does not move them, and the pair's own pools have no part in them. Rates
    are chained, so a change of weights moves none.

    Args:
        policy: names the universe.
    """

    def __init__(self, policy: Policy) -> None:
        outside = policy.outside
        self._policy = policy
        self._universe = {pool.key.address: pool for pool in outside.universe}
        self._stale_after_s = policy.signals.stale_after_s + outside.sample_every_s
        self._base = policy.base.address
        self._quote = policy.quote.address
        self._prices: dict[str, deque[tuple[int, float]]] = {address: deque() for address in self._universe}
        self._growth: dict[str, PoolSample] = {}
        self._tokens: dict[str, float] = {}
        self._volume_today: dict[str, float] = {}
        self._volume_days: deque[dict[str, float]] = deque(maxlen=_DAYS)
        self._day: int | None = None
        self._weights: dict[str, float] = {}
        self._shares: dict[tuple[str, ...], tuple[float, ...]] = {}
        self._rates = {self._base: _Rate(), self._quote: _Rate()}
        self._line = 0.0
        self._changed: list[float] | None = None
        self._line_history = RollingMedian(_HOURS)
        self._price_history = RollingMedian(_HOURS)
        self._close: float | None = None
        self._at_s: int | None = None
        self._since_s: int | None = None
        self._found: Measures | None = None

    def minute(self, minute: Minute) -> None:
        """Keep the base token's own price, in which others are quoted."""
        self._close = minute.close

    def hour(self, candle: Candle) -> None:
        """Carry the advance/decline line on by an hour, and remember how it and the price stood."""
        self._close = candle.close
        if self._at_s is None:
            return
        self._found = None
        self._line += self._breadth() / 24
        self._line_history.push(self._line)
        self._price_history.push(candle.close)

    def sample(self, sample: Sample) -> None:
        """Take in every pool's price and volume."""
        if not self._universe or self._close is None:
            return
        moves = self._follow(sample)
        elapsed_s = sample.timestamp_s - (self._at_s or sample.timestamp_s)
        self._at_s = sample.timestamp_s
        self._changed = self._found = None
        self._since_s = self._since_s or sample.timestamp_s
        self._turn_day(sample.timestamp_s)
        for asset, rate in self._rates.items():
            rate.step(self._move(asset, moves), elapsed_s)

    def ways(self) -> Mapping[str, Way]:
        """All together."""
        return dict.fromkeys((name for name, _ in _UNITS), self.measures)

    def measures(self, moment: Moment, _before: Measures, /) -> Measures:
        """Breadth, divergence and the two rates."""
        if not self._universe or self._at_s is None:
            why = "no universe is configured: outside.universe" if not self._universe else "not sampled yet"
            return {name: missing(unit, moment.now_s, "universe", why) for name, unit in _UNITS}
        counted = len(self._changes())
        if counted < LEAST_POOLS:
            why = f"{counted} pools were read now and before, {LEAST_POOLS} are the least"
            return {name: missing(unit, self._at_s, "universe", why) for name, unit in _UNITS}
        # the price, and with it the divergence, moves with every minute; all else with a sample or an hour
        self._found = found = {
            **(self._measured(counted) if self._found is None else self._found),
            names.BREADTH_DIVERGENCE: self._divergence(),
        }
        age_s = moment.now_s - self._at_s
        return found if age_s <= self._stale_after_s else stale(found, f"sampled {age_s} s ago")

    def _measured(self, counted: int) -> Measures:
        few = f"{counted} pools, {WANTED_POOLS} wanted" if counted < WANTED_POOLS else ""
        even = "" if any(self._weights.values()) else "no whole day of volume yet: every token weighs the same"
        return {
            names.BREADTH: self._measure(self._breadth(), _BREADTH, DAY_S, note=few),
            names.BREADTH_DIVERGENCE: self._divergence(),
            **{
                name: self._measure(self._rates[asset].deviation, _RATE, AVERAGE_S, note=even)
                for name, asset in ((names.EFFECTIVE_RATE_BASE, self._base), (names.EFFECTIVE_RATE_QUOTE, self._quote))
            },
        }

    def _follow(self, sample: Sample) -> Mapping[str, float]:
        """Log return of every token since the last sample, in the quote token."""
        assert self._close is not None
        logs: dict[str, float] = {self._base: self._close, self._quote: 0.0}
        for seen in sample.pools:
            pool = self._universe.get(seen.address)
            if pool is None or not seen.sqrt_price_x96:
                continue
            price = _log_price(pool, seen.sqrt_price_x96) + (self._close if pool.other.address == self._base else 0.0)
            prices = self._prices[seen.address]
            prices.append((sample.timestamp_s, price))
            while len(prices) > 1 and prices[1][0] <= sample.timestamp_s - DAY_S:
                prices.popleft()
            logs.setdefault(pool.base.address, price)
            self._count_volume(pool, seen, price)
        moves = {token: log - self._tokens[token] for token, log in logs.items() if token in self._tokens}
        self._tokens |= logs
        return moves

    def _count_volume(self, pool: UniversePool, seen: PoolSample, price: float) -> None:
        """Volume since the last sample, from what it paid in fees, in quote tokens; the liquidity is that of now."""
        last = self._growth.get(seen.address)
        self._growth[seen.address] = seen
        if last is None:
            return
        volume = 0.0
        other = self._close if pool.other.address == self._base and self._close is not None else 0.0
        for token, growth in (
            (pool.key.token0, seen.fee_growth_global0_x128 - last.fee_growth_global0_x128),
            (pool.key.token1, seen.fee_growth_global1_x128 - last.fee_growth_global1_x128),
        ):
            grown = growth % 2**256
            if grown >= 1 << 255:
                return
            worth = math.exp(price if token.address == pool.base.address else other)
            volume += grown / Q128 * seen.liquidity / 10**token.decimals * worth
        volume *= 1_000_000 / pool.key.fee_pips
        self._volume_today[pool.base.address] = self._volume_today.get(pool.base.address, 0.0) + volume

    def _turn_day(self, now_s: int) -> None:
        day = now_s // DAY_S
        if self._day is not None and day > self._day and self._volume_today:
            self._volume_days.append(self._volume_today)
            self._volume_today = {}
            self._weights = {}
            self._shares.clear()
            for volumes in self._volume_days:
                for token, volume in volumes.items():
                    self._weights[token] = self._weights.get(token, 0.0) + volume
        self._day = day

    def _move(self, asset: str, moves: Mapping[str, float]) -> float:
        """Log return of the asset against its basket: every followed token but itself."""
        basket = tuple(sorted(token for token in moves if token != asset))
        if asset not in moves or not basket:
            return 0.0
        if basket not in self._shares:
            self._shares[basket] = self._capped(basket)
        shares = self._shares[basket]
        return moves[asset] - math.fsum(share * moves[token] for share, token in zip(shares, basket, strict=True))

    def _capped(self, basket: Sequence[str]) -> tuple[float, ...]:
        """Share of every token of the basket, which stands until the day turns."""
        raw = [self._weights.get(token, 0.0) for token in basket]
        if not any(raw):
            raw = [1.0] * len(basket)
        return capped_weights(raw, max(self._policy.outside.basket_cap, 1 / len(basket)))

    def _breadth(self) -> float:
        return advance_decline(self._changes())

    def _changes(self) -> list[float]:
        """Log return of every pool over the last day, or since it was first read; of one that is not read any more, none."""
        assert self._at_s is not None
        if self._changed is None:
            ends = [(prices[0], prices[-1]) for prices in self._prices.values() if len(prices) > 1]
            self._changed = [
                last - first
                for (first_s, first), (last_s, last) in ends
                if last_s > self._at_s - DAY_S and first_s > self._at_s - 2 * DAY_S
            ]
        return self._changed

    def _divergence(self) -> Measure:
        assert self._at_s is not None
        assert self._close is not None
        of_price, of_line = z_of(self._price_history, self._close), z_of(self._line_history, self._line)
        if of_price is None or of_line is None:
            return missing(_DIVERGENCE, self._at_s, "universe", f"{len(self._line_history)} hours are known, too few")
        return self._measure(of_price - of_line, _DIVERGENCE, 7 * DAY_S)

    def _measure(self, value: float, unit: str, wanted_s: int, note: str = "") -> Measure:
        assert self._at_s is not None
        assert self._since_s is not None
        quality = Quality.SHORT if note else Quality.GOOD
        watched_s = self._at_s - self._since_s
        if watched_s < 0.9 * wanted_s:
            quality, note = Quality.SHORT, f"sampled for {watched_s} s, {wanted_s} wanted"
        return Measure(value=value, unit=unit, as_of_s=self._at_s, source="universe", quality=quality, note=note)


_UNITS = (
    (names.BREADTH, _BREADTH),
    (names.BREADTH_DIVERGENCE, _DIVERGENCE),
    (names.EFFECTIVE_RATE_BASE, _RATE),
    (names.EFFECTIVE_RATE_QUOTE, _RATE),
)


def _log_price(pool: UniversePool, sqrt_price_x96: int) -> float:
    """Logarithm of the pool's base token in its other one."""
    key = pool.key
    log_human = 2 * math.log(sqrt_price_x96 / 2**96) + (key.token0.decimals - key.token1.decimals) * math.log(10)
    return log_human if key.token0 == pool.base else -log_human

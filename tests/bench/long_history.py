"""Half a year of a made-up market as a keeper remembers it, with every sense of the shipped configuration switched on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from keeper.app.settings import load, to_policy
from keeper.core.model.bar import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Liquidations,
    MarketHistory,
    PoolSample,
    PriceBar,
    Quote,
    Reserve,
    Sample,
)
from keeper.core.model.policy import Policy
from keeper.core.signals.bars import close_hours
from keeper.core.signals.windows import HOURS_BACK_S, MINUTES_BACK_S, SAMPLES_BACK_S
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.pairs import TICK

EVERY_SENSE = {
    "deribit.enabled": True,
    "outside.implied": "deribit_dvol",
    "outside.marks": ["deribit_index", "chainlink_eth_usd"],
}
QUOTES_EVERY_S = {"chainlink_eth_usd": 1_200, "deribit_index": 60, "deribit_dvol": 300}
VOLATILITY = 0.6
_MINUTE_DEVIATION = VOLATILITY * math.sqrt(MINUTE_S / (365 * DAY_S))
_PERSISTENT, _SHOCK = 0.97, 0.1
"""Of an hour's log deviation: what makes half a year that GARCH and HAR have something to find in."""


def every_sense() -> Policy:
    """The shipped rules of mainnet's 0.05 % pool, with Deribit too."""
    return to_policy(load(flags=EVERY_SENSE, environ={}).settings)


@dataclass
class LongMarket:
    """A seeded market that goes on minute by minute.

    Args:
        policy: names the universe, the reserves and the marks.
        midnight_s: of the first day of which minutes may be asked for.
    """

    policy: Policy
    midnight_s: int
    _chance: random.Random = field(default_factory=lambda: random.Random(5))
    _log: float = 0.0
    _rough: float = 0.0

    def __post_init__(self) -> None:
        self._at_s = self.midnight_s - HOURS_BACK_S
        self._close = get_sqrt_ratio_at_tick(TICK)
        self._first_close = self._close
        self._growth = 10**36
        self._others = {pool.key.address: 2**96 * (7 + place) for place, pool in enumerate(self.policy.outside.universe)}

    @property
    def growth(self) -> tuple[int, int]:
        """The signal pool's fee growth now."""
        return self._growth, self._growth * 10**8

    def past(self) -> MarketHistory:
        """Everything within the windows of the first day, up to its midnight."""
        since_s = self.midnight_s - MINUTES_BACK_S
        older = tuple(self._bar(HOUR_S) for _ in range(self._at_s, since_s, HOUR_S))
        samples = self._samples(self.midnight_s - SAMPLES_BACK_S, since_s)
        quotes = self._quotes(self.midnight_s - SAMPLES_BACK_S, since_s)
        recent = self.following((self.midnight_s - since_s) // MINUTE_S)
        return MarketHistory(
            pool=self.policy.signal_pool,
            minutes=recent.minutes,
            hours=older + recent.hours,
            samples=(*samples, *recent.samples),
            quotes=(*quotes, *recent.quotes),
        )

    def following(self, minutes: int) -> MarketHistory:
        """So many minutes more, from where the market stands, at a whole hour; hours, samples and quotes as they fall."""
        begin_s = self._at_s
        bars = tuple(self._bar(MINUTE_S) for _ in range(minutes))
        return MarketHistory(
            pool=self.policy.signal_pool,
            minutes=bars,
            hours=close_hours(bars),
            samples=tuple(self._samples(begin_s, self._at_s)),
            quotes=tuple(self._quotes(begin_s, self._at_s)),
        )

    def _bar(self, width_s: int) -> PriceBar:
        chance = self._chance
        if self._at_s % HOUR_S == 0:
            self._rough = _PERSISTENT * self._rough + _SHOCK * chance.gauss(0, 1)
        deviation = _MINUTE_DEVIATION * math.sqrt(width_s / MINUTE_S) * math.exp(self._rough)
        opened = self._close
        path = [opened]
        for _ in range(3):
            path.append(int(path[-1] * math.exp(chance.gauss(0, deviation / math.sqrt(3)) / 2)))
        self._close = path[-1]
        volume0 = chance.randrange(10**10, 10**12) * width_s // MINUTE_S
        volume1 = volume0 * 10**12 // 4_000
        net0 = int(volume0 * chance.uniform(-1, 1))
        start_s, self._at_s = self._at_s, self._at_s + width_s
        return PriceBar(
            start_s=start_s,
            width_s=width_s,
            open_x96=opened,
            high_x96=max(path),
            low_x96=min(path),
            close_x96=self._close,
            wick_high_x96=int(max(path) * 1.0001),
            wick_low_x96=int(min(path) * 0.9999),
            volume0=volume0,
            volume1=volume1,
            net0=net0,
            net1=-net0 * 10**12 // 4_000,
            jit0=volume0 // 50,
            swaps=chance.randrange(1, 12) * width_s // MINUTE_S,
        )

    def _samples(self, begin_s: int, end_s: int) -> Iterator[Sample]:
        for at_s in range(begin_s, end_s, self.policy.outside.sample_every_s):
            yield self._sample(at_s)

    def _sample(self, at_s: int) -> Sample:
        chance = self._chance
        self._growth += chance.randrange(10**31, 10**32)
        pools = []
        for address, price in self._others.items():
            self._others[address] = int(price * math.exp(chance.gauss(0, 0.001)))
            growth = self._growth * 3
            pools.append(
                PoolSample(
                    address=address,
                    sqrt_price_x96=self._others[address],
                    liquidity=10**20,
                    fee_growth_global0_x128=growth,
                    fee_growth_global1_x128=growth,
                )
            )
        return Sample(
            timestamp_s=at_s,
            block=at_s // 12,
            fee_growth_global0_x128=self.growth[0],
            fee_growth_global1_x128=self.growth[1],
            balance0=8 * 10**13,
            balance1=2 * 10**22,
            pools=tuple(pools),
            reserves=tuple(
                Reserve(
                    asset=token.address,
                    available=chance.randrange(10**13, 2 * 10**13),
                    debt=4 * 10**13,
                    kink_ray=9 * 10**26,
                )
                for token in self.policy.outside.lending
            ),
            liquidations=Liquidations(since_block=at_s // 12 - 74, count=chance.randrange(4), debt_covered=()),
        )

    def _quotes(self, begin_s: int, end_s: int) -> Iterator[Quote]:
        for at_s in range(begin_s, end_s, MINUTE_S):
            for name, every_s in QUOTES_EVERY_S.items():
                if at_s % every_s == 0:
                    value = VOLATILITY + self._chance.gauss(0, 0.02) if name == "deribit_dvol" else self._mark()
                    yield Quote(name=name, value=value, as_of_s=at_s, source=name, seen_s=at_s)

    def _mark(self) -> float:
        return 1e12 / (self._close / 2**96) ** 2 * math.exp(self._chance.gauss(0, 0.0005))

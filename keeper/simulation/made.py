"""A market of our own for those without a recorded one: a seeded price elsewhere, an arbitrageur, traders, and a crowd.

It is made for rehearsal and for measuring speed. It is not evidence: its fees are what its arithmetic makes of noise.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT256, MAX_SQRT_RATIO, MIN_SQRT_RATIO, Q96
from keeper.simulation.frictions import BaseFees
from keeper.simulation.tape import Event, LiquidityEvent, SwapEvent, TapeBlock, TapeStart
from keeper.simulation.weather import BLOCK_TIME_S, SLOTS_PER_DAY, Scenario, base_fees_wei, external_prices, weather_of

BEGIN_S = 1_735_689_600
"""2025-01-01 00:00:00 UTC: when a made-up market begins."""
_BEGIN_BLOCK = 21_525_890
_TRADES_A_DAY = 4_700
_TRADE_MEDIAN, _TRADE_SPREAD, _TRADE_MOST = 800.0, 2.35, 400_000.0
"""In quote tokens: many small trades, few that carry the volume."""
_PROVIDERS_A_DAY = 120
_CROWD = ((120, 0.30), (400, 0.35), (1_500, 0.20), (6_000, 0.15))
"""Half width in ticks, and part of the value of the crowd."""
_HOLDERS = 12
_CROWD_QUOTE = 40_000_000
_SMALLEST_TRADE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTape:
    """A made-up stretch of a pool's history, made anew, and alike, at every reading; see ``Tape``."""

    key: PoolKey
    chain_id: int
    base: Token
    quote: Token
    scenario: Scenario
    seed: int
    days: float
    start: TapeStart

    @property
    def end_s(self) -> int:
        """Chain time up to which it is complete."""
        return BEGIN_S + round(self.days * SLOTS_PER_DAY) * BLOCK_TIME_S

    @property
    def digest(self) -> str:
        """Of what it is made from."""
        return hashlib.sha256(f"{self.described} {self.key}".encode()).hexdigest()

    @property
    def described(self) -> str:
        """For a person."""
        return f"a made-up market ({self.scenario.value}, seed {self.seed}, {self.days:g} days): rehearsal, not evidence"

    @property
    def exact(self) -> bool:
        """There is no chain that it could differ from."""
        return True

    def blocks(self) -> Iterator[TapeBlock]:
        """Every block with an event, in order."""
        return _Market(self).blocks()

    def base_fees(self) -> BaseFees:
        """Base fee of the time, one an hour."""
        fees = base_fees_wei(weather_of(self.scenario), self.days, _rng(self.seed, "fee"))
        every = 3_600 // BLOCK_TIME_S
        steps = [(BEGIN_S + slot * BLOCK_TIME_S, fees[slot]) for slot in range(0, len(fees), every)]
        return BaseFees.steps(steps, "made up with the market")


def made_tape(
    key: PoolKey, chain_id: int, *, base: Token, quote: Token, scenario: Scenario, seed: int, days: float
) -> MadeTape:
    """A made-up market of that pool.

    Args:
        key: the pool.
        chain_id: of its chain.
        base: token whose price is made up.
        quote: token in which it is told.
        scenario: what kind of market; its prices are in dollars.
        seed: of everything that chance decides.
        days: length, > 0.

    Raises:
        ValueError: no length.
    """
    if days <= 0:
        raise ValueError(f"a market of {days} days has no length")
    first = external_prices(weather_of(scenario), 1 / SLOTS_PER_DAY, _rng(seed, "price"))[0]
    pool = _crowded(key, first, base, quote, _rng(seed, "crowd"))
    start = TapeStart(block=_BEGIN_BLOCK, timestamp_s=BEGIN_S, pool=pool)
    return MadeTape(key=key, chain_id=chain_id, base=base, quote=quote, scenario=scenario, seed=seed, days=days, start=start)


class _Market:
    """Plays itself on a pool of its own, so that every event carries the price that it led to."""

    def __init__(self, tape: MadeTape) -> None:
        self._tape = tape
        self._pool = ExactPool.restore(tape.start.pool)
        self._traders, self._providers = _rng(tape.seed, "traders"), _rng(tape.seed, "providers")
        self._prices = external_prices(weather_of(tape.scenario), tape.days, _rng(tape.seed, "price"))
        self._scale = _raw_scale(tape.key, tape.base, tape.quote)
        self._base_is_0 = tape.key.token0.address == tape.base.address
        self._kept = 1 - tape.key.fee_pips / FEE_PIPS_ONE
        self._book: list[LiquidityEvent] = []

    def blocks(self) -> Iterator[TapeBlock]:
        trades, providers = _TRADES_A_DAY / SLOTS_PER_DAY, _PROVIDERS_A_DAY / SLOTS_PER_DAY
        for slot in range(1, len(self._prices)):
            price = self._prices[slot]
            events: list[Event] = []
            closing = self._closing(price)
            if closing is not None:
                events.append(closing)
            for _ in range(_poisson(self._traders, trades)):
                trade = self._trade(price)
                if trade is not None:
                    events.append(trade)
            if self._providers.random() < providers:
                events.append(self._provision())
            if events:
                yield TapeBlock(_BEGIN_BLOCK + slot, BEGIN_S + slot * BLOCK_TIME_S, tuple(events))

    def _closing(self, price: float) -> SwapEvent | None:
        """The swap that brings the pool back to the edge of its fee around the price elsewhere."""
        outside = self._scale * (price if self._base_is_0 else 1 / price)
        here = (self._pool.sqrt_price_x96 / Q96) ** 2
        if here * self._kept > outside:
            return self._swapped(zero_for_one=True, amount=MAX_INT256, limit_x96=int(math.sqrt(outside / self._kept) * Q96))
        if here < outside * self._kept:
            return self._swapped(zero_for_one=False, amount=MAX_INT256, limit_x96=int(math.sqrt(outside * self._kept) * Q96))
        return None

    def _trade(self, price: float) -> SwapEvent | None:
        rng, tape = self._traders, self._tape
        size = min(_TRADE_MOST, rng.lognormvariate(math.log(_TRADE_MEDIAN), _TRADE_SPREAD))
        sells_base = rng.random() < 0.5
        if size < _SMALLEST_TRADE:
            return None
        amount = int(size / price * 10**tape.base.decimals) if sells_base else int(size * 10**tape.quote.decimals)
        zero_for_one = sells_base == self._base_is_0
        limit_x96 = MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1
        return self._swapped(zero_for_one=zero_for_one, amount=max(amount, 1), limit_x96=limit_x96)

    def _swapped(self, *, zero_for_one: bool, amount: int, limit_x96: int) -> SwapEvent | None:
        before_x96 = self._pool.sqrt_price_x96
        if limit_x96 >= before_x96 if zero_for_one else limit_x96 <= before_x96:
            return None
        self._pool.swap(zero_for_one=zero_for_one, amount_specified=amount, sqrt_price_limit_x96=limit_x96)
        return SwapEvent(zero_for_one, amount, limit_x96, self._pool.sqrt_price_x96)

    def _provision(self) -> LiquidityEvent:
        """Somebody comes, or whoever came first leaves."""
        rng, key = self._providers, self._tape.key
        if self._book and rng.random() < 0.5:
            gone = self._book.pop(0)
            event = LiquidityEvent(gone.tick_lower, gone.tick_upper, -gone.liquidity_delta)
        else:
            half = max(int(350 * rng.lognormvariate(0, 1.1)), 2 * key.tick_spacing)
            tick = self._pool.tick + int(rng.gauss(0, half / 4))
            lower = (tick - half) // key.tick_spacing * key.tick_spacing
            upper = lower + max(2 * half // key.tick_spacing, 1) * key.tick_spacing
            event = LiquidityEvent(lower, upper, int(self._tape.start.pool.liquidity / 50 * rng.lognormvariate(0, 1)) + 1)
            self._book.append(event)
        self._pool.provide(*event)
        return event


def _crowded(key: PoolKey, price: float, base: Token, quote: Token, rng: random.Random) -> PoolSnapshot:
    """A pool at a price with a crowd's positions around it, thinning outwards."""
    pool = ExactPool(fee_pips=key.fee_pips, tick_spacing=key.tick_spacing)
    raw = _raw_scale(key, base, quote) * (price if key.token0.address == base.address else 1 / price)
    pool.initialize(int(math.sqrt(raw) * Q96))
    centre = get_tick_at_sqrt_ratio(pool.sqrt_price_x96)
    root = pool.sqrt_price_x96 / Q96
    for half, part in _CROWD:
        for _ in range(_HOLDERS):
            lower, upper = (
                (centre + round(side * half * rng.uniform(0.7, 1.3))) // key.tick_spacing * key.tick_spacing for side in (-1, 1)
            )
            upper = max(upper, lower + key.tick_spacing)
            low, high = (get_sqrt_ratio_at_tick(tick) / Q96 for tick in (lower, upper))
            at = min(max(root, low), high)
            # worth of one unit of liquidity, in raw token1
            unit1 = (1 / at - 1 / high) * raw + at - low
            wanted1 = _CROWD_QUOTE * part / _HOLDERS * _raw1_of_quote(key, price, base, quote)
            pool.mint("crowd", lower, upper, max(int(wanted1 / unit1), 1))
    return replace(pool.snapshot(), positions={})


def _raw1_of_quote(key: PoolKey, price: float, base: Token, quote: Token) -> float:
    """Raw token1 that a quote token is worth."""
    if key.token1.address == quote.address:
        return float(10**quote.decimals)
    return float(10**base.decimals) / price


def _raw_scale(key: PoolKey, base: Token, quote: Token) -> float:
    """Raw token1 over raw token0 at a price of 1 quote a base, where base is token0; of base a quote else."""
    first, second = (base, quote) if key.token0.address == base.address else (quote, base)
    return math.pow(10, second.decimals - first.decimals)


def _rng(seed: int, part: str) -> random.Random:
    return random.Random(f"{seed}/{part}")  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable market


def _poisson(rng: random.Random, mean: float) -> int:
    """Ref: Knuth, The Art of Computer Programming, vol. 2, 3.4.1."""
    floor, product, count = math.exp(-mean), rng.random(), 0
    while product > floor:
        product *= rng.random()
        count += 1
    return count

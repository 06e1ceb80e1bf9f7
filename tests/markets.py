"""Markets made for tests of the signals: bars, samples and quotes of one known path, in any pair and at any price."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, PoolSample, PriceBar, Quote, Reserve, Sample
from keeper.core.model.policy import OutsidePolicy, Policy, UniversePool
from keeper.core.model.pool import BlockRef, PoolKey, PoolState
from keeper.core.model.token import Token
from keeper.core.model.view import SignalReading
from keeper.core.signals.bars import close_hours
from keeper.core.signals.order import known_at_s
from keeper.core.signals.state import SignalState
from keeper.core.v3math.tick_math import get_tick_at_sqrt_ratio
from tests.pairs import LIQUIDITY, NOW_S, USDC_WETH_500
from tests.policies import policy

YEAR_S = 365 * DAY_S
LEVEL = math.log(4_000)
MARK, INDEX = "chainlink_eth_usd", "deribit_dvol"
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
MINUTE_DEVIATION = 0.6 * math.sqrt(MINUTE_S / YEAR_S)


def token(symbol: str, decimals: int = 18) -> Token:
    return Token(address="0x" + symbol.encode().hex().rjust(40, "0"), symbol=symbol, decimals=decimals)


def x96_of(rules: Policy, log_price: float) -> int:
    """Square-root price of the signal pool at a logarithm of quote per base."""
    return pool_x96(rules.pool(rules.signal_pool), rules.base, log_price)


def pool_x96(key: PoolKey, base: Token, log_price: float) -> int:
    """Square-root price of a pool at which ``base`` costs that much of the other token."""
    log_human = log_price if key.token0 == base else -log_price
    return int(math.exp((log_human - (key.token0.decimals - key.token1.decimals) * math.log(10)) / 2) * 2**96)


def minute(rules: Policy, start_s: int, logs: Sequence[float], *, width_s: int = MINUTE_S, **fields: Any) -> PriceBar:
    """A bar that opens at the first of the logarithms of quote per base, goes through the others and closes at the last.

    Ten base tokens change hands at the close, of which takers bought one net.
    """
    prices = [x96_of(rules, log) for log in logs]
    base, quote = 10 * 10**rules.base.decimals, int(10 * math.exp(logs[-1]) * 10**rules.quote.decimals)
    base_is_0 = rules.pool(rules.signal_pool).token0 == rules.base
    volume0, volume1 = (base, quote) if base_is_0 else (quote, base)
    sign = -1 if base_is_0 else 1
    bar = PriceBar(
        start_s=start_s,
        width_s=width_s,
        open_x96=prices[0],
        high_x96=max(prices),
        low_x96=min(prices),
        close_x96=prices[-1],
        wick_high_x96=max(prices),
        wick_low_x96=min(prices),
        volume0=volume0,
        volume1=volume1,
        net0=sign * volume0 // 10,
        net1=-sign * volume1 // 10,
        jit0=0,
        swaps=3,
    )
    return replace(bar, **fields)


def minutes_of(rules: Policy, closes: Sequence[float], *, end_s: int = NOW_S, **fields: Any) -> tuple[PriceBar, ...]:
    """Minutes that begin at the first logarithm and close at each of the others, the last of them at ``end_s``."""
    begin_s = end_s - MINUTE_S * (len(closes) - 1)
    return tuple(minute(rules, begin_s + MINUTE_S * n, closes[n : n + 2], **fields) for n in range(len(closes) - 1))


def hours_of(rules: Policy, closes: Sequence[float], *, end_s: int = NOW_S, **fields: Any) -> tuple[PriceBar, ...]:
    """Hours without minutes, as imported ones are."""
    begin_s = end_s - HOUR_S * (len(closes) - 1)
    return tuple(
        minute(rules, begin_s + HOUR_S * n, closes[n : n + 2], width_s=HOUR_S, **fields) for n in range(len(closes) - 1)
    )


def walk(steps: int, *, seed: int = 1, deviation: float = MINUTE_DEVIATION, start: float = LEVEL) -> list[float]:
    """A normal walk of logarithms, its start included."""
    chance, path = random.Random(seed), [start]
    for _ in range(steps):
        path.append(path[-1] + chance.gauss(0.0, deviation))
    return path


def known(rules: Policy, minutes: Sequence[PriceBar] = (), **series: Any) -> MarketHistory:
    """What a keeper knows that has these minutes: their whole hours too, unless other hours are given."""
    whole = {"minutes": tuple(minutes), "hours": close_hours(minutes), **series}
    return MarketHistory(pool=rules.signal_pool, **whole)


def cut(history: MarketHistory, at_s: int, *, after_s: int = -1) -> MarketHistory:
    """What of it became known until ``at_s`` and later than ``after_s``."""

    def kept(series):
        return tuple(piece for piece in series if after_s < known_at_s(piece) <= at_s)

    return replace(
        history,
        minutes=kept(history.minutes),
        hours=kept(history.hours),
        samples=kept(history.samples),
        quotes=kept(history.quotes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A whole market and the rules by which it is read."""

    rules: Policy
    history: MarketHistory
    state: PoolState
    """The signal pool's at the end."""


def wide_policy(key: PoolKey = USDC_WETH_500, *, order: int = 1, **fields: Any) -> Policy:
    """Everything configured: four pools of a universe, two reserves, a mark, an implied volatility.

    Args:
        key: of the signal pool; the base token is its 18-decimals WETH, or whatever stands there.
        order: -1 puts the tokens of every pool of the universe the other way round.
    """
    base, quote = (key.token1, key.token0) if key.token1.symbol == "WETH" else (key.token0, key.token1)
    universe = []
    for n, symbol in enumerate(SYMBOLS):
        other = base if n % 2 else quote
        tokens = (token(symbol, 18 - 4 * n), other)[::order]
        pool = PoolKey(
            address=f"0xpool{n}", token0=tokens[0], token1=tokens[1], fee_pips=(500, 3_000)[n % 2], tick_spacing=(10, 60)[n % 2]
        )
        universe.append(UniversePool(key=pool, base=token(symbol, 18 - 4 * n)))
    outside = OutsidePolicy(
        universe=tuple(universe), lending=(base, quote), marks=(MARK,), mark_max_age_s=3_600, implied=INDEX, sample_every_s=900
    )
    rules = policy(base=base, quote=quote, pools=(key,), signal_pool=key.address, outside=outside)
    return replace(rules, **fields)


def fee_growth(key: PoolKey, base: Token, log_price: float, volatility: float, seconds: float) -> tuple[int, int]:
    """Growth that pays for that volatility over those seconds at that price, half of it in each token."""
    root = pool_x96(key, base, log_price) / 2**96
    half = volatility**2 * root / 4 * seconds / YEAR_S / 2
    return int(half / root**2 * 2**128), int(half * 2**128)


def market(
    hours: int = 30, *, seed: int = 1, rules: Policy | None = None, level: float = LEVEL, end_s: int = NOW_S, every_s: int = 900
) -> Market:
    """Minutes of a walk of 60 % a year, samples every quarter of an hour, a mark and an index now and then."""
    rules = wide_policy() if rules is None else rules
    chance = random.Random(seed)
    logs = walk(hours * 60, seed=seed, start=level)
    bars = []
    begin_s = end_s - hours * HOUR_S
    for n, (before, after) in enumerate(itertools.pairwise(logs)):
        bar = minute(rules, begin_s + MINUTE_S * n, [before, *_around(before, after, chance), after])
        bars.append(_traded(rules, bar, chance))
    samples, growth = _samples(rules, logs, begin_s, every_s, chance)
    quotes = []
    for at_s in range(begin_s, end_s + 1, 600):
        log = logs[(at_s - begin_s) // MINUTE_S]
        quotes.extend(
            (
                Quote(name=MARK, value=math.exp(log + chance.gauss(0, 0.001)), as_of_s=at_s - 30, source="a feed", seen_s=at_s),
                Quote(name=INDEX, value=0.5 + 0.1 * chance.random(), as_of_s=at_s - 30, source="options", seen_s=at_s),
            )
        )
    key = rules.pool(rules.signal_pool)
    state = PoolState(
        key=key,
        sqrt_price_x96=x96_of(rules, logs[-1]),
        tick=get_tick_at_sqrt_ratio(x96_of(rules, logs[-1])),
        liquidity=LIQUIDITY,
        fee_growth_global0_x128=growth[0],
        fee_growth_global1_x128=growth[1],
        fee_protocol=4,
    )
    return Market(rules=rules, history=known(rules, bars, samples=samples, quotes=tuple(quotes)), state=state)


def _around(before: float, after: float, chance: random.Random) -> tuple[float, float]:
    reach = MINUTE_DEVIATION * chance.random() / 4
    return max(before, after) + reach, min(before, after) - reach


def _traded(rules: Policy, bar: PriceBar, chance: random.Random) -> PriceBar:
    """The bar with a random volume, direction and part of just-in-time liquidity."""
    size, lean, jit = 0.1 + chance.random(), chance.uniform(-1, 1), chance.random() / 5
    volume0, volume1 = int(bar.volume0 * size), int(bar.volume1 * size)
    sign = 1 if rules.pool(rules.signal_pool).token0 == rules.base else -1
    return replace(
        bar,
        volume0=volume0,
        volume1=volume1,
        net0=-int(volume0 * lean) * sign,
        net1=int(volume1 * lean) * sign,
        jit0=int(volume0 * jit),
        swaps=1 + chance.randrange(4),
    )


def _samples(
    rules: Policy, logs: Sequence[float], begin_s: int, every_s: int, chance: random.Random
) -> tuple[tuple[Sample, ...], tuple[int, int]]:
    key, others = rules.pool(rules.signal_pool), [0.0] * len(rules.outside.universe)
    growth, of_pools = [5 << 200, 7 << 201], [[1 << 190, 1 << 191] for _ in others]
    samples = []
    for at_s in range(begin_s, begin_s + MINUTE_S * (len(logs) - 1) + 1, every_s):
        log = logs[(at_s - begin_s) // MINUTE_S]
        pools = []
        added = fee_growth(key, rules.base, log, 0.4 + 0.4 * chance.random(), every_s)
        growth = [before + more for before, more in zip(growth, added, strict=True)]
        for n, pool in enumerate(rules.outside.universe):
            others[n] += chance.gauss(0.0, 0.004)
            price = others[n] - (0.0 if pool.other == rules.base else -log)
            grown = fee_growth(pool.key, pool.base, price, chance.random(), every_s)
            of_pools[n] = [before + more for before, more in zip(of_pools[n], grown, strict=True)]
            pools.append(
                PoolSample(
                    address=pool.key.address,
                    sqrt_price_x96=pool_x96(pool.key, pool.base, price),
                    liquidity=universe_liquidity(pool, price),
                    fee_growth_global0_x128=of_pools[n][0],
                    fee_growth_global1_x128=of_pools[n][1],
                )
            )
        samples.append(_sample(rules, at_s, log, growth, pools, chance))
    return tuple(samples), (growth[0], growth[1])


def universe_liquidity(pool: UniversePool, log_price: float) -> int:
    """Liquidity to which a growth of :func:`fee_growth` pays the same number of base tokens at every price."""
    return int(10 ** (12 + (pool.key.token0.decimals + pool.key.token1.decimals) / 2) * math.exp(log_price / 2))


def _sample(
    rules: Policy, at_s: int, log: float, growth: Sequence[int], pools: Sequence[PoolSample], chance: random.Random
) -> Sample:
    base, quote = 10_000 * 10**rules.base.decimals, int(10_000 * math.exp(log) * 10**rules.quote.decimals)
    held = (base, quote) if rules.pool(rules.signal_pool).token0 == rules.base else (quote, base)
    return Sample(
        timestamp_s=at_s,
        block=at_s // 12,
        fee_growth_global0_x128=growth[0],
        fee_growth_global1_x128=growth[1],
        balance0=held[0],
        balance1=held[1],
        pools=tuple(pools),
        reserves=tuple(
            Reserve(asset=one.address, available=200 + chance.randrange(100), debt=700, kink_ray=9 * 10**26)
            for one in rules.outside.lending
        ),
    )


def fed(rules: Policy, history: MarketHistory, now_s: int = NOW_S) -> SignalState:
    """A state that has taken it all in."""
    state = SignalState(rules, now_s)
    state.feed(history)
    return state


def read_at(
    rules: Policy, history: MarketHistory, now_s: int = NOW_S, pool: PoolState | None = None
) -> dict[str, SignalReading]:
    """Every reading by its name."""
    return readings(fed(rules, history, now_s), now_s, pool)


def readings(state: SignalState, now_s: int = NOW_S, pool: PoolState | None = None) -> dict[str, SignalReading]:
    """Every reading of a state by its name."""
    block = BlockRef(number=now_s // 12, hash="0x00", timestamp_s=now_s)
    return {one.name: one for one in state.read(block, pool)}

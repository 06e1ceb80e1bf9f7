"""Price histories of a known volatility."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from typing import Any

from keeper.core.model.bar import HistoryRef, MarketHistory
from keeper.core.model.pool import BlockPrice, PoolKey
from keeper.core.signals.bars import close_hours, close_minutes
from keeper.core.signals.order import reference
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.pairs import BLOCK, DAY_S, NOW_S, TICK, USDC_WETH_500


def block_price(block: int = BLOCK, tick: int = TICK, **fields: Any) -> BlockPrice:
    """One swap of 40,000 USDC in a block, at ``tick``, 12 s a block counted from BLOCK."""
    price = get_sqrt_ratio_at_tick(tick)
    row = BlockPrice(
        block=block,
        timestamp_s=NOW_S + (block - BLOCK) * 12,
        sqrt_price_x96=price,
        high_x96=price,
        low_x96=price,
        volume0=40_000 * 10**6,
        volume1=10 * 10**18,
        swaps=1,
        net0=8_000 * 10**6,
        net1=-2 * 10**18,
        jit0=0,
    )
    return row._replace(**fields)


def prices(
    hours: float = 48.0,
    *,
    volatility: float = 0.60,
    every_blocks: int = 10,
    end_tick: int = TICK,
    end_block: int = BLOCK,
    seed: int = 1,
) -> tuple[BlockPrice, ...]:
    """A log-normal walk of that annualised volatility that ends exactly at ``end_tick`` in ``end_block``.

    Each row's high and low lie up to a tenth of a step's deviation around its close and the previous one.
    """
    return _prices(hours, volatility, every_blocks, end_tick, end_block, seed)


@functools.cache
def _prices(
    hours: float, volatility: float, every_blocks: int, end_tick: int, end_block: int, seed: int
) -> tuple[BlockPrice, ...]:
    chance = random.Random(seed)
    count = int(hours * 3_600 / (12 * every_blocks))
    deviation = volatility * math.sqrt(12 * every_blocks / (365 * DAY_S))
    close = get_sqrt_ratio_at_tick(end_tick)
    rows: list[BlockPrice] = []
    for back in range(count):
        # the square root of the price moves by half of the log return
        before = int(close * math.exp(chance.gauss(0.0, deviation) / 2))
        reach = chance.random() * deviation / 20
        rows.append(
            block_price(
                end_block - back * every_blocks,
                sqrt_price_x96=close,
                high_x96=int(max(close, before) * (1 + reach)),
                low_x96=int(min(close, before) * (1 - reach)),
                swaps=1 + chance.randrange(4),
            )
        )
        close = before
    return tuple(reversed(rows))


def history(
    hours: float = 48.0,
    *,
    pool: PoolKey = USDC_WETH_500,
    now_s: int = NOW_S,
    **walk: Any,
) -> MarketHistory:
    """The bars of :func:`prices`, as a cycle at ``now_s`` has them: whole minutes, whole hours, no samples or quotes."""
    return barred(prices(hours, **walk), pool=pool, now_s=now_s)


def barred(rows: Sequence[BlockPrice], *, pool: PoolKey = USDC_WETH_500, now_s: int = NOW_S) -> MarketHistory:
    """The bars that a cycle at ``now_s`` makes of rows."""
    minutes = close_minutes(rows, before=None, since_s=None, now_s=now_s)
    return MarketHistory(pool=pool.address, minutes=minutes, hours=close_hours(minutes))


def history_ref(known: MarketHistory) -> HistoryRef:
    """What a view says about a history."""
    return reference(known)


@functools.cache
def default_history_ref() -> HistoryRef:
    """What a view says that names the bars of :func:`history` with all its defaults."""
    return history_ref(history())

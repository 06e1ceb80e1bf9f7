"""Price histories of a known volatility."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import replace
from typing import Any

from keeper.core.model.codec import digest
from keeper.core.model.pool import BlockPrice, HistoryRef, PoolKey, PriceHistory
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
    )
    return replace(row, **fields)


def history(
    hours: float = 48.0,
    *,
    volatility: float = 0.60,
    every_blocks: int = 10,
    end_tick: int = TICK,
    end_block: int = BLOCK,
    pool: PoolKey = USDC_WETH_500,
    seed: int = 1,
) -> PriceHistory:
    """A log-normal walk of that annualised volatility that ends exactly at ``end_tick`` in ``end_block``.

    Each row's high and low lie up to a tenth of a step's deviation around its close and the previous one.
    """
    return _history(hours, volatility, every_blocks, end_tick, end_block, pool, seed)


@functools.cache
def _history(
    hours: float, volatility: float, every_blocks: int, end_tick: int, end_block: int, pool: PoolKey, seed: int
) -> PriceHistory:
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
    return PriceHistory(pool=pool.address, rows=tuple(reversed(rows)))


def history_ref(prices: PriceHistory) -> HistoryRef:
    """What a view says about ``prices``."""
    return HistoryRef(
        pool=prices.pool,
        first_block=prices.rows[0].block if prices.rows else 0,
        last_block=prices.rows[-1].block if prices.rows else 0,
        rows=len(prices.rows),
        digest=digest(prices),
    )


@functools.cache
def default_history_ref() -> HistoryRef:
    """What a view says that names the rows of :func:`history` with all its defaults."""
    return history_ref(history())

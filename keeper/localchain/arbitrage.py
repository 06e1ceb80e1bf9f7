"""The arbitrageur: who keeps every pool of the local chain within fees and gas of the price elsewhere."""

from __future__ import annotations

import math

from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT256, MAX_SQRT_RATIO, MIN_SQRT_RATIO, Q96
from keeper.localchain.pools import EthPool
from keeper.localchain.transplant import PoolReading

_GAS = 150_000
"""Gas of an arbitrage swap with what surrounds it."""


def closing_swap(pool: EthPool, at: PoolReading, usd: float, base_fee_wei: int) -> SwapRequest | None:
    """The swap that brings a pool back to the edge of its fee around the price elsewhere, if that pays for its gas.

    The profit is estimated with the liquidity in range now, which is what a searcher sees first.

    Args:
        pool: which.
        at: where it stands.
        usd: dollars per ether elsewhere.
        base_fee_wei: of the block.

    Returns:
        A swap stopped at a price; None when the pool is close enough.
    """
    kept = 1 - pool.fee_pips / FEE_PIPS_ONE
    outside, here = pool.raw_price(usd), (at.sqrt_price_x96 / Q96) ** 2
    if here * kept > outside:
        zero_for_one, goal = True, math.sqrt(outside / kept)
    elif here < outside * kept:
        zero_for_one, goal = False, math.sqrt(outside * kept)
    else:
        return None
    now = math.sqrt(here)
    # What the trader pays in is more than the pool's curve takes, by the fee.
    amount0, amount1 = at.liquidity * (1 / goal - 1 / now), at.liquidity * (goal - now)
    paid0, paid1 = (amount0 / kept, amount1) if zero_for_one else (amount0, amount1 / kept)
    profit = -pool.usd_of(paid0, paid1, usd)
    if profit <= _GAS * base_fee_wei * 1e-18 * usd:
        return None
    limit = max(MIN_SQRT_RATIO + 1, min(MAX_SQRT_RATIO - 1, int(goal * Q96)))
    return SwapRequest(zero_for_one=zero_for_one, amount_specified=MAX_INT256, sqrt_price_limit_x96=limit)

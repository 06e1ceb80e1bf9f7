"""Just-in-time liquidity in a simulated block, by the rule of the real source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from keeper.simulation.tape import Event, LiquidityEvent


def passing_volume0(events: Sequence[Event], volume0: int, tick: int, liquidity: int) -> int:
    """Part of a block's volume that liquidity served which came and went within the block; between 0 and ``volume0``.

    A tape names no owners and the pool is asked once a block, so ranges stand for owners, and tick and liquidity at the block's
    end for those of every swap.

    Args:
        events: of the block, in log order.
        volume0: of the block, raw token0.
        tick: of the pool at the end of the block.
        liquidity: in range at the end of the block.
    """
    minted: dict[tuple[int, int], int] = defaultdict(int)
    passing = 0
    for event in events:
        if isinstance(event, LiquidityEvent):
            key = event.tick_lower, event.tick_upper
            if event.liquidity_delta > 0:
                minted[key] += event.liquidity_delta
            else:
                gone = min(minted[key], -event.liquidity_delta)
                minted[key] -= gone
                passing += gone if event.tick_lower <= tick < event.tick_upper else 0
    whole = liquidity + passing
    return volume0 * passing // whole if whole > 0 else 0

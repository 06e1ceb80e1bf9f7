"""Events of a tape, happening to a pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.oracle import Oracle
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.simulation.tape import Event, FeeEvent, LiquidityEvent, SwapEvent, TapeBlock


def play(pool: ExactPool, event: Event) -> tuple[int, int]:
    """Let an event happen as it was asked for; raw token0 and token1 into the pool, negative out of it.

    Raises:
        RevertError: the pool refuses it.
    """
    if isinstance(event, SwapEvent):
        return pool.swap(
            zero_for_one=event.zero_for_one,
            amount_specified=event.amount_specified,
            sqrt_price_limit_x96=event.sqrt_price_limit_x96,
        )
    if isinstance(event, LiquidityEvent):
        return pool.provide(*event)
    if isinstance(event, FeeEvent):
        pool.flash(*event)
        return event.amount0, event.amount1
    pool.set_fee_protocol(event.fee_protocol % 16, event.fee_protocol >> 4)
    return 0, 0


class Played:
    """A pool with its observations, where they are known, as events make them.

    Args:
        state: to begin with.
    """

    def __init__(self, state: PoolSnapshot) -> None:
        self.pool = ExactPool.restore(state)
        self._oracle = None if state.observations is None else Oracle.restore(state.observations)

    def take(self, event: Event, timestamp_s: int) -> tuple[int, int]:
        """As :func:`play`, in a block of that time."""
        pool = self.pool
        tick, liquidity = pool.tick, pool.liquidity
        moved = play(pool, event)
        in_range = isinstance(event, LiquidityEvent) and event.tick_lower <= tick < event.tick_upper
        if self._oracle is not None and (in_range or pool.tick != tick):
            self._oracle.write(timestamp_s, tick, liquidity)
        return moved

    def take_all(self, blocks: Iterable[TapeBlock]) -> None:
        """Every event of these blocks."""
        for block in blocks:
            for event in block.events:
                self.take(event, block.timestamp_s)

    def snapshot(self) -> PoolSnapshot:
        """As it stands."""
        return replace(self.pool.snapshot(), observations=None if self._oracle is None else self._oracle.snapshot())

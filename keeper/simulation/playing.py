"""Events of a tape, happening to a pool."""

from __future__ import annotations

from keeper.core.v3math.exact_pool import ExactPool
from keeper.simulation.tape import Event, FeeEvent, LiquidityEvent, SwapEvent


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

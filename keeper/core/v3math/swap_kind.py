"""What a trader must have asked for, told from what a swap did.

A Swap event records amounts, price, liquidity and tick, not the request. There are only three kinds of request, and each is
tried on the pool as it stood: the kind that gives the recorded result, to the wei, is the one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.units import MAX_INT256, MAX_SQRT_RATIO, MIN_SQRT_RATIO


class SwapKind(StrEnum):
    """How a swap was asked for."""

    EXACT_IN = "exact_in"
    """All of an input, whatever comes out."""
    EXACT_OUT = "exact_out"
    """All of an output, whatever it costs."""
    PRICE_LIMIT = "price_limit"
    """As much as it takes to move the price to a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSwap:
    """A Swap event of a pool. Ref: ``IUniswapV3PoolEvents.sol``."""

    amount0: int
    """Raw token0 into the pool, negative out of it."""
    amount1: int
    """Raw token1 into the pool, negative out of it."""
    sqrt_price_x96: int
    """After the swap."""
    liquidity: int
    """In range after the swap."""
    tick: int
    """After the swap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRequest:
    """Arguments of the pool's swap, amounts and prices as there."""

    zero_for_one: bool
    amount_specified: int
    sqrt_price_limit_x96: int


class UnexplainedSwapError(ValueError):
    """No kind of request leads from this pool to the recorded swap: pool and record do not belong together."""


def swap_request(kind: SwapKind, recorded: RecordedSwap, sqrt_price_before_x96: int) -> SwapRequest:
    """The request of this kind that would have led to ``recorded``.

    Args:
        kind: how it was asked for.
        recorded: what happened.
        sqrt_price_before_x96: of the pool before; it tells the direction of a swap that moved no token.
    """
    if recorded.amount0 == 0 and recorded.amount1 == 0:
        zero_for_one = recorded.sqrt_price_x96 < sqrt_price_before_x96
    else:
        zero_for_one = recorded.amount0 > 0
    amount_in, amount_out = (recorded.amount0, recorded.amount1) if zero_for_one else (recorded.amount1, recorded.amount0)
    if kind is SwapKind.PRICE_LIMIT:
        return SwapRequest(zero_for_one=zero_for_one, amount_specified=MAX_INT256, sqrt_price_limit_x96=recorded.sqrt_price_x96)
    return SwapRequest(
        zero_for_one=zero_for_one,
        amount_specified=amount_in if kind is SwapKind.EXACT_IN else amount_out,
        sqrt_price_limit_x96=MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1,
    )


def infer_kind(pool: ExactPool, recorded: RecordedSwap) -> SwapKind:
    """The kind of request that leads from ``pool`` to ``recorded``; the pool is left as it is.

    Exact input is tried first, then exact output, then a price limit: where several fit, they are the same swap.

    Raises:
        UnexplainedSwapError: none fits.
    """
    for kind in SwapKind:
        request = swap_request(kind, recorded, pool.sqrt_price_x96)
        try:
            result = pool.preview_swap(
                zero_for_one=request.zero_for_one,
                amount_specified=request.amount_specified,
                sqrt_price_limit_x96=request.sqrt_price_limit_x96,
            )
        except RevertError:
            continue
        if (
            result.amount0 == recorded.amount0
            and result.amount1 == recorded.amount1
            and result.sqrt_price_x96 == recorded.sqrt_price_x96
            and result.liquidity == recorded.liquidity
            and result.tick == recorded.tick
        ):
            return kind
    raise UnexplainedSwapError(f"no request leads from sqrt price {pool.sqrt_price_x96} to {recorded}")

"""Liquidity plus a signed change. Ref: ``LiquidityMath.sol``."""

from __future__ import annotations

from keeper.core.v3math.reverts import LiquidityOverflowError, LiquidityUnderflowError
from keeper.core.v3math.units import MAX_UINT128, Liquidity


def add_delta(liquidity: int, liquidity_delta: int) -> Liquidity:
    """``liquidity + liquidity_delta``, exact.

    Args:
        liquidity: 0 to 2**128 - 1.
        liquidity_delta: change, -2**127 to 2**127 - 1.

    Raises:
        LiquidityUnderflowError: the sum is negative.
        LiquidityOverflowError: the sum leaves 128 bits.

    Ref: ``LiquidityMath.sol`` addDelta.
    """
    after = liquidity + liquidity_delta
    if after < 0:
        raise LiquidityUnderflowError(f"{-liquidity_delta} taken from {liquidity}")
    if after > MAX_UINT128:
        raise LiquidityOverflowError(f"{liquidity_delta} added to {liquidity}")
    return Liquidity(after)

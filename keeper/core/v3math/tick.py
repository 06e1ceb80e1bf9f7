"""What a pool remembers of a tick. Ref: ``Tick.sol``."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.v3math.reverts import LowerTickError, TicksNotOrderedError, UpperTickError
from keeper.core.v3math.units import MAX_TICK, MAX_UINT128, MIN_TICK


@dataclass(frozen=True, slots=True, kw_only=True)
class TickInfo:
    """State of a tick; all zero when no position begins or ends there. The observation fields are left out."""

    liquidity_gross: int = 0
    """Liquidity of all positions that begin or end here."""
    liquidity_net: int = 0
    """Liquidity that enters when the price rises past the tick, negative if it leaves."""
    fee_growth_outside0_x128: int = 0
    """Fee growth of token0 on the side of the tick where the price is not; relative, modulo 2**256."""
    fee_growth_outside1_x128: int = 0
    """Fee growth of token1 on the side of the tick where the price is not; relative, modulo 2**256."""


def tick_spacing_to_max_liquidity_per_tick(tick_spacing: int) -> int:
    """Most liquidity that one tick may reference, so that the pool's total fits 128 bits; rounded **down**.

    Args:
        tick_spacing: in ticks, > 0.

    Ref: ``Tick.sol`` tickSpacingToMaxLiquidityPerTick.
    """
    usable_ticks = 2 * (MAX_TICK // tick_spacing) + 1
    return MAX_UINT128 // usable_ticks


def check_ticks(tick_lower: int, tick_upper: int) -> None:
    """Refuse bounds that no position can have, their spacing apart.

    Raises:
        TicksNotOrderedError: the lower is not below the upper.
        LowerTickError: the lower lies below MIN_TICK.
        UpperTickError: the upper lies above MAX_TICK.

    Ref: ``UniswapV3Pool.sol`` checkTicks.
    """
    if tick_lower >= tick_upper:
        raise TicksNotOrderedError(f"[{tick_lower}, {tick_upper}) is empty")
    if tick_lower < MIN_TICK:
        raise LowerTickError(f"{tick_lower} lies below {MIN_TICK}")
    if tick_upper > MAX_TICK:
        raise UpperTickError(f"{tick_upper} lies above {MAX_TICK}")

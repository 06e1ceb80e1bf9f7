"""Liquidity for token amounts, and token amounts for liquidity. Ref: ``LiquidityAmounts.sol``, ``UniswapV3Pool.sol``.

Bounds of a range are sqrt prices, in either order; ``tick_math`` gives them for ticks.
"""

from __future__ import annotations

from keeper.core.v3math.full_math import mul_div
from keeper.core.v3math.reverts import ArithmeticRevertError
from keeper.core.v3math.sqrt_price_math import (
    get_amount0_delta,
    get_amount0_delta_signed,
    get_amount1_delta,
    get_amount1_delta_signed,
)
from keeper.core.v3math.units import MAX_UINT128, Q96, Liquidity


def max_liquidity_for_amount0(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, amount0: int) -> Liquidity:
    """Liquidity that raw token0 buys over a whole range, rounded **down**, twice.

    The product of the bounds is cut to 2**-96 before it is used, as the position manager does; the exact quotient can be
    larger. Use this one to foresee what the position manager mints.

    Raises:
        ArithmeticRevertError: the range is empty, or the liquidity leaves 128 bits.

    Ref: ``LiquidityAmounts.sol`` getLiquidityForAmount0.
    """
    lower, upper = _ordered(sqrt_ratio_a_x96, sqrt_ratio_b_x96)
    return _uint128(mul_div(amount0, mul_div(lower, upper, Q96), upper - lower))


def max_liquidity_for_amount1(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, amount1: int) -> Liquidity:
    """Liquidity that raw token1 buys over a whole range, rounded **down**.

    Raises:
        ArithmeticRevertError: the range is empty, or the liquidity leaves 128 bits.

    Ref: ``LiquidityAmounts.sol`` getLiquidityForAmount1.
    """
    lower, upper = _ordered(sqrt_ratio_a_x96, sqrt_ratio_b_x96)
    return _uint128(mul_div(amount1, Q96, upper - lower))


def max_liquidity_for_amounts(
    sqrt_price_x96: int, sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, amount0: int, amount1: int
) -> Liquidity:
    """Liquidity that the position manager mints for at most these amounts, rounded **down**.

    In range the scarcer token decides and the rest of the other one stays with its owner.

    Args:
        sqrt_price_x96: of the pool.
        sqrt_ratio_a_x96: one bound of the range.
        sqrt_ratio_b_x96: the other bound.
        amount0: raw token0 at hand, >= 0.
        amount1: raw token1 at hand, >= 0.

    Raises:
        ArithmeticRevertError: the range is empty, or the liquidity leaves 128 bits.

    Ref: ``LiquidityAmounts.sol`` getLiquidityForAmounts.
    """
    lower, upper = _ordered(sqrt_ratio_a_x96, sqrt_ratio_b_x96)
    if sqrt_price_x96 <= lower:
        return max_liquidity_for_amount0(lower, upper, amount0)
    if sqrt_price_x96 >= upper:
        return max_liquidity_for_amount1(lower, upper, amount1)
    return min(
        max_liquidity_for_amount0(sqrt_price_x96, upper, amount0),
        max_liquidity_for_amount1(lower, sqrt_price_x96, amount1),
    )


def get_amounts_for_liquidity(
    sqrt_price_x96: int, sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, liquidity: int
) -> tuple[int, int]:
    """Raw token0 and token1 that a position holds, fees apart, both rounded **down**: what a burn pays.

    Args:
        sqrt_price_x96: of the pool.
        sqrt_ratio_a_x96: one bound of the range.
        sqrt_ratio_b_x96: the other bound.
        liquidity: of the position, 0 to 2**128 - 1.

    Ref: ``LiquidityAmounts.sol`` getAmountsForLiquidity.
    """
    lower, upper = _ordered(sqrt_ratio_a_x96, sqrt_ratio_b_x96)
    if sqrt_price_x96 <= lower:
        return get_amount0_delta(lower, upper, liquidity, round_up=False), 0
    if sqrt_price_x96 >= upper:
        return 0, get_amount1_delta(lower, upper, liquidity, round_up=False)
    return (
        get_amount0_delta(sqrt_price_x96, upper, liquidity, round_up=False),
        get_amount1_delta(lower, sqrt_price_x96, liquidity, round_up=False),
    )


def get_amounts_for_liquidity_delta(
    sqrt_price_x96: int, sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, liquidity_delta: int
) -> tuple[int, int]:
    """Raw token0 and token1 that a change of liquidity moves, signed as the pool sees them.

    A mint is positive and rounds **up**; a burn is negative and rounds **down** in size.

    Args:
        sqrt_price_x96: of the pool.
        sqrt_ratio_a_x96: one bound of the range.
        sqrt_ratio_b_x96: the other bound.
        liquidity_delta: minted > 0, burned < 0.

    Ref: ``UniswapV3Pool.sol`` _modifyPosition. The pool asks its tick where this asks the price; they differ only when the
    price stands exactly on a bound, and there both give the same amounts.
    """
    lower, upper = _ordered(sqrt_ratio_a_x96, sqrt_ratio_b_x96)
    inside = min(max(sqrt_price_x96, lower), upper)
    return (
        get_amount0_delta_signed(inside, upper, liquidity_delta),
        get_amount1_delta_signed(lower, inside, liquidity_delta),
    )


def _ordered(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int) -> tuple[int, int]:
    if sqrt_ratio_a_x96 > sqrt_ratio_b_x96:
        return sqrt_ratio_b_x96, sqrt_ratio_a_x96
    return sqrt_ratio_a_x96, sqrt_ratio_b_x96


def _uint128(value: int) -> Liquidity:
    if value > MAX_UINT128:
        raise ArithmeticRevertError(f"liquidity {value} leaves 128 bits")
    return Liquidity(value)

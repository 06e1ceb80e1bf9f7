"""Amounts between two sqrt prices, and the sqrt price after an amount. Ref: ``SqrtPriceMath.sol``.

Everything rounds in favour of the pool: what comes in rounds up, what goes out rounds down, and the price moves no further
than an input allows and no less far than an output needs.
"""

from __future__ import annotations

from keeper.core.v3math.reverts import ArithmeticRevertError
from keeper.core.v3math.units import MAX_UINT160, MAX_UINT256, SqrtPriceX96


def get_next_sqrt_price_from_amount0_rounding_up(
    sqrt_price_x96: int, liquidity: int, amount: int, *, add: bool
) -> SqrtPriceX96:
    """Sqrt price after token0 is added to, or removed from, the virtual reserves, rounded **up**.

    ``liquidity * sqrt_price / (liquidity +- amount * sqrt_price)``; where that product leaves 256 bits the contract falls
    back to ``liquidity / (liquidity / sqrt_price + amount)``, which rounds more coarsely, and so does this.

    Args:
        sqrt_price_x96: before the change, > 0.
        liquidity: > 0.
        amount: raw token0, >= 0.
        add: add, else remove.

    Raises:
        ArithmeticRevertError: the removal empties the reserve, or the result leaves 160 bits.

    Ref: ``SqrtPriceMath.sol`` getNextSqrtPriceFromAmount0RoundingUp.
    """
    if amount == 0:
        return SqrtPriceX96(sqrt_price_x96)
    numerator = liquidity << 96
    product = amount * sqrt_price_x96
    if add:
        denominator = numerator + product
        if denominator <= MAX_UINT256:
            return SqrtPriceX96(-(-numerator * sqrt_price_x96 // denominator))
        denominator = numerator // sqrt_price_x96 + amount
        if denominator > MAX_UINT256:
            raise ArithmeticRevertError(f"token0 amount {amount} leaves 256 bits")
        return SqrtPriceX96(-(-numerator // denominator))
    if product > MAX_UINT256 or numerator <= product:
        raise ArithmeticRevertError(f"token0 amount {amount} exceeds the reserve of liquidity {liquidity}")
    after = -(-numerator * sqrt_price_x96 // (numerator - product))
    if after > MAX_UINT160:
        raise ArithmeticRevertError("sqrt price leaves 160 bits")
    return SqrtPriceX96(after)


def get_next_sqrt_price_from_amount1_rounding_down(
    sqrt_price_x96: int, liquidity: int, amount: int, *, add: bool
) -> SqrtPriceX96:
    """Sqrt price after token1 is added to, or removed from, the virtual reserves, rounded **down**.

    Args:
        sqrt_price_x96: before the change, > 0.
        liquidity: > 0.
        amount: raw token1, >= 0.
        add: add, else remove.

    Raises:
        ArithmeticRevertError: the removal empties the reserve, or the result leaves 160 bits.

    Ref: ``SqrtPriceMath.sol`` getNextSqrtPriceFromAmount1RoundingDown.
    """
    if add:
        after = sqrt_price_x96 + (amount << 96) // liquidity
        if after > MAX_UINT160:
            raise ArithmeticRevertError("sqrt price leaves 160 bits")
        return SqrtPriceX96(after)
    quotient = -(-(amount << 96) // liquidity)
    if sqrt_price_x96 <= quotient:
        raise ArithmeticRevertError(f"token1 amount {amount} exceeds the reserve of liquidity {liquidity}")
    return SqrtPriceX96(sqrt_price_x96 - quotient)


def get_next_sqrt_price_from_input(sqrt_price_x96: int, liquidity: int, amount_in: int, *, zero_for_one: bool) -> SqrtPriceX96:
    """Sqrt price after an input, rounded **towards the start**, so that the target is not passed.

    Args:
        sqrt_price_x96: before the swap, > 0.
        liquidity: in range, > 0.
        amount_in: raw token0 if ``zero_for_one`` else raw token1, fee already taken.
        zero_for_one: token0 comes in and the price falls.

    Raises:
        ArithmeticRevertError: price or liquidity is zero, or the result leaves 160 bits.

    Ref: ``SqrtPriceMath.sol`` getNextSqrtPriceFromInput.
    """
    _require_price_and_liquidity(sqrt_price_x96, liquidity)
    if zero_for_one:
        return get_next_sqrt_price_from_amount0_rounding_up(sqrt_price_x96, liquidity, amount_in, add=True)
    return get_next_sqrt_price_from_amount1_rounding_down(sqrt_price_x96, liquidity, amount_in, add=True)


def get_next_sqrt_price_from_output(
    sqrt_price_x96: int, liquidity: int, amount_out: int, *, zero_for_one: bool
) -> SqrtPriceX96:
    """Sqrt price after an output, rounded **away from the start**, so that the output is paid for in full.

    Args:
        sqrt_price_x96: before the swap, > 0.
        liquidity: in range, > 0.
        amount_out: raw token1 if ``zero_for_one`` else raw token0.
        zero_for_one: token0 comes in and the price falls.

    Raises:
        ArithmeticRevertError: price or liquidity is zero, or the reserve does not hold the output.

    Ref: ``SqrtPriceMath.sol`` getNextSqrtPriceFromOutput.
    """
    _require_price_and_liquidity(sqrt_price_x96, liquidity)
    if zero_for_one:
        return get_next_sqrt_price_from_amount1_rounding_down(sqrt_price_x96, liquidity, amount_out, add=False)
    return get_next_sqrt_price_from_amount0_rounding_up(sqrt_price_x96, liquidity, amount_out, add=False)


def get_amount0_delta(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, liquidity: int, *, round_up: bool) -> int:
    """Raw token0 between two sqrt prices: ``liquidity * (1/sqrt(lower) - 1/sqrt(upper))``.

    Args:
        sqrt_ratio_a_x96: one bound, > 0.
        sqrt_ratio_b_x96: the other bound, in either order, > 0.
        liquidity: 0 to 2**128 - 1.
        round_up: both divisions round **up**, else both round **down**.

    Raises:
        ArithmeticRevertError: a bound is zero.

    Ref: ``SqrtPriceMath.sol`` getAmount0Delta (unsigned).
    """
    if sqrt_ratio_a_x96 > sqrt_ratio_b_x96:
        sqrt_ratio_a_x96, sqrt_ratio_b_x96 = sqrt_ratio_b_x96, sqrt_ratio_a_x96
    if sqrt_ratio_a_x96 <= 0:
        raise ArithmeticRevertError("a sqrt price of zero")
    # The contract divides twice, in the same direction, which equals one division by the product.
    numerator = liquidity * (sqrt_ratio_b_x96 - sqrt_ratio_a_x96) << 96
    denominator = sqrt_ratio_a_x96 * sqrt_ratio_b_x96
    return -(-numerator // denominator) if round_up else numerator // denominator


def get_amount1_delta(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, liquidity: int, *, round_up: bool) -> int:
    """Raw token1 between two sqrt prices: ``liquidity * (sqrt(upper) - sqrt(lower))``.

    Args:
        sqrt_ratio_a_x96: one bound.
        sqrt_ratio_b_x96: the other bound, in either order.
        liquidity: 0 to 2**128 - 1.
        round_up: round **up**, else **down**.

    Ref: ``SqrtPriceMath.sol`` getAmount1Delta (unsigned).
    """
    product = liquidity * abs(sqrt_ratio_b_x96 - sqrt_ratio_a_x96)
    return -(-product >> 96) if round_up else product >> 96


def get_amount0_delta_signed(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, liquidity_delta: int) -> int:
    """Raw token0 that a change of liquidity moves: in positive, rounded **up**; out negative, rounded **down** in size.

    Ref: ``SqrtPriceMath.sol`` getAmount0Delta (signed).
    """
    if liquidity_delta < 0:
        return -get_amount0_delta(sqrt_ratio_a_x96, sqrt_ratio_b_x96, -liquidity_delta, round_up=False)
    return get_amount0_delta(sqrt_ratio_a_x96, sqrt_ratio_b_x96, liquidity_delta, round_up=True)


def get_amount1_delta_signed(sqrt_ratio_a_x96: int, sqrt_ratio_b_x96: int, liquidity_delta: int) -> int:
    """Raw token1 that a change of liquidity moves: in positive, rounded **up**; out negative, rounded **down** in size.

    Ref: ``SqrtPriceMath.sol`` getAmount1Delta (signed).
    """
    if liquidity_delta < 0:
        return -get_amount1_delta(sqrt_ratio_a_x96, sqrt_ratio_b_x96, -liquidity_delta, round_up=False)
    return get_amount1_delta(sqrt_ratio_a_x96, sqrt_ratio_b_x96, liquidity_delta, round_up=True)


def _require_price_and_liquidity(sqrt_price_x96: int, liquidity: int) -> None:
    if sqrt_price_x96 <= 0 or liquidity <= 0:
        raise ArithmeticRevertError(f"sqrt price {sqrt_price_x96} and liquidity {liquidity} must both be positive")

"""A swap that ends between two stops, in one step. Ref: ``SwapMath.sol`` computeSwapStep.

Nine swaps in ten neither cross a tick nor leave a word of the bitmap. For them the loop of a swap is one step, and most of
what is general about that step is known beforehand: written out for a direction, it takes a third of the time. The integers
are those of ``swap_math.compute_swap_step``, which stays the form to read.
"""

from __future__ import annotations

from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_UINT256


def fall_within(
    sqrt_price_x96: int, floor_x96: int, liquidity: int, amount_specified: int, sqrt_price_limit_x96: int, fee_pips: int
) -> tuple[int, int, int, int] | None:
    """A swap of token0 for token1 that ends strictly above the next stop.

    Args:
        sqrt_price_x96: where it starts, > 0.
        floor_x96: sqrt price of the next stop downwards, > 0, at or below the start.
        liquidity: in range, 0 to 2**128 - 1.
        amount_specified: raw units; > 0 exact input with the fee, < 0 exact output.
        sqrt_price_limit_x96: below the start, > 0.
        fee_pips: fee on the input, 0 to 999_999.

    Returns:
        Sqrt price after it, amount in (fee excluded, rounded **up**), amount out (rounded **down**), fee amount; None for a
        swap that is not so simple.

    Ref: ``SwapMath.sol`` computeSwapStep, ``SqrtPriceMath.sol``.
    """
    if not liquidity:
        return None
    reserve_x96 = liquidity << 96
    if amount_specified > 0:
        less_fee = amount_specified * (FEE_PIPS_ONE - fee_pips) // FEE_PIPS_ONE
        if sqrt_price_limit_x96 > floor_x96:
            fall_x96 = sqrt_price_x96 - sqrt_price_limit_x96
            amount_in = -(-reserve_x96 * fall_x96 // (sqrt_price_limit_x96 * sqrt_price_x96))
            if less_fee >= amount_in:
                fee = -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))
                return sqrt_price_limit_x96, amount_in, liquidity * fall_x96 >> 96, fee
        denominator = reserve_x96 + less_fee * sqrt_price_x96
        after_x96 = -(-reserve_x96 * sqrt_price_x96 // denominator)
        # Beyond 256 bits the contract rounds more coarsely.
        if after_x96 <= floor_x96 or denominator > MAX_UINT256:
            return None
        fall_x96 = sqrt_price_x96 - after_x96
        amount_in = -(-reserve_x96 * fall_x96 // (after_x96 * sqrt_price_x96))
        return after_x96, amount_in, liquidity * fall_x96 >> 96, amount_specified - amount_in
    target_x96 = max(floor_x96, sqrt_price_limit_x96)
    if -amount_specified >= liquidity * (sqrt_price_x96 - target_x96) >> 96:
        return None
    after_x96 = sqrt_price_x96 + (amount_specified << 96) // liquidity
    if after_x96 <= target_x96:
        return None
    amount_in = -(-reserve_x96 * (sqrt_price_x96 - after_x96) // (after_x96 * sqrt_price_x96))
    # The price is rounded so that the output is covered.
    return after_x96, amount_in, -amount_specified, -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))


def rise_within(
    sqrt_price_x96: int, ceiling_x96: int, liquidity: int, amount_specified: int, sqrt_price_limit_x96: int, fee_pips: int
) -> tuple[int, int, int, int] | None:
    """A swap of token1 for token0 that ends strictly below the next stop.

    Args:
        sqrt_price_x96: where it starts, > 0.
        ceiling_x96: sqrt price of the next stop upwards, at or above the start.
        liquidity: in range, 0 to 2**128 - 1.
        amount_specified: raw units; > 0 exact input with the fee, < 0 exact output.
        sqrt_price_limit_x96: above the start.
        fee_pips: fee on the input, 0 to 999_999.

    Returns:
        As ``fall_within``.

    Ref: ``SwapMath.sol`` computeSwapStep, ``SqrtPriceMath.sol``.
    """
    if not liquidity:
        return None
    reserve_x96 = liquidity << 96
    if amount_specified > 0:
        less_fee = amount_specified * (FEE_PIPS_ONE - fee_pips) // FEE_PIPS_ONE
        if sqrt_price_limit_x96 < ceiling_x96:
            rise_x96 = sqrt_price_limit_x96 - sqrt_price_x96
            amount_in = -(-liquidity * rise_x96 >> 96)
            if less_fee >= amount_in:
                amount_out = reserve_x96 * rise_x96 // (sqrt_price_limit_x96 * sqrt_price_x96)
                fee = -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))
                return sqrt_price_limit_x96, amount_in, amount_out, fee
        rise_x96 = (less_fee << 96) // liquidity
        after_x96 = sqrt_price_x96 + rise_x96
        if after_x96 >= ceiling_x96:
            return None
        amount_in = -(-liquidity * rise_x96 >> 96)
        return after_x96, amount_in, reserve_x96 * rise_x96 // (after_x96 * sqrt_price_x96), amount_specified - amount_in
    target_x96 = min(ceiling_x96, sqrt_price_limit_x96)
    if -amount_specified >= reserve_x96 * (target_x96 - sqrt_price_x96) // (target_x96 * sqrt_price_x96):
        return None
    after_x96 = -(-reserve_x96 * sqrt_price_x96 // (reserve_x96 + amount_specified * sqrt_price_x96))
    if after_x96 >= target_x96:
        return None
    amount_in = -(-liquidity * (after_x96 - sqrt_price_x96) >> 96)
    # The price is rounded so that the output is covered.
    return after_x96, amount_in, -amount_specified, -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))

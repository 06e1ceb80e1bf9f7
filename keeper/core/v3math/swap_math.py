"""One step of a swap, within one price interval. Ref: ``SwapMath.sol``."""

from __future__ import annotations

from keeper.core.v3math.sqrt_price_math import (
    get_amount0_delta,
    get_amount1_delta,
    get_next_sqrt_price_from_amount0_rounding_up,
    get_next_sqrt_price_from_amount1_rounding_down,
)
from keeper.core.v3math.units import FEE_PIPS_ONE


def compute_swap_step(
    sqrt_ratio_current_x96: int, sqrt_ratio_target_x96: int, liquidity: int, amount_remaining: int, fee_pips: int
) -> tuple[int, int, int, int]:
    """Swap towards a target price until it is reached or the amount is used up.

    The input and the fee round **up**, the output rounds **down**. The fee plus the input never exceed a positive
    ``amount_remaining``; the output never exceeds a negative one.

    Args:
        sqrt_ratio_current_x96: where the step starts, > 0.
        sqrt_ratio_target_x96: where it ends at the latest, > 0; at or below the start means token0 comes in.
        liquidity: in range, 0 to 2**128 - 1.
        amount_remaining: raw units, >= 0 of the input token (fee included), < 0 of the output token.
        fee_pips: fee on the input, 0 to 999_999.

    Returns:
        Sqrt price after the step, amount in (fee excluded), amount out, fee amount (of the input token).

    Ref: ``SwapMath.sol`` computeSwapStep.
    """
    if amount_remaining >= 0:
        return _step_exact_in(sqrt_ratio_current_x96, sqrt_ratio_target_x96, liquidity, amount_remaining, fee_pips)
    return _step_exact_out(sqrt_ratio_current_x96, sqrt_ratio_target_x96, liquidity, -amount_remaining, fee_pips)


def _step_exact_in(current: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> tuple[int, int, int, int]:
    less_fee = remaining * (FEE_PIPS_ONE - fee_pips) // FEE_PIPS_ONE
    if current >= target:
        in_delta, out_delta, price_after = get_amount0_delta, get_amount1_delta, get_next_sqrt_price_from_amount0_rounding_up
    else:
        in_delta, out_delta, price_after = get_amount1_delta, get_amount0_delta, get_next_sqrt_price_from_amount1_rounding_down
    amount_in = in_delta(target, current, liquidity, round_up=True)
    reached = target if less_fee >= amount_in else int(price_after(current, liquidity, less_fee, add=True))
    amount_out = out_delta(reached, current, liquidity, round_up=False)
    if reached == target:
        return target, amount_in, amount_out, -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))
    amount_in = in_delta(reached, current, liquidity, round_up=True)
    # What the rounded price could not use is kept as fee, so that the whole input is spent.
    return reached, amount_in, amount_out, remaining - amount_in


def _step_exact_out(current: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> tuple[int, int, int, int]:
    if current >= target:
        in_delta, out_delta, price_after = get_amount0_delta, get_amount1_delta, get_next_sqrt_price_from_amount1_rounding_down
    else:
        in_delta, out_delta, price_after = get_amount1_delta, get_amount0_delta, get_next_sqrt_price_from_amount0_rounding_up
    amount_out = out_delta(target, current, liquidity, round_up=False)
    reached = target
    if remaining < amount_out:
        reached = int(price_after(current, liquidity, remaining, add=False))
        # The price is rounded so that the output is covered, and may cover more than was asked for.
        amount_out = min(out_delta(reached, current, liquidity, round_up=False), remaining)
    amount_in = in_delta(reached, current, liquidity, round_up=True)
    return reached, amount_in, amount_out, -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))

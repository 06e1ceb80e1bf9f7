"""Limits that hold at every price of the protected interval, and never depend on the spot price that is being traded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from keeper.core.model.ladder import TickRange
from keeper.core.model.plan import Bounds
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolKey
from keeper.core.model.view import MarketView
from keeper.core.planning.price import protected_tick
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amount0,
    max_liquidity_for_amount1,
)
from keeper.core.v3math.reverts import ArithmeticRevertError
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_TICK, MAX_UINT128, MIN_TICK, Q96


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Square-root prices that the plan accepts in one pool, both ends included."""

    lower_x96: int
    upper_x96: int
    width_ticks: int


def protected_interval(view: MarketView, policy: Policy, pool: str) -> Interval:
    """Time-weighted tick of the pool, give or take the spot gate's limit and the slippage (a tick is about a basis point).

    Raises:
        Refused: there is no time-weighted price.
    """
    reach = policy.gates.twap_limit_ticks + policy.execution.slippage_bps
    return _interval(protected_tick(view, policy, pool), reach)


def sizing_interval(view: MarketView, policy: Policy, pool: str) -> Interval:
    """The part of the protected interval that a swap of ours may be planned to reach.

    The rest, the slippage, is left for what the price does until inclusion: a swap sized up to the limit itself reverts at the
    first adverse move.

    Raises:
        Refused: there is no time-weighted price.
    """
    return _interval(protected_tick(view, policy, pool), policy.gates.twap_limit_ticks)


def _interval(centre: int, reach: int) -> Interval:
    lower, upper = max(centre - reach, MIN_TICK + 1), min(centre + reach, MAX_TICK - 1)
    return Interval(lower_x96=get_sqrt_ratio_at_tick(lower), upper_x96=get_sqrt_ratio_at_tick(upper), width_ticks=upper - lower)


def plan_bounds(view: MarketView, policy: Policy, gas_units: int) -> Bounds:
    """Deadline from chain time; gas at the configured ceiling of its price and of its limit, rounded **up**."""
    execution = policy.execution
    return Bounds(
        deadline_s=view.now_s + execution.deadline_s,
        max_gas_wei=math.ceil(gas_units * execution.gas_limit_multiple) * execution.max_fee_wei,
        slippage_bps=execution.slippage_bps,
    )


def decrease_minimums(interval: Interval, held: TickRange, liquidity: int) -> tuple[int, int]:
    """Least principal of both tokens over the interval, raw units, exact: reachable at the interval's ends, exceeded between.

    Token0 shrinks and token1 grows with the price, and the pool rounds what it pays **down**, as this does.
    """
    lower, upper = get_sqrt_ratio_at_tick(held.lower), get_sqrt_ratio_at_tick(held.upper)
    least0, _ = get_amounts_for_liquidity(interval.upper_x96, lower, upper, liquidity)
    _, least1 = get_amounts_for_liquidity(interval.lower_x96, lower, upper, liquidity)
    return least0, least1


def deposit_minimums(interval: Interval, wanted: TickRange, amount0: int, amount1: int) -> tuple[int, int]:
    """Least that a mint or increase of at most these amounts takes of both tokens, over the interval, raw units.

    The scarcer token limits the liquidity: the deposit takes least of token0 at the upper end and least of token1 at the lower
    end, 0 where the range does not need it. Where a token is the limiting one all along, what is taken of it varies by the
    rounding of the liquidity alone; that much, rounded **up**, is subtracted, so that the minimum is never out of reach.

    Ref: ``LiquidityAmounts.sol`` getLiquidityForAmounts.
    """
    lower, upper = get_sqrt_ratio_at_tick(wanted.lower), get_sqrt_ratio_at_tick(wanted.upper)
    taken0, _ = _taken(interval.upper_x96, lower, upper, amount0, amount1)
    _, taken1 = _taken(interval.lower_x96, lower, upper, amount0, amount1)
    lowest, highest = max(interval.lower_x96, lower), min(interval.upper_x96, upper)
    slack0 = _divided_up((amount0 + max(upper - lowest, 0)) * Q96, lowest * upper) + 1
    slack1 = _divided_up(max(highest - lower, 0), Q96)
    return max(taken0 - slack0, 0), max(taken1 - slack1, 0)


def swap_limits(interval: Interval, pool: PoolKey, *, zero_for_one: bool, amount_in: int) -> tuple[int, int]:
    """Least output of a full fill, raw units, and the square-root price at which the swap stops.

    The output is that of the worst price of the interval for the input after the fee, rounded **down**, less what the pool's
    own rounding can cost: two units of input and one of output at every tick and every word of ticks on the way.
    """
    limit_x96 = interval.lower_x96 if zero_for_one else interval.upper_x96
    steps = interval.width_ticks // pool.tick_spacing + 3
    traded = max(amount_in * (FEE_PIPS_ONE - pool.fee_pips) // FEE_PIPS_ONE - 2 * steps, 0)
    squared = limit_x96 * limit_x96
    least = traded * squared // (Q96 * Q96) if zero_for_one else traded * Q96 * Q96 // squared
    return max(least - steps, 0), limit_x96


def _taken(root: int, lower: int, upper: int, amount0: int, amount1: int) -> tuple[int, int]:
    liquidity = min(
        _bought(max_liquidity_for_amount0, max(root, lower), upper, amount0) if root < upper else MAX_UINT128,
        _bought(max_liquidity_for_amount1, lower, min(root, upper), amount1) if root > lower else MAX_UINT128,
    )
    return get_amounts_for_liquidity_delta(root, lower, upper, liquidity)


def _bought(liquidity_for: Callable[[int, int, int], int], lower: int, upper: int, amount: int) -> int:
    try:
        return liquidity_for(lower, upper, amount)
    except ArithmeticRevertError:
        # So near to the bound that any amount buys more than a pool can hold: the other token limits.
        return MAX_UINT128


def _divided_up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)

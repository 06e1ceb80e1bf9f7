"""A swap across ticks. Ref: ``UniswapV3Pool.sol`` swap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.reverts import LockedError, PriceLimitError, ZeroAmountError
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick_bitmap import next_initialized_tick_within_one_word, words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_near
from keeper.core.v3math.units import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MAX_UINT128,
    MAX_UINT256,
    MIN_SQRT_RATIO,
    MIN_TICK,
    Liquidity,
    SqrtPriceX96,
    Tick,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TickMap:
    """Initialised ticks of a pool, as far as a swap needs them; made by ``TickMap.of``."""

    tick_spacing: int
    """In ticks, > 0."""
    net: Mapping[int, int]
    """Liquidity that enters when the price rises past a tick, for every initialised tick."""
    words: Mapping[int, int]
    """The same ticks as a bitmap of compressed ticks, 256 to a word."""

    @classmethod
    def of(cls, liquidity_net: Mapping[int, int], tick_spacing: int) -> TickMap:
        """The map of these ticks; a net of zero is kept, because the chain stops there too.

        Raises:
            RevertError: a tick does not lie on the spacing.
        """
        return cls(tick_spacing=tick_spacing, net=dict(liquidity_net), words=words_of(liquidity_net, tick_spacing))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapState:
    """A pool as a swap finds it."""

    sqrt_price_x96: int
    tick: int
    """Of slot0; below the price's own tick by one if the price stands on a tick just crossed downwards."""
    liquidity: int
    """In range."""
    fee_pips: int
    """Fee on the input, 0 to 999_999."""
    ticks: TickMap
    fee_protocol: int = 0
    """Of slot0: the protocol takes 1/x of the fee, x of token0 in the low four bits, of token1 in the high four; 0 is off."""
    fee_growth_global0_x128: int = 0
    fee_growth_global1_x128: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapResult:
    """What a swap does to a pool."""

    amount0: int
    """Raw token0 into the pool, negative out of it."""
    amount1: int
    """Raw token1 into the pool, negative out of it."""
    sqrt_price_x96: SqrtPriceX96
    tick: Tick
    liquidity: Liquidity
    """In range after the swap."""
    fee_growth_global0_x128: int
    fee_growth_global1_x128: int
    fee_amount: int
    """Fee in raw units of the input token, the protocol's share included."""
    protocol_fee: int
    """The protocol's share of ``fee_amount``, modulo 2**128."""
    crossed: tuple[tuple[Tick, int], ...]
    """Initialised ticks in the order crossed, each with the fee growth of the input token at that moment."""


def swap(state: SwapState, *, zero_for_one: bool, amount_specified: int, sqrt_price_limit_x96: int) -> SwapResult:
    """Swap until the amount is used up or the price limit is reached.

    The trader pays rounded **up** and receives rounded **down**, at every step anew.

    Args:
        state: the pool before; left as it is.
        zero_for_one: token0 comes in and the price falls.
        amount_specified: raw units; > 0 exact input with the fee, < 0 exact output.
        sqrt_price_limit_x96: the price does not pass it; strictly on the far side of the price and inside the range of prices.

    Raises:
        ZeroAmountError: the amount is zero.
        LockedError: the pool has no price.
        PriceLimitError: the limit is on the wrong side or out of range.

    Ref: ``UniswapV3Pool.sol`` swap.
    """
    check_swap(state.sqrt_price_x96, amount_specified, sqrt_price_limit_x96, zero_for_one=zero_for_one)
    growth0, growth1 = state.fee_growth_global0_x128, state.fee_growth_global1_x128
    amount0, amount1, sqrt_price, tick, liquidity, growth_in, fee, protocol_fee, crossed = swap_steps(
        words=state.ticks.words,
        net=state.ticks.net,
        tick_spacing=state.ticks.tick_spacing,
        sqrt_price_x96=state.sqrt_price_x96,
        tick=state.tick,
        liquidity=state.liquidity,
        fee_growth_x128=growth0 if zero_for_one else growth1,
        fee_pips=state.fee_pips,
        protocol_share=state.fee_protocol % 16 if zero_for_one else state.fee_protocol >> 4,
        zero_for_one=zero_for_one,
        amount_specified=amount_specified,
        sqrt_price_limit_x96=sqrt_price_limit_x96,
    )
    return SwapResult(
        amount0=amount0,
        amount1=amount1,
        sqrt_price_x96=SqrtPriceX96(sqrt_price),
        tick=Tick(tick),
        liquidity=Liquidity(liquidity),
        fee_growth_global0_x128=growth_in if zero_for_one else growth0,
        fee_growth_global1_x128=growth1 if zero_for_one else growth_in,
        fee_amount=fee,
        protocol_fee=protocol_fee,
        crossed=tuple(crossed),
    )


def check_swap(sqrt_price_x96: int, amount_specified: int, sqrt_price_limit_x96: int, *, zero_for_one: bool) -> None:
    """Refuse what the pool refuses before the first step.

    Raises:
        ZeroAmountError: the amount is zero.
        LockedError: the pool has no price.
        PriceLimitError: the limit is on the wrong side or out of range.

    Ref: ``UniswapV3Pool.sol`` swap, the three require statements in their order.
    """
    if not amount_specified:
        raise ZeroAmountError("a swap of nothing")
    if not sqrt_price_x96:
        raise LockedError("the pool has no price yet")
    if zero_for_one:
        if not MIN_SQRT_RATIO < sqrt_price_limit_x96 < sqrt_price_x96:
            raise PriceLimitError(f"limit {sqrt_price_limit_x96} is not below {sqrt_price_x96} and above {MIN_SQRT_RATIO}")
    elif not sqrt_price_x96 < sqrt_price_limit_x96 < MAX_SQRT_RATIO:
        raise PriceLimitError(f"limit {sqrt_price_limit_x96} is not above {sqrt_price_x96} and below {MAX_SQRT_RATIO}")


def swap_steps(  # ruff: ignore[too-many-locals] - the contract's one loop; to split it costs a call a step
    *,
    words: Mapping[int, int],
    net: Mapping[int, int],
    tick_spacing: int,
    sqrt_price_x96: int,
    tick: int,
    liquidity: int,
    fee_growth_x128: int,
    fee_pips: int,
    protocol_share: int,
    zero_for_one: bool,
    amount_specified: int,
    sqrt_price_limit_x96: int,
) -> tuple[int, int, int, int, int, int, int, int, list[tuple[Tick, int]]]:
    """The loop of a swap, on plain values, unchecked.

    ``fee_growth_x128`` and ``protocol_share`` (0 off, else 1/x) are those of the input token; the rest as in ``SwapState``.

    Returns:
        amount0, amount1, sqrt price, tick, liquidity, fee growth of the input token, fee, protocol's share of it, crossings.

    Ref: ``UniswapV3Pool.sol`` swap, the while loop.
    """
    exact_in = amount_specified > 0
    remaining, calculated, fees, protocol_fees = amount_specified, 0, 0, 0
    crossed: list[tuple[Tick, int]] = []
    while remaining and sqrt_price_x96 != sqrt_price_limit_x96:
        start_x96 = sqrt_price_x96
        next_tick, initialized = next_initialized_tick_within_one_word(words, tick, tick_spacing, lte=zero_for_one)
        if next_tick < MIN_TICK:
            next_tick = MIN_TICK
        elif next_tick > MAX_TICK:
            next_tick = MAX_TICK
        next_x96 = get_sqrt_ratio_at_tick(next_tick)
        past_limit = next_x96 < sqrt_price_limit_x96 if zero_for_one else next_x96 > sqrt_price_limit_x96
        sqrt_price_x96, amount_in, amount_out, fee = compute_swap_step(
            start_x96, sqrt_price_limit_x96 if past_limit else next_x96, liquidity, remaining, fee_pips
        )
        if exact_in:
            remaining -= amount_in + fee
            calculated -= amount_out
        else:
            remaining += amount_out
            calculated += amount_in + fee
        fees += fee
        if protocol_share:
            share = fee // protocol_share
            fee -= share
            protocol_fees += share
        if liquidity:
            # A fee is below 2**84 times the liquidity that earns it, so that mulDiv cannot refuse here.
            fee_growth_x128 = (fee_growth_x128 + (fee << 128) // liquidity) & MAX_UINT256
        if sqrt_price_x96 == next_x96:
            if initialized:
                crossed.append((next_tick, fee_growth_x128))
                liquidity = add_delta(liquidity, -net[next_tick] if zero_for_one else net[next_tick])
            tick = next_tick - 1 if zero_for_one else next_tick
        elif sqrt_price_x96 != start_x96:
            tick, _, _ = get_tick_near(sqrt_price_x96, tick)
    specified = amount_specified - remaining
    amount0, amount1 = (specified, calculated) if zero_for_one == exact_in else (calculated, specified)
    return (
        amount0,
        amount1,
        sqrt_price_x96,
        tick,
        liquidity,
        fee_growth_x128,
        fees,
        protocol_fees & MAX_UINT128,
        crossed,
    )

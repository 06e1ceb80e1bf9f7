"""A Uniswap v3 pool in memory, equal to the contract to the wei. Ref: ``UniswapV3Pool.sol``, ``Tick.sol``, ``Position.sol``.

Left out: the tokens themselves, amounts are returned instead of transferred; and the clock: what depends on time is kept by an
``oracle.Oracle`` beside the pool, and what ticks remember of time is not kept.
"""

from __future__ import annotations

from keeper.core.v3math.interval_swap import fall_within, rise_within
from keeper.core.v3math.pool_books import PoolBooks
from keeper.core.v3math.pool_swap import SwapResult, SwapState, TickMap, check_swap, swap, swap_steps
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT256, MAX_SQRT_RATIO, MAX_UINT128, MAX_UINT256, MIN_SQRT_RATIO


class ExactPool(PoolBooks):
    """A mutable pool. Every method either completes or raises ``RevertError`` and changes nothing, as a transaction would.

    Attributes are those of the contract and are read only from outside; amounts are raw token units.
    """

    __slots__ = ()

    def swap(self, *, zero_for_one: bool, amount_specified: int, sqrt_price_limit_x96: int) -> tuple[int, int]:
        """Swap until the amount is used up or the price limit is reached; paid rounded **up**, received rounded **down**.

        Args:
            zero_for_one: token0 comes in and the price falls.
            amount_specified: raw units; > 0 exact input with the fee, < 0 exact output.
            sqrt_price_limit_x96: the price does not pass it.

        Returns:
            Raw token0 and token1 into the pool, negative out of it.

        Raises:
            RevertError: as ``pool_swap.swap``.

        Ref: ``UniswapV3Pool.sol`` swap, ``Tick.sol`` cross.
        """
        start_x96, limit_x96, fee_pips = self.sqrt_price_x96, sqrt_price_limit_x96, self.fee_pips
        if zero_for_one:
            # Which refusal it is, is asked only where there is one.
            if not (amount_specified and MIN_SQRT_RATIO < limit_x96 < start_x96):
                check_swap(start_x96, amount_specified, limit_x96, zero_for_one=True)
            step = fall_within(start_x96, self._floor_x96, self.liquidity, amount_specified, limit_x96, fee_pips)
            if step is None:
                return self._swap_across(True, amount_specified, limit_x96)
            self.sqrt_price_x96, amount_in, amount_out, fee = step
            self._earn0(fee)
            return amount_in + fee, -amount_out
        if not (amount_specified and 0 < start_x96 < limit_x96 < MAX_SQRT_RATIO):
            check_swap(start_x96, amount_specified, limit_x96, zero_for_one=False)
        step = rise_within(start_x96, self._ceiling_x96, self.liquidity, amount_specified, limit_x96, fee_pips)
        if step is None:
            return self._swap_across(False, amount_specified, limit_x96)
        self.sqrt_price_x96, amount_in, amount_out, fee = step
        self._earn1(fee)
        return -amount_out, amount_in + fee

    def swap_to(self, sqrt_price_x96: int) -> tuple[int, int]:
        """Swap whatever it takes to reach a price, either way: as ``swap`` with the greatest input and this limit.

        Args:
            sqrt_price_x96: where to; where the pool stands there already, nothing happens.

        Returns:
            Raw token0 and token1 into the pool, negative out of it.

        Raises:
            RevertError: as ``pool_swap.swap``.

        Ref: ``UniswapV3Pool.sol`` swap.
        """
        start_x96, liquidity, fee_pips = self.sqrt_price_x96, self.liquidity, self.fee_pips
        if sqrt_price_x96 == start_x96:
            return 0, 0
        if not (liquidity and self._floor_x96 < sqrt_price_x96 < self._ceiling_x96):
            falls = sqrt_price_x96 < start_x96
            check_swap(start_x96, MAX_INT256, sqrt_price_x96, zero_for_one=falls)
            return self._swap_across(falls, MAX_INT256, sqrt_price_x96)
        # The branch of a swap between two stops that reaches its limit; see ``interval_swap``.
        self.sqrt_price_x96 = sqrt_price_x96
        if sqrt_price_x96 < start_x96:
            fall_x96 = start_x96 - sqrt_price_x96
            amount_in = -((liquidity << 96) * -fall_x96 // (sqrt_price_x96 * start_x96))
            fee = -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))
            self._earn0(fee)
            return amount_in + fee, -(liquidity * fall_x96 >> 96)
        rise_x96 = sqrt_price_x96 - start_x96
        amount_in = -(-liquidity * rise_x96 >> 96)
        fee = -(-amount_in * fee_pips // (FEE_PIPS_ONE - fee_pips))
        self._earn1(fee)
        return -((liquidity << 96) * rise_x96 // (sqrt_price_x96 * start_x96)), amount_in + fee

    def preview_swap(self, *, zero_for_one: bool, amount_specified: int, sqrt_price_limit_x96: int) -> SwapResult:
        """What ``swap`` would do, without doing it; same arguments, same refusals."""
        state = SwapState(
            sqrt_price_x96=self.sqrt_price_x96,
            tick=self.tick,
            liquidity=self.liquidity,
            fee_pips=self.fee_pips,
            ticks=TickMap(tick_spacing=self.tick_spacing, net=self._ticks.net, words=self._ticks.words),
            fee_protocol=self.fee_protocol,
            fee_growth_global0_x128=self.fee_growth_global0_x128,
            fee_growth_global1_x128=self.fee_growth_global1_x128,
        )
        return swap(
            state, zero_for_one=zero_for_one, amount_specified=amount_specified, sqrt_price_limit_x96=sqrt_price_limit_x96
        )

    def _earn0(self, fee: int) -> None:
        """Let the liquidity in range, > 0, and the protocol earn a fee in token0. Ref: ``UniswapV3Pool.sol`` swap."""
        if share := self.fee_protocol % 16:
            taken = fee // share
            fee -= taken
            self.protocol_fees0 = (self.protocol_fees0 + taken) & MAX_UINT128
        self.fee_growth_global0_x128 = (self.fee_growth_global0_x128 + (fee << 128) // self.liquidity) & MAX_UINT256

    def _earn1(self, fee: int) -> None:
        """As ``_earn0``, in token1."""
        if share := self.fee_protocol >> 4:
            taken = fee // share
            fee -= taken
            self.protocol_fees1 = (self.protocol_fees1 + taken) & MAX_UINT128
        self.fee_growth_global1_x128 = (self.fee_growth_global1_x128 + (fee << 128) // self.liquidity) & MAX_UINT256

    def _swap_across(self, zero_for_one: bool, amount_specified: int, sqrt_price_limit_x96: int) -> tuple[int, int]:
        """Ref: ``UniswapV3Pool.sol`` swap, ``Tick.sol`` cross."""
        amount0, amount1, sqrt_price_x96, tick, self.liquidity, growth_x128, _, protocol_fee, crossed = swap_steps(
            words=self._ticks.words,
            net=self._ticks.net,
            tick_spacing=self.tick_spacing,
            sqrt_price_x96=self.sqrt_price_x96,
            tick=self.tick,
            liquidity=self.liquidity,
            fee_growth_x128=self.fee_growth_global0_x128 if zero_for_one else self.fee_growth_global1_x128,
            fee_pips=self.fee_pips,
            protocol_share=self.fee_protocol % 16 if zero_for_one else self.fee_protocol >> 4,
            zero_for_one=zero_for_one,
            amount_specified=amount_specified,
            sqrt_price_limit_x96=sqrt_price_limit_x96,
        )
        if zero_for_one:
            self._ticks.cross(crossed, self.fee_growth_global1_x128, zero_for_one=True)
            self.fee_growth_global0_x128 = growth_x128
            self.protocol_fees0 = (self.protocol_fees0 + protocol_fee) & MAX_UINT128
        else:
            self._ticks.cross(crossed, self.fee_growth_global0_x128, zero_for_one=False)
            self.fee_growth_global1_x128 = growth_x128
            self.protocol_fees1 = (self.protocol_fees1 + protocol_fee) & MAX_UINT128
        self._stand(sqrt_price_x96, tick)
        return amount0, amount1

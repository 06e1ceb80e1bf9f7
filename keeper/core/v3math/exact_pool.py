"""A Uniswap v3 pool in memory, equal to the contract to the wei. Ref: ``UniswapV3Pool.sol``, ``Tick.sol``, ``Position.sol``.

Left out: observations, flash loans, and the tokens themselves; amounts are returned instead of transferred.
"""

from __future__ import annotations

from keeper.core.v3math.fee_growth import fees_owed, get_fee_growth_inside
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity_delta
from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.pool_snapshot import PoolSnapshot, PositionInfo, PositionKey
from keeper.core.v3math.pool_swap import SwapResult, SwapState, TickMap, check_swap, swap, swap_steps
from keeper.core.v3math.reverts import (
    AlreadyInitializedError,
    ArithmeticRevertError,
    EmptyPositionError,
    LockedError,
    LowerTickError,
    RevertError,
    TickLiquidityError,
    TicksNotOrderedError,
    UpperTickError,
)
from keeper.core.v3math.tick import TickInfo, tick_spacing_to_max_liquidity_per_tick
from keeper.core.v3math.tick_bitmap import flip_tick, words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT128, MAX_TICK, MAX_UINT128, MAX_UINT256, MIN_TICK

_NO_POSITION = PositionInfo()


class ExactPool:
    """A mutable pool. Every method either completes or raises ``RevertError`` and changes nothing, as a transaction would.

    Attributes are those of the contract and are read only from outside; amounts are raw token units.
    """

    __slots__ = (
        "_gross",
        "_net",
        "_outside0_x128",
        "_outside1_x128",
        "_positions",
        "_words",
        "fee_growth_global0_x128",
        "fee_growth_global1_x128",
        "fee_pips",
        "fee_protocol",
        "liquidity",
        "max_liquidity_per_tick",
        "protocol_fees0",
        "protocol_fees1",
        "sqrt_price_x96",
        "tick",
        "tick_spacing",
    )

    def __init__(self, *, fee_pips: int, tick_spacing: int) -> None:
        if not 0 <= fee_pips < FEE_PIPS_ONE:
            raise ValueError(f"fee {fee_pips} pips lies outside [0, {FEE_PIPS_ONE})")
        if not 0 < tick_spacing < 16_384:
            raise ValueError(f"tick spacing {tick_spacing} lies outside [1, 16383]")
        self.fee_pips = fee_pips
        self.tick_spacing = tick_spacing
        self.max_liquidity_per_tick = tick_spacing_to_max_liquidity_per_tick(tick_spacing)
        self.sqrt_price_x96 = 0
        self.tick = 0
        self.liquidity = 0
        self.fee_protocol = 0
        self.fee_growth_global0_x128 = 0
        self.fee_growth_global1_x128 = 0
        self.protocol_fees0 = 0
        self.protocol_fees1 = 0
        self._words: dict[int, int] = {}
        self._gross: dict[int, int] = {}
        self._net: dict[int, int] = {}
        self._outside0_x128: dict[int, int] = {}
        self._outside1_x128: dict[int, int] = {}
        self._positions: dict[PositionKey, PositionInfo] = {}

    @classmethod
    def restore(cls, snapshot: PoolSnapshot) -> ExactPool:
        """The pool that ``snapshot`` describes, independent of it.

        Raises:
            RevertError: a tick does not lie on the spacing.
        """
        pool = cls(fee_pips=snapshot.fee_pips, tick_spacing=snapshot.tick_spacing)
        pool.sqrt_price_x96 = snapshot.sqrt_price_x96
        pool.tick = snapshot.tick
        pool.liquidity = snapshot.liquidity
        pool.fee_protocol = snapshot.fee_protocol
        pool.fee_growth_global0_x128 = snapshot.fee_growth_global0_x128
        pool.fee_growth_global1_x128 = snapshot.fee_growth_global1_x128
        pool.protocol_fees0 = snapshot.protocol_fees0
        pool.protocol_fees1 = snapshot.protocol_fees1
        pool._words = words_of(snapshot.ticks, snapshot.tick_spacing)
        pool._gross = {tick: info.liquidity_gross for tick, info in snapshot.ticks.items()}
        pool._net = {tick: info.liquidity_net for tick, info in snapshot.ticks.items()}
        pool._outside0_x128 = {tick: info.fee_growth_outside0_x128 for tick, info in snapshot.ticks.items()}
        pool._outside1_x128 = {tick: info.fee_growth_outside1_x128 for tick, info in snapshot.ticks.items()}
        pool._positions = dict(snapshot.positions)
        return pool

    def snapshot(self) -> PoolSnapshot:
        """The pool as a value.

        Raises:
            LockedError: the pool has no price yet.
        """
        self._require_initialized()
        return PoolSnapshot(
            fee_pips=self.fee_pips,
            tick_spacing=self.tick_spacing,
            sqrt_price_x96=self.sqrt_price_x96,
            tick=self.tick,
            liquidity=self.liquidity,
            fee_growth_global0_x128=self.fee_growth_global0_x128,
            fee_growth_global1_x128=self.fee_growth_global1_x128,
            fee_protocol=self.fee_protocol,
            protocol_fees0=self.protocol_fees0,
            protocol_fees1=self.protocol_fees1,
            ticks={tick: self.tick_info(tick) for tick in sorted(self._gross)},
            positions=dict(self._positions),
        )

    def tick_info(self, tick: int) -> TickInfo:
        """State of a tick, zeros if it is not initialised."""
        if tick not in self._gross:
            return TickInfo()
        return TickInfo(
            liquidity_gross=self._gross[tick],
            liquidity_net=self._net[tick],
            fee_growth_outside0_x128=self._outside0_x128[tick],
            fee_growth_outside1_x128=self._outside1_x128[tick],
        )

    def position(self, owner: str, tick_lower: int, tick_upper: int) -> PositionInfo:
        """State of a position, zeros if it never was."""
        return self._positions.get(PositionKey(owner, tick_lower, tick_upper), _NO_POSITION)

    def fee_growth_inside(self, tick_lower: int, tick_upper: int) -> tuple[int, int]:
        """Fee growth of token0 and token1 inside a range, in units of 2**-128, modulo 2**256.

        Ref: ``Tick.sol`` getFeeGrowthInside.
        """
        return (
            get_fee_growth_inside(
                tick_lower=tick_lower,
                tick_upper=tick_upper,
                tick_current=self.tick,
                global_x128=self.fee_growth_global0_x128,
                outside_lower_x128=self._outside0_x128.get(tick_lower, 0),
                outside_upper_x128=self._outside0_x128.get(tick_upper, 0),
            ),
            get_fee_growth_inside(
                tick_lower=tick_lower,
                tick_upper=tick_upper,
                tick_current=self.tick,
                global_x128=self.fee_growth_global1_x128,
                outside_lower_x128=self._outside1_x128.get(tick_lower, 0),
                outside_upper_x128=self._outside1_x128.get(tick_upper, 0),
            ),
        )

    def initialize(self, sqrt_price_x96: int) -> None:
        """Give the pool its first price.

        Raises:
            AlreadyInitializedError: it has one.
            PriceOutOfRangeError: the price is out of range.

        Ref: ``UniswapV3Pool.sol`` initialize.
        """
        if self.sqrt_price_x96:
            raise AlreadyInitializedError(f"the pool stands at {self.sqrt_price_x96}")
        self.tick = get_tick_at_sqrt_ratio(sqrt_price_x96)
        self.sqrt_price_x96 = sqrt_price_x96

    def set_fee_protocol(self, fee_protocol0: int, fee_protocol1: int) -> None:
        """Let the protocol take 1/x of the fees of each token from now on; x is 4 to 10, or 0 for none.

        Raises:
            RevertError: another value.

        Ref: ``UniswapV3Pool.sol`` setFeeProtocol.
        """
        self._require_initialized()
        for share in (fee_protocol0, fee_protocol1):
            if share and not 4 <= share <= 10:
                raise RevertError(f"protocol fee 1/{share} is neither off nor 1/4 to 1/10")
        self.fee_protocol = fee_protocol0 + (fee_protocol1 << 4)

    def mint(self, owner: str, tick_lower: int, tick_upper: int, amount: int) -> tuple[int, int]:
        """Add liquidity to a position; what it costs is rounded **up**.

        Args:
            owner: of the position.
            tick_lower: first tick inside, on the spacing.
            tick_upper: first tick outside, on the spacing.
            amount: liquidity, 1 to 2**127 - 1.

        Returns:
            Raw token0 and token1 to pay, >= 0.

        Raises:
            RevertError: as the contract does; see ``reverts``.

        Ref: ``UniswapV3Pool.sol`` mint.
        """
        self._require_initialized()
        if not 0 < amount <= MAX_INT128:
            raise ArithmeticRevertError(f"mint of liquidity {amount}")
        self._update_position(PositionKey(owner, tick_lower, tick_upper), amount)
        return self._move_liquidity(tick_lower, tick_upper, amount)

    def burn(self, owner: str, tick_lower: int, tick_upper: int, amount: int) -> tuple[int, int]:
        """Take liquidity from a position; what it yields is rounded **down** and owed until collected. Zero settles the fees.

        Args:
            owner: of the position.
            tick_lower: first tick inside.
            tick_upper: first tick outside.
            amount: liquidity, 0 to what the position holds.

        Returns:
            Raw token0 and token1 of principal, >= 0; fees apart.

        Raises:
            RevertError: as the contract does; see ``reverts``.

        Ref: ``UniswapV3Pool.sol`` burn.
        """
        self._require_initialized()
        if not 0 <= amount <= MAX_INT128:
            raise ArithmeticRevertError(f"burn of liquidity {amount}")
        key = PositionKey(owner, tick_lower, tick_upper)
        self._update_position(key, -amount)
        amount0, amount1 = self._move_liquidity(tick_lower, tick_upper, -amount)
        held = self._positions[key]
        self._positions[key] = PositionInfo(
            liquidity=held.liquidity,
            fee_growth_inside0_last_x128=held.fee_growth_inside0_last_x128,
            fee_growth_inside1_last_x128=held.fee_growth_inside1_last_x128,
            tokens_owed0=(held.tokens_owed0 - amount0) & MAX_UINT128,
            tokens_owed1=(held.tokens_owed1 - amount1) & MAX_UINT128,
        )
        return -amount0, -amount1

    def collect(
        self,
        owner: str,
        tick_lower: int,
        tick_upper: int,
        amount0_requested: int = MAX_UINT128,
        amount1_requested: int = MAX_UINT128,
    ) -> tuple[int, int]:
        """Pay out what a position is owed, at most the amounts requested; a position that never was is owed nothing.

        Fees since the last mint or burn are not yet owed: burn zero first.

        Returns:
            Raw token0 and token1 paid out, >= 0.

        Ref: ``UniswapV3Pool.sol`` collect.
        """
        self._require_initialized()
        key = PositionKey(owner, tick_lower, tick_upper)
        held = self._positions.get(key, _NO_POSITION)
        amount0 = min(amount0_requested, held.tokens_owed0)
        amount1 = min(amount1_requested, held.tokens_owed1)
        if amount0 or amount1:
            self._positions[key] = PositionInfo(
                liquidity=held.liquidity,
                fee_growth_inside0_last_x128=held.fee_growth_inside0_last_x128,
                fee_growth_inside1_last_x128=held.fee_growth_inside1_last_x128,
                tokens_owed0=held.tokens_owed0 - amount0,
                tokens_owed1=held.tokens_owed1 - amount1,
            )
        return amount0, amount1

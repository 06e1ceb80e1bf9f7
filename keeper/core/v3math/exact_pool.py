"""A Uniswap v3 pool in memory, equal to the contract to the wei. Ref: ``UniswapV3Pool.sol``, ``Tick.sol``, ``Position.sol``.

Left out: observations, flash loans, and the tokens themselves; amounts are returned instead of transferred.
"""

from __future__ import annotations

from dataclasses import replace

from keeper.core.v3math.fee_growth import fees_owed
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
    TicksNotOrderedError,
    UpperTickError,
)
from keeper.core.v3math.tick import TickInfo, tick_spacing_to_max_liquidity_per_tick
from keeper.core.v3math.tick_book import TickBook
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT128, MAX_TICK, MAX_UINT128, MIN_TICK

_NO_POSITION = PositionInfo()


class ExactPool:
    """A mutable pool. Every method either completes or raises ``RevertError`` and changes nothing, as a transaction would.

    Attributes are those of the contract and are read only from outside; amounts are raw token units.
    """

    __slots__ = (
        "_positions",
        "_ticks",
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
        self._ticks = TickBook({}, tick_spacing)
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
        pool._ticks = TickBook(snapshot.ticks, snapshot.tick_spacing)
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
            ticks={tick: self.tick_info(tick) for tick in sorted(self._ticks.gross)},
            positions=dict(self._positions),
        )

    def tick_info(self, tick: int) -> TickInfo:
        """State of a tick, zeros if it is not initialised."""
        return self._ticks.info(tick)

    def position(self, owner: str, tick_lower: int, tick_upper: int) -> PositionInfo:
        """State of a position, zeros if it never was."""
        return self._positions.get(PositionKey(owner, tick_lower, tick_upper), _NO_POSITION)

    def fee_growth_inside(self, tick_lower: int, tick_upper: int) -> tuple[int, int]:
        """Fee growth of token0 and token1 inside a range, in units of 2**-128, modulo 2**256.

        Ref: ``Tick.sol`` getFeeGrowthInside.
        """
        return self._ticks.fee_growth_inside(
            tick_lower,
            tick_upper,
            tick_current=self.tick,
            global0_x128=self.fee_growth_global0_x128,
            global1_x128=self.fee_growth_global1_x128,
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
        self._positions[key] = replace(
            held,
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
            self._positions[key] = replace(
                held, tokens_owed0=held.tokens_owed0 - amount0, tokens_owed1=held.tokens_owed1 - amount1
            )
        return amount0, amount1

    def collect_protocol(self, amount0_requested: int = MAX_UINT128, amount1_requested: int = MAX_UINT128) -> tuple[int, int]:
        """Pay out the protocol's fees, at most the amounts requested; of the whole one unit stays, to keep the slot in use.

        Returns:
            Raw token0 and token1 paid out, >= 0.

        Ref: ``UniswapV3Pool.sol`` collectProtocol.
        """
        self._require_initialized()
        amount0 = _all_but_one(min(amount0_requested, self.protocol_fees0), self.protocol_fees0)
        amount1 = _all_but_one(min(amount1_requested, self.protocol_fees1), self.protocol_fees1)
        self.protocol_fees0 -= amount0
        self.protocol_fees1 -= amount1
        return amount0, amount1

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
        check_swap(self.sqrt_price_x96, amount_specified, sqrt_price_limit_x96, zero_for_one=zero_for_one)
        amount0, amount1, self.sqrt_price_x96, self.tick, self.liquidity, growth_x128, _, protocol_fee, crossed = swap_steps(
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
        return amount0, amount1

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

    def _require_initialized(self) -> None:
        if self.sqrt_price_x96 == 0:
            raise LockedError("the pool has no price yet")

    def _update_position(self, key: PositionKey, liquidity_delta: int) -> None:
        """Ticks and position under a change of liquidity; all checks come before the first write.

        Ref: ``UniswapV3Pool.sol`` _updatePosition, ``Tick.sol`` update, ``Position.sol`` update.
        """
        _, lower, upper = key
        _check_ticks(lower, upper)
        gross_lower = self._ticks.gross_after(lower, liquidity_delta, self.max_liquidity_per_tick)
        gross_upper = self._ticks.gross_after(upper, liquidity_delta, self.max_liquidity_per_tick)
        if liquidity_delta > 0 and (lower % self.tick_spacing or upper % self.tick_spacing):
            raise RevertError(f"[{lower}, {upper}) does not lie on spacing {self.tick_spacing}")
        held = self._positions.get(key, _NO_POSITION)
        if liquidity_delta == 0 and held.liquidity == 0:
            raise EmptyPositionError(f"{key} holds no liquidity")
        liquidity = add_delta(held.liquidity, liquidity_delta)
        if liquidity_delta:
            self._write_tick(lower, gross_lower, liquidity_delta)
            self._write_tick(upper, gross_upper, -liquidity_delta)
        inside0_x128, inside1_x128 = self.fee_growth_inside(lower, upper)
        owed0 = fees_owed(
            liquidity=held.liquidity, inside_x128=inside0_x128, inside_last_x128=held.fee_growth_inside0_last_x128
        )
        owed1 = fees_owed(
            liquidity=held.liquidity, inside_x128=inside1_x128, inside_last_x128=held.fee_growth_inside1_last_x128
        )
        self._positions[key] = PositionInfo(
            liquidity=liquidity,
            fee_growth_inside0_last_x128=inside0_x128,
            fee_growth_inside1_last_x128=inside1_x128,
            tokens_owed0=(held.tokens_owed0 + owed0) & MAX_UINT128,
            tokens_owed1=(held.tokens_owed1 + owed1) & MAX_UINT128,
        )
        for tick, gross in ((lower, gross_lower), (upper, gross_upper)):
            if liquidity_delta < 0 and gross == 0:
                self._ticks.clear(tick)

    def _write_tick(self, tick: int, gross: int, net_delta: int) -> None:
        below = tick <= self.tick
        self._ticks.write(
            tick,
            gross=gross,
            net_delta=net_delta,
            growth0_x128=self.fee_growth_global0_x128 if below else 0,
            growth1_x128=self.fee_growth_global1_x128 if below else 0,
        )

    def _move_liquidity(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> tuple[int, int]:
        """Ref: ``UniswapV3Pool.sol`` _modifyPosition."""
        amounts = get_amounts_for_liquidity_delta(
            self.sqrt_price_x96,
            get_sqrt_ratio_at_tick(tick_lower),
            get_sqrt_ratio_at_tick(tick_upper),
            liquidity_delta,
        )
        if tick_lower <= self.tick < tick_upper:
            self.liquidity = add_delta(self.liquidity, liquidity_delta)
        return amounts


def _check_ticks(tick_lower: int, tick_upper: int) -> None:
    """Ref: ``UniswapV3Pool.sol`` checkTicks."""
    if tick_lower >= tick_upper:
        raise TicksNotOrderedError(f"[{tick_lower}, {tick_upper}) is empty")
    if tick_lower < MIN_TICK:
        raise LowerTickError(f"{tick_lower} lies below {MIN_TICK}")
    if tick_upper > MAX_TICK:
        raise UpperTickError(f"{tick_upper} lies above {MAX_TICK}")


def _all_but_one(amount: int, stock: int) -> int:
    return amount - 1 if amount and amount == stock else amount

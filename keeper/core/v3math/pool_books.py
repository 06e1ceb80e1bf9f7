"""A pool's books: price, ticks, positions and fees, and all that happens to them but swaps. Ref: ``UniswapV3Pool.sol``."""

from __future__ import annotations

from copy import copy
from typing import Self

from keeper.core.v3math.fee_growth import growth_and_share
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity_delta
from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.pool_snapshot import PoolSnapshot, PositionInfo, PositionKey
from keeper.core.v3math.position_book import PositionBook
from keeper.core.v3math.reverts import (
    AlreadyInitializedError,
    ArithmeticRevertError,
    LockedError,
    NoLiquidityError,
    RevertError,
)
from keeper.core.v3math.tick import TickInfo, check_ticks, tick_spacing_to_max_liquidity_per_tick
from keeper.core.v3math.tick_book import TickBook
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio, get_tick_near
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT128, MAX_UINT128, MAX_UINT256


class PoolBooks:
    """A pool as its providers use it; see ``exact_pool.ExactPool``, the whole of it."""

    __slots__ = (
        "_ceiling_x96",
        "_floor_x96",
        "_positions",
        "_tick",
        "_tick_from_x96",
        "_tick_to_x96",
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
        self._tick = 0
        self._tick_from_x96, self._tick_to_x96 = 0, 1
        self._floor_x96 = self._ceiling_x96 = 0
        self.liquidity = 0
        self.fee_protocol = 0
        self.fee_growth_global0_x128 = self.fee_growth_global1_x128 = 0
        self.protocol_fees0 = self.protocol_fees1 = 0
        self._ticks = TickBook({}, tick_spacing)
        self._positions = PositionBook({})

    @classmethod
    def restore(cls, snapshot: PoolSnapshot) -> Self:
        """The pool that ``snapshot`` describes, independent of it.

        Raises:
            RevertError: a tick does not lie on the spacing.
        """
        pool = cls(fee_pips=snapshot.fee_pips, tick_spacing=snapshot.tick_spacing)
        pool.liquidity = snapshot.liquidity
        pool.fee_protocol = snapshot.fee_protocol
        pool.fee_growth_global0_x128 = snapshot.fee_growth_global0_x128
        pool.fee_growth_global1_x128 = snapshot.fee_growth_global1_x128
        pool.protocol_fees0 = snapshot.protocol_fees0
        pool.protocol_fees1 = snapshot.protocol_fees1
        pool._ticks = TickBook(snapshot.ticks, snapshot.tick_spacing)
        pool._positions = PositionBook(snapshot.positions)
        pool._stand(snapshot.sqrt_price_x96, snapshot.tick)
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
            positions=self._positions.copy(),
        )

    def copy(self) -> Self:
        """The same pool again, independent of this one."""
        twin = copy(self)
        twin._ticks = self._ticks.copy()  # ruff: ignore[private-member-access] - of the same class
        twin._positions = PositionBook(self._positions.copy())  # ruff: ignore[private-member-access] - likewise
        return twin

    @property
    def tick(self) -> int:
        """Of slot0: below the price's own tick by one if the price stands on a tick just crossed downwards.

        Worked out when asked for, and only when the price has left those known to have the tick that was worked out last:
        between two stops a swap does not need it.
        """
        if not self._tick_from_x96 <= self.sqrt_price_x96 < self._tick_to_x96:
            self._tick, self._tick_from_x96, self._tick_to_x96 = get_tick_near(self.sqrt_price_x96, self._tick)
        return self._tick

    def tick_info(self, tick: int) -> TickInfo:
        """State of a tick, zeros if it is not initialised."""
        return self._ticks.info(tick)

    def position(self, owner: str, tick_lower: int, tick_upper: int) -> PositionInfo:
        """State of a position, zeros if it never was."""
        return self._positions.info(PositionKey(owner, tick_lower, tick_upper))

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
        self._stand(sqrt_price_x96, get_tick_at_sqrt_ratio(sqrt_price_x96))

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
        if amount0 or amount1:
            self._positions.owe(key, -amount0, -amount1)
        return -amount0, -amount1

    def provide(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> tuple[int, int]:
        """Add or take liquidity of somebody whose position is not kept: the depth changes, and nothing is owed to anybody.

        A record tells what was minted and burned, but not who held what before it began; for the others' liquidity this is
        enough.

        Args:
            tick_lower: first tick inside, on the spacing.
            tick_upper: first tick outside, on the spacing.
            liquidity_delta: -2**127 to 2**127 - 1.

        Returns:
            Raw token0 and token1 into the pool, rounded **up** for what is added; for what is taken negative, and rounded
            **down** in size.

        Raises:
            RevertError: as ``mint`` and ``burn``, as far as ticks can tell: more may be taken than the others hold in just this
                range, as long as its two ticks hold it.

        Ref: ``UniswapV3Pool.sol`` _modifyPosition, the position apart.
        """
        self._require_initialized()
        if abs(liquidity_delta) > MAX_INT128:
            raise ArithmeticRevertError(f"change of liquidity by {liquidity_delta}")
        check_ticks(tick_lower, tick_upper)
        self._write_ticks(tick_lower, tick_upper, liquidity_delta)
        return self._move_liquidity(tick_lower, tick_upper, liquidity_delta)

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
        held = self._positions.info(key)
        amount0 = min(amount0_requested, held.tokens_owed0)
        amount1 = min(amount1_requested, held.tokens_owed1)
        if amount0 or amount1:
            self._positions.owe(key, -amount0, -amount1)
        return amount0, amount1

    def collect_protocol(self, amount0_requested: int = MAX_UINT128, amount1_requested: int = MAX_UINT128) -> tuple[int, int]:
        """Pay out the protocol's fees, at most the amounts requested; of the whole one unit stays, to keep the slot in use.

        Returns:
            Raw token0 and token1 paid out, >= 0.

        Ref: ``UniswapV3Pool.sol`` collectProtocol.
        """
        self._require_initialized()
        amount0 = min(amount0_requested, max(self.protocol_fees0 - 1, 0))
        amount1 = min(amount1_requested, max(self.protocol_fees1 - 1, 0))
        self.protocol_fees0 -= amount0
        self.protocol_fees1 -= amount1
        return amount0, amount1

    def flash(self, paid0: int, paid1: int) -> None:
        """Let the liquidity in range, and the protocol, earn what a flash loan paid beyond what it borrowed.

        Args:
            paid0: raw token0, >= 0.
            paid1: raw token1, >= 0.

        Raises:
            LockedError: the pool has no price yet.
            NoLiquidityError: there is nobody to earn it.
            ArithmeticRevertError: the fee growth of the payment leaves 256 bits.

        Ref: ``UniswapV3Pool.sol`` flash.
        """
        self._require_initialized()
        if self.liquidity == 0:
            raise NoLiquidityError("a flash loan from a pool without liquidity in range")
        growth0_x128, protocol_fee0 = growth_and_share(paid0, self.fee_protocol % 16, self.liquidity)
        growth1_x128, protocol_fee1 = growth_and_share(paid1, self.fee_protocol >> 4, self.liquidity)
        self.fee_growth_global0_x128 = (self.fee_growth_global0_x128 + growth0_x128) & MAX_UINT256
        self.fee_growth_global1_x128 = (self.fee_growth_global1_x128 + growth1_x128) & MAX_UINT256
        self.protocol_fees0 = (self.protocol_fees0 + protocol_fee0) & MAX_UINT128
        self.protocol_fees1 = (self.protocol_fees1 + protocol_fee1) & MAX_UINT128

    def _require_initialized(self) -> None:
        if self.sqrt_price_x96 == 0:
            raise LockedError("the pool has no price yet")

    def _stand(self, sqrt_price_x96: int, tick: int) -> None:
        """Stand at a price and find the stops around it: the prices between which a swap needs neither ticks nor words.

        On a tick just crossed downwards ``tick`` is not the price's own, so that it is known of this one price only.
        """
        self.sqrt_price_x96 = sqrt_price_x96
        self._tick = tick
        self._tick_from_x96, self._tick_to_x96 = sqrt_price_x96, sqrt_price_x96 + 1
        self._floor_x96, self._ceiling_x96 = self._ticks.stops(tick)

    def _update_position(self, key: PositionKey, liquidity_delta: int) -> None:
        """Ticks and position under a change of liquidity; all checks come before the first write.

        Ref: ``UniswapV3Pool.sol`` _updatePosition, ``Position.sol`` update.
        """
        _, lower, upper = key
        check_ticks(lower, upper)
        liquidity = self._positions.liquidity_after(key, liquidity_delta)
        self._write_ticks(lower, upper, liquidity_delta)
        self._positions.settle(key, liquidity, *self.fee_growth_inside(lower, upper))

    def _write_ticks(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> None:
        """Ref: ``Tick.sol`` update, of both ends; both are checked before the first is written."""
        if liquidity_delta == 0:
            return
        ends = ((tick_lower, liquidity_delta), (tick_upper, -liquidity_delta))
        grosses = [self._ticks.gross_after(tick, liquidity_delta, self.max_liquidity_per_tick) for tick, _ in ends]
        if tick_lower % self.tick_spacing or tick_upper % self.tick_spacing:
            raise RevertError(f"[{tick_lower}, {tick_upper}) does not lie on spacing {self.tick_spacing}")
        growths_x128 = self.fee_growth_global0_x128, self.fee_growth_global1_x128
        for (tick, net_delta), gross in zip(ends, grosses, strict=True):
            self._ticks.write(tick, gross, net_delta, growths_x128 if tick <= self.tick else (0, 0))

    def _move_liquidity(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> tuple[int, int]:
        """Amounts, and liquidity in range, of a change that ticks and position already know.

        Ref: ``UniswapV3Pool.sol`` _modifyPosition.
        """
        if liquidity_delta == 0:
            return 0, 0
        tick = self.tick
        for end in (tick_lower, tick_upper):
            self._ticks.clear_if_empty(end)
        self._floor_x96, self._ceiling_x96 = self._ticks.stops(tick)
        if tick_lower <= tick < tick_upper:
            self.liquidity = add_delta(self.liquidity, liquidity_delta)
        lower_x96, upper_x96 = get_sqrt_ratio_at_tick(tick_lower), get_sqrt_ratio_at_tick(tick_upper)
        return get_amounts_for_liquidity_delta(self.sqrt_price_x96, lower_x96, upper_x96, liquidity_delta)

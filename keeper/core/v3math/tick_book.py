"""The ticks of a pool, mutable: liquidity, fee growth outside, bitmap. Ref: ``Tick.sol``, ``TickBitmap.sol``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.reverts import TickLiquidityError
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_bitmap import flip_tick, next_initialized_tick_within_one_word, words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_TICK, MAX_UINT256, MIN_TICK, SqrtPriceX96, Tick


class TickBook:
    """Initialised ticks in columns, one dictionary a field: a swap reads nets and words by the million and the rest rarely.

    Raises:
        RevertError: a tick does not lie on the spacing.
    """

    __slots__ = ("gross", "net", "outside0_x128", "outside1_x128", "tick_spacing", "words")

    def __init__(self, ticks: Mapping[int, TickInfo], tick_spacing: int) -> None:
        self.tick_spacing = tick_spacing
        self.words = words_of(ticks, tick_spacing)
        self.gross = {tick: info.liquidity_gross for tick, info in ticks.items()}
        self.net = {tick: info.liquidity_net for tick, info in ticks.items()}
        self.outside0_x128 = {tick: info.fee_growth_outside0_x128 for tick, info in ticks.items()}
        self.outside1_x128 = {tick: info.fee_growth_outside1_x128 for tick, info in ticks.items()}

    def copy(self) -> Self:
        """The same ticks again, independent of these."""
        twin = type(self)({}, self.tick_spacing)
        twin.words = self.words.copy()
        twin.gross, twin.net = self.gross.copy(), self.net.copy()
        twin.outside0_x128, twin.outside1_x128 = self.outside0_x128.copy(), self.outside1_x128.copy()
        return twin

    def info(self, tick: int) -> TickInfo:
        """State of a tick, zeros if it is not initialised."""
        if tick not in self.gross:
            return TickInfo()
        return TickInfo(
            liquidity_gross=self.gross[tick],
            liquidity_net=self.net[tick],
            fee_growth_outside0_x128=self.outside0_x128[tick],
            fee_growth_outside1_x128=self.outside1_x128[tick],
        )

    def stops(self, tick: int) -> tuple[SqrtPriceX96, SqrtPriceX96]:
        """The nearest sqrt prices, at or below ``tick`` and above it, at which a swap would stop and look at the ticks.

        Strictly between the two the answer is the same wherever it is asked, so that it may be kept until a swap comes to one
        of them, or a tick comes or goes. In the last interval of a word that takes narrower bounds than the bitmap's own: from
        there an upward search looks into the next word already, and a downward search from that word would not look back.

        Ref: ``TickBitmap.sol`` nextInitializedTickWithinOneWord.
        """
        below, _ = next_initialized_tick_within_one_word(self.words, tick, self.tick_spacing, lte=True)
        above, _ = next_initialized_tick_within_one_word(self.words, tick, self.tick_spacing, lte=False)
        interval, offset = divmod(tick, self.tick_spacing)
        if interval & 0xFF == 0xFF:
            below = Tick(tick - offset)
            above = Tick(below + self.tick_spacing)
        return get_sqrt_ratio_at_tick(max(below, MIN_TICK)), get_sqrt_ratio_at_tick(min(above, MAX_TICK))

    def gross_after(self, tick: int, liquidity_delta: int, max_liquidity: int) -> int:
        """Gross liquidity of a tick after a change, exact.

        Raises:
            LiquidityUnderflowError: the tick does not hold what is taken.
            TickLiquidityError: it would hold more than ``max_liquidity``.

        Ref: ``Tick.sol`` update, its first half.
        """
        gross = add_delta(self.gross.get(tick, 0), liquidity_delta)
        if gross > max_liquidity:
            raise TickLiquidityError(f"tick {tick} would hold {gross}, at most {max_liquidity}")
        return gross

    def write(self, tick: int, gross: int, net_delta: int, growths_below_x128: tuple[int, int]) -> None:
        """Store a tick's new liquidity; a tick without any before is set in the bitmap and given its fee growth outside.

        Args:
            tick: on the spacing.
            gross: from ``gross_after``.
            net_delta: change of what enters when the price rises past the tick.
            growths_below_x128: global fee growth of token0 and token1 if the pool's tick is at or above this one, else zeros:
                all growth before a tick's first liquidity counts as having happened below it.

        Ref: ``Tick.sol`` update, its second half.
        """
        if tick not in self.gross:
            flip_tick(self.words, tick, self.tick_spacing)
            self.outside0_x128[tick], self.outside1_x128[tick] = growths_below_x128
            self.net[tick] = 0
        self.gross[tick] = gross
        self.net[tick] += net_delta

    def clear_if_empty(self, tick: int) -> None:
        """Forget a tick if it holds no liquidity any more.

        Ref: ``Tick.sol`` clear, ``TickBitmap.sol`` flipTick.
        """
        if self.gross[tick]:
            return
        flip_tick(self.words, tick, self.tick_spacing)
        for column in (self.gross, self.net, self.outside0_x128, self.outside1_x128):
            del column[tick]

    def cross(self, crossed: list[tuple[Tick, int]], other_growth_x128: int, *, zero_for_one: bool) -> None:
        """Turn the fee growth outside of crossed ticks over.

        Args:
            crossed: ticks, each with the global fee growth of the input token when it was crossed.
            other_growth_x128: global fee growth of the output token.
            zero_for_one: the input token is token0.

        Ref: ``Tick.sol`` cross.
        """
        inputs, others = self.outside0_x128, self.outside1_x128
        if not zero_for_one:
            inputs, others = others, inputs
        for tick, growth_x128 in crossed:
            inputs[tick] = (growth_x128 - inputs[tick]) & MAX_UINT256
            others[tick] = (other_growth_x128 - others[tick]) & MAX_UINT256

    def fee_growth_inside(
        self, tick_lower: int, tick_upper: int, *, tick_current: int, global0_x128: int, global1_x128: int
    ) -> tuple[int, int]:
        """Fee growth of token0 and token1 inside a range, in units of 2**-128, modulo 2**256.

        Both tokens ask the same two questions of the ticks; see ``fee_growth.get_fee_growth_inside``, which is for one of them.

        Ref: ``Tick.sol`` getFeeGrowthInside.
        """
        below0_x128, below1_x128 = self.outside0_x128.get(tick_lower, 0), self.outside1_x128.get(tick_lower, 0)
        above0_x128, above1_x128 = self.outside0_x128.get(tick_upper, 0), self.outside1_x128.get(tick_upper, 0)
        if tick_current < tick_lower:
            below0_x128, below1_x128 = global0_x128 - below0_x128, global1_x128 - below1_x128
        if tick_current >= tick_upper:
            above0_x128, above1_x128 = global0_x128 - above0_x128, global1_x128 - above1_x128
        inside0_x128, inside1_x128 = global0_x128 - below0_x128 - above0_x128, global1_x128 - below1_x128 - above1_x128
        return inside0_x128 & MAX_UINT256, inside1_x128 & MAX_UINT256

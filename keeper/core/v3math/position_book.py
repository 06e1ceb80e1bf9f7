"""The positions of a pool, mutable: liquidity, and what each is owed. Ref: ``Position.sol``."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.core.v3math.fee_growth import fees_owed
from keeper.core.v3math.liquidity_math import add_delta
from keeper.core.v3math.pool_snapshot import PositionInfo, PositionKey
from keeper.core.v3math.reverts import EmptyPositionError
from keeper.core.v3math.units import MAX_UINT128

_NEVER = PositionInfo()


class PositionBook:
    """Positions by key; one that never was holds zeros."""

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[PositionKey, PositionInfo]) -> None:
        self._held = dict(held)

    def copy(self) -> dict[PositionKey, PositionInfo]:
        """Every position that ever was."""
        return dict(self._held)

    def info(self, key: PositionKey) -> PositionInfo:
        """State of a position, zeros if it never was."""
        return self._held.get(key, _NEVER)

    def liquidity_after(self, key: PositionKey, liquidity_delta: int) -> int:
        """Liquidity of a position after a change, exact.

        Raises:
            EmptyPositionError: no change to a position that holds nothing.
            LiquidityUnderflowError: it does not hold what is taken.
            LiquidityOverflowError: it would leave 128 bits.

        Ref: ``Position.sol`` update, its first half.
        """
        held = self.info(key).liquidity
        if liquidity_delta == 0 and held == 0:
            raise EmptyPositionError(f"{key} holds no liquidity")
        return add_delta(held, liquidity_delta)

    def settle(self, key: PositionKey, liquidity: int, inside0_x128: int, inside1_x128: int) -> None:
        """Store a position's new liquidity, and owe it what the old one earned.

        Args:
            key: of the position.
            liquidity: from ``liquidity_after``.
            inside0_x128: fee growth of token0 inside the range now.
            inside1_x128: likewise of token1.

        Ref: ``Position.sol`` update, its second half.
        """
        held = self.info(key)
        last0_x128, last1_x128 = held.fee_growth_inside0_last_x128, held.fee_growth_inside1_last_x128
        owed0 = fees_owed(liquidity=held.liquidity, inside_x128=inside0_x128, inside_last_x128=last0_x128)
        owed1 = fees_owed(liquidity=held.liquidity, inside_x128=inside1_x128, inside_last_x128=last1_x128)
        self._held[key] = PositionInfo(
            liquidity=liquidity,
            fee_growth_inside0_last_x128=inside0_x128,
            fee_growth_inside1_last_x128=inside1_x128,
            tokens_owed0=(held.tokens_owed0 + owed0) & MAX_UINT128,
            tokens_owed1=(held.tokens_owed1 + owed1) & MAX_UINT128,
        )

    def owe(self, key: PositionKey, amount0: int, amount1: int) -> None:
        """Owe a position raw token0 and token1 more, or less where negative, modulo 2**128.

        Ref: ``UniswapV3Pool.sol`` burn and collect.
        """
        held = self.info(key)
        self._held[key] = PositionInfo(
            liquidity=held.liquidity,
            fee_growth_inside0_last_x128=held.fee_growth_inside0_last_x128,
            fee_growth_inside1_last_x128=held.fee_growth_inside1_last_x128,
            tokens_owed0=(held.tokens_owed0 + amount0) & MAX_UINT128,
            tokens_owed1=(held.tokens_owed1 + amount1) & MAX_UINT128,
        )

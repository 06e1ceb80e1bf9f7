"""Our positions as the position manager keeps them, to the wei. Ref: ``NonfungiblePositionManager.sol``."""

from __future__ import annotations

from typing import NamedTuple

from keeper.core.model.errors import Refused
from keeper.core.model.ladder import Position, TickRange
from keeper.core.v3math.fee_growth import fees_owed
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amounts,
)
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_UINT128
from keeper.simulation.sim_pool import OURS, SimPool


class Held(NamedTuple):
    """One token of the manager."""

    pool: str
    range: TickRange
    liquidity: int
    inside0_last_x128: int
    inside1_last_x128: int
    owed0: int
    owed1: int


class PositionManager:
    """All positions of the account, over the pools that carry them.

    Every method completes or raises ``Refused`` having changed nothing of its own; the pools are put back by the caller.
    """

    def __init__(self, pools: dict[str, SimPool]) -> None:
        self._pools = pools
        self.held: dict[int, Held] = {}
        self._next_id = 1

    def mint(self, pool: str, place: TickRange, desired: tuple[int, int], least: tuple[int, int]) -> tuple[int, int, int]:
        """Open a position with at most ``desired``; its token, and what it took, raw units rounded **up**.

        Raises:
            Refused: it would take less than ``least`` of a token, or buy no liquidity.
        """
        token_id = self._next_id
        empty = Held(pool=pool, range=place, liquidity=0, inside0_last_x128=0, inside1_last_x128=0, owed0=0, owed1=0)
        grown, amount0, amount1 = self._added(empty, desired, least)
        self.held[token_id] = grown
        self._next_id += 1
        return token_id, amount0, amount1

    def increase(self, token_id: int, desired: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
        """Add to a position, as :meth:`mint`."""
        grown, amount0, amount1 = self._added(self._known(token_id), desired, least)
        self.held[token_id] = grown
        return amount0, amount1

    def decrease(self, token_id: int, liquidity: int, least: tuple[int, int]) -> tuple[int, int]:
        """Take liquidity out; the principal, rounded **down**, waits to be collected.

        Raises:
            Refused: the position holds less, or would give less than ``least`` of a token.
        """
        held = self._known(token_id)
        if not 0 < liquidity <= held.liquidity:
            raise Refused(f"position {token_id} holds {held.liquidity}, {liquidity} were to be taken out")
        pool = self._pools[held.pool]
        in0, in1 = pool.change(OURS, held.range.lower, held.range.upper, -liquidity)
        if -in0 < least[0] or -in1 < least[1]:
            raise Refused(f"Price slippage check: {-in0}, {-in1} came out, at least {least[0]}, {least[1]} were wanted")
        settled = self._touched(held)
        self.held[token_id] = settled._replace(
            liquidity=held.liquidity - liquidity, owed0=settled.owed0 - in0, owed1=settled.owed1 - in1
        )
        return -in0, -in1

    def collect(self, token_id: int) -> tuple[int, int]:
        """Pay out everything that a position is owed.

        Raises:
            Refused: there is no such position.
        """
        held = self._known(token_id)
        place = held.range.lower, held.range.upper
        pool = self._pools[held.pool]
        if held.liquidity:
            pool.change(OURS, *place, 0)
            held = self._touched(held)
        paid0, paid1 = pool.pool.collect(OURS, *place, min(held.owed0, MAX_UINT128), min(held.owed1, MAX_UINT128))
        pool.balance0 -= paid0
        pool.balance1 -= paid1
        # as there, what was owed counts as paid even where the pool's own rounding pays a unit less
        self.held[token_id] = held._replace(owed0=0, owed1=0)
        return paid0, paid1

    def burn(self, token_id: int) -> None:
        """Destroy an empty position.

        Raises:
            Refused: it is not empty.
        """
        held = self._known(token_id)
        if held.liquidity or held.owed0 or held.owed1:
            raise Refused(f"position {token_id} is not cleared")
        del self.held[token_id]

    def positions(self) -> tuple[Position, ...]:
        """Every position that holds or is owed anything, as a full withdrawal would find it now."""
        return tuple(
            self._position(token_id, held) for token_id, held in self.held.items() if held.liquidity or held.owed0 or held.owed1
        )

    def _position(self, token_id: int, held: Held) -> Position:
        pool = self._pools[held.pool].pool
        lower, upper = held.range.lower, held.range.upper
        amount0, amount1 = get_amounts_for_liquidity(
            pool.sqrt_price_x96, get_sqrt_ratio_at_tick(lower), get_sqrt_ratio_at_tick(upper), held.liquidity
        )
        inside0, inside1 = pool.fee_growth_inside(lower, upper)
        grown0 = fees_owed(liquidity=held.liquidity, inside_x128=inside0, inside_last_x128=held.inside0_last_x128)
        grown1 = fees_owed(liquidity=held.liquidity, inside_x128=inside1, inside_last_x128=held.inside1_last_x128)
        return Position(
            token_id=token_id,
            pool=held.pool,
            range=held.range,
            liquidity=held.liquidity,
            amount0=amount0,
            amount1=amount1,
            fees0=held.owed0 + grown0,
            fees1=held.owed1 + grown1,
        )

    def _touched(self, held: Held) -> Held:
        """With the fees as of the change that was just made in the pool, from the pool's own entry: its ticks may be gone."""
        entry = self._pools[held.pool].pool.position(OURS, held.range.lower, held.range.upper)
        return _grown(held, entry.fee_growth_inside0_last_x128, entry.fee_growth_inside1_last_x128)

    def _added(self, held: Held, desired: tuple[int, int], least: tuple[int, int]) -> tuple[Held, int, int]:
        pool = self._pools[held.pool]
        lower, upper = get_sqrt_ratio_at_tick(held.range.lower), get_sqrt_ratio_at_tick(held.range.upper)
        price_x96 = pool.pool.sqrt_price_x96
        liquidity = max_liquidity_for_amounts(price_x96, lower, upper, *desired)
        if not liquidity:
            raise Refused(f"{desired[0]} and {desired[1]} buy no liquidity in [{held.range.lower}, {held.range.upper})")
        takes = get_amounts_for_liquidity_delta(price_x96, lower, upper, liquidity)
        if takes[0] < least[0] or takes[1] < least[1]:
            raise Refused(
                f"Price slippage check: {takes[0]}, {takes[1]} would go in, at least {least[0]}, {least[1]} were wanted"
            )
        amount0, amount1 = pool.change(OURS, held.range.lower, held.range.upper, liquidity)
        return self._touched(held)._replace(liquidity=held.liquidity + liquidity), amount0, amount1

    def _known(self, token_id: int) -> Held:
        held = self.held.get(token_id)
        if held is None:
            raise Refused(f"there is no position {token_id}")
        return held


def _grown(held: Held, inside0_x128: int, inside1_x128: int) -> Held:
    """With what its liquidity earned since it was last settled, rounded **down**."""
    grown0 = fees_owed(liquidity=held.liquidity, inside_x128=inside0_x128, inside_last_x128=held.inside0_last_x128)
    grown1 = fees_owed(liquidity=held.liquidity, inside_x128=inside1_x128, inside_last_x128=held.inside1_last_x128)
    return held._replace(
        inside0_last_x128=inside0_x128,
        inside1_last_x128=inside1_x128,
        owed0=held.owed0 + grown0,
        owed1=held.owed1 + grown1,
    )

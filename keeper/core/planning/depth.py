"""A pool as our swap finds it: without the liquidity that was withdrawn before."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter

from keeper.core.model.ladder import TickRange
from keeper.core.model.plan import Decrease, Step
from keeper.core.model.pool import PoolView, TickNet
from keeper.core.model.view import MarketView
from keeper.core.planning.bounds import Interval
from keeper.core.planning.funds import held_position
from keeper.core.planning.price import root_of
from keeper.core.planning.ratio import Depth
from keeper.core.v3math.pool_swap import SwapResult, SwapState, TickMap, swap
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import FEE_PIPS_ONE

_TICK = attrgetter("tick")


def pools_without(view: MarketView, steps: Iterable[Step]) -> dict[str, PoolView]:
    """The view's pools by address, as they stand after the decreases among ``steps``."""
    pools = {pool.state.key.address: pool for pool in view.pools}
    taken: dict[str, list[tuple[TickRange, int]]] = {}
    for step in steps:
        if isinstance(step, Decrease):
            position = held_position(view, step.token_id)
            taken.setdefault(position.pool, []).append((position.range, step.liquidity))
    return pools | {address: _without(pools[address], parts) for address, parts in taken.items()}


def swap_in(pool: PoolView, *, zero_for_one: bool, amount_specified: int, sqrt_price_limit_x96: int) -> SwapResult:
    """The exact swap in a pool; true only as far as its tick map reaches.

    Args, raises: as ``pool_swap.swap``. Of the ticks only those between price and limit are looked at, whose bits are soon set.
    """
    state = pool.state
    stands = bisect_right(pool.ticks, state.tick, key=_TICK)
    if zero_for_one:
        passed = pool.ticks[bisect_left(pool.ticks, sqrt_price_limit_x96, key=_sqrt_ratio) : stands]
    else:
        passed = pool.ticks[stands : bisect_right(pool.ticks, sqrt_price_limit_x96, key=_sqrt_ratio)]
    before = SwapState(
        sqrt_price_x96=state.sqrt_price_x96,
        tick=state.tick,
        liquidity=state.liquidity,
        fee_pips=state.key.fee_pips,
        ticks=TickMap.of({net.tick: net.liquidity_net for net in passed}, state.key.tick_spacing),
        fee_protocol=state.fee_protocol,
    )
    return swap(before, zero_for_one=zero_for_one, amount_specified=amount_specified, sqrt_price_limit_x96=sqrt_price_limit_x96)


def reach_x96(pool: PoolView, interval: Interval) -> tuple[int, int]:
    """Lowest and highest square-root price that a swap may end at: the protected interval, cut to the known map."""
    return (
        max(interval.lower_x96, get_sqrt_ratio_at_tick(pool.map_lower)),
        min(interval.upper_x96, get_sqrt_ratio_at_tick(pool.map_upper)),
    )


def depth(pool: PoolView, interval: Interval) -> Depth:
    """The pool for the closed form."""
    lowest, highest = reach_x96(pool, interval)
    state = pool.state
    liquidity = state.liquidity
    above = bisect_right(pool.ticks, state.tick, key=_TICK)
    if above < len(pool.ticks) and _sqrt_ratio(pool.ticks[above]) == state.sqrt_price_x96:
        # Just crossed downward; an upward swap crosses it back before it trades anything.
        liquidity += pool.ticks[above].liquidity_net
    first, last = bisect_left(pool.ticks, lowest, key=_sqrt_ratio), bisect_right(pool.ticks, highest, key=_sqrt_ratio)
    return Depth(
        sqrt_price=root_of(state.sqrt_price_x96),
        liquidity=Decimal(liquidity),
        ticks=tuple([(root_of(_sqrt_ratio(net)), Decimal(net.liquidity_net)) for net in pool.ticks[first:last]]),
        fee=Decimal(state.key.fee_pips) / FEE_PIPS_ONE,
        lowest=root_of(lowest),
        highest=root_of(highest),
    )


def _without(pool: PoolView, parts: Iterable[tuple[TickRange, int]]) -> PoolView:
    ticks, active = list(pool.ticks), pool.state.liquidity
    for place, liquidity in parts:
        for tick, change in ((place.lower, -liquidity), (place.upper, liquidity)):
            if pool.map_lower <= tick < pool.map_upper:
                _change_net(ticks, tick, change)
        if place.contains(pool.state.tick):
            active -= liquidity
    return replace(pool, state=replace(pool.state, liquidity=active), ticks=tuple(ticks))


def _change_net(ticks: list[TickNet], tick: int, change: int) -> None:
    """Change the net of one tick in an ascending list, in place; without a net it is not in it."""
    place = bisect_left(ticks, tick, key=_TICK)
    there = place < len(ticks) and ticks[place].tick == tick
    net = change + ticks[place].liquidity_net if there else change
    ticks[place : place + there] = [TickNet(tick=tick, liquidity_net=net)] if net else []


def _sqrt_ratio(net: TickNet) -> int:
    return get_sqrt_ratio_at_tick(net.tick)

"""A pool as our swap finds it: without the liquidity that was withdrawn before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from keeper.core.model.ladder import TickRange
from keeper.core.model.plan import Decrease, Step
from keeper.core.model.pool import PoolView, TickNet
from keeper.core.model.view import MarketView
from keeper.core.planning.bounds import Interval
from keeper.core.planning.funds import held_position
from keeper.core.planning.price import root_of
from keeper.core.planning.ratio import Depth
from keeper.core.v3math.pool_swap import SwapState, TickMap
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import FEE_PIPS_ONE


def pools_without(view: MarketView, steps: Iterable[Step]) -> dict[str, PoolView]:
    """The view's pools by address, as they stand after the decreases among ``steps``."""
    pools = {pool.state.key.address: pool for pool in view.pools}
    taken: dict[str, list[tuple[TickRange, int]]] = {}
    for step in steps:
        if isinstance(step, Decrease):
            position = held_position(view, step.token_id)
            taken.setdefault(position.pool, []).append((position.range, step.liquidity))
    return pools | {address: _without(pools[address], parts) for address, parts in taken.items()}


def swap_state(pool: PoolView) -> SwapState:
    """The pool for the exact swap; true only as far as its tick map reaches."""
    return SwapState(
        sqrt_price_x96=pool.state.sqrt_price_x96,
        tick=pool.state.tick,
        liquidity=pool.state.liquidity,
        fee_pips=pool.state.key.fee_pips,
        ticks=TickMap.of({net.tick: net.liquidity_net for net in pool.ticks}, pool.state.key.tick_spacing),
        fee_protocol=pool.state.fee_protocol,
    )


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
    ticks = []
    for net in pool.ticks:
        root_x96 = get_sqrt_ratio_at_tick(net.tick)
        if root_x96 == state.sqrt_price_x96 and net.tick > state.tick:
            # Just crossed downward; an upward swap crosses it back before it trades anything.
            liquidity += net.liquidity_net
        if lowest <= root_x96 <= highest:
            ticks.append((root_of(root_x96), Decimal(net.liquidity_net)))
    return Depth(
        sqrt_price=root_of(state.sqrt_price_x96),
        liquidity=Decimal(liquidity),
        ticks=tuple(ticks),
        fee=Decimal(state.key.fee_pips) / FEE_PIPS_ONE,
        lowest=root_of(lowest),
        highest=root_of(highest),
    )


def _without(pool: PoolView, parts: Iterable[tuple[TickRange, int]]) -> PoolView:
    nets, active = {net.tick: net.liquidity_net for net in pool.ticks}, pool.state.liquidity
    ends: set[int] = set()
    for place, liquidity in parts:
        ends |= {place.lower, place.upper}
        for tick, change in ((place.lower, -liquidity), (place.upper, liquidity)):
            if pool.map_lower <= tick < pool.map_upper:
                nets[tick] = nets.get(tick, 0) + change
        if place.contains(pool.state.tick):
            active -= liquidity
    return replace(
        pool,
        state=replace(pool.state, liquidity=active),
        ticks=tuple([TickNet(tick=tick, liquidity_net=net) for tick, net in sorted(nets.items()) if net or tick not in ends]),
    )

"""Markets, ladders and decisions to plan for: both orders of the tokens, 6, 8 and 18 decimals, one pool and two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.decision import CloseLayer, Decision, Move, OpenLayer, ShiftLayer
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Position, TickRange
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolKey, PoolView, TickNet
from keeper.core.model.token import Token, TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.strategy.valuation import worth
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
)
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.builders import (
    TICK,
    USDC,
    USDC_WETH_500,
    USDC_WETH_3000,
    USDT,
    WETH,
    WETH_USDT_500,
    decision,
    execution_policy,
    policy,
    pool_state,
    target_layer,
    view,
    wallet,
)

WBTC = Token(address="0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599", symbol="WBTC", decimals=8)


def pool_key(name: str, token0: Token, token1: Token, fee_pips: int, tick_spacing: int) -> PoolKey:
    return PoolKey(address=name, token0=token0, token1=token1, fee_pips=fee_pips, tick_spacing=tick_spacing)


@dataclass(frozen=True)
class Pair:
    """A pair near its market price, with about 500 million dollars of virtual reserves in its first pool."""

    base: Token
    quote: Token
    wrapped: Token | None
    keys: tuple[PoolKey, ...]
    tick: int
    liquidity: int
    base_value: float
    """In tokens of the quote."""


PAIRS = (
    Pair(USDC_WETH_500.token1, USDC, WETH, (USDC_WETH_500, USDC_WETH_3000), TICK, 8 * 10**18, 4_000.0),
    Pair(WETH, USDT, WETH, (WETH_USDT_500,), -TICK, 8 * 10**18, 4_000.0),
    Pair(WBTC, USDC, None, (pool_key("0xWbtcUsdc", WBTC, USDC, 3_000, 60),), 69_100, 2 * 10**13, 100_000.0),
    Pair(WBTC, WETH, WETH, (pool_key("0xWbtcWeth", WBTC, WETH, 500, 10),), 262_200, 12 * 10**14, 24.4),
)


def nested_pool(key: PoolKey, centre: int, tick: int, liquidity: int, positions: Sequence[Position]) -> PoolView:
    """Others' liquidity in ten nested ranges, and ours."""
    nets: dict[int, int] = {}
    spacing = key.tick_spacing
    middle = centre // spacing * spacing
    bands = [TickRange(lower=middle - reach * spacing, upper=middle + reach * spacing) for reach in range(2, 162, 16)]
    ours = [(held.range, held.liquidity) for held in positions if held.pool == key.address]
    for held, amount in [*((band, liquidity // 10) for band in bands), *ours]:
        nets[held.lower] = nets.get(held.lower, 0) + amount
        nets[held.upper] = nets.get(held.upper, 0) - amount
    return PoolView(
        state=pool_state(tick, key=key, liquidity=sum(net for at, net in nets.items() if at <= tick)),
        ticks=tuple(TickNet(tick=at, liquidity_net=net) for at, net in sorted(nets.items()) if net),
        map_lower=middle - 300 * spacing,
        map_upper=middle + 300 * spacing,
        twap_tick=centre,
        twap_window_s=1_800,
    )


@dataclass(frozen=True)
class World:
    view: MarketView
    policy: Policy
    decision: Decision
    pair: Pair

    def moved(self) -> set[int]:
        return {token for move in self.decision.moves for token in getattr(move, "token_ids", ())}


KINDS = tuple(LayerKind)


def ranges_of(draw: st.DrawFn, key: PoolKey, tick: int, kind: LayerKind) -> tuple[tuple[int, int], ...]:
    """A band around, or two wings away from, the price; sometimes off to a side."""
    spacing = key.tick_spacing
    middle = (tick + draw(st.integers(-400, 400))) // spacing * spacing
    inner = draw(st.integers(3, 60)) * spacing
    if kind is LayerKind.INSURANCE:
        outer = inner + draw(st.integers(1, 60)) * spacing
        return (middle - outer, middle - inner), (middle + inner, middle + outer)
    return ((middle - inner, middle + inner),)


def held_layer(draw: st.DrawFn, pair: Pair, kind: LayerKind, tick: int, first_id: int) -> Layer:
    key = draw(st.sampled_from(pair.keys))
    liquidity = draw(st.integers(pair.liquidity // 10**6, pair.liquidity // 500))
    root = get_sqrt_ratio_at_tick(tick)
    positions = []
    for offset, (lower, upper) in enumerate(ranges_of(draw, key, pair.tick, kind)):
        amounts = get_amounts_for_liquidity(root, get_sqrt_ratio_at_tick(lower), get_sqrt_ratio_at_tick(upper), liquidity)
        fees = (amount // draw(st.integers(50, 10_000)) for amount in amounts)
        positions.append(
            Position(
                token_id=first_id + offset,
                pool=key.address,
                range=TickRange(lower=lower, upper=upper),
                liquidity=liquidity,
                amount0=amounts[0],
                amount1=amounts[1],
                fees0=next(fees),
                fees1=next(fees),
            )
        )
    return Layer(kind=kind, positions=tuple(positions))


def money(draw: st.DrawFn, token: Token) -> int:
    dollars = draw(st.one_of(st.integers(50_000, 2_000_000), st.integers(0, 50_000)))
    price = {"USDC": 1.0, "USDT": 1.0, "WETH": 4_000.0, "WBTC": 100_000.0}[token.symbol]
    return int(dollars / price * 10**token.decimals)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    pair = draw(st.sampled_from(PAIRS))
    tick = pair.tick + draw(st.integers(-100, 100))
    held = [held_layer(draw, pair, kind, tick, 100 * i) for i, kind in enumerate(KINDS, start=1) if draw(st.booleans())]
    ladder = Ladder(layers=tuple(held))
    native = money(draw, WETH)
    raw = {token.address: money(draw, token) for token in (pair.base, pair.quote)}
    market = view(
        held=ladder,
        pools=tuple(nested_pool(key, pair.tick, tick, pair.liquidity, ladder.positions) for key in pair.keys),
        wallet=wallet(
            native_wei=native, balances=tuple(TokenAmount(token=t, raw=raw[t.address]) for t in (pair.base, pair.quote))
        ),
    )
    rules = policy(
        base=pair.base,
        quote=pair.quote,
        wrapped_native=pair.wrapped,
        pools=pair.keys,
        signal_pool=pair.keys[0].address,
        execution=execution_policy(
            swap_pools=tuple(key.address for key in pair.keys),
            unplaced_tolerance=draw(st.sampled_from([0.0, 0.001, 0.02, 0.2])),
        ),
    )
    moves = draw(changes(pair, ladder, tick))
    return World(market, rules, decision(moves=moves, volatility=draw(st.sampled_from([None, 0.2, 0.6, 1.5]))), pair)


@st.composite
def changes(draw: st.DrawFn, pair: Pair, ladder: Ladder, tick: int) -> tuple[Move, ...]:
    moves: list[Move] = []
    for kind, weight in zip(KINDS, draw(st.sampled_from([(0.5, 0.3, 0.15), (0.1, 0.1, 0.8), (0.6, 0.3, 0.1)])), strict=True):
        held = ladder.layer(kind)
        key = draw(st.sampled_from(pair.keys))
        target = target_layer(kind, ranges_of(draw, key, tick, kind), weight=weight, pool=key)
        ids = tuple(position.token_id for position in held.positions) if held is not None else ()
        choice = draw(st.sampled_from(["leave", "place", "place", "close"]))
        if choice == "place":
            moves.append(OpenLayer(target=target) if held is None else ShiftLayer(target=target, token_ids=ids))
        elif choice == "close" and held is not None:
            moves.append(CloseLayer(layer=kind, token_ids=ids))
    return tuple(moves)


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_a_world_agrees_with_itself(world: World) -> None:
    for pool in world.view.pools:
        assert pool.state.liquidity == sum(net.liquidity_net for net in pool.ticks if net.tick <= pool.state.tick)
        assert sum(net.liquidity_net for net in pool.ticks) == 0
    assert world.moved() <= {held.token_id for held in world.view.ladder.positions}
    price = worth(world.view, world.policy).price
    assert price == pytest.approx(world.pair.base_value, rel=0.05)

"""What must hold of every decision, whatever the market does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.core.model.decision import CloseLayer, CompoundLayer, OpenLayer, ShiftLayer
from keeper.core.model.ladder import Layer, LayerKind, Regime
from keeper.core.model.policy import CalendarPolicy, Shape, SignalWeight, StressPolicy
from keeper.core.model.view import Quality
from keeper.core.signals import names
from keeper.core.signals.risk import RISKS
from keeper.core.strategy import advance, decide
from keeper.core.strategy.caution import caution, cautious_weights
from keeper.core.strategy.targets import extent, target_ladder
from tests.builders import (
    NOW_S,
    TICK,
    USDC_WETH_500,
    USDC_WETH_3000,
    gas,
    ladder,
    ladder_policy,
    memory,
    policy,
    pool_view,
    readings,
    view,
)

SCORED = StressPolicy(weights=(SignalWeight(name=names.RSI, weight=1.0),))
volatilities = st.floats(0.0, 5.0)
ticks = st.integers(TICK - 20_000, TICK + 20_000)
regimes = st.sampled_from(list(Regime))


def known(value=0.6, quality=Quality.GOOD, implied=0.6, **more):
    missing = quality is Quality.MISSING
    return readings(None if missing else value, quality=quality, implied=implied, **more)


# ---- targets


@settings(deadline=None)
@given(ticks, volatilities, regimes, st.booleans())
def test_targets_lie_on_spacing_nested_and_around_the_price(tick, volatility, regime, mixed):
    rules = two_pools() if mixed else policy()
    market = two_pool_view(tick) if mixed else view(tick)
    target = target_ladder(market, rules, regime, volatility)
    inner = None
    for layer in target.layers:
        key = rules.pool(layer.bands[0].pool)
        weights = rules.ladder.weights_in(regime)
        assert layer.weight == weights.weight(layer.kind) > 0
        assert sum(band.share for band in layer.bands) == pytest.approx(1.0)
        for band in layer.bands:
            assert band.range.lower % key.tick_spacing == band.range.upper % key.tick_spacing == 0
            assert band.range.upper - band.range.lower >= 2 * key.tick_spacing
        if rules.ladder.layer(layer.kind).shape is Shape.BAND:
            assert abs(layer.bands[0].range.centre - tick) <= key.tick_spacing // 2 + 1
            if inner is not None:
                assert layer.bands[0].range.lower <= inner.lower < inner.upper <= layer.bands[0].range.upper
        else:
            lower, upper = (band.range for band in layer.bands)
            assert lower.upper <= tick < upper.lower
            if inner is not None:
                assert lower.upper <= inner.lower < inner.upper <= upper.lower
        inner = extent(band.range for band in layer.bands)


@settings(deadline=None)
@given(ticks, volatilities, volatilities)
def test_more_volatility_never_makes_a_layer_narrower(tick, one, other):
    low, high = sorted((one, other))
    narrow, wide = (target_ladder(view(tick), policy(), Regime.NORMAL, sigma) for sigma in (low, high))
    for before, after in zip(narrow.layers, wide.layers, strict=True):
        assert extent(b.range for b in before.bands).half_width <= extent(b.range for b in after.bands).half_width


def two_pools():
    rules = ladder_policy()
    far = replace(rules.layers[2], pool=USDC_WETH_3000.address)
    return policy(pools=(USDC_WETH_500, USDC_WETH_3000), ladder=replace(rules, layers=(*rules.layers[:2], far)))


def two_pool_view(tick):
    return view(tick, pools=(pool_view(tick, centre=tick, twap_tick=tick), pool_view(tick, key=USDC_WETH_3000, twap_tick=tick)))


# ---- decisions

ATTENTIVE = policy(stress=replace(SCORED, width_gain=0.25, insurance_gain=0.1))
"""Everything that the score can do, with the gains that are shipped."""


@st.composite
def situations(draw, *, gates_open=False):
    """A market somewhere around a held ladder, with any memory, data and gas; or with every gate but that of cost open."""
    offset = draw(st.integers(-3_000, 3_000))
    held = ladder(TICK + offset, centre=TICK)
    kept = draw(st.sets(st.sampled_from(list(LayerKind))))
    held = replace(held, layers=tuple(layer for layer in held.layers if layer.kind in kept))
    ago = draw(st.integers(0, 100_000))
    remembered = memory(regime=draw(regimes), regime_since_s=NOW_S - draw(st.integers(0, 200_000)))
    layers = tuple(
        replace(
            layer,
            placed_at_s=NOW_S - draw(st.integers(3_600 if gates_open else 0, 100_000)),
            outside_since_s=draw(st.sampled_from([None, NOW_S - ago])),
            drifted_since_s=draw(st.sampled_from([None, NOW_S - ago])),
        )
        for layer in remembered.layers
    )
    shifts = tuple(NOW_S - draw(st.integers(0, 100_000)) for _ in range(draw(st.integers(0, 3 if gates_open else 7))))
    twap = draw(st.integers(-100, 100) if gates_open else st.one_of(st.none(), st.integers(-300, 300)))
    seen = view(
        TICK + offset,
        held=held,
        remembered=replace(remembered, layers=layers, shifts_s=shifts),
        twap_tick=None if twap is None else TICK + offset + twap,
        gas=gas(base_fee_wei=draw(st.sampled_from([10**8, 10**9] if gates_open else [10**8, 10**9, 10**11]))),
    )
    quality = Quality.GOOD
    if not gates_open:
        quality = draw(st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.SHORT, Quality.MISSING]))
    return seen, known(
        draw(st.floats(0.1, 3.0)),
        quality,
        draw(st.floats(0.1, 2.0)),
        score=draw(st.none() | st.floats(-0.905, 0.905)),
        event=draw(st.none() | st.floats(1.0, 2.0)),
    )


@settings(deadline=None)
@given(situations())
def test_every_decision_explains_itself_in_finite_numbers_and_is_repeatable(situation):
    seen, told = situation
    made = decide(seen, told, ATTENTIVE)
    assert made == decide(seen, told, ATTENTIVE)
    assert made.reasons
    assert all(abs(x) < 1e30 for r in (*made.reasons, *made.vetoes) for x in (r.found, r.limit))
    assert all(r.unit for r in (*made.reasons, *made.vetoes))


@settings(deadline=None)
@given(situations(), st.floats(0, 1), st.floats(0, 0.5), st.integers(0, 259_200))
def test_without_weights_and_calendar_nothing_is_as_if_there_were_neither(situation, width, insurance, lead):
    seen, told = situation
    unscored = known(told[0].value, told[0].quality, told[1].value)
    switched_off = tuple(SignalWeight(name=name, weight=0.0) for name in (*RISKS, names.CALENDAR))
    idle = policy(
        stress=replace(SCORED, weights=switched_off, width_gain=width, insurance_gain=insurance),
        calendar=CalendarPolicy(lead_s=lead, width_change=0.05),
    )
    assert decide(seen, unscored, idle) == decide(seen, unscored, policy())


@settings(deadline=None)
@given(situations())
def test_no_layer_moves_without_a_reason_of_its_own_or_twice(situation):
    seen, told = situation
    made = decide(seen, told, ATTENTIVE)
    moved = [layer_of(move) for move in made.moves]
    assert len(set(moved)) == len(moved)
    for kind in moved:
        assert any(reason.layer is kind and reason.trigger != "steady" for reason in made.reasons)
        shut = [veto for veto in made.vetoes if veto.layer in {None, kind}]
        assert all(isinstance(m, CompoundLayer) for m in made.moves if layer_of(m) is kind) or not shut


@settings(deadline=None)
@given(situations())
def test_gates_hold(situation):
    seen, told = situation
    made = decide(seen, told, ATTENTIVE)
    pool = seen.pools[0]
    limits = policy().gates
    if made.moves:
        assert told[0].quality is Quality.GOOD
        assert pool.twap_tick is not None
        assert abs(pool.state.tick - pool.twap_tick) <= limits.twap_limit_ticks
        assert seen.gas.base_fee_wei <= limits.max_base_fee_wei
    shifted = [move for move in made.moves if isinstance(move, ShiftLayer)]
    today = sum(NOW_S - moment < 86_400 for moment in seen.memory.shifts_s)
    assert not shifted or today + len(shifted) <= limits.shifts_per_day
    for move in shifted:
        assert NOW_S - seen.memory.layer(move.target.kind).placed_at_s >= limits.cooldown_s


@settings(deadline=None)
@given(situations())
def test_weights_and_holdings_decide_what_may_move(situation):
    seen, told = situation
    made = decide(seen, told, ATTENTIVE)
    weights = ATTENTIVE.ladder.weights_in(made.regime)
    weights = cautious_weights(ATTENTIVE.ladder, weights, caution(told, ATTENTIVE).insurance)
    for move in made.moves:
        held = seen.ladder.layer(layer_of(move))
        match move:
            case OpenLayer(target=target):
                assert held is None
                assert target.weight == weights.weight(target.kind) > 0
            case ShiftLayer(target=target, token_ids=ids):
                assert ids == tuple(p.token_id for p in held.positions)
                assert target.weight == weights.weight(target.kind) > 0
            case CloseLayer():
                assert weights.weight(move.layer) == 0
                assert held is not None


@settings(deadline=None)
@given(situations(gates_open=True))
def test_after_the_moves_no_layer_is_placed_again_unless_an_inner_one_moves(situation):
    seen, told = situation
    made = decide(seen, told, ATTENTIVE)
    placed = {m.target.kind: m.target for m in made.moves if isinstance(m, OpenLayer | ShiftLayer)}
    assume(placed)
    after = settled(seen, placed, made.regime)
    again = decide(after, told, ATTENTIVE)
    topped = {kind for kind in LayerKind if ("idle", kind) in {(r.trigger, r.layer) for r in again.reasons}}
    moved = {layer_of(m) for m in again.moves if not isinstance(m, CompoundLayer)} - topped
    innermost = min((list(LayerKind).index(kind) for kind in moved), default=len(LayerKind))
    for kind in list(LayerKind)[: innermost + 1]:
        if kind in placed:
            assert kind not in moved
            fired = {reason.trigger for reason in again.reasons if reason.layer is kind}
            assert fired <= {"steady", "fees", "idle"}


def settled(seen, placed, regime):
    """The same market with the decided layers where they were wanted and the clock a cooldown later."""
    template = ladder(seen.pools[0].state.tick)
    layers = []
    for kind in LayerKind:
        if kind in placed:
            like = template.layer(kind).positions
            layers.append(
                Layer(
                    kind=kind,
                    positions=tuple(replace(like[n], range=band.range) for n, band in enumerate(placed[kind].bands)),
                )
            )
        elif (held := seen.ladder.layer(kind)) is not None:
            layers.append(held)
    remembered = replace(
        seen.memory,
        regime=regime,
        regime_since_s=NOW_S - 90_000,
        layers=tuple(
            replace(m, placed_at_s=NOW_S - 80_000, outside_since_s=None, drifted_since_s=None) if m.kind in placed else m
            for m in seen.memory.layers
        ),
        shifts_s=(),
    )
    return replace(seen, ladder=replace(seen.ladder, layers=tuple(layers)), memory=remembered)


def layer_of(move):
    return move.target.kind if isinstance(move, OpenLayer | ShiftLayer) else move.layer


@settings(deadline=None)
@given(situations(), st.integers(1, 50_000))
def test_memory_stays_bounded_and_in_order(situation, later):
    seen, told = situation
    made = decide(seen, told, ATTENTIVE)
    remembered = advance(seen, told, made, (), ATTENTIVE)
    assert remembered.last_cycle_s == NOW_S
    assert all(NOW_S - moment < 86_400 for moment in remembered.shifts_s)
    assert all(NOW_S - paid.timestamp_s < 86_400 for paid in remembered.gas_paid)
    assert all(layer.in_range_s <= layer.watched_s for layer in remembered.layers)
    if told[0].quality is not Quality.GOOD:
        assert remembered.regime is seen.memory.regime
    moved_on = replace(seen, memory=remembered, block=replace(seen.block, timestamp_s=NOW_S + later))
    decide(moved_on, told, ATTENTIVE)

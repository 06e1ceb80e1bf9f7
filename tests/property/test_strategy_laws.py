"""What must hold of every decision, whatever the market does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.core.model.decision import CloseLayer, CompoundLayer, OpenLayer, ShiftLayer
from keeper.core.model.ladder import Layer, LayerKind, Regime
from keeper.core.model.policy import Shape
from keeper.core.model.view import Quality
from keeper.core.signals import names
from keeper.core.strategy import advance, decide
from keeper.core.strategy.regime import next_regime
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
    reading,
    view,
)

RULES = policy().regimes
volatilities = st.floats(0.0, 5.0)
ticks = st.integers(TICK - 20_000, TICK + 20_000)
regimes = st.sampled_from(list(Regime))
poor = st.sampled_from([Quality.SHORT, Quality.STALE, Quality.MISSING])


def forecast(value, quality=Quality.GOOD):
    missing = quality is Quality.MISSING
    return reading(names.VOLATILITY_FORECAST, None if missing else value, quality=quality)


def readings(value=0.6, quality=Quality.GOOD, implied=0.6):
    return (forecast(value, quality), reading(names.VOLATILITY_POOL_IMPLIED, implied))


# ---- regime


@settings(deadline=None)
@given(regimes, volatilities, st.one_of(st.none(), st.integers(0, 100_000)), st.integers(1, 90_000))
def test_deciding_twice_in_the_same_moment_changes_nothing(regime, value, since, dwell):
    rules = replace(RULES, dwell_s=dwell)
    lower = None if since is None else NOW_S - since
    once = next_regime(memory(regime=regime, lower_regime_since_s=lower), forecast(value), rules, NOW_S)
    again = next_regime(
        memory(regime=once.regime, regime_since_s=once.since_s, lower_regime_since_s=once.lower_since_s),
        forecast(value),
        rules,
        NOW_S,
    )
    assert (again.regime, again.lower_since_s, again.since_s) == (once.regime, once.lower_since_s, once.since_s)


@settings(deadline=None)
@given(
    st.sampled_from([("normal_from", Regime.CALM), ("stressed_from", Regime.NORMAL), ("crisis_from", Regime.STRESSED)]),
    st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=30),
    st.booleans(),
)
def test_inside_the_band_of_an_edge_nothing_flaps(edge, wobble, start_above):
    name, below = edge
    middle = getattr(RULES, name) * RULES.usual_volatility
    regime = list(Regime)[below.severity + 1] if start_above else below
    remembered, now = memory(regime=regime, volatilities=()), NOW_S
    for step in wobble:
        state = next_regime(remembered, forecast(middle * (1 + RULES.band * step)), RULES, now)
        assert state.regime is regime
        assert state.lower_since_s is None
        remembered, now = replace(remembered, lower_regime_since_s=state.lower_since_s), now + 100_000


@settings(deadline=None)
@given(st.one_of(st.none(), regimes), volatilities, poor)
def test_poor_data_is_never_calmer_than_good_and_never_below_stressed(regime, value, quality):
    remembered = memory(regime=regime)
    state = next_regime(remembered, forecast(value, quality), RULES, NOW_S)
    assert state.regime.severity >= Regime.STRESSED.severity
    assert regime is None or state.regime.severity >= regime.severity
    assert state.lower_since_s is None


@settings(deadline=None)
@given(regimes, volatilities)
def test_rougher_is_believed_at_once_and_calmer_takes_its_dwell_and_one_notch(regime, value):
    remembered = memory(regime=regime, volatilities=())
    state = next_regime(remembered, forecast(value), RULES, NOW_S)
    ratio = value / RULES.usual_volatility
    edges = (RULES.normal_from, RULES.stressed_from, RULES.crisis_from)
    assert state.regime.severity == max(regime.severity, sum(ratio >= edge * (1 + RULES.band) for edge in edges))
    calmer = regime.severity > 0 and ratio < edges[regime.severity - 1] * (1 - RULES.band)
    assert (state.lower_since_s is not None) == calmer
    waited = replace(remembered, lower_regime_since_s=NOW_S)
    after = next_regime(waited, forecast(value), RULES, NOW_S + RULES.dwell_s)
    if calmer:
        assert after.regime.severity == regime.severity - 1
        assert next_regime(waited, forecast(value), RULES, NOW_S + RULES.dwell_s - 1).regime is regime


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
    return seen, readings(draw(st.floats(0.1, 3.0)), quality, draw(st.floats(0.1, 2.0)))


@settings(deadline=None)
@given(situations())
def test_every_decision_explains_itself_in_finite_numbers_and_is_repeatable(situation):
    seen, known = situation
    made = decide(seen, known, policy())
    assert made == decide(seen, known, policy())
    assert made.reasons
    assert all(abs(x) < 1e30 for r in (*made.reasons, *made.vetoes) for x in (r.found, r.limit))
    assert all(r.unit for r in (*made.reasons, *made.vetoes))


@settings(deadline=None)
@given(situations())
def test_no_layer_moves_without_a_reason_of_its_own_or_twice(situation):
    seen, known = situation
    made = decide(seen, known, policy())
    moved = [layer_of(move) for move in made.moves]
    assert len(set(moved)) == len(moved)
    for kind in moved:
        assert any(reason.layer is kind and reason.trigger != "steady" for reason in made.reasons)
        shut = [veto for veto in made.vetoes if veto.layer in {None, kind}]
        assert all(isinstance(m, CompoundLayer) for m in made.moves if layer_of(m) is kind) or not shut


@settings(deadline=None)
@given(situations())
def test_gates_hold(situation):
    seen, known = situation
    made = decide(seen, known, policy())
    pool = seen.pools[0]
    limits = policy().gates
    if made.moves:
        assert known[0].quality is Quality.GOOD
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
    seen, known = situation
    made = decide(seen, known, policy())
    weights = policy().ladder.weights_in(made.regime)
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
    seen, known = situation
    made = decide(seen, known, policy())
    placed = {m.target.kind: m.target for m in made.moves if isinstance(m, OpenLayer | ShiftLayer)}
    assume(placed)
    after = settled(seen, placed, made.regime)
    again = decide(after, known, policy())
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
    seen, known = situation
    made = decide(seen, known, policy())
    remembered = advance(seen, known, made, (), policy())
    assert remembered.last_cycle_s == NOW_S
    assert all(NOW_S - sample.timestamp_s <= 86_400 for sample in remembered.fee_growth)
    assert list(remembered.fee_growth) == sorted(remembered.fee_growth, key=lambda s: s.timestamp_s)
    assert len({day.day for day in remembered.volatilities}) == len(remembered.volatilities) <= 180
    assert all(layer.in_range_s <= layer.watched_s for layer in remembered.layers)
    if known[0].quality is not Quality.GOOD:
        assert remembered.regime is seen.memory.regime
    moved_on = replace(seen, memory=remembered, block=replace(seen.block, timestamp_s=NOW_S + later))
    decide(moved_on, known, policy())

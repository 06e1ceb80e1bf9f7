from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.core.model.decision import CloseLayer, CompoundLayer, ExitAll, OpenLayer, ShiftLayer
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Regime
from keeper.core.model.view import GasPaid, Quality
from keeper.core.strategy import decide, exit_decision
from tests import builders
from tests.builders import (
    NOW_S,
    TICK,
    USDC_WETH_500,
    USDC_WETH_3000,
    gas,
    gate_policy,
    ladder,
    ladder_policy,
    memory,
    policy,
    pool_view,
    position,
    view,
    wallet,
)

CORE, SECONDARY, INSURANCE = LayerKind
SIGMA = 0.65
"""At this volatility the targets are near the builders' ladder: no width trigger."""


def readings(value=SIGMA, *, implied=SIGMA, **more):
    return builders.readings(value, implied=implied, **more)


def rules(**fields):
    """Layers that the builders' ladder fits: 600, 2000 and 4000 ticks."""
    given = ladder_policy()
    half = {CORE: 600, SECONDARY: 2_000, INSURANCE: 4_000}
    layers = tuple(
        replace(layer, min_half_width_ticks=half[layer.kind], max_half_width_ticks=half[layer.kind]) for layer in given.layers
    )
    return policy(ladder=replace(given, layers=layers), **fields)


def remembered(*, since_s=None, placed_ago_s=86_400, **fields):
    whole = memory(**fields)
    layers = tuple(
        replace(layer, placed_at_s=NOW_S - placed_ago_s, outside_since_s=since_s, drifted_since_s=since_s)
        for layer in whole.layers
    )
    return replace(whole, layers=layers)


def market(offset=0, *, held=None, twap=0, **fields):
    """The builders' ladder around TICK with the price ``offset`` ticks away, ``twap`` ticks from its mean."""
    fields.setdefault("remembered", remembered(since_s=NOW_S - 3_600))
    ours = ladder(TICK + offset, centre=TICK) if held is None else held
    return view(TICK + offset, held=ours, twap_tick=TICK + offset + twap, **fields)


def triggers(made):
    return {(reason.trigger, reason.layer) for reason in made.reasons}


def refusals(made):
    return {(veto.gate, veto.layer) for veto in made.vetoes}


def shifted(made):
    return [move.target.kind for move in made.moves if isinstance(move, ShiftLayer)]


# ---- opening and holding


def test_a_first_start_opens_every_layer_of_the_regime():
    made = decide(view(), readings(0.6), policy())
    assert [move.target.kind for move in made.moves] == [CORE, SECONDARY, INSURANCE]
    assert all(isinstance(move, OpenLayer) for move in made.moves)
    assert [move.target.weight for move in made.moves] == [0.5, 0.3, 0.15]
    assert made.regime is Regime.NORMAL
    assert made.volatility == pytest.approx(0.6)
    assert made.vetoes == ()


def test_a_price_at_the_centre_is_a_hold_that_explains_itself():
    made = decide(market(), readings(), rules())
    assert made.is_hold
    assert triggers(made) == {("steady", CORE), ("steady", SECONDARY), ("steady", INSURANCE), ("volatility", None)}
    assert next(r for r in made.reasons if r.layer is None).found == SIGMA


def test_an_empty_wallet_opens_nothing_and_says_what_is_lacking():
    made = decide(view(wallet=wallet(0, native_wei=10**17)), readings(), policy())
    assert made.is_hold
    assert {gate for gate, _ in refusals(made)} == {"min_value"}
    assert made.vetoes[0].found == 0
    assert made.vetoes[0].limit == 100


def test_a_layer_lost_half_way_is_opened_again_from_the_wallet_alone():
    held = ladder()
    held = replace(held, layers=held.layers[1:])
    made = decide(market(held=held, wallet=wallet(50_000 * 10**6)), readings(), rules())
    assert [type(move) for move in made.moves] == [OpenLayer]
    assert made.moves[0].target.kind is CORE


def test_poor_data_moves_nothing_and_is_cautious():
    for quality in (Quality.SHORT, Quality.STALE):
        made = decide(view(), readings(0.3, quality=quality), policy())
        assert made.is_hold
        assert made.regime is Regime.STRESSED
        assert ("data_quality", None) in refusals(made)
    made = decide(market(700), readings(None), rules())
    assert made.is_hold
    assert made.volatility is None
    assert ("outside", CORE) in triggers(made)
    assert ("data_quality", None) in refusals(made)


# ---- triggers


def test_drift_past_the_dead_band_moves_the_core_alone():
    made = decide(market(400), readings(), rules())
    assert shifted(made) == [CORE]
    assert made.moves[0].token_ids == (1001,)
    assert made.moves[0].target.bands[0].range.centre == TICK + 400
    reason = next(r for r in made.reasons if r.trigger == "drift")
    assert (reason.found, reason.limit) == (pytest.approx(400 / 600), 0.6)


def test_drift_within_the_dead_band_is_no_reason():
    assert decide(market(350), readings(), rules()).is_hold


@pytest.mark.parametrize(("ago", "acts"), [(1_799, False), (1_800, True)])
def test_drift_must_last_its_dwell(ago, acts):
    made = decide(market(400, remembered=remembered(since_s=NOW_S - ago)), readings(), rules())
    assert (shifted(made) == [CORE]) is acts


@pytest.mark.parametrize(("ago", "acts"), [(None, False), (599, False), (600, True)])
def test_being_outside_must_last_its_dwell(ago, acts):
    since = None if ago is None else NOW_S - ago
    made = decide(market(700, remembered=remembered(since_s=since)), readings(), rules())
    assert (("outside", CORE) in triggers(made)) is acts


def test_an_insurance_wing_that_fills_is_left_to_work():
    whole = ladder(TICK + 2_500, centre=TICK)
    held = replace(whole, layers=whole.layers[2:])
    calm = rules()
    alone = replace(calm, ladder=replace(calm.ladder, layers=calm.ladder.layers[2:]))
    made = decide(market(2_500, held=held), readings(), alone)
    assert ("outside", INSURANCE) not in triggers(made)
    assert ("drift", INSURANCE) not in triggers(made)


def test_insurance_follows_a_secondary_that_moves_far():
    made = decide(market(1_500), readings(), rules(gates=gate_policy(cost_multiple=1.0)))
    assert shifted(made) == [CORE, SECONDARY, INSURANCE]
    wings = made.moves[2].target.bands
    assert wings[0].range.upper == made.moves[1].target.bands[0].range.lower
    assert wings[1].range.lower == made.moves[1].target.bands[0].range.upper
    assert ("nesting", INSURANCE) in triggers(made)


@pytest.mark.parametrize(("offset", "fires"), [(895, False), (300, True)])
def test_an_inner_layer_that_the_price_has_left_is_waited_for(offset, fires):
    core = position(1001, TICK - 600, TICK + 600, liquidity=10**16, tick=TICK + offset)
    secondary = position(1002, TICK - 230, TICK + 2_030, liquidity=10**16, tick=TICK + offset)
    held = Ladder(layers=(Layer(kind=CORE, positions=(core,)), Layer(kind=SECONDARY, positions=(secondary,))))
    made = decide(market(offset, held=held, remembered=remembered(since_s=NOW_S - 100)), readings(), rules())
    assert (("nesting", SECONDARY) in triggers(made)) is fires


def test_a_width_that_is_off_is_a_reason_to_be_weighed_only_when_it_narrows():
    dear = gas(base_fee_wei=50 * 10**9)
    high_gas = gate_policy(max_gas_day_wei=10**18)
    wider = decide(market(gas=dear), readings(1.2), policy(gates=high_gas, regimes=flat_regimes()))
    assert ("wider", CORE) in triggers(wider)
    assert CORE in shifted(wider)
    small = replace(ladder(), layers=tuple(thin(layer) for layer in ladder().layers))
    narrower = decide(market(held=small, gas=dear), readings(0.2), policy(gates=high_gas, regimes=flat_regimes()))
    assert ("narrower", CORE) in triggers(narrower)
    assert ("cost", CORE) in refusals(narrower)


def thin(layer):
    return replace(
        layer, positions=tuple(replace(p, liquidity=p.liquidity // 50, amount0=p.amount0 // 50) for p in layer.positions)
    )


def flat_regimes():
    return replace(policy().regimes, normal_from=0.01, stressed_from=9.0, crisis_from=10.0)


def test_a_rougher_regime_gives_each_layer_its_new_weight_and_closes_what_it_does_not_want():
    made = decide(market(), readings(5.0), rules())
    assert made.regime is Regime.CRISIS
    assert isinstance(made.moves[0], CloseLayer)
    assert made.moves[0].token_ids == (1001,)
    assert ("unwanted", CORE) in triggers(made)
    assert ("regime", INSURANCE) in triggers(made)
    assert [m.target.weight for m in made.moves if isinstance(m, ShiftLayer)] == [0.25, 0.35]


def test_a_regime_is_acted_on_once():
    since = NOW_S - 50_000
    stale = remembered(regime=Regime.STRESSED, regime_since_s=since, placed_ago_s=60_000)
    fresh = remembered(regime=Regime.STRESSED, regime_since_s=since, placed_ago_s=50_000)
    assert CORE in shifted(decide(market(remembered=stale), readings(1.0), rules()))
    assert shifted(decide(market(remembered=fresh), readings(1.0), rules())) == []
    poor = wallet(0, native_wei=0)
    assert decide(market(remembered=fresh, wallet=poor), readings(1.0), rules()).is_hold


def test_idle_funds_fill_the_layers_that_are_short_and_their_ranges_stay():
    made = decide(market(wallet=wallet(60_000 * 10**6)), readings(), rules())
    filled = {move.target.kind: move.target for move in made.moves}
    assert filled
    assert all(isinstance(move, OpenLayer) for move in made.moves)
    for kind, target in filled.items():
        held = ladder().layer(kind).positions
        assert [band.range for band in target.bands] == [one.range for one in held]
        assert ("idle", kind) in triggers(made)


def test_idle_funds_wait_for_a_layer_that_rests():
    rested = remembered(placed_ago_s=60)
    made = decide(market(wallet=wallet(60_000 * 10**6), remembered=rested), readings(), rules())
    assert made.is_hold
    assert {gate for gate, _ in refusals(made)} == {"cooldown"}


def test_positions_that_do_not_make_up_the_layer_are_put_right():
    whole = ladder()
    split = Layer(kind=CORE, positions=(*whole.layers[0].positions, position(1009, TICK - 50, TICK + 50)))
    made = decide(market(held=replace(whole, layers=(split, *whole.layers[1:]))), readings(), rules())
    assert shifted(made) == [CORE]
    assert made.moves[0].token_ids == (1001, 1009)
    assert ("shape", CORE) in triggers(made)


def test_an_emptied_position_is_swept_up_with_the_layer_placed_anew():
    whole = ladder()
    empty = Layer(kind=CORE, positions=(replace(whole.layers[0].positions[0], liquidity=0, amount0=0, amount1=0),))
    seen = market(held=replace(whole, layers=(empty, *whole.layers[1:])), wallet=wallet(60_000 * 10**6))
    made = decide(seen, readings(), rules())
    assert shifted(made) == [CORE]


def test_a_layer_that_is_configured_no_more_is_closed():
    given = rules()
    without = replace(given, ladder=replace(given.ladder, layers=given.ladder.layers[:2]))
    made = decide(market(), readings(), without)
    assert [type(move) for move in made.moves] == [CloseLayer]
    assert made.moves[0].layer is INSURANCE


# ---- fees


def rich(fees0):
    whole = ladder()
    core = replace(whole.layers[0].positions[0], fees0=fees0, fees1=0)
    return replace(whole, layers=(Layer(kind=CORE, positions=(core,)), *whole.layers[1:]))


def test_fees_worth_their_gas_are_put_back_and_small_ones_wait():
    made = decide(market(held=rich(500 * 10**6)), readings(), rules())
    assert [type(move) for move in made.moves] == [CompoundLayer]
    reason = next(r for r in made.reasons if r.trigger == "fees")
    assert reason.found == pytest.approx(500.0)
    assert reason.found >= reason.limit >= 100.0
    assert decide(market(held=rich(99 * 10**6)), readings(), rules()).is_hold


def test_dear_gas_lets_fees_wait_longer():
    dear = gas(base_fee_wei=40 * 10**9)
    assert decide(market(held=rich(500 * 10**6), gas=dear), readings(), rules()).is_hold


def test_a_shift_takes_the_fees_along():
    held = rich(500 * 10**6)
    made = decide(market(400, held=held), readings(), rules())
    assert shifted(made) == [CORE]
    assert not [move for move in made.moves if isinstance(move, CompoundLayer)]


# ---- gates


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        (lambda: (market(400, twap=101), rules()), "twap_deviation"),
        (lambda: (market(400, pools=(pool_view(TICK + 400, twap_tick=None),)), rules()), "twap_missing"),
        (lambda: (market(400, remembered=remembered(since_s=NOW_S - 3_000, placed_ago_s=3_599)), rules()), "cooldown"),
        (
            lambda: (market(400, remembered=remembered(since_s=NOW_S - 3_600, shifts_s=(NOW_S - 86_399,) * 6)), rules()),
            "shifts_per_day",
        ),
        (lambda: (market(400), rules(gates=gate_policy(min_move_quote=70_000.0))), "min_value"),
        (lambda: (market(400), rules(gates=gate_policy(price_min_quote=5_000.0))), "price_min"),
        (lambda: (market(400), rules(gates=gate_policy(price_max_quote=3_000.0))), "price_max"),
        (lambda: (market(400), rules(gates=gate_policy(max_base_fee_wei=10**9 - 1))), "base_fee"),
        (
            lambda: (
                market(
                    400, remembered=remembered(since_s=NOW_S - 3_600, gas_paid=(GasPaid(timestamp_s=NOW_S, wei=2 * 10**16),))
                ),
                rules(),
            ),
            "gas_per_day",
        ),
        (lambda: (market(400), rules(gates=gate_policy(cost_multiple=10_000.0))), "cost"),
    ],
)
def test_each_gate_alone_holds_the_core(change, gate):
    seen, given = change()
    made = decide(seen, readings(), given)
    assert made.is_hold
    assert ("drift", CORE) in triggers(made)
    assert {name for name, _ in refusals(made)} == {gate}
    assert all(veto.unit for veto in made.vetoes)


@pytest.mark.parametrize("ago", [86_400, 90_000])
def test_limits_of_a_day_forget_what_is_older(ago):
    old = remembered(
        since_s=NOW_S - 3_600, shifts_s=(NOW_S - ago,) * 9, gas_paid=(GasPaid(timestamp_s=NOW_S - ago, wei=10**18),)
    )
    assert shifted(decide(market(400, remembered=old), readings(), rules())) == [CORE]


@pytest.mark.parametrize(("ago", "rests"), [(3_599, True), (3_600, False)])
def test_the_cooldown_ends_on_the_second(ago, rests):
    seen = market(400, remembered=remembered(since_s=NOW_S - 3_600, placed_ago_s=ago))
    assert (("cooldown", CORE) in refusals(decide(seen, readings(), rules()))) is rests


def test_shifts_of_this_cycle_count_too():
    five = remembered(since_s=NOW_S - 3_600, shifts_s=(NOW_S - 100,) * 5)
    made = decide(market(1_500, remembered=five), readings(), rules())
    assert shifted(made) == [CORE]
    assert ("shifts_per_day", SECONDARY) in refusals(made)


def test_a_target_equal_to_what_is_held_is_not_moved():
    # the centre snaps back to where the layer lies: drift of a narrow band, less than half a wide spacing away
    wide = replace(USDC_WETH_3000, tick_spacing=60)
    given = rules()
    core = replace(given.ladder.layers[0], pool=wide.address, min_half_width_ticks=120, max_half_width_ticks=120)
    centre = TICK // 60 * 60
    rule = replace(
        given,
        pools=(USDC_WETH_500, wide),
        ladder=replace(given.ladder, layers=(core,)),
        triggers=replace(given.triggers, drift_share=0.1),
    )
    mine = position(7, centre - 120, centre + 120, pool=wide, liquidity=10**16, tick=centre + 20)
    seen = view(
        centre + 20,
        held=Ladder(layers=(Layer(kind=CORE, positions=(mine,)),)),
        remembered=remembered(since_s=NOW_S - 3_600),
        pools=(pool_view(centre + 20, twap_tick=centre + 20), pool_view(centre + 20, key=wide, twap_tick=centre + 20)),
    )
    made = decide(seen, readings(), rule)
    assert made.is_hold
    assert ("unchanged", CORE) in refusals(made)


# ---- exit


def test_exit_withdraws_everything_and_asks_no_gate():
    made = exit_decision(market(400, twap=5_000, gas=gas(base_fee_wei=10**12)))
    assert made.moves == (ExitAll(token_ids=(1001, 1002, 1003, 1004)),)
    assert made.vetoes == ()
    assert made.reasons[0].found == 4


def test_exit_with_nothing_held_has_nothing_to_do():
    assert exit_decision(view()).is_hold

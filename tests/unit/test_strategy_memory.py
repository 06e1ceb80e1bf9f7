from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.core.model.decision import ShiftLayer
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.plan import Done, Minted, NotDone, Simulated, StageKind, Unknown
from keeper.core.model.record import StageRecord
from keeper.core.model.view import NO_MEMORY, GasPaid, Quality
from keeper.core.signals import names
from keeper.core.strategy import advance
from tests.builders import (
    NOW_S,
    TICK,
    decision,
    ladder,
    memory,
    policy,
    reading,
    target_layer,
    view,
)

CORE, SECONDARY, INSURANCE = LayerKind
KNOWN = (reading(names.VOLATILITY_FORECAST, 0.7),)


def done(*minted, gas_wei=5, kind=StageKind.PLACE):
    outcome = Done(tx_hashes=("0x1",), deltas=(), minted=minted, gas_units=1, gas_wei=gas_wei, block=1)
    return StageRecord(kind=kind, outcome=outcome)


def market(offset=0, **fields):
    fields.setdefault("remembered", memory())
    return view(TICK + offset, held=ladder(TICK + offset, centre=TICK), twap_tick=TICK + offset, **fields)


def core_of(remembered):
    return remembered.layer(CORE)


def test_a_hold_inside_counts_the_time_in_range():
    after = advance(market(), KNOWN, decision(), (), policy())
    assert core_of(after).in_range_s == core_of(memory()).in_range_s + 300
    assert core_of(after).watched_s == core_of(memory()).watched_s + 300
    assert after.layer(INSURANCE).in_range_s == memory().layer(INSURANCE).in_range_s
    assert after.layer(INSURANCE).watched_s == memory().layer(INSURANCE).watched_s + 300
    assert after.last_cycle_s == NOW_S


def test_a_gap_that_no_one_watched_counts_neither_way():
    gone = memory(last_cycle_s=NOW_S - 1_801)
    assert core_of(advance(market(remembered=gone), KNOWN, decision(), (), policy())).watched_s == core_of(gone).watched_s


def test_time_before_the_placement_is_not_watched():
    whole = memory()
    core = replace(core_of(whole), placed_at_s=NOW_S - 100)
    young = replace(whole, layers=(core, *whole.layers[1:]))
    assert core_of(advance(market(remembered=young), KNOWN, decision(), (), policy())).watched_s == core.watched_s


def test_outside_and_drifted_begin_once_and_end_at_once():
    first = advance(market(700), KNOWN, decision(), (), policy())
    assert (core_of(first).outside_since_s, core_of(first).drifted_since_s) == (NOW_S, NOW_S)
    later = market(700, remembered=first)
    later = replace(later, block=replace(later.block, timestamp_s=NOW_S + 60))
    assert core_of(advance(later, KNOWN, decision(), (), policy())).outside_since_s == NOW_S
    back = advance(market(0, remembered=first), KNOWN, decision(), (), policy())
    assert (core_of(back).outside_since_s, core_of(back).drifted_since_s) == (None, None)
    drifted = advance(market(400), KNOWN, decision(), (), policy())
    assert (core_of(drifted).outside_since_s, core_of(drifted).drifted_since_s) == (None, NOW_S)


def test_what_is_done_is_placed_and_a_shift_is_counted():
    moves = (ShiftLayer(target=target_layer(CORE), token_ids=(1001,)),)
    after = advance(market(700), KNOWN, decision(moves=moves), (done(Minted(token_id=9, layer=CORE)),), policy())
    assert core_of(after).placed_at_s == NOW_S
    assert core_of(after).outside_since_s is None
    assert after.shifts_s == (NOW_S,)
    assert after.layer(SECONDARY).placed_at_s == NOW_S - 86_400


def test_two_wings_are_one_shift():
    moves = (ShiftLayer(target=target_layer(INSURANCE), token_ids=(1003, 1004)),)
    minted = (Minted(token_id=8, layer=INSURANCE), Minted(token_id=9, layer=INSURANCE))
    assert advance(market(), KNOWN, decision(moves=moves), (done(*minted),), policy()).shifts_s == (NOW_S,)


def test_a_first_placement_is_no_shift():
    after = advance(view(), KNOWN, decision(), (done(Minted(token_id=9, layer=CORE)),), policy())
    assert after.shifts_s == ()
    assert [layer.kind for layer in after.layers] == [CORE]
    assert core_of(after).watched_s == 0


@pytest.mark.parametrize(
    "outcome",
    [
        Simulated(deltas=(), minted=(Minted(token_id=9, layer=CORE),), gas_units=1),
        NotDone(why="reverted", tx_hashes=("0x2",), gas_wei=0),
        Unknown(tx_hash="0x3"),
    ],
)
def test_what_is_not_done_is_not_remembered_as_placed(outcome):
    moves = (ShiftLayer(target=target_layer(CORE), token_ids=(1001,)),)
    stage = StageRecord(kind=StageKind.PLACE, outcome=outcome)
    after = advance(market(), KNOWN, decision(moves=moves), (stage,), policy())
    assert core_of(after).placed_at_s == NOW_S - 86_400
    assert after.shifts_s == ()
    assert after.gas_paid == ()


def test_gas_is_remembered_for_a_day_reverts_included():
    old = memory(gas_paid=(GasPaid(timestamp_s=NOW_S - 86_400, wei=1), GasPaid(timestamp_s=NOW_S - 86_399, wei=2)))
    reverted = StageRecord(kind=StageKind.PLACE, outcome=NotDone(why="x", tx_hashes=("0x2",), gas_wei=7))
    after = advance(market(remembered=old), KNOWN, decision(), (done(gas_wei=5), reverted), policy())
    assert [paid.wei for paid in after.gas_paid] == [2, 12]


def test_a_layer_held_without_memory_rests_from_now():
    after = advance(market(remembered=NO_MEMORY), KNOWN, decision(), (), policy())
    assert {layer.placed_at_s for layer in after.layers} == {NOW_S}
    assert all(layer.watched_s == 0 for layer in after.layers)


def test_a_closed_layer_is_remembered_for_its_cooldown():
    held = ladder()
    seen = view(held=replace(held, layers=held.layers[1:]), remembered=memory())
    assert core_of(advance(seen, KNOWN, decision(), (), policy())).placed_at_s == NOW_S - 86_400


def test_a_new_regime_begins_now_and_an_old_one_goes_on():
    assert advance(market(), KNOWN, decision(regime=Regime.CRISIS), (), policy()).regime_since_s == NOW_S
    assert advance(market(), KNOWN, decision(), (), policy()).regime_since_s == memory().regime_since_s


def test_caution_for_lack_of_data_is_not_remembered_as_a_regime():
    poor = (reading(names.VOLATILITY_FORECAST, 0.7, quality=Quality.STALE),)
    after = advance(market(), poor, decision(regime=Regime.STRESSED), (), policy())
    assert (after.regime, after.regime_since_s) == (Regime.NORMAL, memory().regime_since_s)
    first = advance(view(), poor, decision(regime=Regime.STRESSED), (), policy())
    assert (first.regime, first.regime_since_s) == (None, None)


def test_the_newest_block_of_ours_is_remembered_and_a_hold_forgets_nothing():
    acted = advance(market(), KNOWN, decision(), (done(),), policy())
    assert acted.acted_block == 1
    assert advance(market(remembered=acted), KNOWN, decision(), (), policy()).acted_block == 1

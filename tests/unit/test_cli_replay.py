"""The same inputs give the same bytes; anything else is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app.cli.replay import differences, think_again
from keeper.core.model.codec import decode, encode
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.planning.planner import plan as make_plan
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide, exit_decision
from tests.builders import history, ladder, memory, policy, view


def record(seen, decision, readings) -> CycleRecord:
    return CycleRecord(
        id=1,
        state=CycleState.SIMULATED,
        policy=policy(),
        view=seen,
        readings=readings,
        decision=decision,
        plan=make_plan(seen, decision, policy()),
        stages=(),
    )


@pytest.fixture(scope="module")
def opened() -> CycleRecord:
    seen = view(remembered=memory(layers=()))
    readings = read(seen, history(), policy())
    made = record(seen, decide(seen, readings, policy()), readings)
    assert made.plan is not None
    return made


def test_a_cycle_that_went_through_json_is_decided_alike(opened):
    stored = decode(CycleRecord, encode(opened))
    assert differences(stored, think_again(stored, history())) == ()


def test_an_ordered_exit_is_ordered_again():
    seen = view(held=ladder(), remembered=memory())
    readings = read(seen, history(), policy())
    left = record(seen, exit_decision(seen), readings)
    assert left.plan is not None
    assert differences(left, think_again(left, history())) == ()


def test_one_bit_of_difference_is_told(opened):
    first = opened.readings[-1]
    assert first.value is not None
    nudged = replace(opened, readings=(*opened.readings[:-1], replace(first, value=first.value * (1 + 2**-52))))
    lines = differences(nudged, think_again(nudged, history()))
    assert any(line.startswith("-") and '"value"' in line for line in lines)
    assert lines[0].startswith("--- journal: readings")


def test_a_plan_that_was_not_made_or_made_differently_is_told(opened):
    without = replace(opened, plan=None)
    assert any("replay: plan" in line for line in differences(without, think_again(without, history())))
    loosened = replace(opened, policy=policy(execution=replace(opened.policy.execution, slippage_bps=31)))
    assert any("slippage_bps" in line for line in differences(loosened, think_again(loosened, history())))

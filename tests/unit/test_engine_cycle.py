"""One pass of the loop on fakes: what is written, in which order, and what keeps the keeper from acting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.core.model.decision import Decision, ShiftLayer
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Mint, StageKind
from keeper.core.model.policy import Adoption
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.planning.planner import plan as make_plan
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide
from keeper.core.strategy.memory import advance
from keeper.engine.cycle import run_cycle, think
from tests.builders import block_ref, decision, policy, target_layer
from tests.pairs import BLOCK, NOW_S, TICK
from tests.plans import done, not_done, unknown
from tests.unit.engine_world import HELD, Script, World, laddered, swapped, withdrew

MINTED = ((2001, LayerKind.CORE), (2002, LayerKind.SECONDARY), (2003, LayerKind.INSURANCE), (2004, LayerKind.INSURANCE))


def holding(*_: object) -> Decision:
    return decision()


def shifting(*_: object) -> Decision:
    """Another place for the core, where it takes more ether and fewer dollars."""
    target = target_layer(ranges=((TICK - 900, TICK + 300),))
    return decision(moves=(ShiftLayer(target=target, token_ids=(1001,)),))


def time_passes(world: World) -> None:
    world.source.seen = replace(world.source.seen, block=block_ref(BLOCK + 2, NOW_S + 24))


def first_start(*executes: Script, settles: tuple[Script, ...] = ()) -> World:
    return World(executes=list(executes), settles=list(settles))


def assert_journaled(world: World, record: CycleRecord) -> None:
    assert world.journal.cycle(record.id) == record


def test_a_first_start_opens_the_ladder() -> None:
    world = first_start(done(*MINTED))
    record = run_cycle(world.ports, policy())
    assert record.state is CycleState.DONE
    assert [move.kind for move in record.decision.moves] == ["open"] * 3
    (stage,) = world.account.stages
    assert stage.kind is StageKind.PLACE
    assert [step.layer for step in stage.steps if isinstance(step, Mint)] == [layer for _, layer in MINTED]
    assert world.journal.layer_tokens() == dict(MINTED)
    assert_journaled(world, record)
    assert world.telling.names()[-2:] == ["stage.done", "cycle.ended"]


def test_a_record_is_made_of_the_core_functions_and_nothing_else() -> None:
    world = first_start(done(*MINTED))
    record = run_cycle(world.ports, policy())
    readings = read(record.view, world.journal.named_history(record.view), policy())
    assert record.readings == readings
    assert record.decision == decide(record.view, readings, policy())
    assert record.plan == make_plan(record.view, record.decision, policy())
    assert world.journal.memory() == advance(record.view, readings, record.decision, record.stages, policy())


def test_a_hold_is_a_cycle_too() -> None:
    world = laddered()
    record = run_cycle(world.ports, policy(), holding)
    assert record.state is CycleState.HELD
    assert record.plan is None
    assert record.stages == ()
    assert world.account.stages == []
    assert_journaled(world, record)
    assert world.journal.memory().last_cycle_s == record.view.now_s


@pytest.mark.parametrize("order", ["pause", "halt"])
def test_an_order_to_stop_blocks_what_was_due(order: str) -> None:
    world = first_start()
    getattr(world.journal, order)("because")
    record = run_cycle(world.ports, policy())
    assert record.state is CycleState.BLOCKED
    assert record.plan is not None
    assert record.stages == ()
    assert world.account.stages == []
    assert_journaled(world, record)
    assert ("cycle.blocked", {"cycle": record.id, "why": world.journal.control()}) in world.telling.events


def test_an_order_to_stop_does_not_turn_a_hold_into_anything_else() -> None:
    world = laddered()
    world.journal.pause("lunch")
    assert run_cycle(world.ports, policy(), holding).state is CycleState.HELD


def test_what_failed_is_planned_afresh_in_the_next_cycle() -> None:
    world = first_start(not_done(), done(*MINTED))
    assert run_cycle(world.ports, policy()).state is CycleState.NOT_DONE
    record = run_cycle(world.ports, policy())
    assert record.state is CycleState.DONE
    assert record.id == 2
    assert world.journal.layer_tokens() == dict(MINTED)


def test_an_unknown_fate_is_settled_before_anything_is_seen() -> None:
    world = first_start(unknown(), settles=(unknown(), done(*MINTED)))
    record = run_cycle(world.ports, policy())
    assert record.state is CycleState.UNKNOWN
    assert world.journal.open_cycle() is not None
    with pytest.raises(Transient, match="still on its way"):
        run_cycle(world.ports, policy())
    assert len(world.source.asked) == 1
    time_passes(world)
    second = run_cycle(world.ports, policy(), holding)
    assert second.state is CycleState.HELD
    assert world.journal.cycle(1).state is CycleState.DONE
    assert world.journal.layer_tokens() == dict(MINTED)
    assert len(world.account.stages) == 1


def test_a_node_that_has_not_seen_our_own_transaction_is_not_believed() -> None:
    """Behind one address may be several nodes; the one that lags shows a wallet that still holds everything."""
    world = first_start(done(*MINTED))
    run_cycle(world.ports, policy())
    with pytest.raises(Transient, match="last transaction"):
        run_cycle(world.ports, policy())
    assert len(world.account.stages) == 1
    time_passes(world)
    assert run_cycle(world.ports, policy(), holding).state is CycleState.HELD


def test_after_a_fault_the_next_cycle_settles_and_is_blocked() -> None:
    world = first_start(Fault("the receipt lacks a position"), settles=(not_done(),))
    with pytest.raises(Fault):
        run_cycle(world.ports, policy())
    record = run_cycle(world.ports, policy())
    assert record.state is CycleState.BLOCKED
    assert len(world.account.stages) == 1
    assert world.journal.open_intents() == ()


def test_strangers_that_are_refused_begin_no_cycle() -> None:
    world = World(*HELD)
    with pytest.raises(Fault, match="journal does not know"):
        run_cycle(world.ports, policy(adoption=Adoption.REFUSE))
    assert world.journal.open_cycle() is None
    assert world.account.stages == []


def test_adopted_positions_are_known_from_then_on() -> None:
    world = World(*HELD)
    record = run_cycle(world.ports, policy(adoption=Adoption.ADOPT), holding)
    assert set(world.journal.layer_tokens()) == {position.token_id for position in HELD}
    assert len([name for name in world.telling.names() if name == "position.adopted"]) == len(HELD)
    again = run_cycle(world.ports, policy(adoption=Adoption.REFUSE), holding)
    assert again.view.ladder == record.view.ladder


def test_a_source_that_fails_leaves_no_trace() -> None:
    world = laddered()

    def gone(**_: object) -> None:
        raise Transient("no answer")

    world.source.observe = gone  # type: ignore[assignment,method-assign]
    with pytest.raises(Transient):
        run_cycle(world.ports, policy())
    assert world.journal.open_cycle() is None
    with pytest.raises(KeyError):
        world.journal.cycle(1)


def test_thinking_writes_and_sends_nothing_and_comes_to_the_same() -> None:
    world = first_start(done(*MINTED))
    thought = think(world.source, world.journal, policy())
    with pytest.raises(KeyError):
        world.journal.cycle(1)
    assert world.journal.last_price_block(policy().signal_pool) is None
    record = run_cycle(world.ports, policy())
    assert (thought.decision, thought.plan, thought.readings) == (record.decision, record.plan, record.readings)
    assert thought.sight.view == record.view


def test_a_plan_of_several_stages_is_one_cycle() -> None:
    world = laddered(executes=[withdrew(), swapped(), done((5001, LayerKind.CORE), number=3)])
    record = run_cycle(world.ports, policy(), shifting)
    assert record.state is CycleState.DONE
    assert record.stages[0].kind is StageKind.WITHDRAW
    assert len(record.stages) == len(world.account.stages)
    assert_journaled(world, record)

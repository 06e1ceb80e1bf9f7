"""Starting is recovering: what was left open is brought to an end by asking the chain, and only then."""

from __future__ import annotations

import pytest

from keeper.core.model.codec import digest
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from keeper.core.signals.registry import read
from keeper.core.strategy.memory import advance
from keeper.engine.recover import settle
from tests.builders import history, ladder, memory, policy, prices, view
from tests.plans import attempt, bounds, done, not_done, place_stage, plan, shift_decision, unknown, withdraw_stage
from tests.unit.engine_world import World, laddered

VIEW = view(held=ladder(), remembered=memory())


def crashed(world: World, *, stages: int = 1) -> None:
    """A cycle whose last of so many stages was attempted, and nothing after."""
    journal, rules = world.journal, policy()
    journal.append_prices(rules.signal_pool, prices())
    journal.append_history(history())
    readings = read(VIEW, history(), rules)
    cycle_id = journal.begin_cycle(rules, VIEW, readings, shift_decision(), plan(digest(VIEW)))
    for number, stage in enumerate((withdraw_stage(), place_stage())[:stages], start=1):
        intent = journal.record_intent(cycle_id, stage, bounds())
        journal.record_attempt(attempt(intent.id, number=number, nonce=6 + number))
        if number < stages:
            journal.record_outcome(intent, done(number=number), now_s=VIEW.now_s)


def test_nothing_open_is_settled_without_asking() -> None:
    world = laddered()
    assert settle(world.ports, policy())
    assert world.account.settled == []
    assert world.telling.names() == []


def test_what_is_still_on_its_way_keeps_the_cycle_open() -> None:
    world = laddered(settles=[unknown()])
    crashed(world)
    assert not settle(world.ports, policy())
    assert len(world.journal.open_intents()) == 1
    assert world.journal.open_cycle() is not None


@pytest.mark.parametrize(
    ("outcome", "state"), [(done((5001, LayerKind.CORE), number=2), CycleState.DONE), (not_done(), CycleState.NOT_DONE)]
)
def test_a_settled_stage_ends_its_cycle_and_leaves_its_memory(outcome: object, state: CycleState) -> None:
    world = laddered(settles=[outcome])
    crashed(world, stages=2)
    assert settle(world.ports, policy())
    record = world.journal.cycle(1)
    assert record.state is state
    assert [stage.outcome for stage in record.stages] == [done(number=1), outcome]
    assert world.journal.memory() == advance(VIEW, record.readings, record.decision, record.stages, policy())
    assert world.journal.open_cycle() is None
    assert (5001 in world.journal.layer_tokens()) == (state is CycleState.DONE)
    assert settle(world.ports, policy())
    assert len(world.account.settled) == 1


def test_gas_and_placement_of_a_crashed_cycle_are_remembered() -> None:
    world = laddered(settles=[done((5001, LayerKind.CORE), number=2)])
    crashed(world, stages=2)
    settle(world.ports, policy())
    left = world.journal.memory()
    assert left.gas_paid[-1].wei == 2 * done().gas_wei
    core = left.layer(LayerKind.CORE)
    assert core is not None
    assert core.placed_at_s == VIEW.now_s
    assert left.shifts_s == (VIEW.now_s,)


def test_a_cycle_that_died_before_its_first_intent_is_not_done() -> None:
    world = laddered()
    crashed(world, stages=0)
    assert settle(world.ports, policy())
    assert world.journal.cycle(1).state is CycleState.NOT_DONE
    assert world.account.settled == []


def test_a_contradiction_halts() -> None:
    world = laddered(settles=[Fault("nonce 7 was taken")])
    crashed(world)
    with pytest.raises(Fault, match="nonce 7"):
        settle(world.ports, policy())
    assert world.journal.control() == "halted: nonce 7 was taken"
    assert len(world.journal.open_intents()) == 1


def test_a_chain_that_cannot_be_asked_changes_nothing() -> None:
    world = laddered(settles=[Transient("gone"), done(number=1)])
    crashed(world)
    with pytest.raises(Transient):
        settle(world.ports, policy())
    assert len(world.journal.open_intents()) == 1
    assert world.journal.control() is None
    assert settle(world.ports, policy())

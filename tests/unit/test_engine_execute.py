"""Carrying a plan out: the journal is one step ahead, and whatever is not done ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.codec import digest
from keeper.core.model.errors import Fault, Refused, Transient
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, Mint, NotDone, StageOutcome, Unknown
from keeper.core.model.record import CycleState, StageRecord
from keeper.core.model.token import TokenAmount
from keeper.engine.execute import carry_out
from tests.builders import USDC, WETH, history, ladder, policy, prices, view
from tests.plans import done, not_done, plan, shift_decision, simulated, unknown
from tests.unit.engine_world import World, laddered, swapped, withdrew

VIEW = view(held=ladder())
PLAN = plan(digest(VIEW))
"""Withdraw, swap, place."""
GOES_WELL = (withdrew(), swapped(), done((5001, LayerKind.CORE), number=3))


def begun(world: World) -> int:
    world.journal.append_prices(policy().signal_pool, prices())
    world.journal.append_history(history())
    return world.journal.begin_cycle(policy(), VIEW, [], shift_decision(), PLAN)


def carried(world: World) -> tuple[CycleState, tuple[StageRecord, ...]]:
    return carry_out(world.ports, policy(), begun(world), VIEW, PLAN)


def test_every_stage_is_an_open_intent_before_the_account_sees_it() -> None:
    world = laddered(executes=GOES_WELL)
    state, stages = carried(world)
    assert state is CycleState.DONE
    assert [stage.kind for stage in stages] == [stage.kind for stage in PLAN.stages]
    assert world.account.open_when_asked == [[1], [2], [3]]
    assert world.journal.open_intents() == ()
    assert world.journal.layer_tokens()[5001] is LayerKind.CORE


@pytest.mark.parametrize("end", [not_done(), unknown()], ids=["not done", "unknown"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_not_done_ends_the_plan(end: StageOutcome, place: int) -> None:
    world = laddered(executes=[*GOES_WELL[:place], end])
    state, stages = carried(world)
    assert state.value == end.kind
    assert len(stages) == len(world.account.stages) == place + 1
    assert stages[-1].outcome == end
    assert len(world.journal.open_intents()) == isinstance(end, Unknown)


@pytest.mark.parametrize("error", [Transient("the node went away"), Refused("not one of ours")])
def test_an_error_before_the_send_is_a_stage_that_did_not_happen(error: Exception) -> None:
    world = laddered(executes=[error])
    state, stages = carried(world)
    assert state is CycleState.NOT_DONE
    assert stages[-1].outcome == NotDone(why=str(error), tx_hashes=(), gas_wei=0)
    assert world.journal.control() is None


def test_a_fault_halts_and_leaves_the_intent_for_recovery() -> None:
    world = laddered(executes=[withdrew(), Fault("a stranger used our nonce")])
    with pytest.raises(Fault, match="stranger"):
        carried(world)
    assert world.journal.control() == "halted: a stranger used our nonce"
    assert [intent.id for intent, _ in world.journal.open_intents()] == [2]
    assert len(world.account.stages) == 2


def test_a_bug_in_the_account_is_not_taken_for_a_refusal() -> None:
    world = laddered(executes=[KeyError("bug")])
    with pytest.raises(KeyError):
        carried(world)
    assert len(world.journal.open_intents()) == 1


def test_a_dry_account_ends_simulated() -> None:
    world = laddered(executes=[simulated(), simulated(), simulated((9, LayerKind.CORE))])
    state, _ = carried(world)
    assert state is CycleState.SIMULATED
    assert 9 not in world.journal.layer_tokens()


def test_later_stages_are_sized_from_what_the_receipts_gave() -> None:
    """The withdrawal gave next to nothing: the placement shrinks to what the wallet holds beside it."""
    poor = replace(done(), deltas=(TokenAmount(token=USDC, raw=0), TokenAmount(token=WETH, raw=0)))
    rich = replace(done(), deltas=(TokenAmount(token=USDC, raw=30_000 * 10**6), TokenAmount(token=WETH, raw=8 * 10**18)))
    placed: dict[str, Mint] = {}
    for name, outcome in {"poor": poor, "rich": rich}.items():
        world = laddered(executes=[outcome, poor, done()])
        carried(world)
        (mint,) = world.account.stages[-1].steps
        assert isinstance(mint, Mint)
        placed[name] = mint
    assert placed["poor"].amount0 <= 3_000 * 10**6 + 10
    assert placed["rich"].amount0 > 5 * placed["poor"].amount0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["done", "not_done", "unknown", "transient", "refused"]), min_size=3, max_size=3))
def test_stages_after_the_first_failure_are_never_begun(names: list[str]) -> None:
    fates = {
        "not_done": not_done(),
        "unknown": unknown(),
        "transient": Transient("no"),
        "refused": Refused("no"),
    }
    first = next((place for place, name in enumerate(names) if name != "done"), 2)
    world = laddered(executes=list(map(fates.get, names, GOES_WELL)))
    state, stages = carried(world)
    assert len(stages) == len(world.account.stages) == first + 1
    assert all(isinstance(stage.outcome, Done) for stage in stages[:first])
    assert (state is CycleState.UNKNOWN) == (names[first] == "unknown") == bool(world.journal.open_intents())

"""The market moves while the keeper acts, within its bounds: it places what there is, and no allowance outlives its use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keeper.core.model.plan import StageKind
from keeper.core.model.record import CycleState
from keeper.engine.cycle import run_cycle
from keeper.localchain import mainnet
from keeper.localchain.twin import Twin
from tests.fork.keeper_scene import (
    POSITIONS,
    QUIET_DRIFT,
    QUIET_STEP,
    USDC_PAIR,
    USDT_PAIR,
    Between,
    Pair,
    Scene,
    cycle,
    opened,
)

pytestmark = [
    pytest.mark.chain,
    pytest.mark.parametrize("pair", [USDC_PAIR, USDT_PAIR], ids=lambda pair: pair.name),
    pytest.mark.parametrize("change", [-0.006, 0.006], ids=["falls", "rises"]),
]


def is_placing(scene: Scene) -> bool:
    """Whether the newest transaction that waits is a placement: it goes to the position manager, as nothing else does here."""
    if not scene.sent:
        return False
    waiting = int(scene.twin.chain.rpc.call("eth_getTransactionCount", scene.wallet, "pending"), 16) - scene.nonce
    return bool(waiting) and scene.sent[-1].to == mainnet.POSITION_MANAGER


def test_a_placement_that_finds_another_price_leaves_no_allowance(
    twin: Twin, tmp_path: Path, pair: Pair, change: float
) -> None:
    """Somebody trades in the block of the placement, before it."""
    scene = opened(twin, tmp_path, pair)
    moved: list[float] = []

    def move_once() -> None:
        if not moved and is_placing(scene):
            moved.append(change)
            scene.go_to(scene.usd * (1 + change))

    scene.clock.before = move_once
    with scene.keeper() as keeper:
        assert cycle(keeper).state is CycleState.DONE
    assert moved
    assert len(scene.live_ids()) == POSITIONS
    assert not any(scene.leftovers())
    # The scarcer token is used up, the other one stays: it would be in an allowance if that were not taken back.
    stable, wrapped, native = scene.purse()
    assert wrapped == 0
    assert max(stable / 10**6, (native / 10**18 - 0.1) * scene.usd) > 5_000


def test_a_swap_that_fetches_something_else_is_followed_by_a_placement_of_just_that(
    twin: Twin, tmp_path: Path, pair: Pair, change: float
) -> None:
    scene = opened(twin, tmp_path, pair, step=QUIET_STEP)
    with scene.keeper() as keeper:
        cycle(keeper)
        for _ in range(3):
            scene.quarters(1, drift=QUIET_DRIFT)
            cycle(keeper)
        scene.quarters(1, drift=QUIET_DRIFT)
        between = Between(keeper, StageKind.SWAP, lambda: scene.go_to(scene.usd * (1 + change / 2)))
        record = run_cycle(replace(keeper.ports, executor=between), keeper.policy)
        assert record.state is CycleState.DONE
        assert record.plan is not None
        planned, placed = record.plan.stages[-1], between.stages[-1]
        assert [stage.kind.value for stage in between.stages] == ["withdraw", "swap", "place"]
        assert [step.kind for step in placed.steps] == [step.kind for step in planned.steps]
        assert placed != planned
        scene.wait(60)
        assert cycle(keeper).state is CycleState.HELD
        assert keeper.journal.verify() == ()
    assert len(scene.live_ids()) == POSITIONS
    assert not any(scene.leftovers())

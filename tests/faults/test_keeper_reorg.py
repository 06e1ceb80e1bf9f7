"""Blocks that go away after a whole keeper has acted on them: it looks again, and there is one ladder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.app.bootstrap import Keeper
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.record import CycleState
from keeper.localchain.twin import attach, running_base
from tests.fork.keeper_scene import POSITIONS, Scene, cycle, opened, opens_one_ladder

pytestmark = pytest.mark.chain


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Scene]:
    """A scene on a twin that forks nothing: on a fork a reorganisation does not give slots back that were zero before."""
    with running_base() as node:
        twin = attach(node.url, automine=False)
        yield opened(twin, tmp_path)
        twin.chain.close()


@pytest.mark.parametrize("depth", [1, 3, 4])
def test_a_reorganisation_of_a_confirmed_placement_leaves_one_ladder(root: Scene, depth: int) -> None:
    """Three confirmations had been waited for; the placement is in the third newest block."""
    wealth = root.wealth()
    with root.keeper() as keeper:
        assert cycle(keeper).state is CycleState.DONE
        root.twin.chain.rpc.call("anvil_reorg", depth, [])
        assert len(root.live_ids()) == (0 if depth >= 3 else POSITIONS)
        opens_one_ladder(root, keeper)
    assert wealth - root.wealth() < 10


def test_a_reorganisation_of_everything_halts_or_recovers_and_loses_nothing(root: Scene) -> None:
    """Deeper than any confirmation. Where fees are the same again, the same bytes would be signed, and the journal says that
    they were done: that halts. Where they are not, the ladder is opened anew.
    """
    wealth, rpc = root.wealth(), root.twin.chain.rpc
    with root.keeper() as keeper:
        assert cycle(keeper).state is CycleState.DONE
        rpc.call("anvil_reorg", 7, [])
        assert root.nonce == 0
        ends = [end_of(root, keeper) for _ in range(3)]
        assert "done" in ends or any("attempt" in end for end in ends)
        assert len(root.live_ids()) in {0, POSITIONS}
        # Once fees differ the bytes differ, and a person may let it go on.
        rpc.call("anvil_setNextBlockBaseFeePerGas", hex(2 * 10**9))
        rpc.call("evm_mine")
        keeper.journal.clear_halt()
        cycle(keeper)
        root.wait(12)
        opens_one_ladder(root, keeper)
    assert wealth - root.wealth() < 30


def end_of(scene: Scene, keeper: Keeper) -> str:
    """How a cycle ends, a block later: its state or its error."""
    try:
        return cycle(keeper).state.value
    except (Transient, Fault) as error:
        return str(error)
    finally:
        scene.wait(12)


def test_prices_of_blocks_that_went_away_do_not_stop_the_keeper(root: Scene) -> None:
    with root.keeper() as keeper:
        assert cycle(keeper).state is CycleState.DONE
        root.quarters(2)
        cycle(keeper)
        root.twin.chain.rpc.call("anvil_reorg", 1, [])
        states = []
        for _ in range(4):
            try:
                states.append(cycle(keeper).state)
            except Transient:
                states.append(None)
            root.wait(60)
        assert states[-1] is CycleState.HELD
        assert len(root.live_ids()) == POSITIONS
        assert keeper.journal.verify() == ()

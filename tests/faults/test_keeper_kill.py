"""Real SIGKILL in the middle of a whole keeper's cycle: the next start finds one ladder, or makes it one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from keeper.localchain.anvil import Anvil
from keeper.localchain.twin import running_twin
from tests.fork.keeper_scene import QUIET_DRIFT, QUIET_STEP, Scene, cycle, opened

pytestmark = [pytest.mark.long, pytest.mark.chain]

LADDER = {LayerKind.CORE: 1, LayerKind.SECONDARY: 1, LayerKind.INSURANCE: 2}
POINTS = ("intended", "signed", "journaled", "sent", "confirmed", "recorded")
"""Of every stage, in order."""
STAGES = {"open": 2, "shift": 3}
"""Opening unwraps and places; shifting withdraws, swaps and places."""
UNSENT = {"intended", "signed", "journaled"}

Kill = Callable[[str, int, Scene], int]


@dataclass
class Stand:
    """A chain and a keeper's folder that can be returned to."""

    scene: Scene
    snapshot: str
    folder: Path

    def again(self, folder: Path) -> Scene:
        """The scene as it stood, with a copy of the folder."""
        rpc = self.scene.twin.chain.rpc
        rpc.call("anvil_dropAllTransactions")
        assert rpc.call("evm_revert", self.snapshot)
        self.snapshot = rpc.call("evm_snapshot")
        if self.folder.exists():
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Scene(
            twin=self.scene.twin, pair=self.scene.pair, folder=folder, desk=self.scene.desk, usd=self.scene.usd, step=QUIET_STEP
        )


@pytest.fixture(scope="module", params=list(STAGES))
def stand(request: pytest.FixtureRequest, anvil_base: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A wallet whose next cycle opens a ladder, or one whose next cycle shifts every layer of it."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_twin(base=anvil_base) as twin:
        scene = opened(twin, folder, step=QUIET_STEP)
        if request.param == "shift":
            with scene.keeper() as keeper:
                assert cycle(keeper).state is CycleState.DONE
                for _ in range(3):
                    scene.quarters(1, drift=QUIET_DRIFT)
                    assert cycle(keeper).state is CycleState.HELD
            scene.quarters(1, drift=QUIET_DRIFT)
        yield Stand(scene=scene, snapshot=twin.chain.rpc.call("evm_snapshot"), folder=folder)


@pytest.fixture
def scene(stand: Stand, tmp_path: Path) -> Scene:
    return stand.again(tmp_path)


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    command = [sys.executable, "-m", "tests.faults.keeper_process"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdin
        assert process.stdout
        orders, endings = process.stdin, process.stdout

        def one(point: str, nth: int, scene: Scene) -> int:
            orders.write(f"{point} {nth} {scene.pair.name} {scene.twin.rpc_url} {scene.folder}\n")
            orders.flush()
            return int(endings.readline())

        yield one
        orders.close()


def pending(scene: Scene) -> int:
    count = scene.twin.chain.rpc.call("eth_getTransactionCount", scene.wallet, "pending")
    return int(count, 16) - scene.nonce


def started_again(scene: Scene, wealth: float) -> None:
    """A restart settles what was open, and ends with exactly one ladder that its journal knows wholly."""
    with scene.keeper() as keeper:
        for _ in range(2):
            cycle(keeper)
            assert len(scene.live_ids()) <= sum(LADDER.values())
            scene.wait(60)
        held, known = scene.held(), keeper.journal.layer_tokens()
        assert all(one.liquidity for one in held)
        assert Counter(known[one.token_id] for one in held) == LADDER
        assert len({(one.lower, one.upper) for one in held}) == len(held)
        assert keeper.journal.open_intents() == ()
        assert keeper.journal.open_cycle() is None
        assert keeper.journal.verify() == ()
        assert keeper.journal.control() is None
    assert pending(scene) == 0
    assert not any(scene.leftovers())
    assert all(one.journaled for one in scene.sent)
    # A kill costs gas, and nothing but gas: less than a tenth of a thousandth of what is there.
    assert wealth - scene.wealth() < 1e-4 * wealth + known_costs(scene)


def known_costs(scene: Scene) -> float:
    """The fees of the swap that the rebalance needs, dollars."""
    return 130.0 if scene.usd > 4_001 else 0.0


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(
    ("stand", "nth"),
    [(name, nth) for name, stages in STAGES.items() for nth in range(1, stages + 1)],
    indirect=["stand"],
    scope="module",
)
def test_a_kill_in_the_middle_of_a_stage_leaves_one_ladder(scene: Scene, kill: Kill, point: str, nth: int) -> None:
    wealth, nonce = scene.wealth(), scene.nonce
    assert kill(point, nth, scene) == -9
    assert scene.nonce - nonce + pending(scene) == nth - (point in UNSENT)
    started_again(scene, wealth)


@pytest.mark.parametrize("nth", [1, 2])
def test_what_was_mined_while_the_keeper_was_dead_counts(scene: Scene, kill: Kill, nth: int) -> None:
    wealth = scene.wealth()
    assert kill("sent", nth, scene) == -9
    assert pending(scene) == 1
    scene.wait(12)
    assert pending(scene) == 0
    scene.wait(3_600)
    started_again(scene, wealth)


@pytest.mark.parametrize("nth", [1, 2, 5])
def test_a_kill_between_inclusion_and_confirmation_leaves_one_ladder(scene: Scene, kill: Kill, nth: int) -> None:
    """A look before the first block, before the second, and in the middle of the second transaction's three."""
    wealth = scene.wealth()
    assert kill("waiting", nth, scene) == -9
    started_again(scene, wealth)


@pytest.mark.parametrize("point", ["begun", "ended"])
def test_a_kill_at_the_ends_of_a_cycle_leaves_one_ladder(scene: Scene, kill: Kill, point: str) -> None:
    wealth = scene.wealth()
    assert kill(point, 1, scene) == -9
    started_again(scene, wealth)


def test_a_keeper_that_is_killed_again_and_again_gets_there(scene: Scene, kill: Kill) -> None:
    """Every start dies at the next point of its first stage, and one survives."""
    wealth = scene.wealth()
    for point in POINTS:
        assert kill(point, 1, scene) in {-9, 0}
        assert len(scene.live_ids()) <= sum(LADDER.values())
    started_again(scene, wealth)

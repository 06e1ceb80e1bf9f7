"""Real SIGKILL at every point of the send path: whoever starts next finds out what happened, and it happened at most once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, NotDone, StageOutcome
from keeper.core.model.pool import PoolKey
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Scene
from tests.faults.send_victim import POINTS
from tests.pairs import NOW_S, USDC_WETH_500, WALLET, WETH_USDT_500

pytestmark = pytest.mark.chain

NEVER_SIGNED = {"intended", "signed"}
CLOSED = {"planned", "recorded"}
"""Points at which no intent is open."""

Kill = Callable[[str, int, PoolKey, Twin, Path], None]


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    command = [sys.executable, "-m", "tests.faults.send_victim"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdin
        assert process.stdout
        orders, endings = process.stdin, process.stdout

        def one(point: str, nth: int, pool: PoolKey, twin: Twin, path: Path) -> None:
            orders.write(f"{point} {nth} {pool.address} {twin.rpc_url} {path}\n")
            orders.flush()
            assert int(endings.readline()) == -9

        yield one
        orders.close()


def start_again(scene: Scene, path: Path) -> list[StageOutcome]:
    """What every start does first."""
    scene.clock.on_pause = scene.mine
    outcomes = []
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        for intent, attempts in journal.open_intents():
            outcome = scene.live().settle(intent, attempts, journal)
            journal.record_outcome(intent, outcome, now_s=NOW_S)
            outcomes.append(outcome)
        assert journal.open_intents() == ()
    return outcomes


def layers(path: Path) -> list[LayerKind]:
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        return list(journal.layer_tokens().values())


@pytest.mark.parametrize("mined", [False, True], ids=["waiting", "mined"])
@pytest.mark.parametrize("point", POINTS)
def test_a_permitted_stage_survives_a_kill(twin: Twin, kill: Kill, tmp_path: Path, point: str, mined: bool) -> None:
    scene, path = Scene(twin), tmp_path / "journal.sqlite"
    before = scene.nonce()
    twin.chain.set_automine(False)
    kill(point, 1, USDC_WETH_500, twin, path)
    if mined:
        scene.mine()
    outcomes = start_again(scene, path)
    if point in CLOSED:
        assert outcomes == []
    else:
        (outcome,) = outcomes
        assert isinstance(outcome, NotDone if point in NEVER_SIGNED else Done)
    happened = point not in NEVER_SIGNED | {"planned"}
    assert scene.nonce() - before == happened
    assert layers(path) == [LayerKind.CORE] * happened
    assert scene.allowances() == [0, 0, 0, 0]
    assert start_again(scene, path) == []


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", ["signed", "journaled", "sending", "sent", "waiting"])
def test_a_stage_with_approvals_survives_a_kill(twin: Twin, kill: Kill, tmp_path: Path, point: str, nth: int) -> None:
    """Its transactions are approval, stage, and the approval's end; what was not signed is not begun."""
    scene, path = Scene(twin, WETH_USDT_500), tmp_path / "journal.sqlite"
    before = scene.nonce()
    twin.chain.set_automine(False)
    kill(point, nth, WETH_USDT_500, twin, path)
    (outcome,) = start_again(scene, path)
    signed = nth - (point == "signed")
    assert isinstance(outcome, Done if signed >= 2 else NotDone)
    assert layers(path) == [LayerKind.CORE] * (signed >= 2)
    assert scene.nonce() - before == (0, 2, 3, 3)[signed]
    assert scene.allowances() == [0, 0, 0, 0]
    told = {delta.token.address: delta.raw for delta in outcome.deltas} if isinstance(outcome, Done) else {}
    assert scene.holdings()[0] - 500_000 * 10**6 == told.get(scene.stable.address, 0)

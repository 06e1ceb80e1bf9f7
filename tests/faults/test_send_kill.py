"""Real SIGKILL at every point of the send path: whoever starts next finds out what happened, and it happened at most once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, NotDone
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Scene
from tests.faults.killing import Kill, running_victims, start_again
from tests.faults.send_victim import POINTS
from tests.pairs import USDC_WETH_500, WALLET, WETH_USDT_500

pytestmark = [pytest.mark.long, pytest.mark.chain]

NEVER_SIGNED = {"intended", "signed"}
CLOSED = {"planned", "recorded"}
"""Points at which no intent is open."""


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    with running_victims("core") as one:
        yield one


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

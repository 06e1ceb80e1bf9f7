"""Real SIGKILL while an option is bought in two calls: each start finds what was signed, and leaves no allowance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.core.model.plan import Done, NotDone
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Scene
from tests.fakes.option_shop import OpenShop
from tests.faults.killing import Kill, running_victims, start_again
from tests.pairs import USDC, USDC_WETH_500, WETH

pytestmark = [pytest.mark.long, pytest.mark.chain]

MINED = (0, 2, 2, 4, 5, 5)
"""Transactions in the end by how many were signed: an approval whose call was not is followed by its end."""


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    with running_victims("option") as one:
        yield one


@pytest.mark.parametrize(
    ("point", "nth"),
    [*(("signed", nth) for nth in range(2, 6)), ("journaled", 1), ("journaled", 4), ("sent", 3), ("sent", 4)],
)
def test_a_purchase_survives_a_kill(twin: Twin, kill: Kill, tmp_path: Path, point: str, nth: int) -> None:
    scene, path = Scene(twin), tmp_path / "journal.sqlite"
    shop = OpenShop(scene)
    before, held = scene.nonce(), scene.holdings()
    twin.chain.set_automine(False)
    kill(point, nth, USDC_WETH_500, twin, path)
    (outcome,) = start_again(scene, path)
    signed = nth - (point == "signed")
    assert isinstance(outcome, Done if signed >= 4 else NotDone)
    assert scene.nonce() - before == MINED[signed]
    assert shop.allowances() == [0] * 6
    moved = [now - then for now, then in zip(scene.holdings()[:2], held[:2], strict=True)]
    assert moved == [-1_000 * 10**6 * (signed >= 4), -3 * 10**18 * (signed >= 2)]
    if isinstance(outcome, Done):
        assert {delta.token: delta.raw for delta in outcome.deltas} == dict(zip((USDC, WETH), moved, strict=True))
    assert start_again(scene, path) == []

"""A whole keeper that keeps its lean within a band, on the twin: fresh ether is sold down to the band, and no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.app.cli.replay import differences, think_again
from keeper.core.model.decision import TiltInventory
from keeper.core.model.plan import Done, StageKind
from keeper.core.model.record import CycleState
from keeper.core.strategy.hedge.bias import balance
from keeper.core.strategy.hedge.needs import reference_volatility
from keeper.localchain import mainnet
from keeper.localchain.twin import Twin
from tests.fork.keeper_scene import cycle, opened

pytestmark = pytest.mark.chain

GIFT_WETH = 15 * 10**18


def test_ether_that_comes_in_is_sold_until_the_lean_is_inside_the_band(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path)
    with scene.keeper(hedge__lean_target="0.5", hedge__lean_band="0.05") as keeper:
        assert cycle(keeper).state is CycleState.DONE
        scene.twin.fund(scene.wallet, mainnet.WETH, GIFT_WETH)
        scene.quarters(1)
        before, dollars = scene.held(), scene.purse()[0]
        record = cycle(keeper)
        scene.wait(12)
        after = cycle(keeper)
    (move,) = record.decision.moves
    assert isinstance(move, TiltInventory)
    assert record.state is CycleState.DONE
    assert [stage.kind for stage in record.stages] == [StageKind.WRAP, StageKind.SWAP]
    found = balance(record.view, keeper.policy, reference_volatility(record.readings))
    left = balance(after.view, keeper.policy, reference_volatility(after.readings))
    assert found is not None
    assert left is not None
    assert found.share > found.edge
    assert not left.is_outside
    assert left.share == pytest.approx(0.5 + 0.9 * 0.05, abs=0.002)
    outcome = record.stages[1].outcome
    assert isinstance(outcome, Done)
    changes = {delta.token.address: delta.raw for delta in outcome.deltas}
    assert changes[mainnet.WETH] == -move.sold.raw
    assert scene.purse()[0] - dollars == changes[mainnet.USDC] > 0
    assert [one.liquidity for one in scene.held()] == [one.liquidity for one in before]
    assert not any(isinstance(one, TiltInventory) for one in after.decision.moves)
    assert not any(scene.leftovers())
    assert keeper.journal.verify() == ()
    assert differences(record, think_again(record, keeper.journal.named_history(record.view))) == ()

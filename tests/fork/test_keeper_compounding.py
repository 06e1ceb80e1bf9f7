"""Fees go back to work in the positions that earned them, for their gas and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.core.model.decision import CompoundLayer
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Collect, Increase
from keeper.core.model.record import CycleState
from keeper.localchain.twin import Twin
from tests.fork.keeper_scene import USDC_PAIR, USDT_PAIR, Held, Pair, Scene, cycle, opened

pytestmark = pytest.mark.chain

TRIPS = 45
"""Of the price, up and down by 0.6 %: about $17 of fees each for the core."""


def fees_of(scene: Scene, held: Held) -> float:
    """What the position is owed beyond its principal, in dollars."""
    return scene.pair.pools[0].usd_of(*held.fees, scene.usd)


@pytest.mark.parametrize("pair", [USDC_PAIR, USDT_PAIR], ids=lambda pair: pair.name)
def test_fees_worth_their_gas_are_put_back_into_their_own_position(twin: Twin, tmp_path: Path, pair: Pair) -> None:
    scene = opened(twin, tmp_path, pair)
    with scene.keeper(gates__min_move_quote="20", regimes__normal_from="0.95") as keeper:
        assert cycle(keeper).state is CycleState.DONE
        for _ in range(TRIPS):
            scene.go_to(scene.usd * 1.006)
            scene.go_to(scene.usd / 1.006)
        scene.wait(1_800)
        before, wealth, nonce = scene.held(), scene.wealth(), scene.nonce
        record = cycle(keeper)
    assert record.state is CycleState.DONE
    (move,) = record.decision.moves
    assert isinstance(move, CompoundLayer)
    assert move.layer is LayerKind.CORE
    (core,) = move.token_ids
    assert record.plan is not None
    assert [type(step) for stage in record.plan.stages for step in stage.steps] == [Collect, Increase]
    after = scene.held()
    assert [(one.token_id, one.lower, one.upper) for one in after] == [(one.token_id, one.lower, one.upper) for one in before]
    for old, new in zip(before, after, strict=True):
        if old.token_id == core:
            assert new.liquidity > old.liquidity
            assert fees_of(scene, old) > 400
            assert fees_of(scene, new) < 1
        else:
            assert (new.liquidity, new.fees) == (old.liquidity, old.fees)
    gas_usd = sum(stage.outcome.gas_wei for stage in record.stages) / 10**18 * scene.usd
    assert wealth - scene.wealth() == pytest.approx(gas_usd, abs=0.01)
    assert scene.nonce - nonce <= 2 + (pair is USDT_PAIR) * 2
    assert not any(scene.leftovers())

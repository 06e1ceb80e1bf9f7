"""Our positions in the simulated pool against the real contracts: the same stages, the same trades between, to the wei."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from keeper.adapters.evm.blocks import headers
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history.state_download import whole_pool
from keeper.adapters.history.states import WholePool
from keeper.core.model.plan import Done, Increase, Minted, Stage, StageKind
from keeper.core.model.pool import BlockRef
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.localchain import mainnet
from keeper.localchain.twin import Twin
from keeper.simulation.account import VirtualAccount
from keeper.simulation.presence import Presence
from keeper.simulation.sim_pool import SimPool
from keeper.simulation.tape import TapeStart
from tests.fakes.executor_scene import Scene, mirrored
from tests.policies import policy

pytestmark = pytest.mark.chain


class Double:
    """The scene's pool and wallet, taken over into memory."""

    def __init__(self, scene: Scene) -> None:
        whole = whole_at_head(scene)
        self.pool = SimPool(
            scene.pool,
            TapeStart(block=whole.block, timestamp_s=whole.timestamp_s, pool=whole.pool),
            presence=Presence.AMOUNTS_KEPT,
            twap_window_s=1_800,
        )
        stable, wrapped, native = scene.holdings()
        assert wrapped == 0
        rules = policy(pools=(scene.pool,), signal_pool=scene.pool.address)
        balances = {scene.stable.address: stable}
        self.account = VirtualAccount(rules, {scene.pool.address: self.pool}, native_wei=native, balances=balances)
        self.block = BlockRef(number=whole.block, hash="0x" + "0" * 64, timestamp_s=whole.timestamp_s)
        self.tokens: dict[int, int] = {}

    def run(self, stage: Stage) -> tuple[tuple[int, int], tuple[Minted, ...]]:
        """The same stage, with our names of its positions."""
        effect = self.account.carry_out(_renamed(stage, self.tokens), self.block)
        return (effect.deltas[0].raw, effect.deltas[1].raw), effect.minted


def _renamed(stage: Stage, tokens: dict[int, int]) -> Stage:
    steps = tuple(replace(step, token_id=tokens[step.token_id]) if hasattr(step, "token_id") else step for step in stage.steps)
    return Stage(kind=stage.kind, steps=steps)


def both(scene: Scene, double: Double, stage: Stage) -> Done:
    """Carry a stage out on the chain and in memory, and compare what it moved."""
    there = scene.run(stage)
    assert isinstance(there, Done), there
    here, minted = double.run(stage)
    assert here == tuple(delta.raw for delta in there.deltas)
    assert len(minted) == len(there.minted)
    double.tokens |= {real.token_id: ours.token_id for real, ours in zip(there.minted, minted, strict=True)}
    return there


def trade(scene: Scene, double: Double, chance: random.Random) -> None:
    """A swap of somebody else, on both sides; on the chain it is our wallet's, which the double does not have."""
    sell_stable = chance.random() < 0.5
    amount = chance.randrange(1, 60_000) * 10**6 if sell_stable else chance.randrange(1, 15 * 10**18)
    stage = scene.swap(sell_stable=sell_stable, amount_in=amount)
    there = scene.run(stage)
    assert isinstance(there, Done), there
    (step,) = stage.steps
    zero_for_one = step.zero_for_one
    limit = MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1
    asked = SwapRequest(zero_for_one=zero_for_one, amount_specified=amount, sqrt_price_limit_x96=limit)
    here = double.pool.trade(double.block, asked)
    assert tuple(-raw for raw in here) == tuple(delta.raw for delta in there.deltas)


@pytest.mark.parametrize("build", [Scene, mirrored])
def test_a_ladder_earns_and_returns_to_the_wei_what_it_does_on_the_chain(twin: Twin, build) -> None:
    scene: Scene = build(twin)
    chance, double = random.Random(5), Double(scene)
    placed = both(scene, double, scene.ladder_stage())
    for _ in range(6):
        trade(scene, double, chance)
    core = placed.minted[0].token_id
    added = Increase(token_id=core, pool=scene.pool.address, amount0=10**9, amount1=10**18, amount0_min=0, amount1_min=0)
    if scene.pool.token0 != scene.stable:
        added = Increase(token_id=core, pool=scene.pool.address, amount0=10**18, amount1=10**9, amount0_min=0, amount1_min=0)
    both(scene, double, Stage(kind=StageKind.PLACE, steps=(added,)))
    for _ in range(4):
        trade(scene, double, chance)
    both(scene, double, scene.withdraw(core))
    again = both(scene, double, scene.core_stage())
    for _ in range(4):
        trade(scene, double, chance)
    rest = [one.token_id for one in placed.minted[1:]]
    both(scene, double, scene.withdraw(*rest, again.minted[0].token_id))
    stored = whole_at_head(scene).pool
    assert stored.sqrt_price_x96 == double.pool.pool.sqrt_price_x96
    assert stored.fee_growth_global0_x128 == double.pool.pool.fee_growth_global0_x128
    assert stored.fee_growth_global1_x128 == double.pool.pool.fee_growth_global1_x128
    assert dict(stored.ticks) == dict(double.pool.pool.snapshot().ticks)
    assert double.account.manager.held == {}


def whole_at_head(scene: Scene) -> WholePool:
    rpc = Rpc(scene.twin.rpc_url)
    try:
        number = int(rpc.call("eth_blockNumber"), 16)
        return whole_pool(rpc, mainnet.MULTICALL3, scene.pool.address, headers(rpc, [number])[number])
    finally:
        rpc.close()

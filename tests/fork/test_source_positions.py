"""What the source says a position holds is what the position manager would pay, to the wei."""

from __future__ import annotations

import random

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.ladder import Position, TickRange
from keeper.core.model.pool import PoolKey
from keeper.localchain import mainnet
from keeper.localchain.twin import Twin
from tests.bench.scene import FAR_DEADLINE_S, MANAGER, Scene, much_of, opened, rungs
from tests.pairs import TICK, USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500

pytestmark = pytest.mark.chain
UINT128 = 2**128 - 1


def paid_principal(rpc: Rpc, wallet: str, position: Position) -> tuple[int, int]:
    function = MANAGER.function("decreaseLiquidity")
    data = function.call_data((position.token_id, position.liquidity, 0, 0, FAR_DEADLINE_S))
    amount0, amount1 = function.decode(
        rpc.call("eth_call", {"from": wallet, "to": mainnet.POSITION_MANAGER, "data": data}, "latest")
    )
    return amount0, amount1


def paid_fees(rpc: Rpc, wallet: str, position: Position) -> tuple[int, int]:
    function = MANAGER.function("collect")
    data = function.call_data((position.token_id, wallet, UINT128, UINT128))
    amount0, amount1 = function.decode(
        rpc.call("eth_call", {"from": wallet, "to": mainnet.POSITION_MANAGER, "data": data}, "latest")
    )
    return amount0, amount1


def trade(scene: Scene, seed: int, blocks: int) -> None:
    """Swaps both ways, some across many ticks."""
    rng = random.Random(seed)
    for _ in range(blocks):
        ways = [rng.random() < 0.5 for _ in range(3)]
        tokens = [scene.key.token0 if way else scene.key.token1 for way in ways]
        scene.swap(*((way, int(much_of(token) / 3 * rng.random() ** 4) + 1) for way, token in zip(ways, tokens, strict=True)))


@pytest.mark.parametrize(
    ("key", "tick", "seed"),
    [(USDC_WETH_500, TICK, 1), (USDC_WETH_500, TICK, 2), (USDC_WETH_3000, TICK, 3), (WETH_USDT_500, -TICK, 4)],
)
def test_amounts_and_fees_are_what_a_withdrawal_would_pay(twin: Twin, rpc: Rpc, key: PoolKey, tick: int, seed: int) -> None:
    scene = opened(twin, key, tick=tick)
    step = key.tick_spacing
    at = tick // step * step
    outside = [TickRange(lower=at + 40 * step, upper=at + 60 * step), TickRange(lower=at - 60 * step, upper=at - 40 * step)]
    bounds = [*rungs(key, 6, tick=tick), *outside]
    ids = scene.mint(bounds, raw0=much_of(key.token0) // 50, raw1=much_of(key.token1) // 50)
    source = scene.source(rpc)
    earned = 0
    for round_ in range(4):
        trade(scene, seed * 100 + round_, 4)
        if round_ == 1:
            # Withdrawn and not collected: it waits in the position and a collect pays it.
            scene.manage("decreaseLiquidity", (ids[0], 10**6, 0, 0, FAR_DEADLINE_S))
            trade(scene, seed * 100 + 50, 2)
        observation = source.observe(token_ids=ids, prices_after_block=None, sample_after_s=None)
        assert [position.token_id for position in observation.positions] == ids
        for position in observation.positions:
            assert (position.amount0, position.amount1) == paid_principal(rpc, scene.wallet, position)
            assert (position.fees0, position.fees1) == paid_fees(rpc, scene.wallet, position)
            earned += position.fees0 * position.fees1
    assert earned > 0


def test_what_is_owed_without_liquidity_counts_and_an_empty_position_does_not(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    first, second = scene.mint(rungs(scene.key, 2))
    source = scene.source(rpc)
    held = source.observe(token_ids=[first, second], prices_after_block=None, sample_after_s=None).positions[0]
    scene.manage("decreaseLiquidity", (first, held.liquidity, 0, 0, FAR_DEADLINE_S))
    owing = source.observe(token_ids=[first, second], prices_after_block=None, sample_after_s=None).positions[0]
    assert (owing.token_id, owing.liquidity, owing.amount0, owing.amount1) == (first, 0, 0, 0)
    assert (owing.fees0, owing.fees1) == (held.amount0, held.amount1)
    scene.manage("collect", (first, scene.wallet, UINT128, UINT128))
    left = source.observe(token_ids=[first, second], prices_after_block=None, sample_after_s=None).positions
    assert [position.token_id for position in left] == [second]
    scene.manage("increaseLiquidity", (first, 10**9, 10**18, 0, 0, FAR_DEADLINE_S))
    assert len(source.observe(token_ids=[first, second], prices_after_block=None, sample_after_s=None).positions) == 2


def test_positions_come_and_go_with_their_owner(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    ours = scene.mint(rungs(scene.key, 2))
    source = scene.source(rpc)
    unknown = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    assert [position.token_id for position in unknown.positions] == ours
    theirs = scene.mint(rungs(scene.key, 1), owner=scene.trader)
    still = source.observe(token_ids=[*ours, *theirs, 10**6], prices_after_block=None, sample_after_s=None)
    assert [position.token_id for position in still.positions] == ours
    scene.manage("decreaseLiquidity", (ours[0], still.positions[0].liquidity, 0, 0, FAR_DEADLINE_S))
    scene.manage("collect", (ours[0], scene.wallet, UINT128, UINT128))
    scene.manage("burn", ours[0])
    left = source.observe(token_ids=ours, prices_after_block=None, sample_after_s=None)
    assert [position.token_id for position in left.positions] == ours[1:]
    assert source.observe(token_ids=[], prices_after_block=None, sample_after_s=None).positions == left.positions


def test_positions_of_pools_that_are_not_configured_are_left_out(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    other = opened(twin, USDC_WETH_3000)
    foreign = other.mint(rungs(USDC_WETH_3000, 2))
    ours = scene.mint(rungs(scene.key, 1))
    found = scene.source(rpc).observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    assert [position.token_id for position in found.positions] == ours
    both = scene.source(rpc, pools=(USDC_WETH_500, USDC_WETH_3000)).observe(
        token_ids=[], prices_after_block=None, sample_after_s=None
    )
    assert [position.token_id for position in both.positions] == [*foreign, *ours]
    assert [pool.state.key for pool in both.pools] == [USDC_WETH_500, USDC_WETH_3000]
    assert both.wallet.balances == found.wallet.balances

"""The swap that planning foresees, from nothing but the ticks of a view, is the one that the venue's own quoter foretells."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.decision import Decision, Move, OpenLayer, ShiftLayer
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Position
from keeper.core.model.plan import Burn, Collect, Decrease, Plan, StageKind, Step, Swap
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolKey, PoolView
from keeper.core.model.token import Token, TokenAmount
from keeper.core.model.view import MarketView, Wallet
from keeper.core.planning import plan
from keeper.core.planning.bounds import Interval
from keeper.core.planning.depth import pools_without, reach_x96, swap_in
from keeper.core.planning.swap import executed_swap
from keeper.core.v3math.pool_swap import SwapResult
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.localchain import mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin
from tests.bench.scene import FAR_DEADLINE_S, ROUTER, TWAP_WINDOW_S, Scene, much_of, opened, rungs
from tests.builders import decision, execution_policy, ladder_policy, policy, target_layer, view
from tests.pairs import TICK, USDC_WETH_500, USDC_WETH_3000, WETH, WETH_USDT_500

pytestmark = pytest.mark.chain

QUOTE = contract("QuoterV2").function("quoteExactInputSingle")
FACTORY_OWNER = next(each.deployer for each in mainnet.DEPLOYMENTS if each.address == mainnet.FACTORY)
ALL_PRICES = Interval(lower_x96=MIN_SQRT_RATIO + 1, upper_x96=MAX_SQRT_RATIO - 1, width_ticks=0)
"""So that the known map alone bounds the swap."""
UINT128 = 2**128 - 1
POOLS = ((USDC_WETH_500, TICK), (USDC_WETH_3000, TICK), (WETH_USDT_500, -TICK))
"""And the tick that each begins at."""
NEAR_WORD_ENDS = ((USDC_WETH_500, 192_150), (USDC_WETH_500, 191_850))
"""Above and below tick 192,000, where a word of the bitmap ends and no range does: a swap stops there all the same."""
RESERVE_WEI = 5 * 10**17
DOLLARS = (500, 20_000, 150_000, 2_000_000)
"""Of the one token that the wallet holds: from far less than the pool is deep to more than the protected price lets through."""


@pytest.fixture
def rpc(twin: Twin) -> Iterator[Rpc]:
    client = Rpc(twin.rpc_url)
    yield client
    client.close()


def router_call(scene: Scene, account: str, step: Swap) -> LocalTx:
    """The swap through the router."""
    way = (scene.key.token0.address, scene.key.token1.address)
    token_in, token_out = way if step.zero_for_one else way[::-1]
    limits = (step.amount_in, step.amount_out_min, step.sqrt_price_limit_x96)
    data = ROUTER.function("exactInputSingle").call_data((token_in, token_out, scene.key.fee_pips, account, *limits))
    return LocalTx(sender=account, to=mainnet.SWAP_ROUTER_02, data=data)


def traded(scene: Scene, tick: int, swaps: int = 12) -> None:
    """Swaps to and fro across many ticks, the last one into the innermost of our ranges."""
    rng = random.Random(tick)
    reach = 60 * scene.key.tick_spacing
    for number in range(swaps):
        way = number % 2 == 0
        reached = tick + (rng.randint(-reach, -1) if way else rng.randint(1, reach))
        if number == swaps - 1:
            reached = tick + 3
        step = Swap(
            pool=scene.key.address,
            zero_for_one=way,
            amount_in=much_of(scene.key.token0 if way else scene.key.token1) * 10**3,
            amount_out_min=0,
            sqrt_price_limit_x96=get_sqrt_ratio_at_tick(reached) + rng.randint(0, 10**6),
        )
        scene.twin.chain.mine_all_succeed([router_call(scene, scene.trader, step)])


def busy(twin: Twin, key: PoolKey, tick: int) -> tuple[Scene, list[int]]:
    """A pool with the crowd's liquidity and ours, after some trade; the tokens of our positions."""
    scene = opened(twin, key, tick=tick)
    ids = scene.mint(rungs(key, 12, tick=tick), raw0=much_of(key.token0) // 50, raw1=much_of(key.token1) // 50)
    traded(scene, tick)
    return scene, ids


def observed(scene: Scene, rpc: Rpc, ids: Sequence[int]) -> tuple[PoolView, tuple[Position, ...]]:
    """The pool, after time enough for a mean price, and our positions."""
    for _ in range(TWAP_WINDOW_S // 12 + 1):
        scene.twin.chain.mine()
    found = scene.source(rpc).observe(token_ids=ids, prices_after_block=None, sample_after_s=None)
    (pool,) = found.pools
    return pool, found.positions


def quoted(rpc: Rpc, key: PoolKey, step: Swap) -> tuple[int, int]:
    """Output and square-root price after the swap, says QuoterV2 at the latest block."""
    way = (key.token0.address, key.token1.address)
    way = way if step.zero_for_one else way[::-1]
    data = QUOTE.call_data((*way, step.amount_in, key.fee_pips, step.sqrt_price_limit_x96))
    amount_out, price_after_x96, _, _ = QUOTE.decode(rpc.call("eth_call", {"to": mainnet.QUOTER_V2, "data": data}, "latest"))
    return amount_out, price_after_x96


def simulated(pool: PoolView, step: Swap) -> SwapResult:
    return swap_in(
        pool,
        zero_for_one=step.zero_for_one,
        amount_specified=step.amount_in,
        sqrt_price_limit_x96=step.sqrt_price_limit_x96,
    )


def foreseen(pool: PoolView, step: Swap) -> tuple[int, int]:
    """The same from the view alone."""
    result = simulated(pool, step)
    return -min(result.amount0, result.amount1), result.sqrt_price_x96


def swaps_of_every_size(pool: PoolView) -> list[Swap]:
    """Both ways, from a raw unit to far more than the map's reach lets through."""
    lowest, highest = reach_x96(pool, ALL_PRICES)
    key = pool.state.key
    return [
        Swap(
            pool=key.address,
            zero_for_one=way,
            amount_in=amount_in,
            amount_out_min=0,
            sqrt_price_limit_x96=lowest if way else highest,
        )
        for way, token in ((True, key.token0), (False, key.token1))
        for amount_in in [1, 2, 999, *(much_of(token) * 3**power // 3**16 for power in range(22))]
    ]


@pytest.mark.parametrize("protocol_share", [0, 4])
@pytest.mark.parametrize(("key", "tick"), [*POOLS, *NEAR_WORD_ENDS])
def test_every_size_both_ways_is_as_quoted(twin: Twin, rpc: Rpc, key: PoolKey, tick: int, protocol_share: int) -> None:
    scene, ids = busy(twin, key, tick)
    if protocol_share:
        twin.chain.impersonate(FACTORY_OWNER)
        data = interface("UniswapV3Pool").function("setFeeProtocol").call_data(protocol_share, protocol_share)
        twin.chain.mine_all_succeed([LocalTx(sender=FACTORY_OWNER, to=key.address, data=data)])
    pool, positions = observed(scene, rpc, ids)
    assert pool.state.fee_protocol == protocol_share * 17
    assert any(held.range.lower <= pool.state.tick < held.range.upper for held in positions)
    crossed, stopped = [], 0
    for step in swaps_of_every_size(pool):
        assert foreseen(pool, step) == quoted(rpc, key, step), step
        result = simulated(pool, step)
        crossed.append(len(result.crossed))
        stopped += result.sqrt_price_x96 == step.sqrt_price_limit_x96
    assert max(crossed) >= 8
    assert len(set(crossed)) >= 5
    assert stopped >= 2


def asked_for(move: Move) -> Decision:
    """Without a forecast of volatility, so that the wish prevails over what the swap costs."""
    return decision(moves=(move,), volatility=None)


def rules_for(key: PoolKey) -> Policy:
    return policy(
        base=WETH,
        quote=key.token0 if key.token1 == WETH else key.token1,
        wrapped_native=WETH,
        pools=(key,),
        signal_pool=key.address,
        ladder=ladder_policy(pool=key),
        execution=execution_policy(swap_pools=(key.address,), unplaced_tolerance=0.0, native_reserve_wei=RESERVE_WEI),
    )


def worth_raw(token: Token, dollars: int) -> int:
    return dollars * 10**18 // 4_000 if token == WETH else dollars * 10**6


def market(scene: Scene, pool: PoolView, held: Ladder, funds: tuple[int, int]) -> MarketView:
    """The view of a wallet with these funds, ether as native currency."""
    key = pool.state.key
    raws = dict(zip((key.token0, key.token1), funds, strict=True))
    wallet = Wallet(
        address=scene.wallet,
        native_wei=raws[WETH] + RESERVE_WEI,
        balances=tuple(TokenAmount(token=token, raw=0 if token == WETH else raw) for token, raw in raws.items()),
        nonce=0,
    )
    return view(held=held, pools=(pool,), wallet=wallet)


def steps_of(found: Plan | None, kind: StageKind) -> tuple[Step, ...]:
    assert found is not None
    return tuple(step for stage in found.stages if stage.kind is kind for step in stage.steps)


def swapped(scene: Scene, step: Swap) -> int:
    """Do it, with the plan's own minimum; what came out."""
    token_out = scene.key.token1 if step.zero_for_one else scene.key.token0
    before = scene.twin.balance_raw(scene.wallet, token_out.address)
    scene.twin.chain.mine_all_succeed([router_call(scene, scene.wallet, step)])
    return scene.twin.balance_raw(scene.wallet, token_out.address) - before


def withdrawn(scene: Scene, steps: Sequence[Step]) -> None:
    """Carry the withdrawals of a plan out."""
    for step in steps:
        match step:
            case Decrease():
                limits = (step.amount0_min, step.amount1_min, FAR_DEADLINE_S)
                scene.manage("decreaseLiquidity", (step.token_id, step.liquidity, *limits))
            case Collect():
                scene.manage("collect", (step.token_id, scene.wallet, UINT128, UINT128))
            case Burn():
                scene.manage("burn", step.token_id)


def must_be_as_foreseen(scene: Scene, rpc: Rpc, step: Swap, before: PoolView, after: PoolView) -> None:
    """Quoter, router and the pool afterwards, against the planned swap from ``before`` to ``after``."""
    expected = foreseen(before, step)
    assert expected == quoted(rpc, scene.key, step)
    assert expected[0] >= step.amount_out_min > 0
    assert after.state.sqrt_price_x96 == expected[1]
    assert swapped(scene, step) == expected[0]
    (found,) = scene.source(rpc).observe(token_ids=[], prices_after_block=None, sample_after_s=None).pools
    told = (after.state.sqrt_price_x96, after.state.tick, after.state.liquidity)
    assert (found.state.sqrt_price_x96, found.state.tick, found.state.liquidity) == told


@pytest.mark.parametrize("sell_token0", [True, False])
@pytest.mark.parametrize(("key", "tick"), POOLS)
def test_an_opening_swap_ends_where_it_was_planned(twin: Twin, rpc: Rpc, key: PoolKey, tick: int, *, sell_token0: bool) -> None:
    """Our older positions stay in the pool and are swapped against."""
    scene, ids = busy(twin, key, tick)
    pool, positions = observed(scene, rpc, ids)
    held = Ladder(layers=(Layer(kind=LayerKind.SECONDARY, positions=positions),))
    at = pool.state.tick // key.tick_spacing * key.tick_spacing
    band = (at - 20 * key.tick_spacing, at + 20 * key.tick_spacing)
    opening = asked_for(OpenLayer(target=target_layer(LayerKind.CORE, (band,), weight=0.9, pool=key)))
    crossed = []
    for dollars in DOLLARS:
        raw = worth_raw(key.token0 if sell_token0 else key.token1, dollars)
        found = plan(market(scene, pool, held, (raw, 0) if sell_token0 else (0, raw)), opening, rules_for(key))
        (step,) = steps_of(found, StageKind.SWAP)
        assert isinstance(step, Swap)
        assert step.zero_for_one == sell_token0
        crossed.append(len(simulated(pool, step).crossed))
        snapshot = twin.chain.rpc.call("evm_snapshot")
        must_be_as_foreseen(scene, rpc, step, pool, executed_swap({key.address: pool}, step)[key.address])
        assert twin.chain.rpc.call("evm_revert", snapshot)
    assert max(crossed) > 0


@pytest.mark.parametrize("offset", [-3, 3])
@pytest.mark.parametrize(("key", "tick"), POOLS)
def test_a_shift_foresees_the_pool_that_its_own_withdrawal_leaves(
    twin: Twin, rpc: Rpc, key: PoolKey, tick: int, offset: int
) -> None:
    """The swap is planned while our liquidity is still in the pool, and made when it is not."""
    scene, ids = busy(twin, key, tick)
    pool, positions = observed(scene, rpc, ids)
    held = Ladder(layers=(Layer(kind=LayerKind.CORE, positions=positions),))
    at = pool.state.tick // key.tick_spacing + offset
    band = ((at - 5) * key.tick_spacing, (at + 5) * key.tick_spacing)
    target = target_layer(LayerKind.CORE, (band,), weight=0.9, pool=key)
    shift = asked_for(ShiftLayer(target=target, token_ids=tuple(ids)))
    found = plan(market(scene, pool, held, (0, 0)), shift, rules_for(key))
    withdrawals = steps_of(found, StageKind.WITHDRAW)
    (step,) = steps_of(found, StageKind.SWAP)
    assert isinstance(step, Swap)
    pools = pools_without(market(scene, pool, held, (0, 0)), withdrawals)
    before = pools[key.address]
    assert before.state.liquidity < pool.state.liquidity
    assert foreseen(before, step) != quoted(rpc, key, step)
    withdrawn(scene, withdrawals)
    (left,) = scene.source(rpc).observe(token_ids=[], prices_after_block=None, sample_after_s=None).pools
    assert (left.ticks, left.state.liquidity, left.state.sqrt_price_x96) == (
        before.ticks,
        before.state.liquidity,
        before.state.sqrt_price_x96,
    )
    must_be_as_foreseen(scene, rpc, step, before, executed_swap(pools, step)[key.address])

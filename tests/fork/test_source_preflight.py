"""What `keeper check` proves about the chain: everything right is ok, and each thing wrong is found by its own line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from keeper.adapters.chain.preflight import LOOKS, CheckResult, Expectation, PermitDomain, preflight
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Rpc
from keeper.localchain import mainnet
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin
from tests.bench.scene import ERC20, Scene, opened, rungs
from tests.fakes.rpc_server import Forward, RpcServer, table
from tests.pairs import USDC, USDC_WETH_500, USDC_WETH_3000, WETH

pytestmark = pytest.mark.chain
WINDOW_S = 60
SPENDERS = (("position manager", mainnet.POSITION_MANAGER), ("router", mainnet.SWAP_ROUTER_02))
EXPECTED = Expectation(
    chain_id=1,
    contracts=(("factory", mainnet.FACTORY), *SPENDERS, ("multicall", mainnet.MULTICALL3), ("tick lens", mainnet.TICK_LENS)),
    factory=mainnet.FACTORY,
    position_manager=mainnet.POSITION_MANAGER,
    pools=(USDC_WETH_500,),
    spenders=SPENDERS,
    permits=(PermitDomain(token=USDC, name="USD Coin", version="2"),),
    twap_window_s=WINDOW_S,
    native_reserve_wei=10**17,
)
OBSERVATIONS = "0x" + contract("UniswapV3Pool").function("observations").encode(0)[:4].hex()
NOWHERE = "0x00000000000000000000000000000000DeaDBeef"


@pytest.fixture
def scene(twin: Twin) -> Scene:
    """The pool remembers more than the window; the wallet has funds and has allowed nothing."""
    scene = opened(twin)
    txs = []
    for token in (USDC, WETH):
        for _, spender in SPENDERS:
            txs.append(LocalTx(sender=scene.wallet, to=token.address, data=ERC20.function("approve").call_data(spender, 0)))
    twin.chain.mine_all_succeed(txs)
    scene.remember(10)
    return scene


@pytest.fixture
def rpc(twin: Twin) -> Iterator[Rpc]:
    client = Rpc(twin.rpc_url)
    yield client
    client.close()


def checks(rpc: Rpc, scene: Scene, expected: Expectation = EXPECTED, **given: object) -> dict[str, CheckResult]:
    wallet = given.get("wallet", scene.wallet)
    assert isinstance(wallet, str)
    results = preflight(rpc, expected, wallet=wallet, now_s=scene.twin.chain.timestamp_s() + 5)
    assert len({result.name for result in results}) == len(results)
    for result in results:
        assert bool(result.remedy) != result.ok
    return {result.name: result for result in results}


def wrong(results: dict[str, CheckResult]) -> set[str]:
    return {name for name, result in results.items() if not result.ok}


def test_everything_right_is_ok_line_by_line(rpc: Rpc, scene: Scene) -> None:
    results = checks(rpc, scene)
    assert wrong(results) == set()
    assert {
        "chain id",
        "code of factory",
        "code of pool USDC/WETH 0.05%",
        "code of token USDC",
        "pool USDC/WETH 0.05%: the factory's",
        "pool USDC/WETH 0.05%: token order",
        "pool USDC/WETH 0.05%: tick spacing",
        "pool USDC/WETH 0.05%: price",
        "pool USDC/WETH 0.05%: liquidity",
        "pool USDC/WETH 0.05%: history",
        "token USDC: decimals",
        "token USDC: symbol",
        "token USDC: permit domain",
        "wallet: native currency",
        "wallet: funds",
        "allowance: USDC to router",
        "allowance: WETH to position manager",
        "clock",
    } <= set(results)


POOL = "pool USDC/WETH 0.05%"


@pytest.mark.parametrize(
    ("expected", "found", "remedy"),
    [
        (replace(EXPECTED, pools=(replace(USDC_WETH_500, tick_spacing=60),)), {f"{POOL}: tick spacing"}, "spacing to 10"),
        (
            replace(EXPECTED, pools=(replace(USDC_WETH_500, address=USDC_WETH_3000.address),)),
            {f"{POOL}: {one}" for one in ("the factory's", "tick spacing", "price", "liquidity", "history")},
            USDC_WETH_500.address,
        ),
        (
            replace(EXPECTED, pools=(replace(USDC_WETH_500, fee_pips=42),)),
            {"pool USDC/WETH 0.0042%: the factory's"},
            "no pool of USDC, WETH and fee 42",
        ),
        (
            replace(EXPECTED, pools=(replace(USDC_WETH_500, token0=WETH, token1=USDC),)),
            {"pool WETH/USDC 0.05%: token order"},
            f"token0 is {USDC.address}",
        ),
        (
            replace(EXPECTED, pools=(replace(USDC_WETH_500, token0=replace(USDC, decimals=18)),), permits=()),
            {"token USDC: decimals"},
            "decimals of USDC",
        ),
        (
            replace(EXPECTED, pools=(replace(USDC_WETH_500, token0=replace(USDC, symbol="USDT")),), permits=()),
            {"token USDT: symbol"},
            "calls itself USDC",
        ),
        (
            replace(EXPECTED, permits=(PermitDomain(token=USDC, name="USD Coin", version="1"),)),
            {"token USDC: permit domain"},
            "name and version",
        ),
        (
            replace(EXPECTED, permits=(PermitDomain(token=WETH, name="Wrapped Ether", version="1"),)),
            {"token WETH: permit domain"},
            "leave permits out",
        ),
        (
            replace(EXPECTED, contracts=(("router", NOWHERE),)),
            {"code of router"},
            f"nothing stands at {NOWHERE}",
        ),
        (replace(EXPECTED, twap_window_s=1_800), {f"{POOL}: history"}, "increaseObservationCardinalityNext(151)"),
        (replace(EXPECTED, twap_window_s=300), {f"{POOL}: history"}, "wait until"),
        (replace(EXPECTED, native_reserve_wei=10**30), {"wallet: native currency"}, "send native currency"),
        (replace(EXPECTED, chain_id=5), {"chain id"}, "chain 1"),
    ],
)
def test_each_mistake_is_found_by_its_own_line(
    rpc: Rpc, scene: Scene, expected: Expectation, found: set[str], remedy: str
) -> None:
    results = checks(rpc, scene, expected)
    assert wrong(results) == found
    assert any(remedy in results[name].remedy for name in found)


class Hurried(Forward):
    """A node that answers from its newest block, and blocks with swaps arrive while it is asked for observations."""

    def __init__(self, scene: Scene, times: int) -> None:
        super().__init__(scene.twin.rpc_url)
        self._scene = scene
        self.left = times

    def __call__(self, body: bytes) -> bytes:
        entries = json.loads(body)
        entries = entries if isinstance(entries, list) else [entries]
        observed = [one for one in entries if one["method"] == "eth_call" and one["params"][0]["data"].startswith(OBSERVATIONS)]
        if observed and self.left:
            self.left -= 1
            for _ in range(3):
                self._scene.swap((True, 10**9))
            for one in observed:
                one["params"][1] = "latest"
            body = json.dumps(entries).encode()
        return super().__call__(body)


@pytest.mark.parametrize("times", [0, 1, LOOKS - 1])
def test_blocks_that_arrive_meanwhile_do_not_shorten_a_pools_history(scene: Scene, times: int) -> None:
    with closing(Hurried(scene, times)) as node, RpcServer(node) as server, closing(Rpc(server.url)) as rpc:
        results = {result.name: result for result in preflight(rpc, EXPECTED, wallet=None, now_s=None)}
    assert wrong(results) == set()
    assert node.left == 0


def test_a_node_that_never_answers_from_the_block_that_is_named_is_not_believed(scene: Scene) -> None:
    with closing(Hurried(scene, LOOKS)) as node, RpcServer(node) as server, closing(Rpc(server.url)) as rpc:
        results = {result.name: result for result in preflight(rpc, EXPECTED, wallet=None, now_s=None)}
    assert wrong(results) == {"rpc"}
    assert "later blocks" in results["rpc"].found


def test_after_a_wrong_chain_nothing_else_is_asked(rpc: Rpc, scene: Scene) -> None:
    before = rpc.requests
    assert set(checks(rpc, scene, replace(EXPECTED, chain_id=5))) == {"chain id"}
    assert rpc.requests - before == 1


def test_an_allowance_that_stands_is_found(rpc: Rpc, scene: Scene) -> None:
    data = ERC20.function("approve").call_data(mainnet.SWAP_ROUTER_02, 1)
    scene.twin.chain.mine_all_succeed([LocalTx(sender=scene.wallet, to=USDC.address, data=data)])
    assert wrong(checks(rpc, scene)) == {"allowance: USDC to router"}


def test_a_wallet_without_anything_is_told_so(rpc: Rpc, scene: Scene) -> None:
    assert wrong(checks(rpc, scene, wallet=NOWHERE)) == {"wallet: native currency", "wallet: funds"}


def test_a_wallet_with_all_its_funds_in_positions_is_funded(rpc: Rpc, scene: Scene) -> None:
    scene.mint(rungs(scene.key, 1), owner=scene.trader, recipient=NOWHERE)
    assert wrong(checks(rpc, scene, wallet=NOWHERE)) == {"wallet: native currency"}


def test_a_clock_that_is_off_is_found(rpc: Rpc, scene: Scene) -> None:
    for off_s in (-100, 100):
        results = preflight(rpc, EXPECTED, wallet=None, now_s=scene.twin.chain.timestamp_s() + off_s)
        assert [result.name for result in results if not result.ok] == ["clock"]
    assert all(result.ok for result in preflight(rpc, EXPECTED, wallet=None, now_s=None))


def test_a_dead_node_is_one_line() -> None:
    with RpcServer(table({})) as gone:
        url = gone.url
    client = Rpc(url, attempts=1)
    (result,) = preflight(client, EXPECTED, wallet=None, now_s=None)
    client.close()
    assert (result.name, result.ok) == ("rpc", False)
    assert "did not answer" in result.found

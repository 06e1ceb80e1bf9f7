"""The sandbox: on a fork, where any node of mainnet serves, and with what surrounds the pools on a chain of its own."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.lending.aave_v3 import AaveReserves
from keeper.adapters.prices.chainlink import ChainlinkFeed, ChainlinkFeeds
from keeper.core.model.bar import Quote
from keeper.localchain import aave, mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chainlink import ETH_USD
from keeper.localchain.place import ARBITRUM, MAINNET
from keeper.localchain.put_market import PutMaker
from keeper.localchain.reporting import DEVIATION, HEARTBEAT_S
from keeper.localchain.sandbox import Sandbox, forked, up
from keeper.localchain.twin import Twin
from keeper.simulation.weather import Scenario
from tests.fork.readings import newest, read_at

pytestmark = pytest.mark.chain


def test_a_fork_has_the_contracts_and_a_wallet_that_was_dealt_tokens(twin: Twin) -> None:
    with forked(twin.rpc_url, port=0) as sandbox:
        rpc = Rpc(sandbox.describe()["rpc_url"])
        assert int(rpc.call("eth_chainId"), 16) == 1
        assert len(rpc.call("eth_getCode", mainnet.POSITION_MANAGER, "latest")) > 1_000
        rpc.close()
        assert sandbox.twin.balance_raw(sandbox.wallet.address, mainnet.USDC) == 500_000 * 10**6
        assert sandbox.twin.balance_raw(sandbox.wallet.address, mainnet.WETH) == 120 * 10**18
    assert twin.balance_raw(twin.accounts[0].address, mainnet.USDC) == 0


FEED = ChainlinkFeed(
    name="chainlink_eth_usd", address=ETH_USD, decimals=8, heartbeat_s=HEARTBEAT_S + 600, min_value=50.0, max_value=100_000.0
)


def quote(sandbox: Sandbox) -> Quote:
    """What the sandbox' feed says at its newest block."""
    with closing(Rpc(sandbox.twin.rpc_url)) as rpc:
        source, head = ChainlinkFeeds([FEED]), newest(rpc)
        (told,) = source.quotes(read_at(rpc, head, source)[0], head)
        return told


def test_a_sandbox_has_a_price_feed_and_a_lending_market_with_loans() -> None:
    with up(port=0) as sandbox, closing(Rpc(sandbox.twin.rpc_url)) as rpc:
        told = quote(sandbox)
        assert (told.value, told.fault) == (4150.0, None)
        source = AaveReserves(aave.POOL, [mainnet.WETH, mainnet.USDC])
        reserves = source.reserves(read_at(rpc, newest(rpc), source)[0])
        used = [reserve.debt / (reserve.debt + reserve.available) for reserve in reserves]
        assert used == pytest.approx([0.6, 0.7], rel=1e-3)


def test_the_feed_follows_the_markets_price_as_mainnets_does() -> None:
    """Never further off than it may be, and never older than its heartbeat."""
    with up(port=0, scenario=Scenario.WHIPSAW, days=0.1) as sandbox:
        market, reporter, distances, rounds = sandbox.market, sandbox.reporter, [], set()
        assert market is not None
        assert reporter is not None
        while (report := market.step()) is not None:
            assert report.external_price is not None
            reporter.follow(report.external_price, report.timestamp_s)
            told = quote(sandbox)
            assert told.fault is None
            assert told.value is not None
            distances.append(abs(report.external_price / told.value - 1))
            rounds.add(told.as_of_s)
        assert max(distances) < DEVIATION
        assert 1 < len(rounds) < len(distances) / 4


def test_running_the_sandbox_lets_the_feed_follow() -> None:
    with up(port=0, scenario=Scenario.CALM, days=0.01) as sandbox:
        before = quote(sandbox)
        sandbox.run(threading.Event(), block_every_s=0.0)
        assert quote(sandbox).as_of_s > before.as_of_s


def test_arbitrum_makes_many_blocks_a_slot_and_its_base_fee_does_not_fall_in_them() -> None:
    with up(place=ARBITRUM, port=0, scenario=Scenario.CRASH, days=0.004) as sandbox, closing(Rpc(sandbox.twin.rpc_url)) as rpc:
        market = sandbox.market
        assert market is not None
        first = market.step()
        assert first is not None
        assert first.number > ARBITRUM.first_block
        sandbox.twin.chain.mine_more(ARBITRUM.blocks_a_slot - 1, base_fee_wei=first.base_fee_wei)
        head = rpc.call("eth_getBlockByNumber", "latest", False)
        assert int(head["number"], 16) == first.number + ARBITRUM.blocks_a_slot - 1
        assert int(head["timestamp"], 16) == first.timestamp_s
        assert int(head["baseFeePerGas"], 16) == first.base_fee_wei
        sandbox.run(threading.Event(), block_every_s=0.0)
        assert int(rpc.call("eth_blockNumber"), 16) > first.number + 2 * ARBITRUM.blocks_a_slot


def test_puts_get_dearer_with_the_fall_at_either_place() -> None:
    for place in (MAINNET, ARBITRUM):
        with up(place=place, port=0, protect=True) as sandbox:
            assert sandbox.seller is not None
            before = sandbox.twin.chain.rpc.call("eth_blockNumber")
            sandbox.seller.follow(4_151.0, sandbox.twin.chain.timestamp_s())
            assert sandbox.twin.chain.rpc.call("eth_blockNumber") == before
            costs = [cost_of_one(sandbox)]
            sandbox.seller.follow(3_700.0, sandbox.twin.chain.timestamp_s())
            costs.append(cost_of_one(sandbox))
            assert costs[1] > 1.2 * costs[0]


def cost_of_one(sandbox: Sandbox) -> float:
    """Of the first put that is listed, as its pool or its strategy tells it."""
    address = next(iter(sandbox.seller.listed.values())) if sandbox.seller else ""
    if isinstance(sandbox.seller, PutMaker):
        return sandbox.seller.series[0].usd
    price = interface("HergePut").function("calculateNegativepnlAndPositivepnl")
    data = price.call_data(10**18, 10 * 86_400, [])
    _, premium = price.decode(sandbox.twin.chain.rpc.call("eth_call", {"to": address, "input": data}, "latest"))
    return premium / 10**6

"""The local chain for a person: a twin that stays up, with prices, liquidity and a funded wallet, and a market if wanted."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from keeper.localchain import aave, mainnet
from keeper.localchain.aave import deploy_lending
from keeper.localchain.accounts import Account
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.chain import LocalChain
from keeper.localchain.chainlink import ETH_USD, USDC_USD, put_feed
from keeper.localchain.market import Market, MarketDesk
from keeper.localchain.pools import ETH_POOLS, USDC_WETH_500, open_pools
from keeper.localchain.reporting import Reporter
from keeper.localchain.synthetic import MarketPlan, SyntheticMarket
from keeper.localchain.twin import BANKER, Twin, running_twin
from keeper.simulation.weather import Scenario

DEFAULT_PORT = 8545
_PRICE_USD = 4150.0
_WALLET = ((mainnet.USDC, 500_000 * 10**6), (mainnet.USDT, 500_000 * 10**6), (mainnet.WETH, 120 * 10**18))
"""Tokens that the first account is given, raw units."""
_SUPPLIED = ((mainnet.USDC, 50_000_000 * 10**6), (mainnet.WETH, 20_000 * 10**18))
_BORROWED = ((mainnet.USDC, 35_000_000 * 10**6), (mainnet.WETH, 12_000 * 10**18))
"""The lending market's book, raw units: 70 % and 60 % of what is lent out."""
_WALLET_WEI = 10 * 10**18
"""Native currency that it is left with: all but the gas reserve counts as inventory, and 10,000 ether would be the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A local chain that is up."""

    twin: Twin
    market: Market | None
    """Who moves the prices; None leaves them where people's own trades put them."""
    reporter: Reporter | None = None
    """Keeps the price feed at the market's price elsewhere; without a market the feed stays as it is and grows old."""

    @property
    def wallet(self) -> Account:
        """The account that holds tokens."""
        return self.twin.accounts[0]

    def describe(self) -> dict[str, Any]:
        """What an operator needs, ready for JSON: address of the node, contracts, tokens, pools, keys that everybody knows."""
        return {
            "rpc_url": self.twin.rpc_url,
            "chain_id": 1,
            "contracts": {
                "factory": mainnet.FACTORY,
                "position_manager": mainnet.POSITION_MANAGER,
                "swap_router_02": mainnet.SWAP_ROUTER_02,
                "quoter_v2": mainnet.QUOTER_V2,
                "tick_lens": mainnet.TICK_LENS,
                "multicall3": mainnet.MULTICALL3,
                "aave_v3_pool": aave.POOL,
                "chainlink_eth_usd": ETH_USD,
            },
            "tokens": {"USDC": mainnet.USDC, "USDT": mainnet.USDT, "WETH": mainnet.WETH},
            "pools": {
                "USDC/WETH 0.05 %": mainnet.USDC_WETH_500,
                "USDC/WETH 0.3 %": mainnet.USDC_WETH_3000,
                "WETH/USDT 0.05 %": mainnet.WETH_USDT_500,
            },
            "accounts": [{"address": account.address, "key": account.key} for account in self.twin.accounts],
        }

    def run(self, stop: threading.Event, *, block_every_s: float) -> None:
        """Let the market make blocks, one every ``block_every_s`` seconds of the wall clock, until it ends or ``stop`` is set.

        Without a market the node mines by itself whatever it is sent, and this only waits.
        """
        if self.market is None:
            stop.wait()
            return
        while not stop.is_set() and (report := self.market.step()) is not None:
            if self.reporter is not None and report.external_price is not None:
                self.reporter.follow(report.external_price, report.timestamp_s)
            stop.wait(block_every_s)


@contextmanager
def forked(rpc_url: str, *, port: int = DEFAULT_PORT) -> Generator[Sandbox]:
    """A fork of mainnet as ``rpc_url`` serves it, on ``port`` of the loopback interface, gone afterwards.

    The first account is dealt tokens on the fork; nobody moves the prices. The address of the node is handed to anvil on its
    command line, where other users of this machine can read it.

    Args:
        rpc_url: a node of chain id 1; keys in it are not shown by anything of ours.
        port: where to listen; 0 is any free one.

    Raises:
        ConfigError: anvil is not installed.
        AnvilFailed: the port is taken, or the node does not answer.
    """
    with Anvil(AnvilOptions(port=port, fork_url=rpc_url)) as node, closing(LocalChain(node.url, automine=True)) as chain:
        twin = Twin(chain=chain)
        chain.rpc.call("anvil_setBalance", twin.accounts[0].address, hex(_WALLET_WEI))
        for token, raw in _WALLET:
            chain.rpc.call("anvil_dealERC20", twin.accounts[0].address, token, hex(raw))
        yield Sandbox(twin=twin, market=None)


@contextmanager
def up(*, port: int = DEFAULT_PORT, scenario: Scenario | None = None, seed: int = 1, days: float = 1.0) -> Generator[Sandbox]:
    """A sandbox on ``port`` of the loopback interface (0: any free one), gone afterwards.

    Args:
        port: where to listen.
        scenario: a market of our own to run in it; none leaves prices alone, with pools at 4,150 dollars an ether.
        seed: of the market.
        days: length of the market.

    Raises:
        ConfigError: anvil or contracts are not installed.
        AnvilFailed: the port is taken, say.
    """
    with running_twin(AnvilOptions(port=port)) as twin:
        twin.chain.rpc.call("anvil_setBalance", twin.accounts[0].address, hex(_WALLET_WEI))
        for token, raw in _WALLET:
            twin.fund(twin.accounts[0].address, token, raw)
        reporter = _surround(twin)
        market: Market | None = None
        if scenario is None:
            open_pools(twin, ETH_POOLS, _PRICE_USD, owner=BANKER)
        else:
            desk = MarketDesk(twin, USDC_WETH_500.address)
            market = SyntheticMarket(desk, MarketPlan(scenario=scenario, seed=seed, days=days, pools=ETH_POOLS))
        yield Sandbox(twin=twin, market=market, reporter=reporter)


def _surround(twin: Twin) -> Reporter:
    """Chainlink's feed and Aave's market where the shipped configuration looks for them, with some loans (about 30 blocks)."""
    feed = put_feed(twin, ETH_USD, _PRICE_USD)
    lending = deploy_lending(twin, {mainnet.WETH: feed, mainnet.USDC: put_feed(twin, USDC_USD, 1.0)})
    for token, raw in _SUPPLIED:
        twin.fund(BANKER, token, raw)
        lending.supply(BANKER, token, raw)
    for token, raw in _BORROWED:
        lending.borrow(BANKER, token, raw)
    return Reporter(feed, _PRICE_USD, twin.chain.timestamp_s())

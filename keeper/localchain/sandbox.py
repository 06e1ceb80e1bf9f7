"""The local chain for a person: a twin that stays up, with prices, liquidity and a funded wallet, and a market if wanted."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from keeper.localchain.accounts import Account
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.chain import LocalChain
from keeper.localchain.market import Market, MarketDesk
from keeper.localchain.place import MAINNET, Place
from keeper.localchain.pools import open_pools
from keeper.localchain.reporting import Reporter
from keeper.localchain.selling import Seller, asked_in
from keeper.localchain.synthetic import MarketPlan, SyntheticMarket
from keeper.localchain.twin import BANKER, Twin, running_twin
from keeper.simulation.weather import WEATHERS, Scenario

DEFAULT_PORT = 8545
_PRICE_USD = 4150.0
_WALLET_WEI = 10 * 10**18
"""Native currency that it is left with: all but the gas reserve counts as inventory, and 10,000 ether would be the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A local chain that is up."""

    twin: Twin
    market: Market | None
    """Who moves the prices; None leaves them where people's own trades put them."""
    place: Place = MAINNET
    """Which chain it stands for."""
    seller: Seller | None = None
    """Sells puts; without a market at the prices of the beginning."""
    reporter: Reporter | None = None
    """Keeps the price feed at the market's price elsewhere; without a market the feed stays as it is and grows old."""

    @property
    def wallet(self) -> Account:
        """The account that holds tokens."""
        return self.twin.accounts[0]

    def describe(self) -> dict[str, Any]:
        """What an operator needs, ready for JSON: address of the node, contracts, tokens, pools, keys that everybody knows."""
        place, seller = self.place, self.seller
        return {
            "rpc_url": self.twin.rpc_url,
            "chain": place.name,
            "chain_id": place.chain_id,
            "contracts": {**place.contracts, **({} if seller is None else place.venue)},
            "tokens": dict(place.tokens),
            "pools": {name: pool.address for name, pool in place.pools.items()},
            "puts": {} if seller is None else dict(seller.listed),
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
            for follower in (self.reporter, self.seller):
                if follower is not None and report.external_price is not None:
                    follower.follow(report.external_price, report.timestamp_s)
            self.twin.chain.mine_more(self.place.blocks_a_slot - 1, base_fee_wei=report.base_fee_wei)
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
        for token, raw in MAINNET.wallet.items():
            chain.rpc.call("anvil_dealERC20", twin.accounts[0].address, token, hex(raw))
        yield Sandbox(twin=twin, market=None)


@contextmanager
def up(
    *,
    place: Place = MAINNET,
    port: int = DEFAULT_PORT,
    scenario: Scenario | None = None,
    protect: bool = False,
    seed: int = 1,
    days: float = 1.0,
) -> Generator[Sandbox]:
    """A sandbox on ``port`` of the loopback interface (0: any free one), gone afterwards.

    Args:
        place: which chain it stands for.
        port: where to listen.
        scenario: a market of our own to run in it; none leaves prices alone, with pools at 4,150 dollars an ether.
        protect: whether puts are for sale, priced anew as the market goes on; some places always have them.
        seed: of the market.
        days: length of the market.

    Raises:
        ConfigError: anvil or contracts are not installed.
        AnvilFailed: the port is taken, say.
    """
    with running_twin(place.node(port=port), recipe=place.recipe) as twin:
        twin.chain.rpc.call("anvil_setBalance", twin.accounts[0].address, hex(_WALLET_WEI))
        for token, raw in place.wallet.items():
            twin.fund(twin.accounts[0].address, token, raw)
        usd = _PRICE_USD if scenario is None else WEATHERS[scenario].points[0][1]
        feed = place.put_feeds(twin, usd)
        place.surround(twin, feed)
        now_s, seller = twin.chain.timestamp_s(), None
        if protect or place.always_sells:
            seller = place.sale(twin, feed, asked_in(scenario), usd, now_s)
        market: Market | None = None
        pools = tuple(place.pools.values())
        if scenario is None:
            open_pools(twin, pools, usd, owner=BANKER)
        else:
            desk = MarketDesk(twin, place.pool.address)
            plan = MarketPlan(scenario=scenario, seed=seed, days=days, pools=pools, base_fees=place.base_fees)
            market = SyntheticMarket(desk, plan)
        yield Sandbox(twin=twin, place=place, market=market, seller=seller, reporter=Reporter(feed, usd, now_s))

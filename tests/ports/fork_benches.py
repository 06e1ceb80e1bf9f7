"""The adapters of Opyn and Hegic on forks of the real chains: the venues' own bytecode, steered as the doubles are.

Only of nodes that a person names. Nothing is sent to them: anvil reads their state and goes on from it by itself. What is ours
on a fork: the price feed, the dollars of buyer, seller and treasury, the series and its pool, the prices that Herge asks after
a :meth:`reprice`. The rest is theirs, with what others hold there.

Panoptic has no such bench. Its recorder takes dispatches and computes nothing: a bench on the real pool would need a seller who
mints the range that is bought, in calls that nothing here could try out before. Its reading cases are
``tests/outside/test_real_panoptic.py``.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from keeper.adapters.evm.rpc import Rpc
from keeper.localchain import arbitrum, gamma, herge, mainnet, otoken_market
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.forks import Fork, account_of_ours, running_fork
from keeper.localchain.standing import standing_gamma, standing_herge
from tests.nodes import ARBITRUM, ETHEREUM, Node
from tests.ports import gamma_bench, herge_bench
from tests.ports.gamma_bench import GammaBench
from tests.ports.herge_bench import HergeBench

BUYER = account_of_ours("buyer")
PATIENCE_S = 120.0
"""For one request: what is read first is fetched word by word from the real node."""


@dataclass
class HergeForkBench(HergeBench):
    """Herge's own contracts, ether steered to 2,500 dollars, with room in treasury and limits."""

    def reprice(self, factor: Decimal) -> None:
        """Its price lists are polynomials: a straight one of ours takes their place, which a strategy's admin may do."""
        times, over = factor.as_integer_ratio()
        for put in herge.PUTS:
            self.local.ask_other_prices(put, times=times, over=over)

    def drain(self) -> None:
        """Take all that its admin can take, and leave nothing to cover it."""
        self.local.empty_cover()
        super().drain()


@contextmanager
def _forked(node: Node) -> Generator[tuple[Fork, Rpc]]:
    options = AnvilOptions(chain_id=node.chain_id, fork_url=node.url)
    with running_fork(options) as fork, closing(Rpc(fork.rpc_url, timeout_s=PATIENCE_S)) as rpc:
        fork.chain.impersonate(BUYER)
        yield fork, rpc


@contextmanager
def running_herge_fork() -> Generator[HergeForkBench]:
    """Hegic's adapter on a fork of Arbitrum."""
    with _forked(ARBITRUM) as (fork, rpc):
        local = standing_herge(fork, float(herge_bench.PRICE), treasury_raw=herge_bench.TREASURY_RAW)
        fork.fund(BUYER, arbitrum.USDC_E, herge_bench.OWNER_RAW)
        # The buyer has no options yet, and a node asked for transfers of all times refuses.
        where = replace(herge_bench.MARKET, first_block=int(rpc.call("eth_blockNumber"), 16))
        yield HergeForkBench(local=local, rpc=rpc, buyer=BUYER, where=where)


@contextmanager
def running_gamma_fork() -> Generator[GammaBench]:
    """Opyn's adapter on a fork of Ethereum."""
    with _forked(ETHEREUM) as (fork, rpc):
        local = standing_gamma(fork, float(gamma_bench.PRICE))
        expiry_s = gamma.expiry_after(fork.chain.timestamp_s(), gamma_bench.DAYS)
        otoken = local.create_series(gamma_bench.STRIKE, expiry_s)
        pool = otoken_market.open_otoken_pool(local, otoken, gamma_bench.PREMIUM_USD, gamma_bench.DEPTH_E8)
        fork.fund(BUYER, mainnet.USDC, gamma_bench.OWNER_RAW)
        rules = replace(gamma_bench.RULES, wallet=BUYER)
        yield GammaBench(local=local, rpc=rpc, otoken=otoken, pool=pool, expiry_s=expiry_s, rules=rules)

"""A virtual book: everything that paper trading must not lose, held and saved as one."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.model.policy import Policy
from keeper.simulation.account import VirtualAccount
from keeper.simulation.paper_feed import PaperFeed
from keeper.simulation.paper_market import PaperMarket
from keeper.simulation.runner import Setting, funded
from keeper.simulation.sim_executor import SimExecutor
from keeper.simulation.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperBook:
    """Its parts know one another: they are never mixed with those of another book."""

    market: PaperMarket
    account: VirtualAccount
    watch: Watch
    executor: SimExecutor
    """Remembers every outcome, so that a stage which the journal does not know the end of is settled as it went."""


def begin(feed: PaperFeed, policy: Policy, setting: Setting) -> PaperBook:
    """A new book at the newest settled block, its capital half in each token there.

    Raises:
        Transient: the node failed.
    """
    market = PaperMarket(feed, feed.settled_states(), policy, setting.presence)
    account = funded(market, policy, setting)
    watch = Watch(market, account, policy)
    executor = SimExecutor(market, account, market, setting.frictions, watch)
    return PaperBook(market=market, account=account, watch=watch, executor=executor)

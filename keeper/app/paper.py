"""Paper trading, wired: the daemon's own ports, with a virtual book in place of an account."""

from __future__ import annotations

from contextlib import ExitStack, closing

from keeper.app.backtesting import setting_of
from keeper.app.bootstrap import Keeper, SystemClock, open_journal, open_rpc, open_senses
from keeper.app.settings.policy import to_policy
from keeper.app.settings.schema import Settings
from keeper.engine.ports import Ports
from keeper.ports.clock import Clock
from keeper.ports.telemetry import Telemetry
from keeper.simulation.account import VIRTUAL
from keeper.simulation.paper_desk import open_desk
from keeper.simulation.paper_executor import PaperExecutor
from keeper.simulation.paper_feed import PaperFeed
from keeper.simulation.paper_options import BookOptions
from keeper.simulation.paper_shelf import BookShelf, identity
from keeper.simulation.paper_source import PaperSource

FOLDER, BOOKS = "paper", "books"
"""Below run.state_dir: a state directory of its own, and in it the virtual book."""
READER = "0x55d2313F822f301947e6EbC136d72927312034ff"
"""Address that the chain is read for; hash of a text, so that nobody holds anything there that would have to be read."""


def of_paper(settings: Settings) -> Settings:
    """The settings with the state directory of paper trading."""
    run = settings.run.model_copy(update={"state_dir": settings.run.state_dir / FOLDER})
    return settings.model_copy(update={"run": run})


def build_paper(settings: Settings, *, telemetry: Telemetry, clock: Clock | None = None) -> Keeper:
    """Wire a keeper that trades a virtual book on the live chain: it has no key, and signs and sends nothing.

    Args:
        settings: checked settings with a node; an account is not needed, and is left alone where there is one.
        telemetry: told what happens.
        clock: how waiting is done; the machine's by default.

    Raises:
        ConfigError: another keeper holds the paper journal, or the book is damaged, or of another version, chain, pool or
            setting.
        Transient: a new book cannot be begun: the node failed.
    """
    settings = of_paper(settings)
    policy, setting = to_policy(settings), setting_of(settings)
    with ExitStack() as opened:
        rpc = opened.enter_context(closing(open_rpc(settings)))
        journal = open_journal(opened, settings, policy, VIRTUAL, telemetry)
        feed = PaperFeed(
            rpc,
            multicall=settings.chain.addresses.multicall,
            pools=[key.address for key in policy.pools],
            confirmations=policy.execution.confirmations,
            clock=clock or SystemClock(),
        )
        shelf = BookShelf(settings.run.state_dir / BOOKS, identity(policy, setting))
        desk = open_desk(shelf, feed, policy, setting, journal=journal, telemetry=telemetry)
        source = PaperSource(open_senses(opened, settings, policy, rpc, READER), desk, policy, telemetry)
        return Keeper(
            settings=settings,
            policy=policy,
            address=VIRTUAL,
            rpc=rpc,
            source=source,
            journal=journal,
            ports=Ports(
                source=source, journal=journal, executor=PaperExecutor(desk), telemetry=telemetry, desk=BookOptions(desk)
            ),
            opened=opened.pop_all(),
        )

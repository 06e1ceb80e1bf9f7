"""A virtual book on a made-up chain, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

from keeper.core.model.ladder import TickRange
from keeper.core.model.plan import Bounds, Mint, Stage, StageKind
from keeper.core.model.record import Intent
from keeper.simulation.frictions import Frictions
from keeper.simulation.paper_book import PaperBook
from keeper.simulation.paper_desk import PaperDesk, open_desk
from keeper.simulation.paper_executor import PaperExecutor
from keeper.simulation.paper_shelf import BookShelf, identity
from keeper.simulation.presence import Presence
from keeper.simulation.runner import Setting
from tests.fakes.executor_scene import Attempts, Telling
from tests.fakes.memory_journal import MemoryJournal
from tests.plans import mint
from tests.policies import policy
from tests.unit.paper_chain import MadeChain

SETTING = Setting(presence=Presence.PRICE_KEPT, frictions=Frictions(failure_rate=0.0))


def shelf_of(folder: Path, setting: Setting = SETTING) -> BookShelf:
    return BookShelf(folder / "paper" / "books", identity(policy(), setting))


class Books:
    """One keeper's desk on a chain, taken up anew as often as one likes."""

    def __init__(self, chain: MadeChain, folder: Path) -> None:
        self.chain = chain
        self.shelf = shelf_of(folder)
        self.telling = Telling()
        self.log = Attempts()
        self.intents = 0
        self.reopen()

    def reopen(self) -> None:
        """A new process: only the disk is left."""
        journal = MemoryJournal()
        # the journal of a keeper that has run; its contents are no matter here
        journal.memory = lambda: None if self.intents else MemoryJournal().memory()  # type: ignore[method-assign, assign]
        self.desk: PaperDesk = open_desk(
            self.shelf,
            self.chain,  # type: ignore[arg-type]
            policy(),
            SETTING,
            journal=journal,
            telemetry=self.telling,
        )
        self.executor = PaperExecutor(self.desk)

    @property
    def book(self) -> PaperBook:
        return self.desk.book

    def place(self) -> tuple[Stage, Bounds, Intent]:
        """What an executor is given to place a core of 10,000 USDC and as much ether."""
        market = self.book.market
        (pool,) = market.pools.values()
        middle = pool.pool.tick // 10 * 10
        band = TickRange(lower=middle - 600, upper=middle + 600)
        step: Mint = mint(range=band, amount0=10_000 * 10**6, amount1=25 * 10**17, amount0_min=0, amount1_min=0)
        stage = Stage(kind=StageKind.PLACE, steps=(step,))
        self.intents += 1
        bounds = Bounds(deadline_s=market.now_s + 600, max_gas_wei=10**17, slippage_bps=30)
        intent = Intent(
            id=self.intents,
            cycle_id=self.intents,
            stage=stage.kind,
            steps_digest=f"{self.intents:064x}",
            layers=(step.layer,),
            deadline_s=bounds.deadline_s,
        )
        return stage, bounds, intent


def contents(book: PaperBook) -> tuple[object, ...]:
    """Everything that two equal books agree on."""
    market, account = book.market, book.account
    return (
        market.block,
        {address: pool.pool.snapshot() for address, pool in market.pools.items()},
        {address: shadow.pool.snapshot() for address, shadow in market._shadows.items()},
        account.wallet,
        account.manager.positions(),
        book.watch.parts,
        book.watch.value,
        dict(book.executor._known),
        book.executor._chance.getstate(),
    )

"""The book in hand: moved with its chain, saved, and taken back from the shelf when something goes wrong."""

from __future__ import annotations

from keeper.core.model.errors import ConfigError, Fault, KeeperError
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef
from keeper.core.model.view import NO_MEMORY
from keeper.ports.journal import ReadableJournal
from keeper.ports.telemetry import Telemetry
from keeper.simulation.paper_book import PaperBook, begin
from keeper.simulation.paper_feed import BlockReplaced, PaperFeed
from keeper.simulation.paper_market import LostChain
from keeper.simulation.paper_shelf import BookShelf, Saved
from keeper.simulation.runner import Setting

PATIENCE = 3
"""Times in a row that the chain may be lost before a person must look: a node that was behind itself finds it again."""


class PaperDesk:
    """One book, of which what is on the disk is the truth.

    Args:
        shelf: where it is saved.
        feed: of its chain.
        book: as it was last saved.
        telemetry: told when the chain was reorganised.
    """

    def __init__(self, shelf: BookShelf, feed: PaperFeed, book: PaperBook, telemetry: Telemetry) -> None:
        self._shelf = shelf
        self._feed = feed
        self._telemetry = telemetry
        self._lost = 0
        self.book = book

    def follow(self, block: BlockRef) -> None:
        """Move the book to just this block, look at the account there, and save it.

        Raises:
            Transient: the node failed, is behind, or does not tell everything; the book is as it was saved.
            Fault: the chain was lost for good, or reorganised from before the oldest book.
        """
        try:
            self._moved(block)
        except LostChain as error:
            self._lost += 1
            self.restore()
            if self._lost >= PATIENCE:
                raise Fault(
                    f"{error}; {self._lost} times in a row: if another node says so too, begin a new paper book"
                ) from None
            raise
        except KeeperError:
            self.restore()
            raise
        self._lost = 0
        self.book.watch.before()
        self.save()

    def save(self) -> None:
        """Make the book in hand the truth.

        Raises:
            Fault: it cannot be written.
        """
        self._shelf.save(self.book)

    def restore(self) -> None:
        """Take the newest saved book in hand, whatever became of the other."""
        self._hold(self._shelf.saved()[0])

    def _moved(self, block: BlockRef) -> None:
        try:
            self.book.market.follow(block)
        except BlockReplaced:
            self._go_back()
            self.book.market.follow(block)

    def _go_back(self) -> None:
        """Take the newest book in hand whose block is still on the chain; those after it are forgotten, with all that they did.

        Raises:
            Fault: there is none.
        """
        shelf, left = self._shelf.saved(), self.book.market.block.number
        kept = self._feed.first_on_chain([saved.block for saved in shelf])
        found = next((saved for saved in shelf if saved.block == kept), None)
        if found is None:
            raise Fault(
                f"the chain was reorganised from before block {shelf[-1].block.number}, where the oldest paper book stands:"
                " begin a new one"
            )
        self._hold(found)
        self._shelf.forget_after(found)
        self._telemetry.event("paper.reorganised", from_block=left, to_block=found.block.number)

    def _hold(self, saved: Saved) -> None:
        self.book = self._shelf.take(saved)
        self.book.market.attach(self._feed)


def open_desk(
    shelf: BookShelf, feed: PaperFeed, policy: Policy, setting: Setting, *, journal: ReadableJournal, telemetry: Telemetry
) -> PaperDesk:
    """The desk with the newest book of the shelf, or with a new one.

    Args:
        shelf: where the book is saved.
        feed: of its chain.
        policy: the rules.
        setting: of a new book.
        journal: of the same keeper: the two are begun together.
        telemetry: told what happens.

    Raises:
        ConfigError: the book is damaged, or of another version, chain, pool or setting; or it and the journal do not belong
            together.
        Transient: a new book cannot be begun: the node failed.
    """
    saved = shelf.saved()
    is_new_journal = journal.memory() == NO_MEMORY and journal.open_cycle() is None
    if not saved:
        if not is_new_journal:
            raise ConfigError(["the paper journal has cycles and its book is gone: move both away to begin anew"])
        shelf.save(begin(feed, policy, setting))
        saved = shelf.saved()
    book = shelf.take(saved[0])
    if is_new_journal and book.account.nonce:
        raise ConfigError(["the paper book has acted and its journal is gone: move both away to begin anew"])
    book.market.attach(feed)
    return PaperDesk(shelf, feed, book, telemetry)

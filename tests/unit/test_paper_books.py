"""What is on the disk is the truth: one book, whatever is cut, replaced, lost or refused."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.core.model.errors import ConfigError, Fault, Transient
from keeper.core.model.plan import Done, NotDone
from keeper.simulation.frictions import Frictions
from keeper.simulation.paper_desk import PATIENCE, open_desk
from keeper.simulation.paper_market import LostChain
from keeper.simulation.paper_shelf import KEPT, identity
from keeper.simulation.runner import Setting
from tests.fakes.executor_scene import Telling
from tests.fakes.memory_journal import MemoryJournal
from tests.policies import policy
from tests.unit.paper_books import SETTING, Books, contents, shelf_of
from tests.unit.paper_chain import POOL, MadeChain


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def books(tmp_path: Path) -> Books:
    chain = MadeChain()
    chain.mine(5)
    made = Books(chain, tmp_path)
    chain.mine(3)
    made.desk.follow(made.chain.newest())
    return made


def test_a_book_that_was_saved_is_the_book_that_is_found(books: Books) -> None:
    assert isinstance(books.executor.execute(*books.place(), books.log), Done)
    before = contents(books.book)
    books.reopen()
    assert contents(books.book) == before
    assert len(books.book.account.manager.positions()) == 1


def test_books_are_for_their_owner_alone(books: Books) -> None:
    (path, *_) = (saved.path for saved in books.shelf.saved())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_stage_is_on_the_disk_before_anybody_is_told(books: Books) -> None:
    """Killed between the save and the journal: settling finds what was done, once."""
    stage, bounds, intent = books.place()
    outcome = books.executor.execute(stage, bounds, intent, books.log)
    books.reopen()
    assert books.executor.settle(intent, books.log.kept, books.log) == outcome
    assert books.book.account.nonce == 1


def test_a_stage_that_was_cut_off_before_its_save_never_was(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(books.book)
    stage, bounds, intent = books.place()

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(type(books.shelf), "_write", killed)
        with pytest.raises(Killed):
            books.executor.execute(stage, bounds, intent, books.log)
    books.reopen()
    assert contents(books.book) == before
    assert isinstance(books.executor.settle(intent, books.log.kept, books.log), NotDone)


@pytest.mark.parametrize("trouble", ["stuck", "is_down"])
def test_a_stage_that_meets_trouble_with_the_node_leaves_the_book_as_it_was(books: Books, trouble: str) -> None:
    before = contents(books.book)
    setattr(books.chain, trouble, True)
    with pytest.raises(Transient):
        books.executor.execute(*books.place(), books.log)
    assert contents(books.book) == before
    setattr(books.chain, trouble, False)
    assert isinstance(books.executor.execute(*books.place(), books.log), Done)


def test_a_disk_that_is_full_halts_and_changes_nothing(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(books.book)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(type(books.shelf), "_write", full)
        with pytest.raises(Fault, match="No space left on device: make room"):
            books.executor.execute(*books.place(), books.log)
    assert contents(books.book) == before


def test_an_interrupted_write_leaves_the_book_of_before(books: Books) -> None:
    newest = books.shelf.saved()[0].path
    (newest.parent / "000000000099.tmp").write_bytes(b"keeper paper book\nhalf of")
    before = contents(books.book)
    books.reopen()
    assert contents(books.book) == before
    books.desk.save()


def test_a_reorganisation_is_gone_back_from_with_all_that_was_done_in_it(books: Books) -> None:
    stood = books.book.market.block
    assert isinstance(books.executor.execute(*books.place(), books.log), Done)
    books.chain.mine()
    books.desk.follow(books.chain.newest())
    books.chain.reorganise(3)
    books.desk.follow(books.chain.newest())
    assert books.telling.events[-1] == ("paper.reorganised", {"from_block": stood.number + 3, "to_block": stood.number})
    assert books.book.account.manager.positions() == ()
    assert books.book.market._shadows[POOL].pool.snapshot() == books.chain.blocks[-1].after.snapshot()
    assert [saved.block for saved in books.shelf.saved()][:2] == [books.chain.newest(), stood]


def test_a_reorganisation_above_a_stage_keeps_it(books: Books) -> None:
    books.executor.execute(*books.place(), books.log)
    for _ in range(3):
        books.chain.mine()
        books.desk.follow(books.chain.newest())
    books.chain.reorganise(2)
    books.desk.follow(books.chain.newest())
    assert len(books.book.account.manager.positions()) == 1


def test_a_reorganisation_of_everything_halts_until_a_person_looks(books: Books) -> None:
    books.chain.reorganise(4)
    for _ in range(2):
        with pytest.raises(Fault, match="begin a new one"):
            books.desk.follow(books.chain.newest())


def test_what_a_node_forgot_to_tell_is_asked_again(books: Books) -> None:
    books.chain.mine(8)
    books.chain.hidden = set(range(len(books.chain.blocks)))
    before = contents(books.book)
    with pytest.raises(LostChain):
        books.desk.follow(books.chain.newest())
    assert contents(books.book) == before
    books.chain.hidden.clear()
    books.desk.follow(books.chain.newest())
    assert books.book.market.block == books.chain.newest()


def test_a_chain_that_stays_lost_halts_and_says_what_to_do(books: Books) -> None:
    books.chain.mine(8)
    books.chain.hidden = set(range(len(books.chain.blocks)))
    for _ in range(PATIENCE - 1):
        with pytest.raises(LostChain):
            books.desk.follow(books.chain.newest())
    with pytest.raises(Fault, match=r"log \d+ of block .* 3 times in a row: .*begin a new paper book"):
        books.desk.follow(books.chain.newest())


def test_the_shelf_holds_the_newest_book_of_each_of_the_last_blocks(books: Books) -> None:
    for _ in range(KEPT + 5):
        books.chain.mine()
        books.desk.follow(books.chain.newest())
        books.desk.save()
    saved = books.shelf.saved()
    newest = books.chain.newest().number
    assert [one.block.number for one in saved] == list(range(newest, newest - KEPT, -1))
    assert [one.sequence for one in saved] == sorted((one.sequence for one in saved), reverse=True)


@pytest.mark.parametrize("damage", [b"", b"keeper paper book\n", b"\x00" * 300])
def test_a_damaged_book_is_refused_with_what_to_do(books: Books, damage: bytes) -> None:
    books.shelf.saved()[0].path.write_bytes(damage)
    with pytest.raises(ConfigError, match=r"is damaged: move .*paper away to begin a new book"):
        books.reopen()


def test_a_book_of_types_that_are_no_more_is_refused_with_what_to_do(books: Books) -> None:
    saved = books.shelf.saved()[0]
    head, owner, stand, _, _ = saved.path.read_bytes().split(b"\n", 4)
    body = b"ckeeper.simulation.paper_book\nAnOldBook\n."
    saved.path.write_bytes(b"\n".join((head, owner, stand, hashlib.sha256(body).hexdigest().encode(), body)))
    with pytest.raises(ConfigError, match=r"was written by other code: move .*paper away to begin a new book"):
        books.reopen()


def test_a_book_of_which_a_byte_was_changed_is_refused(books: Books) -> None:
    path = books.shelf.saved()[0].path
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match="is damaged"):
        books.reopen()


@pytest.mark.parametrize(
    "setting",
    [
        replace(SETTING, capital_quote=5_000),
        replace(SETTING, frictions=Frictions(failure_rate=0.5)),
    ],
)
@pytest.mark.usefixtures("books")
def test_a_book_of_another_setting_is_refused(tmp_path: Path, setting: Setting) -> None:
    with pytest.raises(ConfigError, match=r"of another version, chain, pool, pair or \[backtest\] setting"):
        shelf_of(tmp_path, setting).saved()


def test_the_time_between_backtested_cycles_does_not_tell_books_apart() -> None:
    assert identity(policy(), replace(SETTING, cadence_s=60)) == identity(policy(), SETTING)
    assert identity(policy(chain_id=10), SETTING) != identity(policy(), SETTING)


def test_book_and_journal_are_begun_together(books: Books) -> None:
    books.executor.execute(*books.place(), books.log)
    with pytest.raises(ConfigError, match="its journal is gone"):
        opened_with(books, MemoryJournal())
    shutil.rmtree(books.shelf.saved()[0].path.parent)
    with pytest.raises(ConfigError, match="its book is gone"):
        books.reopen()


def opened_with(books: Books, journal: MemoryJournal) -> None:
    open_desk(books.shelf, books.chain, policy(), SETTING, journal=journal, telemetry=Telling())  # type: ignore[arg-type]

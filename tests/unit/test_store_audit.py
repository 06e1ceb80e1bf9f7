"""Copies are whole, and what was tampered with is found."""

from __future__ import annotations

import sqlite3
import stat
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.store.reader import open_reader
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.record import CycleState
from tests.builders import decision, memory, policy
from tests.faults.journal_writer import VIEW, one_cycle, writes
from tests.pairs import WALLET


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqlJournal]:
    with SqlJournal.open(path, chain_id=1, account=WALLET) as opened:
        list(writes(opened))
        one_cycle(opened)
        yield opened


def tamper(path: Path, table: str, change: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DROP TRIGGER no_update_{table}")
        connection.execute(f"DROP TRIGGER no_delete_{table}")
        connection.create_function("deflate", 1, lambda text: zlib.compress(text.encode()))
        connection.create_function("inflate", 1, lambda data: zlib.decompress(data).decode())
        connection.execute(change)


def test_a_backup_is_the_journal_at_one_moment(journal: SqlJournal, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    journal.backup(target)
    told = [journal.cycle(line.id) for line in journal.cycles()]
    one_cycle(journal)
    assert sorted(file.name for file in tmp_path.glob("copy*")) == ["copy.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with open_reader(target) as copy:
        assert copy.verify() == ()
        assert [copy.cycle(line.id) for line in copy.cycles()] == told


def test_a_backup_can_be_taken_by_a_reader_and_carried_on_with(journal: SqlJournal, path: Path, tmp_path: Path) -> None:
    with open_reader(path) as reader:
        reader.backup(tmp_path / "copy.db")
    with SqlJournal.open(tmp_path / "copy.db", chain_id=1, account=WALLET) as restored:
        assert one_cycle(restored) == one_cycle(journal)


def test_a_backup_replaces_nothing(journal: SqlJournal, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(ConfigError, match="exists"):
        journal.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"
    with pytest.raises(ConfigError, match="No such file"):
        journal.backup(tmp_path / "absent" / "copy.db")


def test_a_sound_journal_has_no_problems(journal: SqlJournal) -> None:
    assert journal.verify() == ()


@pytest.mark.parametrize(
    ("table", "change", "found"),
    [
        ("prices", "UPDATE prices SET swaps = swaps + 1 WHERE block = (SELECT max(block) FROM prices)", "prices"),
        ("prices", "DELETE FROM prices WHERE block = (SELECT min(block) FROM prices)", "prices"),
        ("cycles", "UPDATE cycles SET view = deflate(replace(inflate(view), '\"nonce\":7', '\"nonce\":8'))", "the view"),
        ("cycles", "UPDATE cycles SET view = deflate('{}')", "MarketView"),
        ("cycles", "UPDATE cycles SET decision = x'00'", "decompress"),
        ("policies", "UPDATE policies SET policy = deflate(replace(inflate(policy), '500', '501'))", "the policy"),
        ("cycle_ends", "UPDATE cycle_ends SET memory = deflate('{}')", "Memory"),
    ],
)
def test_whatever_was_tampered_with_is_named_and_not_handed_out(
    journal: SqlJournal, path: Path, table: str, change: str, found: str
) -> None:
    tamper(path, table, change)
    lines = journal.verify()
    assert len(lines) == 2, "both cycles rest on it"
    assert all(found in line for line in lines)
    assert journal.verify(newest=1) == lines[:1]
    with pytest.raises(JournalFault):
        journal.memory() if table == "cycle_ends" else journal.cycle(1)


def test_a_row_that_refers_to_nothing_is_named(journal: SqlJournal, path: Path) -> None:
    tamper(path, "intents", "INSERT INTO outcomes (intent_id, kind, outcome, now_s) VALUES (77, 'done', x'', 0)")
    assert [line for line in journal.verify() if "outcomes" in line and "intents" in line]


def test_a_damaged_page_is_named_first(journal: SqlJournal, path: Path) -> None:
    journal.close()
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096 * (size // 4096 // 2))
        file.write(b"\xa5" * 4096 * 3)
    with open_reader(path) as reader:
        try:
            damage = reader.verify()
        except JournalFault as fault:
            damage = (str(fault),)
    assert damage
    assert not any(line.startswith("cycle ") for line in damage)


def test_an_open_cycle_is_sound(journal: SqlJournal) -> None:
    cycle_id = journal.begin_cycle(policy(), VIEW, [], decision(), None)
    assert journal.verify() == ()
    journal.end_cycle(cycle_id, CycleState.HELD, memory())

"""The file: its schema, its settings, who may read it, and that nothing in it is ever changed."""

from __future__ import annotations

import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from keeper.adapters.store.database import writing_engine
from keeper.adapters.store.journal import SqlJournal, migrate, open_control
from keeper.adapters.store.reader import open_reader
from keeper.adapters.store.tables import REVISION, metadata
from keeper.core.model.errors import ConfigError
from tests.faults.journal_writer import writes
from tests.pairs import WALLET


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def full(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program to a journal with at least one row in every table."""
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        list(writes(journal))
        journal.halt("deep reorg")
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_migrations_build_the_tables_that_the_code_uses(path: Path) -> None:
    migrate(path)
    engine = writing_engine(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_revision_named_by_the_code_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "keeper.adapters.store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


@pytest.mark.parametrize("table", metadata.tables)
def test_no_row_of_any_table_can_be_changed_or_removed(full: sqlite3.Connection, table: str) -> None:
    column = next(iter(metadata.tables[table].columns)).name
    assert full.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        full.execute(f"UPDATE {table} SET {column} = {column}")
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        full.execute(f"DELETE FROM {table}")


def test_every_commit_reaches_the_disk_and_references_are_enforced(path: Path) -> None:
    migrate(path)
    engine = writing_engine(path)
    with engine.connect() as connection:
        found = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")}
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_only_the_owner_may_read_anything(path: Path) -> None:
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        journal.pause("lunch")
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["journal.db", "journal.db-shm", "journal.db-wal", "journal.db.lock"]
        assert {mode(file) for file in files} == {0o600}
    assert mode(path.parent) == 0o700


def test_a_folder_that_exists_keeps_its_mode_and_a_loose_file_is_tightened(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "journal.db"
    migrate(path)
    path.chmod(0o644)
    migrate(path)
    assert (mode(tmp_path), mode(path)) == (0o755, 0o600)


def test_migrating_twice_changes_nothing(path: Path) -> None:
    migrate(path)
    before = path.read_bytes()
    migrate(path)
    assert path.read_bytes() == before


def test_a_journal_of_a_newer_keeper_is_refused_and_left_alone(path: Path) -> None:
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    for opening in (
        lambda: SqlJournal.open(path, chain_id=1, account=WALLET),
        lambda: migrate(path),
        lambda: open_reader(path),
        lambda: open_control(path, who="ann"),
    ):
        with pytest.raises(ConfigError, match="schema is 9999"):
            opening()
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY)")
    with pytest.raises(ConfigError, match="not a journal"):
        SqlJournal.open(path, chain_id=1, account=WALLET)
    with pytest.raises(ConfigError, match="not a journal"):
        open_reader(path)
    with closing(sqlite3.connect(path)) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["trades"]


@pytest.mark.parametrize("content", [b"# a keeper's settings\n" * 200, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        SqlJournal.open(path, chain_id=1, account=WALLET)
    with pytest.raises(ConfigError, match=str(path)):
        open_reader(path)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="/file: File exists"):
        SqlJournal.open(tmp_path / "file" / "journal.db", chain_id=1, account=WALLET)
    with pytest.raises(ConfigError, match="Is a directory"):
        SqlJournal.open(tmp_path, chain_id=1, account=WALLET)


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import command

    whole = command.upgrade

    def upgrade_and_fail(config: Config, revision: str) -> None:
        whole(config, revision)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command, "upgrade", upgrade_and_fail)
    with pytest.raises(ConfigError, match="No space left"):
        migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    monkeypatch.undo()
    migrate(path)


def test_an_up_to_date_journal_is_opened_without_the_migration_tool(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(path)
    monkeypatch.setitem(sys.modules, "alembic", None)
    SqlJournal.open(path, chain_id=1, account=WALLET).close()

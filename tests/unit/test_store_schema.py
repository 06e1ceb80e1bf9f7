"""The file: its schema, its settings, who may read it, and that nothing in it is ever changed."""

from __future__ import annotations

import sqlite3
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import alembic.command
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
from keeper.app.cli import explain
from keeper.app.cli.replay import think_again
from keeper.core.model.codec import encode
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.record import CycleState
from keeper.engine.cycle import run_cycle
from keeper.engine.ports import Ports
from keeper.engine.recover import settle
from keeper.ports.journal import HistoryEnd
from tests import old_journal
from tests.builders import barred, decision, ladder, policy
from tests.fakes.executor_scene import Telling
from tests.fakes.memory_journal import MemoryJournal
from tests.faults.journal_writer import POOL, writes
from tests.old_journal import write_old_journal
from tests.pairs import BLOCK, NOW_S, WALLET
from tests.unit.engine_world import ScriptedAccount, StillSource, observation


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


# a journal of the first schema


@pytest.fixture
def old(path: Path) -> Path:
    write_old_journal(path)
    return path


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the first schema's tables, in the columns that they had."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: connection.execute(f"SELECT {_first_columns(table)} FROM {table} ORDER BY 1, 2").fetchall()
            for table in sorted(tables)
            if table not in {"alembic_version", "sqlite_sequence", "bars", "samples", "quotes"}
        }


def _first_columns(table: str) -> str:
    columns = metadata.tables[table].columns
    return ", ".join(column.name for column in columns if (table, column.name) not in LATER)


LATER = {("prices", name) for name in ("net0", "net1", "jit0")}


def test_an_older_journal_is_upgraded_in_place_and_loses_nothing(old: Path) -> None:
    before = content(old)
    with pytest.raises(ConfigError, match="schema is 0001"):
        open_reader(old)
    with SqlJournal.open(old, chain_id=1, account=WALLET) as journal:
        assert content(old) == before
        assert len(before["prices"]) == len(old_journal.ROWS)
        assert journal.layer_tokens() == {1001: LayerKind.CORE}
        assert journal.control() == "paused: upgrade"
        assert journal.verify() == ()
        assert journal.history_end(POOL) == HistoryEnd(minute=None, hour_s=None, sample_s=None, quote_s=None)


def test_the_direction_of_older_trades_is_not_known_and_not_made_up(old: Path) -> None:
    expected = tuple(row._replace(net0=None, net1=None, jit0=None) for row in old_journal.ROWS)
    with SqlJournal.open(old, chain_id=1, account=WALLET) as journal:
        assert journal.prices(POOL, since_s=0, up_to_block=BLOCK) == expected


def test_an_older_cycle_can_be_explained_and_says_that_it_cannot_be_replayed(old: Path) -> None:
    with SqlJournal.open(old, chain_id=1, account=WALLET) as journal:
        record = journal.cycle(1)
        with pytest.raises(JournalFault, match="can be explained, not replayed"):
            journal.named_history(record.view)
    assert record.policy == policy()
    assert record.readings == old_journal.READINGS
    assert (record.view.ladder, record.view.memory) == (old_journal.VIEW.ladder, old_journal.VIEW.memory)
    assert record.view.history.minutes.rows == 0
    document = explain.document(record)
    assert [one["name"] for one in document["readings"]] == [one.name for one in old_journal.READINGS]
    assert list(explain.render(record))


def test_the_memory_of_an_older_keeper_is_carried_on_from(old: Path) -> None:
    with SqlJournal.open(old, chain_id=1, account=WALLET) as journal:
        assert journal.memory() == old_journal.LEFT
        assert journal.memory().regime is Regime.STRESSED
        assert {layer.kind for layer in journal.memory().layers} == set(LayerKind)


def test_an_older_cycle_that_was_tampered_with_is_still_found(old: Path) -> None:
    migrate(old)
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DROP TRIGGER no_update_cycles")
        connection.execute("UPDATE cycles SET view = ?", (zlib.compress(encode(old_journal.VIEW).encode()),))
    with open_reader(old) as reader:
        assert reader.verify() == ("cycle 1: the view of cycle 1 is not the one that was stored",)


def test_a_cycle_that_an_older_keeper_left_open_is_ended(path: Path) -> None:
    write_old_journal(path, ended=False)
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        assert settle(ports(journal), policy())
        assert journal.cycle(1).state is CycleState.NOT_DONE
        assert journal.memory().regime is Regime.NORMAL, "what was decided in it"
        assert journal.memory().last_cycle_s == NOW_S


def test_the_first_cycle_after_an_upgrade_makes_bars_of_the_older_prices(old: Path) -> None:
    with SqlJournal.open(old, chain_id=1, account=WALLET) as journal:
        record = run_cycle(ports(journal), policy(), lambda *_: decision())
        bars = barred(old_journal.ROWS)
        named = journal.named_history(record.view)
        assert [bar.start_s for bar in named.minutes] == [bar.start_s for bar in bars.minutes]
        assert [bar.close_x96 for bar in named.hours] == [bar.close_x96 for bar in bars.hours]
        assert {(bar.net0, bar.jit0) for bar in named.minutes if bar.swaps} == {(None, None)}
        assert think_again(record, named).readings == record.readings
        assert journal.verify() == ()


def ports(journal: SqlJournal) -> Ports:
    account = ScriptedAccount(MemoryJournal())
    source = StillSource(observation(*ladder().positions))
    return Ports(source=source, journal=journal, executor=account, telemetry=Telling())


def test_an_upgrade_that_fails_leaves_the_older_journal_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(old)
    whole = alembic.command.upgrade

    def upgrade_and_fail(config: Config, revision: str) -> None:
        whole(config, revision)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(alembic.command, "upgrade", upgrade_and_fail)
    with pytest.raises(ConfigError, match="No space left"):
        migrate(old)
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert "net0" not in connection.execute("SELECT sql FROM sqlite_master WHERE name = 'prices'").fetchone()[0]
    assert content(old) == before

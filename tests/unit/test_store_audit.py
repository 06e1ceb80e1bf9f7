"""Copies are whole, and what was tampered with is found."""

from __future__ import annotations

import sqlite3
import stat
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from keeper.adapters.store import series
from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.store.reader import open_reader
from keeper.core.model.bar import HOUR_S, MarketHistory
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.record import CycleState
from keeper.core.signals.windows import TURN_S, Since
from keeper.engine.cycle import run_cycle
from keeper.engine.memo import SignalMemo
from keeper.engine.ports import Ports
from tests.builders import barred, decision, ladder, memory, policy
from tests.fakes.executor_scene import Telling
from tests.fakes.memory_journal import MemoryJournal
from tests.faults.journal_writer import VIEW, one_cycle, writes
from tests.pairs import DAY_S, WALLET
from tests.surroundings import quote
from tests.unit.engine_world import ScriptedAccount
from tests.unit.market_days import MIDNIGHT_S, TAPE, Days, watchful


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
        ("bars", "UPDATE bars SET swaps = swaps + 1 WHERE start_s = (SELECT max(start_s) FROM bars)", "bars"),
        ("bars", "DELETE FROM bars WHERE start_s = (SELECT min(start_s) FROM bars)", "bars"),
        ("cycles", "UPDATE cycles SET view = deflate(replace(inflate(view), '\"nonce\":7', '\"nonce\":8'))", "the view"),
        ("cycles", "UPDATE cycles SET view = deflate('{}')", "the view"),
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
    assert journal.verify(newest=1) == lines[-1:], "the oldest is told first"
    with pytest.raises(JournalFault):
        journal.memory() if table == "cycle_ends" else journal.named_history(journal.cycle(1).view)


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


# bars, samples and quotes of many cycles


POLICY = watchful()


class Lived:
    """A journal of a keeper that held, and the source that it looked at."""

    def __init__(self, journal: SqlJournal) -> None:
        self.journal = journal
        self.source = Days(now_s=MIDNIGHT_S - 3_600)
        for layer in ladder().layers:
            for position in layer.positions:
                journal.adopt(position.token_id, layer.kind)
        account = ScriptedAccount(MemoryJournal())
        self.ports = Ports(source=self.source, journal=journal, executor=account, telemetry=Telling())

    def cycles(self, count: int, *, every_s: int = 300) -> None:
        for _ in range(count):
            self.source.now_s += every_s
            self.source.quotes = (quote(0, 4_000.0 + self.source.now_s % 1_000),)
            run_cycle(self.ports, POLICY, lambda *_: decision())


@pytest.fixture
def lived(path: Path) -> Iterator[Lived]:
    with SqlJournal.open(path, chain_id=1, account=WALLET) as opened:
        yield Lived(opened)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Up to when the stored series were read, each time that they were."""
    counted: list[int] = []
    whole = series.within

    def counting(connection: Connection, pool: str, windows: Since, *, up_to_s: int) -> MarketHistory:
        counted.append(up_to_s)
        return whole(connection, pool, windows, up_to_s=up_to_s)

    monkeypatch.setattr(series, "within", counting)
    return counted


def test_the_stored_series_are_read_once_for_all_cycles_between_two_turns(lived: Lived, loads: list[int]) -> None:
    lived.cycles(24)
    days = [line.timestamp_s // DAY_S for line in lived.journal.cycles(limit=100)]
    assert set(days) == {MIDNIGHT_S // DAY_S - 1, MIDNIGHT_S // DAY_S}
    loads.clear()
    assert lived.journal.verify() == ()
    assert loads == [MIDNIGHT_S, MIDNIGHT_S + TURN_S]
    loads.clear()
    assert lived.journal.verify(newest=5) == ()
    assert loads == [MIDNIGHT_S + TURN_S]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("bars", "UPDATE bars SET close_x96 = close_x96 || '0' WHERE width_s = 60 AND start_s = {at_s} - 60"),
        ("bars", "DELETE FROM bars WHERE width_s = 60 AND start_s = {at_s} - 60"),
        ("bars", "UPDATE bars SET swaps = swaps + 1 WHERE width_s = 3600 AND start_s + 3600 = {at_s}"),
        ("samples", "UPDATE samples SET sample = deflate(replace(inflate(sample), '\"count\":1', '\"count\":2'))"),
        ("samples", "DELETE FROM samples WHERE timestamp_s = {at_s}"),
        ("quotes", "UPDATE quotes SET value = value + 1e-9 WHERE seen_s = {at_s}"),
        ("quotes", "UPDATE quotes SET value = NULL WHERE seen_s = {at_s}"),
        ("quotes", "DELETE FROM quotes WHERE seen_s = {at_s}"),
    ],
)
def test_one_changed_row_is_named_by_the_cycles_from_which_on_it_shows(
    lived: Lived, path: Path, loads: list[int], table: str, change: str
) -> None:
    """The seventh cycle is of an hour's end: a minute, an hour, a sample and a quote came with it; all are of one day."""
    lived.source.now_s = MIDNIGHT_S + HOUR_S - 7 * 300
    lived.cycles(15)
    at_s = MIDNIGHT_S + HOUR_S
    assert lived.journal.cycle(7).view.now_s == at_s
    where = f" WHERE timestamp_s = {at_s}" if change.startswith("UPDATE samples") else ""
    tamper(path, table, change.format(at_s=at_s) + where)
    loads.clear()
    lines = lived.journal.verify()
    assert [line.split(":")[0] for line in lines] == [f"cycle {number}" for number in range(7, 16)]
    assert all("bars, samples and quotes are not those" in line for line in lines)
    assert len(loads) == 1
    assert lived.journal.named_history(lived.journal.cycle(6).view).quotes
    with pytest.raises(JournalFault):
        lived.journal.named_history(lived.journal.cycle(7).view)


def test_a_change_shows_on_the_days_after_as_well(lived: Lived, path: Path) -> None:
    lived.cycles(24)
    tamper(path, "quotes", "UPDATE quotes SET value = 1 WHERE id = 3")
    assert [line.split(":")[0] for line in lived.journal.verify()] == [f"cycle {number}" for number in range(3, 25)]


def test_a_damaged_sample_is_named_and_not_handed_out(lived: Lived, path: Path) -> None:
    lived.cycles(3)
    tamper(path, "samples", "UPDATE samples SET sample = deflate('{}')")
    assert len(lived.journal.verify()) == 3
    with pytest.raises(JournalFault):
        lived.journal.named_history(lived.journal.cycle(1).view)


@pytest.mark.parametrize("count", [4, 14], ids=["in the middle of the windows", "after the turn"])
def test_bars_that_were_seeded_meanwhile_are_no_problem(lived: Lived, loads: list[int], count: int) -> None:
    lived.cycles(count)
    older = barred(tuple(row for row in TAPE if row.timestamp_s < MIDNIGHT_S - DAY_S), now_s=MIDNIGHT_S - DAY_S)
    assert lived.journal.seed_bars(POLICY.signal_pool, [*older.minutes, *older.hours]) > 500
    lived.ports = replace(lived.ports, memo=SignalMemo())
    lived.cycles(14)
    views = [lived.journal.cycle(number).view for number in range(1, count + 15)]
    assert len({view.history.minutes.first_s for view in views}) == 2
    loads.clear()
    assert lived.journal.verify() == ()
    assert len(loads) == 3, "two turns, one of them before and after the seed"


def test_a_node_that_lagged_behind_is_no_problem(lived: Lived) -> None:
    lived.cycles(3)
    lived.source.now_s -= 700
    lived.cycles(3)
    assert len({line.timestamp_s for line in lived.journal.cycles()}) == 6
    assert lived.journal.verify() == ()


def test_a_first_bar_that_is_gone_does_not_have_every_cycle_read_all_of_it(lived: Lived, path: Path, loads: list[int]) -> None:
    lived.source.now_s = MIDNIGHT_S
    lived.cycles(6)
    tamper(path, "bars", "DELETE FROM bars WHERE start_s = (SELECT min(start_s) FROM bars WHERE width_s = 60)")
    loads.clear()
    assert len(lived.journal.verify()) == 6
    assert len(loads) == 1

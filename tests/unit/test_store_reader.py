"""Reading while a keeper writes, and never otherwise touching the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.store.reader import open_reader, open_snapshot
from keeper.adapters.store.tables import control
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from keeper.core.signals.windows import since
from tests.builders import memory, policy
from tests.faults.journal_writer import KNOWN, POOL, ROWS, VIEW, one_cycle, remember, writes
from tests.pairs import BLOCK, NOW_S, WALLET
from tests.plans import attempt, bounds, done, place_stage, shift_decision, tx_hash, unknown, withdraw_stage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqlJournal]:
    with SqlJournal.open(path, chain_id=1, account=WALLET, wall_clock=lambda: 1_800_000_000.0) as opened:
        remember(opened)
        yield opened


def test_a_reader_never_makes_a_journal(path: Path) -> None:
    with pytest.raises(ConfigError, match="no journal"):
        open_reader(path)
    assert list(path.parent.iterdir()) == []


def test_a_reader_sees_what_a_running_keeper_wrote_and_outlives_it(journal: SqlJournal, path: Path) -> None:
    with open_reader(path) as reader:
        assert reader.cycles() == ()
        cycle_id = one_cycle(journal)
        assert [line.id for line in reader.cycles()] == [cycle_id]
        assert reader.prices(POOL, since_s=0, up_to_block=BLOCK) == ROWS
        assert reader.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == KNOWN
        assert reader.named_history(VIEW) == KNOWN
        assert reader.cycle(cycle_id) == journal.cycle(cycle_id)
        journal.close()
        assert reader.cycle(cycle_id).state is CycleState.HELD
    with open_reader(path) as reader:
        assert reader.memory() == memory()


def test_a_reader_cannot_write(journal: SqlJournal, path: Path) -> None:
    del journal
    with open_reader(path) as reader, pytest.raises(JournalFault, match="readonly"), reader._transaction() as connection:
        connection.execute(insert(control).values(action="halt", why="", who="reader", at_s=0))


def test_a_reader_does_not_hold_the_keeper_up(journal: SqlJournal, path: Path) -> None:
    with open_reader(path) as reader, reader._transaction() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM cycles").scalar()
        one_cycle(journal)
        assert connection.exec_driver_sql("SELECT count(*) FROM cycles").scalar() == before


def test_a_snapshot_stays_what_it_was_while_the_keeper_writes(journal: SqlJournal, path: Path) -> None:
    with open_snapshot(path) as then:
        before = then.status()
        cycle_id = one_cycle(journal)
        assert (then.status(), then.cycles()) == (before, ())
    then.close()
    with open_snapshot(path) as now:
        assert [line.id for line in now.cycles()] == [cycle_id]


def test_the_status_of_a_journal_that_never_ran(journal: SqlJournal) -> None:
    status = journal.status()
    assert (status.chain_id, status.account, status.cycles) == (1, WALLET, 0)
    assert (status.last_ended, status.open_cycle, status.open_intents, status.standing) == (None, None, 0, ())


def test_the_status_names_the_last_completed_cycle_and_what_is_open(journal: SqlJournal) -> None:
    ended = one_cycle(journal)
    unended = journal.begin_cycle(policy(), VIEW, [], shift_decision(), None)
    journal.record_intent(unended, withdraw_stage(), bounds())
    journal.halt("deep reorg")
    status = journal.status()
    assert status.last_ended is not None
    assert (status.last_ended.id, status.last_ended.ended_s) == (ended, 1_800_000_000)
    assert (status.cycles, status.open_cycle, status.open_intents) == (2, unended, 1)
    assert [order.why for order in status.standing] == ["deep reorg"]


def test_cycles_are_listed_newest_first_page_by_page(journal: SqlJournal) -> None:
    ended = [one_cycle(journal) for _ in range(6)]
    unended = journal.begin_cycle(policy(), VIEW, [], shift_decision(), None)
    newest, *_ = journal.cycles(limit=1)
    assert (newest.id, newest.state, newest.ended_s, newest.decision) == (unended, None, None, shift_decision())
    assert (newest.block, newest.timestamp_s, newest.started_s) == (BLOCK, NOW_S, 1_800_000_000)

    pages: list[int] = []
    before: int | None = None
    while page := journal.cycles(limit=3, before=before):
        assert len(page) <= 3
        before = page[-1].id
        pages += [line.id for line in page]
    assert pages == [unended, *reversed(ended)]


def test_a_cycles_intents_tell_steps_attempts_and_every_outcome(journal: SqlJournal) -> None:
    list(writes(journal))
    withdraw, place = journal.intents(1)
    assert (withdraw.stage, place.stage) == (withdraw_stage(), place_stage())
    assert [one.tx_hash for one in withdraw.attempts] == [tx_hash(1), tx_hash(2)]
    assert place.attempts == (attempt(place.intent.id, number=3, nonce=8),)
    assert place.outcomes == (unknown(3), done((5001, LayerKind.CORE), number=3))
    assert journal.intents(2) == ()

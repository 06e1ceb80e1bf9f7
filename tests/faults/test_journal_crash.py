"""What was written is there after a real kill and after a full disk; what was not is not there in part."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.store.reader import open_reader
from keeper.core.model.bar import MarketHistory
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from keeper.core.signals.windows import since
from tests.faults.journal_writer import KNOWN, POOL, ROWS, one_cycle, remember, writes
from tests.pairs import NOW_S, WALLET
from tests.plans import tx_hash

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
WRITES = (
    "open",
    "prices",
    "history",
    "begin",
    "intent withdraw",
    "attempt withdraw",
    "bump withdraw",
    "outcome withdraw",
    "intent place",
    "attempt place",
    "unknown place",
    "outcome place",
    "end",
)


def start(path: Path, manner: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.journal_writer", str(path), manner],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KEEPER__CHAIN__RPC_URL": "https://node.example/canary-7f3a", "KEEPER_PASSPHRASE": "canary-7f3a"},
    )


def kill(writer: subprocess.Popen[str]) -> list[str]:
    """Kill it for real; what it had said and nobody had read."""
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    return rest.splitlines()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of journals, each of a process that was killed one write later than the one before."""
    folder = tmp_path_factory.mktemp("killed")
    writer = start(folder, "killed")
    told, _ = writer.communicate(timeout=120)
    assert writer.returncode == 0
    assert [int(code) for code in told.split()] == [-signal.SIGKILL] * len(WRITES)
    return folder


@pytest.mark.parametrize("last", WRITES)
def test_a_kill_after_any_write_loses_none_and_recovery_finds_what_is_open(killed: Path, last: str) -> None:
    reached = WRITES.index(last)

    def is_past(name: str) -> bool:
        return reached >= WRITES.index(name)

    with SqlJournal.open(killed / f"{reached}.db", chain_id=1, account=WALLET) as journal:
        assert journal.verify() == ()
        assert journal.last_price_block(POOL) == (ROWS[-1].block if is_past("prices") else None)
        stored = journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S)
        assert stored == (KNOWN if is_past("history") else MarketHistory(pool=POOL))
        unended = journal.open_cycle()
        assert (unended is not None) == (is_past("begin") and not is_past("end"))
        expected_open = [
            number
            for number, (opened, closed) in enumerate(
                (("intent withdraw", "outcome withdraw"), ("intent place", "outcome place")), start=1
            )
            if is_past(opened) and not is_past(closed)
        ]
        found = journal.open_intents()
        assert [intent.id for intent, _ in found] == expected_open
        if found:
            sent = {1: ("attempt withdraw", "bump withdraw"), 2: ("attempt place",)}[found[0][0].id]
            first = {1: 1, 2: 3}[found[0][0].id]
            hashes = [tx_hash(first + k) for k, name in enumerate(sent) if is_past(name)]
            assert [attempt.tx_hash for attempt in found[0][1]] == hashes
        assert journal.layer_tokens() == ({5001: LayerKind.CORE} if is_past("outcome place") else {})
        if unended is not None and not found:
            journal.end_cycle(unended.id, CycleState.BLOCKED, journal.memory())
            assert one_cycle(journal) > unended.id


def test_a_kill_in_the_middle_of_a_write_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    said = 0
    for delay_s in (0.013, 0.041, 0.072):
        writer = start(path, "endless")
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == "open"
        said = int(writer.stdout.readline())
        time.sleep(delay_s)
        said = max([said, *(int(line) for line in kill(writer) if line)])
        with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
            assert journal.verify() == ()
            newest = journal.cycles(limit=1)[0]
            assert newest.id - said in {0, 1}
            unended = journal.open_cycle()
            if unended is not None:
                assert unended.id == said + 1
                journal.end_cycle(unended.id, CycleState.BLOCKED, journal.memory())
    assert said > 3


def test_a_full_disk_is_a_fault_and_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    writer = start(path, "starved")
    told, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    opened, *lines = told.splitlines()
    assert opened == "open"
    faults = [line for line in lines if line.startswith("fault")]
    assert len(faults) == 1
    assert str(path) in faults[0]
    ended = [int(line) for line in lines if not line.startswith("fault")]
    with open_reader(path) as reader:
        assert reader.verify() == ()
        assert [line.id for line in reader.cycles(limit=2_000)] == sorted(ended, reverse=True)
        assert all(line.state is not None for line in reader.cycles(limit=2_000))


def test_a_second_keeper_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first = start(path, "waiting")
    assert first.stdout is not None
    assert first.stdout.readline().strip() == "open"
    with pytest.raises(ConfigError, match=f"another keeper .process {first.pid}. holds"):
        SqlJournal.open(path, chain_id=1, account=WALLET)
    kill(first)
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        assert list(writes(journal))[-1] == "end"


def test_the_lease_is_one_by_any_name_and_no_other_program_inherits_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    (tmp_path / "other.db").symlink_to(path)
    first = SqlJournal.open(path, chain_id=1, account=WALLET)
    program = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with pytest.raises(ConfigError, match="another keeper"):
            SqlJournal.open(tmp_path / "other.db", chain_id=1, account=WALLET)
        first.close()
        SqlJournal.open(path, chain_id=1, account=WALLET).close()
    finally:
        program.kill()
        program.wait()


def test_a_writer_that_never_lets_go_is_a_fault_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.adapters.store.database.BUSY_TIMEOUT_S", 0.02)
    path = tmp_path / "journal.db"
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal, closing(sqlite3.connect(path)) as other:
        remember(journal)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalFault, match="locked"):
            one_cycle(journal)
        other.rollback()
        assert one_cycle(journal) == 1


def test_nothing_of_the_environment_reaches_the_files(killed: Path) -> None:
    for file in killed.iterdir():
        assert b"canary" not in file.read_bytes()
    with open_reader(killed / f"{len(WRITES) - 1}.db") as reader:
        assert "canary" not in repr(reader.cycle(1))
        assert "canary" not in repr(reader.intents(1))
        assert "canary" not in repr(reader.status())

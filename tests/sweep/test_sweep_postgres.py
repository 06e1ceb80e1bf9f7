"""A study that several machines share, on a real PostgreSQL server."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.core.model.errors import ConfigError
from keeper.simulation.sweep import read_sweep, run_sweep
from keeper.simulation.sweep_result import SweepResult
from keeper.simulation.sweep_store import JournalPlace
from tests.sweep.cheap import brisk, sweep, trying
from tests.sweep.postgres import binaries, running_server

PROGRAMS = binaries()
pytestmark = [pytest.mark.long, pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assert PROGRAMS is not None
    with running_server(PROGRAMS) as address:
        yield address


def study(result: SweepResult) -> list[tuple[str, dict[str, str], float | None]]:
    return [(row.state, dict(row.params), row.score_bps) for row in result.trials]


def test_a_database_keeps_what_a_file_keeps(server: str, tmp_path: Path) -> None:
    alike = sweep(name="alike")
    in_file = run_sweep(alike, trying(), JournalPlace(path=tmp_path / "study"), trials=8)
    in_database = run_sweep(alike, trying(), brisk(server), trials=8)
    assert study(in_database) == study(in_file)
    assert study(read_sweep(alike, brisk(server))) == study(in_file)


def test_a_study_of_another_search_is_refused(server: str) -> None:
    run_sweep(sweep(name="other"), trying(), brisk(server), trials=1)
    with pytest.raises(ConfigError, match="tape"):
        run_sweep(sweep(name="other", tape_digest="another"), trying(), brisk(server), trials=1)


def test_of_two_workers_that_share_a_study_one_is_killed_and_nothing_is_lost(server: str) -> None:
    asked, takes_s, dies_at = 12, 0.4, 3
    words = [sys.executable, "-m", "tests.sweep.cheap", server, str(asked), str(takes_s)]
    root = Path(__file__).parents[2]
    run_sweep(sweep(), trying(), brisk(server), trials=1)
    workers = [subprocess.Popen([*words, *more], cwd=root) for more in ([str(dies_at)], [])]
    try:
        killed, survivor = workers
        assert killed.wait(timeout=120) == -signal.SIGKILL
        done = study(read_sweep(sweep(), brisk(server)))
        assert survivor.wait(timeout=120) == 0
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    after = read_sweep(sweep(), brisk(server))
    before = [(state, params) for state, params, _ in done if state == "complete"]
    kept = [(state, params) for state, params, _ in study(after)]
    assert all(one in kept for one in before)
    complete = [row for row in after.trials if row.state == "complete"]
    assert len(complete) >= 1 + asked
    assert len({row.number for row in after.trials}) == len(after.trials)
    # the trial that was at work is failed, whoever noticed, and tried again
    more = run_sweep(sweep(), trying(), brisk(server), trials=1)
    lost = [row for row in more.trials if row.state == "failed"]
    assert len(lost) == 1
    assert [row.state for row in more.trials if row.retry_of == lost[0].number] == ["complete"]

"""Keepers that are killed at a named point of the send path, and what every start does after it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from keeper.adapters.store.journal import SqlJournal
from keeper.core.model.plan import StageOutcome
from keeper.core.model.pool import PoolKey
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Scene
from tests.pairs import NOW_S, WALLET

Kill = Callable[[str, int, PoolKey, Twin, Path], None]
"""Point, which time, pool, chain and journal."""


@contextmanager
def running_victims(stage: str) -> Generator[Kill]:
    """Victims that carry ``stage`` out: see :mod:`tests.faults.send_victim`."""
    command = [sys.executable, "-m", "tests.faults.send_victim"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdin
        assert process.stdout
        orders, endings = process.stdin, process.stdout

        def one(point: str, nth: int, pool: PoolKey, twin: Twin, path: Path) -> None:
            orders.write(f"{stage} {point} {nth} {pool.address} {twin.rpc_url} {path}\n")
            orders.flush()
            assert int(endings.readline()) == -9

        try:
            yield one
        finally:
            orders.close()


def start_again(scene: Scene, path: Path) -> list[StageOutcome]:
    """What every start does first."""
    scene.clock.on_pause = scene.mine
    outcomes = []
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        for intent, attempts in journal.open_intents():
            outcome = scene.live().settle(intent, attempts, journal)
            journal.record_outcome(intent, outcome, now_s=NOW_S)
            outcomes.append(outcome)
        assert journal.open_intents() == ()
    return outcomes

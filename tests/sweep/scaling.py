"""How many trials a second two processes make, against one: ``python -m tests.sweep.scaling [TRIALS [ROUNDS]]``.

Every trial keeps a core busy for about 1.5 s, as a week of a backtest does. The start of the two processes is part of their
time; one works in the process that asks. Beside it stands what the machine gives: the same work of the same trials in bare
processes that share nothing and are up already. Rounds are interleaved, so that a busy neighbour slows all of them.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from keeper.simulation.sweep import run_sweep
from keeper.simulation.sweep_store import JournalPlace
from tests.sweep.cheap import Busy, policy, space, sweep, trying

ROUNDS = 3


def trials_a_second(workers: int, trials: int) -> float:
    """Of one search into a new journal."""
    narrow = sweep(space=space("ladder.core.half_width_sigmas=0.5..2.4", "gates.cooldown_s=600..86400:log"))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run_sweep(narrow, trying(Busy()), JournalPlace(path=Path(folder) / "study"), trials=trials, workers=workers)
        return trials / (time.perf_counter() - begun)


def bare_a_second(workers: int, trials: int) -> float:
    """The work of the trials alone, in processes that have begun."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(Busy(rounds=1), [policy()] * workers))
        begun = time.perf_counter()
        list(pool.map(Busy(), [policy()] * trials))
        return trials / (time.perf_counter() - begun)


def speed_ups(trials: int = 40, rounds: int = ROUNDS) -> tuple[float, float]:
    """Medians over the rounds of the rate of two processes over that of one: of a search, and of the bare work."""
    found = [
        tuple(rate(2, trials) / rate(1, trials) for rate in (trials_a_second, bare_a_second)) for _ in range(max(rounds, 1))
    ]
    return median(search for search, _ in found), median(bare for _, bare in found)


if __name__ == "__main__":
    search, bare = speed_ups(*map(int, sys.argv[1:3]))
    print(f"two processes over one: a search {search:.2f}, bare work {bare:.2f}")  # ruff: ignore[print]

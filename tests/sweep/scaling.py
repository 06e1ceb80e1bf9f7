"""How many trials a second two processes make, against one: ``python -m tests.sweep.scaling [TRIALS]``.

Every trial keeps a core busy for about 0.3 s. The start of the two processes is part of their time; one works in the process
that asks. Rounds are interleaved, so that a busy neighbour slows both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from keeper.simulation.sweep import run_sweep
from keeper.simulation.sweep_store import JournalPlace
from tests.sweep.cheap import Busy, space, sweep, trying

ROUNDS = 3


def trials_a_second(workers: int, trials: int) -> float:
    """Of one search into a new journal."""
    narrow = sweep(space=space("ladder.core.half_width_sigmas=0.5..2.4", "gates.cooldown_s=600..86400:log"))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run_sweep(narrow, trying(Busy()), JournalPlace(path=Path(folder) / "study"), trials=trials, workers=workers)
        return trials / (time.perf_counter() - begun)


def speed_up(trials: int = 60, rounds: int = ROUNDS) -> float:
    """Median over the rounds of the rate of two processes over that of one."""
    return median(trials_a_second(2, trials) / trials_a_second(1, trials) for _ in range(rounds))


if __name__ == "__main__":
    print(f"two processes over one: {speed_up(*map(int, sys.argv[1:2])):.2f}")  # ruff: ignore[print]

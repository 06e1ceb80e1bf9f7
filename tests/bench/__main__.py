"""Every figure in turn: ``python -m tests.bench``."""

from __future__ import annotations

import sys

from tests.bench import gas, history, reads, replay, signals

PARTS = (
    ("Reads of a cycle: ours, and one web3.py call a value", reads.main),
    ("Gas of moving the ladder: ours, and one transaction a step", gas.main),
    ("A market day again: swaps a second", replay.main),
    ("A year of swaps made into bars, and logs a second", history.main),
    ("Readings of a cycle, and the same recomputed", signals.main),
)

for heading, main in PARTS:
    sys.stdout.write(f"\n{heading}\n{'-' * len(heading)}\n")
    sys.stdout.flush()
    main()

"""Every figure in turn: ``python -m tests.bench``."""

from __future__ import annotations

import sys

from tests.bench import gas, reads, replay

PARTS = (
    ("Reads of a cycle: ours, and one web3.py call a value", reads.main),
    ("Gas of moving the ladder: ours, and one transaction a step", gas.main),
    ("A market day again: swaps a second", replay.main),
)

for heading, main in PARTS:
    sys.stdout.write(f"\n{heading}\n{'-' * len(heading)}\n")
    sys.stdout.flush()
    main()

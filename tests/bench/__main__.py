"""Every figure in turn, or those that are named: ``python -m tests.bench [PART ...]``."""

from __future__ import annotations

import sys

from tests.bench import backtest, gas, hedged, history, peers, reads, replay, signals

PARTS = {
    "reads": ("Reads of a cycle: ours, and one web3.py call a value", reads.main),
    "gas": ("Gas of moving the ladder: ours, and one transaction a step", gas.main),
    "replay": ("A market day again: swaps a second", replay.main),
    "history": ("A year of swaps made into bars, and logs a second", history.main),
    "signals": ("Readings of a cycle, and the same recomputed", signals.main),
    "backtest": ("A whole backtest: seconds, memory, where the time goes", backtest.main),
    "hedged": ("A backtest with protection over one without, and planning over 200 quotes", hedged.main),
    "peers": ("The same day by others: fees, and time", peers.main),
}

wanted = sys.argv[1:] or list(PARTS)
if unknown := [name for name in wanted if name not in PARTS]:
    sys.exit(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
for name in wanted:
    heading, main = PARTS[name]
    sys.stdout.write(f"\n{heading}\n{'-' * len(heading)}\n")
    sys.stdout.flush()
    main()

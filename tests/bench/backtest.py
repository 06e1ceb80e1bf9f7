"""What a whole backtest costs: ``python -m tests.bench.backtest [DAYS ...]``, 1, 10 and 100 days unless others are named.

The shipped keeper over a made-up market of some 5,200 swaps a day, as the mainnet pool had in 2025, a cycle every five minutes,
strategy and journal included; each length in a process of its own, times of the processor. Making the market up is timed
block by block and taken off: a recorded one is read from prepared files. Where the time goes is measured in a second run, whose
clocks cost a little themselves.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import count
from typing import Any

from keeper.simulation.made import MadeTape
from keeper.simulation.tape import SwapEvent, TapeBlock

DAYS = (1, 10, 100)
YEAR = 365
_KEPT, _OF = 5, 7
"""Swaps of a made-up market that are kept: it makes more than the pool had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned(MadeTape):
    """A made-up market without some of its swaps, that tells how long it takes to make it up."""

    making_s: list[float] = field(default_factory=lambda: [0.0])

    def blocks(self) -> Iterator[TapeBlock]:
        """Every block that still has an event, in order."""
        blocks = self._fewer()
        while True:
            begin_s = time.thread_time()
            block = next(blocks, None)
            self.making_s[0] += time.thread_time() - begin_s
            if block is None:
                return
            yield block

    def _fewer(self) -> Iterator[TapeBlock]:
        number = count()
        for block in MadeTape.blocks(self):
            events = tuple(event for event in block.events if type(event) is not SwapEvent or next(number) % _OF < _KEPT)
            if events:
                yield block._replace(events=events)


def measured(days: float, *, parts: bool) -> dict[str, Any]:
    """One run, in this process."""
    from keeper.app.backtesting import Made, prepare
    from keeper.app.settings import load, to_policy
    from keeper.simulation.weather import Scenario

    settings = load(environ={}).settings
    policy = to_policy(settings)
    spec = prepare(settings, policy, Made(scenario=Scenario.SEASONS, seed=1, days=days)).spec
    (made,) = spec.tapes
    assert isinstance(made, MadeTape)
    tape = Thinned(**{one.name: getattr(made, one.name) for one in fields(MadeTape)})
    spec = replace(spec, tapes=(tape,))
    spent = _clocks() if parts else {}
    run = spec.simulation(policy)
    begin_s = time.process_time()
    run.run()
    making_s = tape.making_s[0]
    took_s = time.process_time() - begin_s - making_s
    return {
        "days": days,
        "swaps": run.market.swaps,
        "cycles": run.journal.cycles,
        "actions": len(run.journal.acted),
        "seconds": took_s,
        "making": making_s,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "parts": spent,
    }


def _clocks() -> dict[str, float]:
    """Hang a clock on every part of a cycle; gives where the seconds are summed."""
    from keeper.engine import cycle, memo, observe
    from keeper.simulation import ledger_rows, market, sim_journal, sim_source

    spent: dict[str, float] = {}
    places: tuple[tuple[Any, str, str], ...] = (
        (market.SimMarket, "advance_to_s", "pool and tape"),
        (sim_source.SimSource, "observe", "view"),
        (observe, "_news", "bars"),
        (memo.SignalMemo, "advanced", "signals"),
        (cycle, "make_plan", "plan"),
        (cycle, "carry_out", "act"),
        (cycle, "advance", "memory"),
        (sim_journal.SimJournal, "begin_cycle", "journal"),
        (sim_journal.SimJournal, "end_cycle", "journal"),
        (sim_journal.SimJournal, "append_history", "journal"),
        (sim_journal.SimJournal, "append_prices", "journal"),
        (ledger_rows.LedgerRows, "add", "ledger"),
    )
    for owner, name, part in places:
        setattr(owner, name, _clocked(getattr(owner, name), part, spent))
    from keeper.simulation import runner, suite

    for module in (runner, suite):
        module.decide_by_policy = _clocked(module.decide_by_policy, "decide", spent)  # and read what it asks for
    suite.RunSpec.simulation.__defaults__ = (suite.decide_by_policy,)
    return spent


def _clocked(work: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    def clocked(*given: Any, **named: Any) -> Any:
        begin_s = time.thread_time()
        try:
            return work(*given, **named)
        finally:
            spent[part] = spent.get(part, 0.0) + time.thread_time() - begin_s

    return clocked


def apart(days: float, *, parts: bool = False) -> dict[str, Any]:
    """One run in a process of its own."""
    words = [sys.executable, "-m", "tests.bench.backtest", "--one", str(days), *(["--parts"] if parts else [])]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def main(lengths: tuple[float, ...] = DAYS) -> None:
    """Print both tables."""
    out = sys.stdout
    out.write("\nwhole backtest, made-up market, a cycle every 5 minutes, processor time of one core\n")
    out.write("   days      swaps   cycles  actions   seconds   us/cycle   seconds a year   MiB\n")
    for days in lengths:
        one = apart(days)
        year_s = one["seconds"] / days * YEAR
        out.write(
            f"{days:7g} {one['swaps']:10,} {one['cycles']:8,} {one['actions']:8,} {one['seconds']:9.2f}"
            f" {one['seconds'] / one['cycles'] * 1e6:10.0f} {year_s:16.1f} {one['mib']:5.0f}\n"
        )
    one = apart(lengths[len(lengths) // 2], parts=True)
    out.write(f"\nwhere the time of {one['days']:g} days goes\n")
    rest = one["seconds"] + one["making"] - sum(one["parts"].values())
    pool = one["parts"].pop("pool and tape") - one["making"]
    for part, seconds in sorted({**one["parts"], "pool": pool, "rest": rest}.items(), key=lambda row: -row[1]):
        out.write(f"  {part:14} {seconds / one['seconds']:6.1%} {seconds / one['cycles'] * 1e6:8.0f} us a cycle\n")


if __name__ == "__main__":
    if "--one" in sys.argv:
        sys.stdout.write(json.dumps(measured(float(sys.argv[2]), parts="--parts" in sys.argv)))
    else:
        main(tuple(float(word) for word in sys.argv[1:]) or DAYS)

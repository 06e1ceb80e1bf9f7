"""A keeper's writes, one after another, in a process of its own that a test kills or starves.

``python -m tests.faults.journal_writer PATH MANNER``, where the manner is one of

- killed: PATH is a folder; for each write of a cycle a process of its own makes all writes up to that one and kills itself.
- waiting: opens the journal, and waits.
- endless: writes whole cycles as fast as it can and says the id of each ended one.
- starved: the same with hardly any room left for its files, until the journal refuses; then with room again.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from keeper.adapters.store.journal import SqlJournal
from keeper.core.model.codec import digest
from keeper.core.model.errors import JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from tests.builders import decision, ladder, memory, policy, reading, view
from tests.histories import history_ref, prices
from tests.pairs import NOW_S, USDC_WETH_500, WALLET
from tests.plans import attempt, bounds, done, place_stage, plan, shift_decision, unknown, withdraw_stage
from tests.surroundings import surrounded

POOL = USDC_WETH_500.address
ROWS = prices(1.0)
KNOWN = surrounded(1.0)
COUNT = 12
"""Writes of :func:`writes`."""
VIEW = view(held=ladder(), remembered=memory(), history=history_ref(KNOWN))


def writes(journal: SqlJournal) -> Iterator[str]:
    """A full cycle with a fee bump and an unknown that is settled; yields after each write."""
    journal.append_prices(POOL, ROWS)
    yield "prices"
    journal.append_history(KNOWN)
    yield "history"
    cycle_id = journal.begin_cycle(policy(), VIEW, [reading()], shift_decision(), plan(digest(VIEW)))
    yield "begin"
    withdraw = journal.record_intent(cycle_id, withdraw_stage(), bounds())
    yield "intent withdraw"
    journal.record_attempt(attempt(withdraw.id, number=1))
    yield "attempt withdraw"
    journal.record_attempt(attempt(withdraw.id, number=2))
    yield "bump withdraw"
    journal.record_outcome(withdraw, done(number=2), now_s=NOW_S + 24)
    yield "outcome withdraw"
    place = journal.record_intent(cycle_id, place_stage(), bounds())
    yield "intent place"
    journal.record_attempt(attempt(place.id, number=3, nonce=8))
    yield "attempt place"
    journal.record_outcome(place, unknown(3), now_s=NOW_S + 36)
    yield "unknown place"
    journal.record_outcome(place, done((5001, LayerKind.CORE), number=3), now_s=NOW_S + 48)
    yield "outcome place"
    journal.end_cycle(cycle_id, CycleState.DONE, memory(shifts_s=(NOW_S,)))
    yield "end"


def remember(journal: SqlJournal) -> None:
    """All that the cycles are made of."""
    journal.append_prices(POOL, ROWS)
    journal.append_history(KNOWN)


def one_cycle(journal: SqlJournal) -> int:
    """A hold."""
    cycle_id = journal.begin_cycle(policy(), VIEW, [reading()], decision(), None)
    journal.end_cycle(cycle_id, CycleState.HELD, memory())
    return cycle_id


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _starved(journal: SqlJournal, path: Path) -> None:
    remember(journal)
    _say(one_cycle(journal))
    log = path.with_name(f"{path.name}-wal").stat().st_size
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log + 100_000, most))
    try:
        for _ in range(1_000):
            _say(one_cycle(journal))
    except JournalFault as fault:
        _say(f"fault: {fault}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    unended = journal.open_cycle()
    if unended is not None:
        journal.end_cycle(unended.id, CycleState.BLOCKED, memory())
        _say(unended.id)
    _say(one_cycle(journal))


def _killed_after(path: Path, count: int) -> None:
    journal = SqlJournal.open(path, chain_id=1, account=WALLET)
    steps = writes(journal)
    for _ in range(count):
        next(steps)
    os.kill(os.getpid(), signal.SIGKILL)


def _killed(folder: Path) -> None:
    for count in range(COUNT + 1):
        child = os.fork()
        if not child:
            _killed_after(folder / f"{count}.db", count)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


def run(path: Path, manner: str) -> None:
    """Write in that manner."""
    if manner == "killed":
        _killed(path)
        return
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        _say("open")
        if manner == "starved":
            _starved(journal, path)
        elif manner == "waiting":
            sys.stdin.readline()
        else:
            remember(journal)
            while True:
                _say(one_cycle(journal))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])

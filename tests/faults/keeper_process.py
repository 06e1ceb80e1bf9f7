"""Keepers that kill themselves in the middle of a cycle: ``python -m tests.faults.keeper_process``.

Reads orders from standard input, one a line: ``POINT NTH PAIR URL FOLDER``. For each it forks a process that wires a keeper as
the bootstrap does, runs one cycle on the chain at URL, and sends itself SIGKILL the NTH time that it comes by POINT. Then it
says how that process ended: ``-9`` when it was killed, ``0`` when it never came by.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from keeper.engine.cycle import run_cycle
from keeper.localchain.twin import attach
from tests.faults.send_victim import Points, in_a_child
from tests.fork.keeper_scene import TWO_POOLS, USDC_PAIR, USDT_PAIR, Scene

PAIRS = {pair.name: pair for pair in (USDC_PAIR, USDT_PAIR, TWO_POOLS)}
BEFORE = {"record_attempt": "signed", "record_outcome": "confirmed"}
AFTER = {
    "begin_cycle": "begun",
    "record_intent": "intended",
    "record_attempt": "journaled",
    "record_outcome": "recorded",
    "end_cycle": "ended",
}
"""Points before and after the journal's writes; ``sent`` is between a send and its reply, ``waiting`` between two looks."""


class MortalJournal:
    """The keeper's own journal; its process may die right before or right after a write."""

    def __init__(self, journal: Any, points: Points) -> None:
        self._journal = journal
        self._points = points

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._journal, name)
        if name not in AFTER:
            return method

        def passing(*arguments: Any, **named: Any) -> Any:
            self._points.pass_by(BEFORE.get(name, ""))
            result = method(*arguments, **named)
            self._points.pass_by(AFTER[name])
            return result

        return passing


def mortal_send(send: Callable[..., Any], points: Points) -> Callable[..., Any]:
    """A send after which the process may die before it learns of the answer."""

    def sending(method: str, *params: Any) -> Any:
        reply = send(method, *params)
        points.pass_by("sent")
        return reply

    return sending


def one_cycle(points: Points, pair: str, url: str, folder: Path) -> None:
    scene = Scene(twin=attach(url, automine=False), pair=PAIRS[pair], folder=folder)
    scene.clock.before = lambda: points.pass_by("waiting")
    with scene.keeper() as keeper:
        keeper.rpc.send = mortal_send(keeper.rpc.send, points)  # type: ignore[method-assign]
        run_cycle(replace(keeper.ports, journal=MortalJournal(keeper.journal, points)), keeper.policy)


def warm_up(pair: str, url: str) -> None:
    """Loads what the forks would otherwise load each for itself: a dry cycle signs nothing and remembers elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(twin=attach(url, automine=False), pair=PAIRS[pair], folder=Path(folder))
        with scene.keeper(live=False, wallet__adoption="adopt") as keeper:
            run_cycle(keeper.ports, keeper.policy)


def main() -> None:
    cold = True
    for line in sys.stdin:
        point, nth, pair, url, folder = line.split()
        if cold:
            warm_up(pair, url)
            cold = False
        code = in_a_child(lambda: one_cycle(Points(point, int(nth)), pair, url, Path(folder)))  # ruff: ignore[function-uses-loop-variable] - called at once
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()
        if code == 1:
            os._exit(1)


if __name__ == "__main__":
    main()

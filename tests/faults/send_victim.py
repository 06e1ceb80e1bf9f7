"""Keepers that kill themselves at a named point of the send path: ``python -m tests.faults.send_victim``.

Reads orders from standard input, one a line: ``STAGE POINT NTH POOL URL JOURNAL``. For each it forks a process that carries the
stage out on the scene that is found at URL, with a real journal, and sends itself SIGKILL the NTH time that it comes by POINT.
Then it says how that process ended: ``-9`` when it was killed, ``0`` when it never came by.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.tx.live import EoaExecutor
from keeper.core.model.codec import digest
from keeper.core.model.plan import Stage
from keeper.core.model.pool import PoolKey
from keeper.core.model.record import Attempt
from keeper.core.model.token import TokenAmount
from keeper.localchain.twin import attach
from tests.builders import history, history_ref, ladder, memory, policy, prices, reading, view
from tests.fakes.executor_scene import Scene
from tests.fakes.option_shop import OpenShop
from tests.options import buying, quote
from tests.pairs import NOW_S, USDC_WETH_500, WALLET, WETH, WETH_USDT_500
from tests.plans import plan, shift_decision

POINTS = (
    "planned",
    "intended",
    "signed",
    "journaled",
    "sending",
    "sent",
    "waiting",
    "confirmed",
    "recorded",
)
"""In the order in which a stage comes by them; each lies between two durable steps."""
POOLS = {pool.address: pool for pool in (USDC_WETH_500, WETH_USDT_500)}


def option_stage(scene: Scene) -> Stage:
    """Approve ether, deposit it, approve the premium's limit, pay the premium, and take the rest of the limit back."""
    OpenShop(scene, found=True)
    return buying(quote(collateral=(TokenAmount(token=WETH, raw=3 * 10**18),)), extra_raw=10**6)


STAGES: dict[str, Callable[[Scene], Stage]] = {"core": Scene.core_stage, "option": option_stage}


class Points:
    """Counts down to the end."""

    def __init__(self, name: str, nth: int) -> None:
        self.name = name
        self.left = nth

    def pass_by(self, name: str) -> None:
        self.left -= name == self.name
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalRpc(Rpc):
    """A client that may die right before or right after a send."""

    points: Points

    def send(self, method: str, *params: Any) -> Any:
        self.points.pass_by("sending")
        reply = super().send(method, *params)
        self.points.pass_by("sent")
        return reply


class MortalLog:
    """A journal that may die right before or right after an attempt is written."""

    def __init__(self, journal: SqlJournal, points: Points) -> None:
        self.journal = journal
        self.points = points

    def record_attempt(self, attempt: Attempt) -> None:
        self.points.pass_by("signed")
        self.journal.record_attempt(attempt)
        self.points.pass_by("journaled")


def carry_out(stage_of: Callable[[Scene], Stage], points: Points, pool: PoolKey, url: str, path: Path) -> None:
    twin = attach(url, automine=False)
    scene = Scene(twin, pool, found=True)
    rpc = MortalRpc(url)
    rpc.points = points

    def pause() -> None:
        points.pass_by("waiting")
        scene.mine()

    scene.clock.on_pause = pause
    with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
        known = history(1.0)
        journal.append_prices(USDC_WETH_500.address, prices(1.0))
        journal.append_history(known)
        seen = view(held=ladder(), remembered=memory(), history=history_ref(known))
        cycle_id = journal.begin_cycle(policy(), seen, [reading()], shift_decision(), plan(digest(seen)))
        points.pass_by("planned")
        stage, bounds = stage_of(scene), scene.bounds()
        intent = journal.record_intent(cycle_id, stage, bounds)
        points.pass_by("intended")
        executor: EoaExecutor = scene.live(rpc)
        outcome = executor.execute(stage, bounds, intent, MortalLog(journal, points))
        points.pass_by("confirmed")
        journal.record_outcome(intent, outcome, now_s=NOW_S)
        points.pass_by("recorded")


def in_a_child(work: Callable[[], None]) -> int:
    """How a forked process ended that did ``work``, as an exit code; minus the signal when one ended it."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:  # ruff: ignore[blind-except] - the fork must end here whatever happens
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    # Loads what the forks would otherwise load each for itself.
    with tempfile.TemporaryDirectory() as folder, SqlJournal.open(Path(folder) / "warm", chain_id=1, account=WALLET):
        pass
    for line in sys.stdin:
        stage, point, nth, pool, url, path = line.split()
        code = in_a_child(lambda: carry_out(STAGES[stage], Points(point, int(nth)), POOLS[pool], url, Path(path)))  # ruff: ignore[function-uses-loop-variable] - called at once
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Stages carried out in the virtual book, and saved with it before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.core.model.errors import KeeperError
from keeper.core.model.plan import Bounds, Stage, StageOutcome
from keeper.core.model.record import Attempt, Intent
from keeper.ports.executor import AttemptLog
from keeper.simulation.paper_desk import PaperDesk


class PaperExecutor:
    """The virtual account behind the plan; nothing is signed.

    Args:
        desk: with the book that is changed.
    """

    def __init__(self, desk: PaperDesk) -> None:
        self._desk = desk

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        """Wait for the block that includes ``stage``, carry it out there, and save book and outcome together.

        Raises:
            Transient: the node failed or the block did not come; the book is as it was.
            Fault: the book cannot be saved; it is as it was.
        """
        try:
            outcome = self._desk.book.executor.execute(stage, bounds, intent, log)
            self._desk.save()
        except KeeperError:
            self._desk.restore()
            raise
        return outcome

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:
        """What became of it: what the saved book remembers, or nothing at all."""
        return self._desk.book.executor.settle(intent, attempts, log)

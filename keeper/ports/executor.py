"""Carrying out a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.core.model.plan import Bounds, Stage, StageOutcome
from keeper.core.model.record import Attempt, Intent


class AttemptLog(Protocol):
    """Where an executor writes what it is about to hand out."""

    def record_attempt(self, attempt: Attempt) -> None:
        """Make ``attempt`` durable; must return before the bytes leave.

        Raises:
            JournalFault: it could not be written.
        """
        ...


class Executor(Protocol):
    """The account: bundles a stage's steps, and simulates or sends them."""

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        """Carry ``stage`` out.

        An error of a send becomes :class:`Unknown`, and so does an allowance at an option venue that cannot be taken back now.
        A refusal or a revert becomes :class:`NotDone`.

        Raises:
            Transient: nothing was handed out.
            Fault: the account is not in the state that the journal implies.
        """
        ...

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:
        """Find out what became of an intent that was left open, and see it through.

        Raises:
            Transient: the chain could not be asked.
            Fault: another sender used the account's nonce.
        """
        ...

"""Which purchases and exits of options a cycle really carried out."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.core.model.decision import BuyProtection, Decision, EndProtection, ProtectionMove
from keeper.core.model.plan import Done, StageKind
from keeper.core.model.record import StageRecord


def carried_out(decision: Decision, stages: Sequence[StageRecord]) -> tuple[tuple[ProtectionMove, Done], ...]:
    """Moves of protection whose stages are done, exits first: plans hold them in that order, a stage each."""
    ends: list[ProtectionMove] = [move for move in decision.moves if isinstance(move, EndProtection)]
    buys: list[ProtectionMove] = [move for move in decision.moves if isinstance(move, BuyProtection)]
    protected = [stage.outcome for stage in stages if stage.kind is StageKind.PROTECT]
    return tuple(
        [(move, outcome) for move, outcome in zip([*ends, *buys], protected, strict=False) if isinstance(outcome, Done)]
    )

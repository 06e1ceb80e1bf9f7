"""Settling what an earlier cycle left open: the first act of every cycle, so that starting is recovering."""

from __future__ import annotations

from keeper.core.model.errors import Fault
from keeper.core.model.plan import StageOutcome, Unknown
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleState, StageRecord
from keeper.core.strategy.memory import advance
from keeper.engine.ports import Ports


def settle(ports: Ports, policy: Policy) -> bool:
    """Bring every open intent to an end by asking the chain, then close the cycle that a crash left open.

    Returns:
        Whether everything is settled; False means that a transaction of ours is still on its way.

    Raises:
        Transient: the chain could not be asked.
        Fault: the chain contradicts the journal; the keeper has been halted.
    """
    outcomes: list[StageOutcome] = []
    for intent, attempts in ports.journal.open_intents():
        try:
            outcome = ports.executor.settle(intent, attempts, ports.journal)
        except Fault as error:
            ports.journal.halt(str(error))
            raise
        ports.telemetry.event(f"intent.{outcome.kind}", intent=intent.id, stage=intent.stage.value)
        if isinstance(outcome, Unknown):
            return False
        ports.journal.record_outcome(intent, outcome, now_s=intent.deadline_s)
        outcomes.append(outcome)
    cycle = ports.journal.open_cycle()
    if cycle is not None:
        stages: tuple[StageRecord, ...] = cycle.stages
        state = CycleState(stages[-1].outcome.kind) if stages else CycleState.NOT_DONE
        memory = advance(cycle.view, cycle.readings, cycle.decision, stages, policy)
        ports.journal.end_cycle(cycle.id, state, memory)
        ports.telemetry.event("cycle.recovered", cycle=cycle.id, state=state.value)
    return True

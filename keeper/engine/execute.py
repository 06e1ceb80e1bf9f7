"""Carrying a plan out, stage by stage, with the journal always one step ahead."""

from __future__ import annotations

from keeper.core.model.errors import Fault, Refused, Transient
from keeper.core.model.plan import CloseOption, NotDone, Plan, Stage, StageOutcome, Unknown
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleState, Intent, StageRecord
from keeper.core.model.view import MarketView
from keeper.core.planning.planner import resize
from keeper.engine.ports import Ports


def carry_out(
    ports: Ports, policy: Policy, cycle_id: int, view: MarketView, plan: Plan
) -> tuple[CycleState, tuple[StageRecord, ...]]:
    """Execute ``plan`` until it is done or a stage is not.

    After each stage the remaining ones are sized from what the receipts gave. Whatever happens, the wallet and its positions
    are in a legal state: the next cycle looks again and plans afresh. A purchase of protection that fails ends the plan before
    the ladder moves; an option that could not be ended holds nothing up, but the cycle counts as not done.

    Raises:
        Fault: the keeper has been halted.
    """
    records: list[StageRecord] = []
    done = CycleState.HELD
    while len(records) < len(plan.stages):
        stage = plan.stages[len(records)]
        intent = ports.journal.record_intent(cycle_id, stage, plan.bounds)
        outcome = _attempt(ports, stage, plan, intent)
        ports.journal.record_outcome(intent, outcome, now_s=view.now_s)
        ports.telemetry.event(f"stage.{outcome.kind}", stage=stage.kind.value, steps=len(stage.steps))
        records.append(StageRecord(kind=stage.kind, outcome=outcome))
        done = CycleState.NOT_DONE if done is CycleState.NOT_DONE else CycleState(outcome.kind)
        if isinstance(outcome, Unknown):
            return CycleState.UNKNOWN, tuple(records)
        if isinstance(outcome, NotDone) and not isinstance(stage.option, CloseOption):
            break
        plan = resize(plan, view, policy, [record.outcome for record in records])
    return done, tuple(records)


def _attempt(ports: Ports, stage: Stage, plan: Plan, intent: Intent) -> StageOutcome:
    try:
        return ports.executor.execute(stage, plan.bounds, intent, ports.journal)
    except (Transient, Refused) as error:
        # By the executor's contract nothing was handed out.
        return NotDone(why=str(error), tx_hashes=(), gas_wei=0)
    except Fault as error:
        ports.journal.halt(str(error))
        raise

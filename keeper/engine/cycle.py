"""One pass of the loop: settle, observe, read, decide, plan, act, remember.

The same function runs live, dry, on the local chain and in simulation: only the ports differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from keeper.core.model.bar import DAY_S
from keeper.core.model.decision import Decision
from keeper.core.model.errors import Transient
from keeper.core.model.plan import Plan
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord, CycleState, StageRecord
from keeper.core.model.view import MarketView, Quality, SignalReading, find_reading
from keeper.core.planning.planner import plan as make_plan
from keeper.core.signals import names
from keeper.core.signals.registry import read_state
from keeper.core.strategy.decide import decide as decide_by_policy
from keeper.core.strategy.memory import advance
from keeper.engine.execute import carry_out
from keeper.engine.memo import SignalMemo
from keeper.engine.observe import Sight, observe
from keeper.engine.ports import Ports
from keeper.engine.protect import alarm, with_protection
from keeper.engine.recover import settle
from keeper.ports.chain import MarketSource
from keeper.ports.journal import ReadableJournal
from keeper.ports.options import ProtectionDesk

Decide = Callable[[MarketView, Sequence[SignalReading], Policy], Decision]


class Thought(NamedTuple):
    """A cycle up to the point where it would act."""

    sight: Sight
    readings: Sequence[SignalReading]
    decision: Decision
    plan: Plan | None


def think(
    source: MarketSource,
    journal: ReadableJournal,
    policy: Policy,
    decide: Decide = decide_by_policy,
    memo: SignalMemo | None = None,
    desk: ProtectionDesk | None = None,
) -> Thought:
    """Look and make up one's mind; nothing is written or sent.

    Args:
        source: the chain.
        journal: what is known.
        policy: the rules.
        decide: the strategy.
        memo: the signals as of the last cycle; without one they are made from the journal.
        desk: where protection may be bought; without one there is none.

    Raises:
        Transient: the chain could not be read.
        Refused: the decision cannot be planned: no pool has a time-weighted price to protect it with.
        Fault: the chain is not the configured one, or holds what the policy refuses.
    """
    sight = observe(source, journal, policy, memo or SignalMemo())
    readings = read_state(sight.view, sight.state)
    if desk is not None:
        sight = sight._replace(view=with_protection(desk, sight.view, readings, policy))
    decision = decide(sight.view, readings, policy)
    return Thought(sight=sight, readings=readings, decision=decision, plan=make_plan(sight.view, decision, policy))


def run_cycle(ports: Ports, policy: Policy, decide: Decide = decide_by_policy) -> CycleRecord:
    """One whole cycle.

    Raises:
        Transient: nothing was begun, or a transaction of an earlier cycle is still on its way; try again.
        Refused: as :func:`think`; nothing was begun.
        Fault: the caller must halt the keeper, unless what was being sent has done so already.
    """
    if not settle(ports, policy):
        raise Transient("a transaction of an earlier cycle is still on its way")
    thought = think(ports.source, ports.journal, policy, decide, ports.memo, ports.desk)
    sight = thought.sight
    ports.journal.append_prices(policy.signal_pool, sight.new_prices)
    ports.journal.append_history(sight.news)
    ports.memo.keep(sight.state)
    for token_id, layer in sight.adopted.items():
        ports.journal.adopt(token_id, layer)
        ports.telemetry.event("position.adopted", token_id=token_id, layer=layer.value)
    cycle_id = ports.journal.begin_cycle(policy, sight.view, thought.readings, thought.decision, thought.plan)
    ports.telemetry.event("cycle.begun", cycle=cycle_id, block=sight.view.block.number, moves=len(thought.decision.moves))
    _warn(ports, sight.view, thought.readings)
    blocked = ports.journal.control()
    no_stages: tuple[StageRecord, ...] = ()
    state, stages = CycleState.HELD, no_stages
    if thought.plan is not None and blocked is not None:
        state = CycleState.BLOCKED
        ports.telemetry.event("cycle.blocked", cycle=cycle_id, why=blocked)
    elif thought.plan is not None:
        state, stages = carry_out(ports, policy, cycle_id, sight.view, thought.plan)
    alarm(ports.telemetry, sight.view, thought.decision, stages, policy)
    memory = advance(sight.view, thought.readings, thought.decision, stages, policy)
    if state is not CycleState.UNKNOWN:
        ports.journal.end_cycle(cycle_id, state, memory)
    ports.telemetry.event("cycle.ended", cycle=cycle_id, state=state.value, block=sight.view.block.number)
    return CycleRecord(
        id=cycle_id,
        state=state,
        policy=policy,
        view=sight.view,
        readings=thought.readings,
        decision=thought.decision,
        plan=thought.plan,
        stages=stages,
    )


def _warn(ports: Ports, view: MarketView, readings: Sequence[SignalReading]) -> None:
    """Once a day, that scheduled events may come which the calendar does not know."""
    last_s = view.memory.last_cycle_s
    if last_s is not None and last_s // DAY_S == view.now_s // DAY_S:
        return
    calendar = find_reading(readings, names.CALENDAR)
    if calendar.quality is Quality.STALE:
        ports.telemetry.event("calendar.exhausted", why=calendar.note)

"""Deciding again from the journal: the same inputs must give the same decision and plan, bit for bit."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.core.model.bar import MarketHistory
from keeper.core.model.codec import encode
from keeper.core.model.decision import Decision, EndProtection, ExitAll
from keeper.core.model.plan import Plan
from keeper.core.model.record import CycleRecord
from keeper.core.model.view import SignalReading
from keeper.core.planning.planner import plan as make_plan
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide, exit_decision
from keeper.core.strategy.hedge.orders import ORDERED, buy_decision, end_decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What thinking again gave."""

    readings: Sequence[SignalReading]
    decision: Decision
    plan: Plan | None


def think_again(record: CycleRecord, history: MarketHistory) -> Replay:
    """Readings, decision and plan from view and history alone; what a person ordered is ordered again."""
    readings = read(record.view, history, record.policy)
    decision = _decided_again(record, readings)
    return Replay(readings=readings, decision=decision, plan=make_plan(record.view, decision, record.policy))


def _decided_again(record: CycleRecord, readings: Sequence[SignalReading]) -> Decision:
    view, policy, made = record.view, record.policy, record.decision
    if any(isinstance(move, ExitAll) for move in made.moves):
        return exit_decision(view)
    if any(reason.trigger == ORDERED for reason in made.reasons):
        for move in made.moves:
            if isinstance(move, EndProtection):
                return end_decision(view, policy, move.position.id, move.how)
        return buy_decision(view, readings, policy)
    return decide(view, readings, policy)


def differences(record: CycleRecord, replay: Replay) -> tuple[str, ...]:
    """Lines of a diff from the journal to the replay; empty when every byte is the same."""
    return tuple(_differences(record, replay))


def _differences(record: CycleRecord, replay: Replay) -> Iterator[str]:
    for name, stored, again in (
        ("readings", [*record.readings], [*replay.readings]),
        ("decision", [record.decision], [replay.decision]),
        ("plan", [] if record.plan is None else [record.plan], [] if replay.plan is None else [replay.plan]),
    ):
        before, after = [encode(one) for one in stored], [encode(one) for one in again]
        if before != after:
            old, new = (_lines(texts) for texts in (before, after))
            yield from difflib.unified_diff(old, new, f"journal: {name}", f"replay: {name}", lineterm="", n=2)


def _lines(texts: list[str]) -> list[str]:
    documents: list[Any] = [json.loads(text) for text in texts]
    return json.dumps(documents, indent=1, sort_keys=True).splitlines()

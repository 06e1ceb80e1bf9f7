"""When failed plans are one too many."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from keeper.app import daemon
from keeper.core.model.record import CycleRecord, CycleState, StageRecord
from tests.builders import policy, readings, view
from tests.options import buying, ending
from tests.plans import done, not_done, plan


def record(*pairs, state=CycleState.NOT_DONE):
    """A cycle with these stages and how they went."""
    stages = tuple(stage for stage, _ in pairs)
    went = tuple(StageRecord(kind=stage.kind, outcome=outcome) for stage, outcome in pairs)
    planned = plan("view", stages=stages) if pairs else None
    return CycleRecord(
        id=1,
        state=state,
        policy=policy(),
        view=view(),
        readings=readings(),
        decision=None,
        plan=planned,
        stages=went,
    )


def halts(monkeypatch, records):
    """Why a daemon halts that lives through these cycles; None when it does not."""
    halted = []
    coming = iter(records)
    keeper = None

    def run_cycle(*_):
        found = next(coming, None)
        if found is None:
            keeper.stop()
            return record(state=CycleState.HELD)
        keeper.wake()
        return found

    monkeypatch.setattr(daemon, "run_cycle", run_cycle)
    ports = SimpleNamespace(journal=SimpleNamespace(halt=halted.append), telemetry=SimpleNamespace(event=lambda *_, **__: None))
    keeper = daemon.Daemon(ports, policy(), trigger=IntervalTrigger(seconds=3_600), reload=lambda: None)
    keeper.wake()
    keeper.run()
    return halted[0] if halted else None


LADDER = plan("view").stages[0]


@pytest.mark.parametrize("stage", [LADDER, buying()])
def test_three_plans_that_failed_halt_it(monkeypatch, stage):
    why = halts(monkeypatch, [record((stage, not_done()))] * daemon.PATIENCE)
    assert why is not None
    assert "3 plans in a row" in why


def test_two_do_not(monkeypatch):
    assert halts(monkeypatch, [record((LADDER, not_done()))] * (daemon.PATIENCE - 1)) is None


def test_an_option_that_cannot_be_ended_never_halts_it_which_would_keep_it_from_being_ended(monkeypatch):
    failing = record((ending(), not_done()), (LADDER, done()))
    assert halts(monkeypatch, [failing] * (3 * daemon.PATIENCE)) is None


def test_what_fails_beside_it_still_counts(monkeypatch):
    failing = record((ending(), not_done()), (LADDER, not_done()))
    assert halts(monkeypatch, [failing] * daemon.PATIENCE) is not None

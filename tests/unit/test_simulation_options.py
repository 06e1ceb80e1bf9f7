"""Protection bought on paper within a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.adapters.options.paper import PaperRules
from keeper.core.model.decision import BuyProtection, EndProtection
from keeper.core.model.hedge import Anchor, HedgePolicy, TierPolicy, WakePolicy
from keeper.core.model.plan import Done
from keeper.simulation.frictions import Frictions
from keeper.simulation.result import result_of
from keeper.simulation.weather import Scenario
from tests.rehearsals import hasty_policy, rehearsal

HOUR_S = 3_600
TIER = TierPolicy(
    name="near",
    anchor=Anchor.CORE_EDGE,
    tenor_from_s=HOUR_S,
    tenor_to_s=30 * HOUR_S,
    share=1.0,
    wake=WakePolicy(walked=0.1, score=None, calendar=False, cheap=None),
)
HEDGE = HedgePolicy(
    tiers=(TIER,),
    fee_share=1.0,
    capital_year=0.2,
    loss_cap=0.001,
    horizon_s=86_400,
    dear=5.0,
    reserve=0.05,
    roll_before_s=HOUR_S,
)
SMOOTH = Frictions(failure_rate=0.0, sandwich_share=0.0)


def ran(hedge=HEDGE, **fields):
    run = rehearsal(
        1.5,
        scenario=Scenario.CRASH,
        policy=hasty_policy(hedge=hedge),
        paper=PaperRules(tenors_s=(6 * HOUR_S,)),
        frictions=fields.pop("frictions", SMOOTH),
        **fields,
    )
    run.run()
    return run


@pytest.fixture(scope="module")
def hedged():
    return ran()


def acted(run):
    return [run.journal.cycle(one) if isinstance(one, int) else one for one in run.journal.acted]


def test_premiums_and_payoffs_are_parts_that_add_up_to_the_last_unit(hedged):
    result = result_of(hedged, "keeper")
    assert result.parts.total == result.change
    assert result.parts.premiums < 0 < result.parts.payoffs


def test_what_was_paid_is_what_the_memory_counts_against_the_budget(hedged):
    spent = sum(one.raw for one in hedged.journal.memory().hedge.premiums)
    assert spent == -hedged.watch.parts.premiums >> 64
    assert spent > 0


def test_bought_before_the_ladder_moves_and_redeemed_after_it_settled(hedged):
    records = acted(hedged)
    kinds = [type(move) for record in records for move in record.decision.moves]
    assert BuyProtection in kinds
    assert EndProtection in kinds
    for record in records:
        bought = [move for move in record.decision.moves if isinstance(move, BuyProtection)]
        stages = [stage.kind.value for stage in record.stages]
        assert stages[: len(bought)] == ["protect"] * min(len(bought), len(stages)) or any(
            isinstance(move, EndProtection) for move in record.decision.moves
        )


def test_protection_that_fails_leaves_the_ladder_as_it_was():
    """Every transaction fails: a cycle that begins with a purchase goes no further."""
    run = ran(frictions=replace(SMOOTH, failure_rate=0.5, seed=3))
    broken = [
        record
        for record in acted(run)
        if record.plan is not None
        and record.stages
        and record.stages[0].kind.value == "protect"
        and not isinstance(record.stages[0].outcome, Done)
    ]
    assert broken
    assert all(len(record.stages) == 1 for record in broken)


def test_a_run_without_tiers_is_the_run_of_before_to_the_bit():
    bare, off = ran(hedge=HedgePolicy()), rehearsal(1.5, scenario=Scenario.CRASH, policy=hasty_policy(), frictions=SMOOTH)
    off.run()
    assert result_of(bare, "a").parts == result_of(off, "a").parts

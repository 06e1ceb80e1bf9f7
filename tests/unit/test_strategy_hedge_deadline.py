"""The duty to exercise: what is late, what was lost, and what a cycle says about it."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from keeper.adapters.telemetry.logs import LEVELS
from keeper.core.model.decision import BuyProtection, EndProtection
from keeper.core.model.hedge import HedgePolicy
from keeper.core.model.option import CloseHow, NoQuote, NoQuoteReason, PositionState, ProtectionView
from keeper.core.model.plan import StageKind
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import Exercisable, HedgeMemory
from keeper.core.strategy import advance
from keeper.core.strategy.hedge.deadline import exercisable, late, lost
from keeper.core.strategy.hedge.orders import ordering
from keeper.engine.cycle import run_cycle
from tests.builders import NOW_S, USDC, decision, memory, policy, readings, view
from tests.options import SHOP, held, put, quote
from tests.plans import done, not_done, simulated
from tests.unit.engine_world import laddered
from tests.unit.test_strategy_hedge import FAR, NEAR, decided
from tests.unit.test_strategy_hedge import rules as hedged

MARGIN_S = 7_200
RULES = policy(hedge=HedgePolicy(exercise_margin_s=MARGIN_S))
SILENT = NoQuote(venue=SHOP, reason=NoQuoteReason.UNREACHABLE, note="nothing returned")


def soon(left_s=MARGIN_S, **fields):
    """In the money, with so long to its deadline."""
    return held(act_before_s=NOW_S + left_s, **fields)


def seen(*positions, absent=(), remembered=()):
    known = replace(memory(), hedge=HedgeMemory(exercisable=remembered))
    return replace(view(remembered=known), protection=ProtectionView(positions=positions, quotes=(), absent=absent))


def remembered(left_s, worth=2_500.0, **fields):
    return replace(Exercisable(venue=SHOP, id="0", act_before_s=NOW_S + left_s, worth_quote=worth), **fields)


def ended(position, *outcomes):
    """A decision to exercise, and what became of it."""
    move = EndProtection(position=position, how=CloseHow.EXERCISE, min_out=position.claimable)
    stages = tuple(StageRecord(kind=StageKind.PROTECT, outcome=outcome) for outcome in outcomes)
    return decision(moves=(move,)), stages


def ids(found):
    return [one.id for one in found]


@pytest.mark.parametrize(("left_s", "expected"), [(MARGIN_S + 1, []), (MARGIN_S, ["0"]), (1, ["0"]), (-600, ["0"])])
def test_an_option_is_late_from_the_margin_before_its_deadline_on(left_s, expected):
    at = seen(soon(left_s))
    assert ids(exercisable(at, RULES)) == ["0"]
    assert ids(late(at, decision(), (), RULES)) == expected


@pytest.mark.parametrize(
    "position",
    [
        soon(state=PositionState.OPEN),
        soon(state=PositionState.REDEEMABLE),
        replace(soon(), act_before_s=None),
        soon(claimable=TokenAmount(token=USDC, raw=1)),
    ],
    ids=["out of the money", "settled", "without a deadline", "worth less than its gas"],
)
def test_nothing_is_late_that_loses_nothing_by_waiting(position):
    assert late(seen(position), decision(), (), RULES) == ()


def test_that_the_venue_cannot_pay_now_is_no_reason_to_be_silent():
    unpaid = replace(soon(), claimable=TokenAmount(token=USDC, raw=0))
    (found,) = late(seen(unpaid), decision(), (), RULES)
    assert found.worth_quote == pytest.approx(2_500.0)


@pytest.mark.parametrize(
    ("outcomes", "expected"), [((done(),), []), ((not_done(),), ["0"]), ((simulated(),), ["0"]), ((), ["0"])]
)
def test_only_an_exercise_that_is_done_ends_the_duty(outcomes, expected):
    position = soon()
    made, stages = ended(position, *outcomes)
    assert ids(late(seen(position), made, stages, RULES)) == expected
    after = advance(seen(position), readings(), made, stages, RULES)
    assert ids(after.hedge.exercisable) == expected


def test_what_was_due_stays_due_while_its_venue_does_not_answer():
    at = seen(absent=(SILENT,), remembered=(remembered(100),))
    assert ids(late(at, decision(), (), RULES)) == ["0"]
    assert lost(seen(absent=(SILENT,), remembered=(remembered(-100),))) == ()
    assert late(seen(remembered=(remembered(100),)), decision(), (), RULES) == ()


def test_an_option_in_the_money_that_expired_is_lost_once():
    expired = held(contract=put(expiry_s=NOW_S - 1), state=PositionState.EXPIRED_WORTHLESS, act_before_s=None)
    at = seen(expired, remembered=(remembered(-900),))
    assert ids(lost(at)) == ["0"]
    after = advance(at, readings(), decision(), (), RULES)
    assert after.hedge.exercisable == ()
    assert lost(seen(expired)) == ()


def test_one_that_somebody_cleared_away_after_its_deadline_is_lost_and_one_exercised_before_is_not():
    assert ids(lost(seen(remembered=(remembered(-1),)))) == ["0"]
    assert lost(seen(remembered=(remembered(1),))) == ()
    assert lost(seen(soon(-1), remembered=(remembered(-1),))) == ()


def test_duties_are_remembered_also_where_nothing_more_is_bought():
    after = advance(seen(soon(10**6)), readings(), decision(), (), policy())
    assert ids(after.hedge.exercisable) == ["0"]
    assert advance(view(), readings(), decision(), (), policy()).hedge == view().memory.hedge


class Shelf:
    """A desk at which so much is held."""

    def __init__(self, *positions):
        self.positions = positions

    def held(self, market, owner, block):  # ruff: ignore[unused-method-argument]
        return ProtectionView(positions=self.positions, quotes=(), absent=())

    def offers(self, market, wants, block):  # ruff: ignore[unused-method-argument]
        raise AssertionError("nothing is bought")


def test_a_cycle_calls_out_what_is_late_every_time_and_what_is_lost_once():
    world = laddered()
    expired = held(contract=put(expiry_s=NOW_S - 1), state=PositionState.EXPIRED_WORTHLESS, act_before_s=None)

    def hold(*_):
        return decision()

    for shown in (soon(60), soon(60), expired, expired):
        if shown is expired:
            world.source.seen = replace(world.source.seen, block=replace(world.source.seen.block, timestamp_s=NOW_S + 120))
        run_cycle(replace(world.ports, desk=Shelf(shown)), RULES, hold)
    told = [(name, fields) for name, fields in world.telling.events if name.startswith("protection.")]
    assert [name for name, _ in told] == ["protection.deadline", "protection.deadline", "protection.lost"]
    first = told[0][1]
    assert first == {
        "venue": SHOP,
        "option": "0",
        "act_before_s": NOW_S + 60,
        "left_s": 60,
        "worth": 2_500.0,
        "unit": "USDC",
    }


def test_no_event_is_louder():
    assert {LEVELS["deadline"], LEVELS["lost"]} == {logging.CRITICAL}
    assert max(LEVELS.values()) == logging.CRITICAL


def test_an_order_wakes_its_own_tier_alone_and_leaves_the_others_their_share():
    by = hedged(loss_cap=0.001)
    ordered = ordering(by, "far").hedge
    assert [tier.name for tier in ordered.tiers] == [NEAR.name, FAR.name]
    near, far = (tier.wake for tier in ordered.tiers)
    assert (near.walked, near.score, near.calendar, near.cheap) == (None, None, False, None)
    assert far.walked == 0
    assert ordered.loss_cap == 1
    assert ordered.capital_year == by.hedge.capital_year
    with pytest.raises(KeyError):
        ordering(by, "nope")


def test_what_its_venue_says_must_wait_is_not_tried():
    """A try that is known to be refused costs gas, and hides the one that matters."""
    due = held(state=PositionState.AWAITING_PRICE, act_before_s=None)
    moves = decided(seen(due), RULES).moves
    assert [move.how for move in moves if isinstance(move, EndProtection)] == [CloseHow.REDEEM]
    for state in (PositionState.AWAITING_PRICE, PositionState.REDEEMABLE):
        assert decided(seen(replace(due, state=state, waits=True)), RULES).moves == moves[1:]


def test_venues_are_remembered_while_something_is_held_there_or_they_do_not_tell():
    def venues_after(at, made=None, *stages):
        return advance(at, readings(), made or decision(), stages, RULES).hedge.venues

    def known(*names, **fields):
        whole = seen(**fields)
        return replace(whole, memory=replace(whole.memory, hedge=HedgeMemory(venues=names)))

    assert venues_after(seen(held())) == (SHOP,)
    assert venues_after(known(SHOP)) == ()
    assert venues_after(known(SHOP, absent=(SILENT,))) == (SHOP,)
    assert venues_after(known(absent=(SILENT,))) == ()
    bought = decision(moves=(BuyProtection(tier="near", quote=quote(), max_cost=quote().cost),))
    assert venues_after(seen(), bought, StageRecord(kind=StageKind.PROTECT, outcome=not_done())) == ()
    by, stage = hedged(), StageRecord(kind=StageKind.PROTECT, outcome=done())
    assert advance(seen(), readings(), bought, (stage,), by).hedge.venues == (SHOP,)

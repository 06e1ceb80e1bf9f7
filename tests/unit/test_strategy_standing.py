"""What a held option stands for: how the journal comes to know it, keeps it and forgets it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.core.model.codec import decode, encode
from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import Leg, NoQuote, NoQuoteReason, OptionKind, PositionState, ProtectionView, Style
from keeper.core.model.plan import Done, NotDone, StageKind
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import HedgeMemory, Memory, StandIn
from keeper.core.strategy.hedge.exposure import vanillas
from keeper.core.strategy.hedge.needs import needs
from keeper.core.strategy.hedge.standing import parts, standing_after
from tests.builders import NOW_S, USDC, WETH, decision, memory
from tests.calendars import DAY_S
from tests.options import SHOP, held, put, quote
from tests.unit.test_strategy_hedge import EARNED, NEAR, rules, seen

ETHER = 10**18
STRIKE = Decimal(3_767)
EXPIRY_S = NOW_S + 10 * DAY_S
CALL = StandIn(venue=SHOP, kind=OptionKind.CALL, strike=STRIKE, expiry_s=EXPIRY_S, raw=7 * 10**17)
DONE = Done(tx_hashes=("0x1",), deltas=(), minted=(), gas_units=1, gas_wei=1, block=1)
MISSED = NotDone(why="dearer", tx_hashes=(), gas_wei=0)
SILENT = NoQuote(venue=SHOP, reason=NoQuoteReason.UNREACHABLE, note="")


def contract(kind=OptionKind.CALL, *, strike=STRIKE, expiry_s=EXPIRY_S, **fields):
    return put(legs=(Leg(kind=kind, strike=strike),), expiry_s=expiry_s, style=Style.EUROPEAN, **fields)


def position(raw=7 * 10**17, kind=OptionKind.CALL, *, id_="0", state=PositionState.OPEN, **terms):
    size = TokenAmount(token=WETH, raw=raw)
    return held(TokenAmount(token=USDC, raw=0), contract=contract(kind, **terms), size=size, id=id_, state=state)


def at(*positions, known=(CALL,), absent=()):
    remembered = replace(EARNED, stand_ins=known)
    shown = ProtectionView(positions=positions, quotes=(), absent=absent)
    return seen(spot_ticks=300, remembered=remembered, protection=shown)


def purchase(raw=7 * 10**17, *, stands_for=OptionKind.PUT, **terms):
    quoted = quote(contract=contract(stands_for.other if stands_for else OptionKind.CALL, **terms), size=_base(raw))
    return BuyProtection(tier="near", quote=quoted, max_cost=quoted.cost, stands_for=stands_for)


def _base(raw):
    return TokenAmount(token=WETH, raw=raw)


def bought(move, outcome=DONE, *, seen_at=None):
    stages = (StageRecord(kind=StageKind.PROTECT, outcome=outcome),)
    return standing_after(seen_at or at(known=()), decision(moves=(move,)), stages)


def test_a_purchase_in_place_of_the_other_kind_is_remembered_once_it_was_really_made():
    assert bought(purchase()) == (CALL,)
    assert bought(purchase(), MISSED) == ()
    assert bought(purchase(stands_for=None)) == ()
    assert bought(purchase(stands_for=OptionKind.CALL)) == (replace(CALL, kind=OptionKind.PUT),)


def test_more_of_the_same_adds_up_and_other_terms_are_remembered_apart():
    again = bought(purchase(3 * 10**17), seen_at=at(position()))
    assert again == (replace(CALL, raw=ETHER),)
    later = bought(purchase(expiry_s=EXPIRY_S + 7 * DAY_S), seen_at=at(position()))
    assert later == (CALL, replace(CALL, expiry_s=EXPIRY_S + 7 * DAY_S))


@pytest.mark.parametrize(
    ("positions", "left"),
    [
        ([position()], 7 * 10**17),
        ([position(2 * ETHER)], 7 * 10**17),
        ([position(3 * 10**17)], 3 * 10**17),
        ([position(3 * 10**17), position(3 * 10**17, id_="1")], 6 * 10**17),
        ([position(kind=OptionKind.PUT)], 0),
        ([position(strike=STRIKE + 1)], 0),
        ([position(expiry_s=EXPIRY_S + 1)], 0),
        ([position(venue="other")], 0),
        ([position(state=PositionState.REDEEMABLE)], 0),
        ([], 0),
    ],
    ids=["held", "more is held", "less is held", "in two", "put", "strike", "expiry", "venue", "it has ended", "gone"],
)
def test_what_is_gone_is_forgotten_and_what_stands_for_itself_goes_first(positions, left):
    found = standing_after(at(*positions), decision(moves=()), ())
    assert sum(one.raw for one in found) == left
    assert standing_after(at(absent=(SILENT,)), decision(moves=()), ()) == (CALL,)


def test_an_option_that_was_bought_for_itself_and_for_the_other_kind_counts_in_parts():
    view, by = at(position(ETHER)), rules(tiers=(NEAR,))
    assert [(one.kind, one.size) for one in parts(view.protection.positions, (CALL,))] == [
        (OptionKind.CALL, 0.3),
        (OptionKind.PUT, 0.7),
    ]
    assert needs(view, by)[0].held == pytest.approx(0.7)
    assert [(one.kind, one.quantity) for one in vanillas(view)] == [(OptionKind.CALL, 0.3), (OptionKind.PUT, 0.7)]


def test_an_option_that_the_journal_does_not_know_stands_for_itself():
    by = rules(tiers=(NEAR,))
    assert not needs(at(position(), known=()), by)[0].held
    own = position(kind=OptionKind.PUT)
    assert needs(at(own, known=()), by)[0].held == pytest.approx(0.7)
    # needs are remembered within a cycle: what options stand for is among what they depend on
    known = at(position())
    forgotten = replace(known, memory=replace(known.memory, hedge=EARNED))
    assert [bool(needs(one, by)[0].held) for one in (known, forgotten, known)] == [True, False, True]


def test_memory_survives_a_restart_and_that_of_before_is_still_read():
    hedge = HedgeMemory(stand_ins=(CALL, replace(CALL, kind=OptionKind.PUT)), beside_raw=-(10**30))
    left = replace(memory(), hedge=hedge)
    assert decode(Memory, encode(left)) == left
    older = json.loads(encode(left))
    del older["hedge"]["stand_ins"], older["hedge"]["beside_raw"]
    older["hedge"]["unsold_raw"] = 7 * 10**17
    assert decode(Memory, json.dumps(older)).hedge == HedgeMemory()

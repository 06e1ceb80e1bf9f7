"""Protection in words: what a person on duty is shown, and a program."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.app.cli import explain, lean, option_offers, protection, sentences
from keeper.app.cli.output import Output
from keeper.core.model.decision import BuyProtection, Reason, Veto
from keeper.core.model.option import NoQuote, NoQuoteReason, PositionState, ProtectionView
from keeper.core.model.plan import StageKind
from keeper.core.model.record import CycleRecord, CycleState, StageRecord
from keeper.core.model.view import HedgeMemory, Premium
from keeper.core.quant.protection_score import PriceVerdict
from keeper.core.strategy.hedge.offers import Offer
from tests.builders import NOW_S, decision
from tests.options import SHOP, held, put, quote
from tests.pairs import DAY_S
from tests.plans import not_done
from tests.stories import told as told_readings
from tests.unit.test_strategy_hedge import EARNED, decided, offered, purchases, rules, seen
from tests.unit.test_strategy_standing import at as standing_at
from tests.unit.test_strategy_standing import position as standing_position
from tests.unit.test_strategy_synthetic import market as puts_market
from tests.unit.test_strategy_synthetic_calls import market as calls_market

BY = rules()
READINGS = told_readings(BY, NOW_S)


def shown(renderables) -> str:
    stream = io.StringIO()
    Output(as_json=False, stream=stream).show({}, *renderables)
    return stream.getvalue()


def holding(*positions, absent=(), remembered=EARNED):
    return seen(remembered=remembered, protection=ProtectionView(positions=positions, quotes=(), absent=absent))


def record(at, *stages, made=None) -> CycleRecord:
    return CycleRecord(
        id=7,
        state=CycleState.HELD,
        policy=BY,
        view=at,
        readings=READINGS,
        decision=made or decision(),
        plan=None,
        stages=stages,
    )


def test_a_held_option_is_told_with_its_terms_deadline_and_what_it_pays():
    text = shown(protection.held_tables(holding(held(act_before_s=NOW_S + 3_900)), BY))
    for words in (
        "shop",
        "10.000000 WETH",
        "put at 3,600.00 USDC",
        "itm exercisable",
        "in 1 h 5 min",
        "2,500.00 USDC",
        "after -30%",
    ):
        assert words in text
    document = protection.held_document(held())
    assert json.loads(json.dumps(document)) == document
    assert (document["size"], document["size_token"], document["claimable"]) == ("10", "WETH", "2500")


def test_a_venue_that_is_silent_makes_holdings_unknown_and_not_none():
    gone = NoQuote(venue=SHOP, reason=NoQuoteReason.UNREACHABLE, note="nothing returned")
    assert "not known" in shown(protection.held_tables(holding(absent=(gone,)), BY))
    assert shown(protection.held_tables(holding(), BY)) == "no options are held\n"


@pytest.mark.parametrize(
    ("verdict", "covered", "words"),
    [
        (PriceVerdict.FAIR, True, "sound"),
        (PriceVerdict.DEAR, True, "too dear"),
        (PriceVerdict.SUSPICIOUS, True, "too cheap to be believed"),
        (PriceVerdict.FAIR, False, "not covered: the venue could not pay it"),
    ],
)
def test_every_verdict_has_words(verdict, covered, words):
    offer = Offer(quote=quote(), cost=1_000.0, score=0.9, verdict=verdict, covered=covered)
    assert option_offers.verdict(offer) == words
    text = shown(option_offers.offer_tables([option_offers.Judged("near", offer)], NOW_S))
    assert words in text
    assert "1,000.00 USDC" in text
    assert "in 14 d 0 h" in text
    assert option_offers.offer_document("near", offer)["cost"] == "1000"


def test_an_offer_that_pays_nothing_has_no_number_that_json_lacks():
    offer = Offer(quote=quote(implied_volatility=None), cost=1.0, score=float("inf"), verdict=PriceVerdict.FAIR, covered=True)
    assert option_offers.offer_document("near", offer)["score"] is None
    assert "pays nothing" in shown(option_offers.offer_tables([option_offers.Judged("near", offer)], NOW_S))


def test_a_cycle_that_bought_marks_the_quote_that_was_taken_and_says_what_was_absent():
    at = offered(seen(spot_ticks=300))
    made = decided(at)
    bought = purchases(made)
    assert bought
    missing = NoQuote(venue="hegic", reason=NoQuoteReason.PAUSED, note="its admin has set the limit of sales to 0")
    at = replace(at, protection=replace(at.protection, absent=(missing, missing)))
    text = shown(option_offers.explained(at, READINGS, made, BY))
    assert text.count("taken") == len(bought)
    assert text.count("hegic: paused: its admin has set the limit of sales to 0") == 1
    document = explain.document(record(at, made=made))["protection"]
    assert len(document["offers"]) == len(option_offers.judged(at, READINGS, BY)) > 0
    assert document["absent"][0]["reason"] == "paused"
    whole = shown(explain.render(record(at, made=made)))
    assert "Offers, the best of each tier first" in whole
    assert "exercise_margin_s" in whole


@pytest.mark.parametrize(
    ("market", "sold"), [(puts_market, "0.700000 WETH sold"), (calls_market, "USDC sold")], ids=["a put", "a call"]
)
def test_what_is_made_of_the_other_kind_stands_among_the_offers_and_is_marked_where_it_was_taken(market, sold):
    at, by = market()
    made = decided(at, by)
    (bought,) = purchases(made)
    wanted = bought.stands_for
    text = " ".join(shown(option_offers.explained(at, told_readings(by, NOW_S), made, by)).split())
    assert text.count("taken") == 1
    assert f"synthetic {wanted} at" in text
    assert sold in text
    rows = option_offers.judged(at, told_readings(by, NOW_S), by)
    own, other = sorted(rows, key=lambda row: row.way is not None)
    assert (own.way, other.offer.verdict) == (None, PriceVerdict.FAIR)
    document = option_offers.offer_document(*other)
    assert json.loads(json.dumps(document)) == document
    assert document["legs"][0]["kind"] == wanted
    assert document["synthetic"]["bought"] == wanted.other
    assert Decimal(document["synthetic"]["cost"]) * 10**6 == bought.quote.cost.raw
    assert option_offers.offer_document(*own)["synthetic"] is None
    text = sentences.move(bought)
    assert text.endswith(f"for the near tier, in place of a {wanted}")


def test_held_options_that_stand_for_the_other_kind_are_told():
    at = standing_at(standing_position())
    assert "shop: call at 3,767.00 USDC on 0.700000 WETH, with as much WETH less, is a put" in shown(
        protection.held_tables(at, BY)
    )


def test_nothing_is_said_where_protection_was_never_on():
    bare = rules(tiers=())
    at = seen(remembered=HedgeMemory())
    assert not shown(option_offers.explained(at, READINGS, decision(), bare))
    assert protection.standing_lines(replace(record(at), policy=bare), HedgeMemory()) == []


def test_status_tells_deadline_premiums_of_a_year_and_awake_tiers():
    premiums = (
        Premium(timestamp_s=NOW_S - 366 * DAY_S, tier="near", raw=900 * 10**6),
        Premium(timestamp_s=NOW_S - DAY_S, tier="near", raw=100 * 10**6),
    )
    known = HedgeMemory(awake=("near",), premiums=premiums)
    later = held(id="1", act_before_s=NOW_S + 9 * DAY_S, state=PositionState.OPEN)
    at = holding(later, held(act_before_s=NOW_S + 5 * DAY_S))
    text = shown(protection.standing_lines(record(at), known))
    assert "2 options held" in text
    assert "premiums of the last 365 days 100.00 USDC; awake: near" in text
    assert "next deadline: 0 at shop" in text
    assert "in 5 d 0 h" in text
    document = protection.standing_document(record(at), known)
    assert document["premiums_year"] == pytest.approx(100.0)
    assert document["next_deadline"] == {"id": "0", "act_before_s": NOW_S + 5 * DAY_S}
    assert (document["late"], document["lost"]) == ([], [])


def test_what_is_late_says_what_to_type():
    at = holding(held(act_before_s=NOW_S + 600))
    failed = StageRecord(kind=StageKind.PROTECT, outcome=not_done())
    text = shown(protection.alarm_lines(record(at, failed)))
    assert "EXERCISE NOW: option 0 at shop pays 2,500.00 USDC" in text
    assert "keeper hedge exercise 0 --live" in text
    assert [one.id for one in protection.neglected(record(at))] == ["0"]
    assert protection.neglected(record(holding(held(act_before_s=NOW_S + DAY_S)))) == ()


def test_an_order_that_came_to_nothing_says_why():
    short = Veto(gate="hedge_funds", layer=None, found=4.75, limit=3.01, unit="USDC in the wallet, near")
    refused = sentences.not_bought(decision(vetoes=(short,)))
    assert refused == "nothing was bought: protection costs 4.75, of 3.01 USDC in the wallet, near"
    assert "holds enough" in sentences.not_bought(decision())


def test_what_holds_for_several_tiers_is_said_once():
    over = Reason(trigger="hedge_mandate", layer=None, found=10.0, limit=5.0, unit="USDC lost at the quantile of 0.01")
    assert sentences.decision(decision(reasons=(over, over))).count("the mandate allows") == 1


def test_strangles_are_told_leg_by_leg():
    two = put(legs=(*put().legs, replace(put().legs[0], strike=Decimal(4_400))))
    assert protection.terms(two) == "put at 3,600.00 USDC and put at 4,400.00 USDC"
    assert sentences.move(BuyProtection(tier="near", quote=quote(contract=two), max_cost=quote().cost)).startswith(
        "buy 10.000000 WETH"
    )


def test_the_lean_is_told_part_by_part_with_its_units():
    at = holding(held(state=PositionState.OPEN))
    parts = lean.rows(at, READINGS, BY)
    assert [part["name"] for part in lean.document(parts)] == ["core", "secondary", "insurance", "options", "total"]
    text = shown(lean.tables(parts, BY))
    assert "delta, WETH" in text
    assert f"{parts[-1].delta:+,.4f}" in text
    assert parts[3].delta < 0 < parts[3].gamma

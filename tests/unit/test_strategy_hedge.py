from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.adapters.options.paper import PaperRules, PaperVenue
from keeper.core.model.decision import BuyProtection, EndProtection, OpenLayer, ShiftLayer, TiltInventory
from keeper.core.model.hedge import Against, Anchor, HedgePolicy, TierPolicy, Uncovered, WakePolicy
from keeper.core.model.option import (
    CloseHow,
    NoQuote,
    NoQuoteReason,
    OptionKind,
    OptionMarket,
    PositionState,
    ProtectionView,
    Style,
)
from keeper.core.model.plan import CloseOption, OpenOption, StageKind
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import HedgeMemory, Premium
from keeper.core.planning.planner import plan
from keeper.core.quant.black_scholes import option_price
from keeper.core.quant.replication import ladder_delta, ladder_value, loss_against_cash
from keeper.core.quant.tail import price_quantile
from keeper.core.strategy import advance, decide
from keeper.core.strategy.hedge.budget import budget, trailing_fees
from keeper.core.strategy.hedge.exposure import bands, contract_payoffs, vanillas
from keeper.core.strategy.hedge.needs import capped, needs, reference_volatility, wanted_quotes
from keeper.core.strategy.hedge.offers import offers_for
from keeper.core.strategy.valuation import fees_quote, protected_price
from tests.builders import NOW_S, TICK, USDC, WETH, ladder, memory, policy, view, wallet
from tests.calendars import DAY_S
from tests.options import held, put, quote
from tests.stories import SHIPPED, told

ASLEEP = WakePolicy(walked=10.0, score=None, calendar=False, cheap=None)
NEAR = TierPolicy(
    name="near",
    anchor=Anchor.CORE_EDGE,
    tenor_from_s=6 * DAY_S,
    tenor_to_s=15 * DAY_S,
    share=0.5,
    wake=replace(ASLEEP, walked=0.05),
)
FAR = replace(NEAR, name="far", anchor=Anchor.INSURANCE_EDGE, tenor_from_s=25 * DAY_S, tenor_to_s=70 * DAY_S, share=1.0)
GAS_WEI = 5 * 10**17
"""Kept for gas."""
RICH = HedgePolicy(tiers=(NEAR, FAR), fee_share=1.0, capital_year=0.2, dear=5.0, reserve=0.05)
EARNED = HedgeMemory(fees_quote=50_000.0)


def rules(**fields):
    return policy(hedge=replace(RICH, **fields), stress=SHIPPED)


def seen(*, spot_ticks=0, remembered=EARNED, usdc=20_000 * 10**6, native_wei=125 * 10**16, protection=None, **fields):
    """Three layers around TICK, and the price so many ticks from there (up in ticks is down in dollars)."""
    tick = TICK + spot_ticks
    known = replace(memory(), hedge=remembered)
    funds = wallet(usdc, native_wei=native_wei)
    whole = view(tick, held=ladder(tick, centre=TICK), twap_tick=tick, wallet=funds, remembered=known, **fields)
    return whole if protection is None else replace(whole, protection=protection)


def offered(at, by=None, known=None, **rules_of_venue):
    """The view with what a venue on paper offers for its wants."""
    by, known = by or rules(), known or told(by or rules(), NOW_S)
    venue = PaperVenue(chain_id=1, base=WETH, quote_token=USDC, rules=PaperRules(**rules_of_venue))
    market = OptionMarket(
        base=WETH,
        quote=USDC,
        price=Decimal(protected_price(at, by)),
        now_s=at.now_s,
        block=at.block.number,
        reference_volatility=Decimal(reference_volatility(known)),
    )
    return replace(at, protection=venue.offers(market, wanted_quotes(at, known, by), at.block))


def decided(at, by=None, known=None):
    by = by or rules()
    return decide(at, known or told(by, NOW_S), by)


def purchases(made):
    return [move for move in made.moves if isinstance(move, BuyProtection)]


def gates(made):
    return {veto.gate for veto in made.vetoes}


def triggers(made):
    return {reason.trigger for reason in made.reasons}


def test_without_tiers_nothing_is_wanted_and_the_decision_is_that_of_no_hedging_at_all():
    at = seen(spot_ticks=300)
    bare = policy(stress=SHIPPED)
    assert needs(at, bare) == ()
    assert wanted_quotes(at, told(bare, NOW_S), bare) == ()
    assert decided(at, bare) == decide(
        replace(at, protection=ProtectionView(positions=(), quotes=(), absent=())), told(bare, NOW_S), bare
    )


def test_tiers_cover_what_the_ladder_buys_down_to_their_strikes_and_no_more():
    at, by = seen(), rules(tiers=(replace(NEAR, share=1.0), FAR))
    near, far = needs(at, by)
    held_bands = bands(at, by)
    assert near.strike == pytest.approx(
        min(band.lower for band in held_bands if band.liquidity == max(b.liquidity for b in held_bands))
    )
    assert near.size == pytest.approx(ladder_delta(held_bands, near.strike))
    assert near.size + far.size == pytest.approx(ladder_delta(held_bands, far.strike))
    assert far.strike == pytest.approx(min(band.lower for band in held_bands))


def test_fully_covered_tiers_stop_the_loss_below_the_farthest_strike():
    """Below every strike the ladder holds just what the puts sell."""
    at, by = seen(), rules(tiers=(replace(NEAR, share=1.0), FAR))
    found = needs(at, by)
    price, ladder_bands = protected_price(at, by), bands(at, by)

    def loss(end):
        return loss_against_cash(ladder_bands, entry=price, price=end) - math.fsum(
            need.size * max(need.strike - end, 0.0) for need in found
        )

    deep = found[1].strike
    assert loss(deep * 0.5) == pytest.approx(loss(deep), rel=1e-9)
    assert loss(deep) > 0


def test_against_holding_both_sides_are_covered_and_only_beyond_what_was_held():
    at, by = seen(), rules(against=Against.HOLDING, tiers=(replace(NEAR, share=1.0),))
    put_side, call_side = needs(at, by)
    ladder_bands, price = bands(at, by), protected_price(at, by)
    now = ladder_delta(ladder_bands, price)
    assert (put_side.kind, call_side.kind) == (OptionKind.PUT, OptionKind.CALL)
    assert put_side.strike < price < call_side.strike
    assert put_side.size == pytest.approx(ladder_delta(ladder_bands, put_side.strike) - now)
    assert call_side.size == pytest.approx(now - ladder_delta(ladder_bands, call_side.strike))


def test_a_tier_sleeps_until_the_price_has_walked_and_then_asks_for_its_gap():
    by = rules()
    assert wanted_quotes(seen(), told(by, NOW_S), by) == ()
    want, _ = wanted_quotes(seen(spot_ticks=300), told(by, NOW_S), by)
    need = needs(seen(spot_ticks=300), by)[0]
    assert want.size.raw <= need.gap * 10**18
    assert float(want.strike_from) < need.strike < float(want.strike_to)


def test_an_awake_tier_buys_within_budget_before_the_ladder_moves():
    made = decided(offered(seen(spot_ticks=300)))
    bought = purchases(made)
    assert [move.tier for move in bought] == ["near"]
    assert made.awake == ("near", "far")
    assert "hedge_walked" in triggers(made)
    stages = plan(offered(seen(spot_ticks=300)), made, rules()).stages
    first = stages[: len(bought)]
    assert all(stage.kind is StageKind.PROTECT and isinstance(stage.steps[0], OpenOption) for stage in first)
    assert StageKind.PROTECT not in {stage.kind for stage in stages[len(bought) :]}


def test_the_most_that_is_paid_is_the_quote_and_the_slippage_rounded_up():
    for move in purchases(decided(offered(seen(spot_ticks=300)))):
        cost = move.quote.cost.raw
        assert move.max_cost.raw == -(-cost * 10_100 // 10_000)
        assert move.max_cost.raw >= cost


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"fee_share": 0.0}, "hedge_fees"),
        ({"capital_year": 0.0}, "hedge_capital"),
    ],
)
def test_a_spent_budget_buys_nothing_and_says_which(change, gate):
    by = rules(**change)
    made = decided(offered(seen(spot_ticks=300), by), by)
    assert purchases(made) == []
    assert gate in gates(made)


def test_without_tokens_in_the_wallet_nothing_is_bought():
    made = decided(offered(seen(spot_ticks=300, usdc=0, native_wei=GAS_WEI)))
    assert purchases(made) == []
    assert "hedge_funds" in gates(made)


def test_a_premium_that_lies_in_ether_is_raised_first_and_no_more_of_it():
    by, poor = rules(), seen(spot_ticks=300, usdc=0, native_wei=GAS_WEI + 10**18)
    made = decided(poor, by)
    (sale,) = [move for move in made.moves if isinstance(move, TiltInventory)]
    assert purchases(made) == []
    assert "hedge_funding" in triggers(made)
    assert not any(isinstance(move, OpenLayer | ShiftLayer) for move in made.moves)
    assert sale.sold.token == WETH
    assert 0 < sale.sold.raw <= 10**18
    price = protected_price(poor, by)
    terms = {"spot": price, "volatility": 0.6}
    near, far = needs(poor, by)
    whole = near.gap * option_price(near.kind, strike=near.strike, years=10.5 / 365, **terms)
    whole += far.gap * option_price(far.kind, strike=far.strike, years=47.5 / 365, **terms)
    whole *= by.hedge.dear
    rich = seen(spot_ticks=300, usdc=0, native_wei=GAS_WEI + 10**20)
    (enough,) = [move for move in decided(rich, by).moves if isinstance(move, TiltInventory)]
    assert whole < enough.sold.raw / 10**18 * price < 1.05 * whole
    # with it in the wallet the option itself is bought
    paid = seen(spot_ticks=300, usdc=round(1.05 * whole * 10**6), native_wei=GAS_WEI)
    assert purchases(decided(offered(paid, by), by))


@pytest.mark.parametrize("change", [{"fee_share": 0.0}, {"capital_year": 0.0}])
def test_nothing_is_sold_for_a_premium_that_the_budget_refuses(change):
    made = decided(seen(spot_ticks=300, usdc=0, native_wei=GAS_WEI + 10**18), rules(**change))
    assert not any(isinstance(move, TiltInventory) for move in made.moves)


def test_a_small_part_of_what_is_lacking_is_saved_up_for():
    patient, eager = (rules(tiers=(NEAR,), fee_share=0.001, least_part=least) for least in (0.5, 0.0))
    at = seen(spot_ticks=300)
    assert wanted_quotes(at, told(patient, NOW_S), patient) == ()
    waiting = decided(at, patient)
    assert purchases(waiting) == []
    assert "hedge_small" in gates(waiting)
    assert purchases(decided(offered(at, eager), eager))


def test_a_broken_mandate_does_not_wait_for_more():
    by = rules(least_part=0.99, loss_cap=0.001)
    at = seen(usdc=100 * 10**6, native_wei=GAS_WEI)
    assert purchases(decided(offered(at, by), by))


def test_dear_quotes_and_suspiciously_cheap_ones_are_refused():
    by = rules(dear=1.35)
    dear = decided(offered(seen(spot_ticks=300), by, markup=Decimal(2)), by)
    cheap = decided(offered(seen(spot_ticks=300), by, markup=Decimal("0.5")), by)
    assert purchases(dear) == purchases(cheap) == []
    assert gates(dear) >= {"hedge_dear"}
    assert gates(cheap) & {"hedge_suspicious", "hedge_unsound"}


@pytest.mark.parametrize("way", list(Uncovered))
def test_when_no_venue_offers_the_ladder_falls_back_as_the_rules_say(way):
    by = rules(uncovered=way)
    nobody = NoQuote(venue="opyn", reason=NoQuoteReason.NO_LIQUIDITY, note="no pool")
    drifted = seen(spot_ticks=590, protection=ProtectionView(positions=(), quotes=(), absent=(nobody,)))
    made = decided(drifted, by)
    assert "hedge_no_quote" in gates(made)
    assert any("opyn no_liquidity" in veto.unit for veto in made.vetoes)
    placing = [move for move in made.moves if isinstance(move, OpenLayer | ShiftLayer)]
    if way is Uncovered.HOLD:
        assert placing == []
        assert "uncovered" not in gates(made) or not placing


def test_nothing_is_placed_while_an_awake_tier_lacks_cover_and_the_rules_say_hold():
    by, bare = rules(uncovered=Uncovered.HOLD), seen(spot_ticks=300)
    unlaid = replace(bare, ladder=replace(bare.ladder, layers=bare.ladder.layers[:2]), wallet=wallet(60_000 * 10**6))
    nobody = ProtectionView(positions=(), quotes=(), absent=(NoQuote(venue="v", reason=NoQuoteReason.PAUSED, note=""),))
    held_back = decided(replace(unlaid, protection=nobody), by)
    free = decided(unlaid, rules(tiers=()))
    assert any(isinstance(move, OpenLayer) for move in free.moves)
    assert not any(isinstance(move, OpenLayer) for move in held_back.moves)
    assert "uncovered" in gates(held_back)


def test_a_mandate_that_is_broken_wakes_every_tier_and_is_not_held_to_the_share_of_fees():
    by = rules(loss_cap=0.001, fee_share=0.0)
    made = decided(offered(seen(), by), by)
    assert [move.tier for move in purchases(made)] == ["near"]
    assert made.awake == ("near", "far")
    assert "hedge_mandate" in triggers(made)


def test_one_option_is_bought_a_cycle_and_the_next_tier_has_the_next():
    by = rules()
    at = offered(seen(spot_ticks=300))
    (first,) = purchases(decided(at))
    need = needs(at, by)[0]
    mine = held(
        contract=first.quote.contract,
        size=TokenAmount(token=WETH, raw=math.ceil(need.size * 10**18)),
        state=PositionState.OPEN,
    )
    then = offered(replace(at, protection=ProtectionView(positions=(mine,), quotes=(), absent=())))
    known = replace(then, protection=replace(then.protection, positions=(mine,)))
    assert [move.tier for move in purchases(decided(known))] == ["far"]


def test_held_puts_count_for_the_tier_with_the_nearest_strike_until_they_are_to_be_rolled():
    by = rules()
    at = seen(spot_ticks=300)
    near = needs(at, by)[0]
    mine = held(
        contract=put(legs=(replace(put().legs[0], strike=Decimal(near.strike)),), expiry_s=NOW_S + 10 * DAY_S),
        size=TokenAmount(token=WETH, raw=math.ceil(near.size * 10**18)),
        state=PositionState.OPEN,
    )
    covered = replace(at, protection=ProtectionView(positions=(mine,), quotes=(), absent=()))
    assert needs(covered, by)[0].gap == 0
    rolled = replace(mine, contract=replace(mine.contract, expiry_s=NOW_S + by.hedge.roll_before_s))
    assert needs(replace(at, protection=ProtectionView(positions=(rolled,), quotes=(), absent=())), by)[0].gap == near.size


def test_an_option_that_must_be_exercised_is_exercised_within_the_margin_of_its_deadline_and_not_before():
    by = rules()
    due = held(act_before_s=NOW_S + by.hedge.exercise_margin_s)
    early = held(act_before_s=NOW_S + by.hedge.exercise_margin_s + 1)
    (move,) = decided(seen(protection=ProtectionView(positions=(due,), quotes=(), absent=())), by).moves[:1]
    assert isinstance(move, EndProtection)
    assert move.how is CloseHow.EXERCISE
    assert 0 < move.min_out.raw <= due.claimable.raw
    made = decided(seen(protection=ProtectionView(positions=(early,), quotes=(), absent=())), by)
    assert not any(isinstance(one, EndProtection) for one in made.moves)


def test_the_duty_to_exercise_stands_when_hedging_is_switched_off_and_when_everything_else_is_closed():
    due = held(act_before_s=NOW_S + 600)
    at = seen(protection=ProtectionView(positions=(due,), quotes=(), absent=()))
    off = policy(stress=SHIPPED)
    dear = replace(off, gates=replace(off.gates, max_base_fee_wei=0))
    made = decide(at, told(dear, NOW_S), dear)
    assert [type(move) for move in made.moves] == [EndProtection]
    (stage,) = plan(at, made, dear).stages
    assert isinstance(stage.steps[0], CloseOption)


def test_what_has_settled_is_redeemed_unless_it_is_worth_less_than_its_gas():
    settled = held(state=PositionState.REDEEMABLE, act_before_s=None)
    small = held(TokenAmount(token=USDC, raw=1), state=PositionState.REDEEMABLE, act_before_s=None)
    worth_it = decided(seen(protection=ProtectionView(positions=(settled,), quotes=(), absent=())))
    not_worth = decided(seen(protection=ProtectionView(positions=(small,), quotes=(), absent=())))
    assert [move.how for move in worth_it.moves if isinstance(move, EndProtection)] == [CloseHow.REDEEM]
    assert not any(isinstance(move, EndProtection) for move in not_worth.moves)


def test_premiums_count_against_the_year_and_decay_against_the_fees():
    by = rules(fee_share=0.25, capital_year=0.02)
    spent = Premium(timestamp_s=NOW_S - 30 * DAY_S, tier="near", raw=500 * 10**6)
    found = budget(seen(remembered=HedgeMemory(fees_quote=8_000.0, premiums=(spent,))), by, 100_000.0)
    assert found.of_capital == pytest.approx(2_000 - 500)
    decayed = 8_000.0 * 0.25 - 500 * math.exp(-1)
    assert found.of_fees == pytest.approx(decayed, rel=0.05)
    old = replace(spent, timestamp_s=NOW_S - 366 * DAY_S)
    assert budget(seen(remembered=HedgeMemory(premiums=(old,))), by, 100_000.0).of_capital == pytest.approx(2_000)


def test_fees_trail_from_cycle_to_cycle_and_are_counted_once():
    by = rules()
    at = seen(remembered=HedgeMemory())
    first = advance(at, told(by, NOW_S), decided(at, by), (), by).hedge
    assert first.fees_quote == pytest.approx(trailing_fees(at, by))
    again = advance(replace(at, memory=replace(at.memory, hedge=first)), told(by, NOW_S), decided(at, by), (), by).hedge
    assert again.fees_quote == pytest.approx(first.fees_quote, rel=1e-3)
    assert again.uncollected_quote == first.uncollected_quote


def test_offers_are_ranked_by_cost_of_a_unit_of_loss_paid_and_judged():
    by, at = rules(), offered(seen(spot_ticks=300))
    near = needs(at, by)[0]
    found = offers_for(near, at, by, 0.6)
    assert found
    assert [offer.score for offer in found] == sorted(offer.score for offer in found)
    assert all(offer.cost > 0 for offer in found)


def test_payoffs_in_floats_are_those_of_the_contract():
    smooth = put(legs=(replace(put().legs[0], range_factor=Decimal("1.1")),))
    for contract in (put(), smooth):
        prices = [2_000.0, 3_300.0, 3_600.0, 3_900.0, 5_000.0]
        found = contract_payoffs(contract, 2 * 10**18, prices)
        assert list(found) == pytest.approx([2 * float(contract.payoff(Decimal(price))) for price in prices], abs=1e-9)


@pytest.mark.parametrize(("strike_part", "taken"), [(0.97, True), (1.02, False)])
def test_an_option_made_of_liquidity_is_taken_only_outside_the_ladder(strike_part, taken):
    by, at = rules(), seen(spot_ticks=300)
    far = needs(at, by)[1]
    edge = min(band.lower for band in bands(at, by))
    leg = replace(put().legs[0], strike=Decimal(edge * strike_part), range_factor=Decimal("1.01"))
    wing = quote(2_000 * 10**6, contract=put(legs=(leg,), expiry_s=None, style=Style.PERPETUAL))
    shown = replace(at, protection=ProtectionView(positions=(), quotes=(wing,), absent=()))
    assert bool(offers_for(far, shown, by, 0.6)) is taken


def test_a_mandate_raises_the_nearest_need_that_can_keep_the_loss_within_the_cap():
    by, at = rules(loss_cap=0.1, quantile=0.001), seen()
    bare, raised = needs(at, by), capped(needs(at, by), at, by, 0.9)
    price, ladder_bands = protected_price(at, by), bands(at, by)
    floor = price_quantile(price=price, quantile=0.001, volatility=0.9, years=7 / 365)
    cap, owed = 0.1 * ladder_value(ladder_bands, price), fees_quote(by, price, at.ladder.positions)
    assert loss_against_cash(ladder_bands, entry=price, price=floor) > cap
    (more,) = [place for place, need in enumerate(raised) if need.size > bare[place].size]
    need = raised[more]
    years = (need.tier.tenor_from_s + need.tier.tenor_to_s) / 2 / (365 * DAY_S)
    premium = option_price(OptionKind.PUT, spot=price, strike=need.strike, years=years, volatility=0.9)
    for end in (floor, need.strike, price):
        loss = loss_against_cash(ladder_bands, entry=price, price=end, fees=owed)
        assert loss - need.size * (max(need.strike - end, 0.0) - premium) <= cap + 1e-6


def test_a_mandate_that_no_put_can_keep_raises_nothing():
    by, at = rules(loss_cap=0.0001), seen()
    assert capped(needs(at, by), at, by, 2.0) == needs(at, by)


@pytest.mark.parametrize("state", list(PositionState))
def test_only_options_that_can_still_pay_count_against_the_loss(state):
    live = state in {PositionState.OPEN, PositionState.ITM_EXERCISABLE}
    assert len(vanillas(seen(protection=ProtectionView(positions=(held(state=state),), quotes=(), absent=())))) == live

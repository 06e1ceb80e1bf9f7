"""A put made of a call and less of the base: when it is taken, in what order it is carried out, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.adapters.options.paper import PaperRules, PaperVenue
from keeper.core.model.decision import BuyProtection, CompoundLayer, EndProtection, OpenLayer, ShiftLayer, TiltInventory
from keeper.core.model.hedge import Against, Anchor
from keeper.core.model.ladder import LayerKind
from keeper.core.model.option import (
    CloseHow,
    CostModel,
    NoQuote,
    NoQuoteReason,
    OptionKind,
    OptionMarket,
    PositionState,
    ProtectionView,
    Style,
)
from keeper.core.model.plan import CloseOption, Done, NotDone, OpenOption, StageKind, Swap
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.planning import plan, resize
from keeper.core.strategy import advance
from keeper.core.strategy.hedge.bias import option_worth
from keeper.core.strategy.hedge.exposure import vanillas
from keeper.core.strategy.hedge.needs import needs, wanted_quotes
from keeper.core.strategy.hedge.orders import buy_decision, ordering
from keeper.core.strategy.valuation import protected_price
from tests.builders import NOW_S, USDC, WETH, wallet
from tests.calendars import DAY_S
from tests.options import held, put, quote
from tests.rehearsals import hasty_policy, rehearsal
from tests.stories import told
from tests.unit.test_simulation_options import HEDGE, SMOOTH, TIER
from tests.unit.test_strategy_hedge import NEAR, decided, gates, purchases, rules, seen, triggers

ETHER = 10**18
SIZE = TokenAmount(token=WETH, raw=7 * 10**17)
DEAR_PART, FAIR_PART = 1.3, 1.02


def on_sale(at, by, *, put_part=DEAR_PART, call_part=FAIR_PART, size=SIZE, **fields):
    """A put and a call on the near tier's terms, at such parts of their worth."""
    strike = Decimal(round(needs(at, by)[0].strike))
    found = []
    for kind, part in ((OptionKind.PUT, put_part), (OptionKind.CALL, call_part)):
        legs = (replace(put().legs[0], kind=kind, strike=strike),)
        contract = replace(put(style=Style.EUROPEAN, expiry_s=NOW_S + 10 * DAY_S), legs=legs)
        worth = option_worth(contract, size.raw, at, by, 0.6)
        found.append(quote(int(worth * part * 10**6), contract=contract, size=size, **fields))
    return replace(at, protection=replace(at.protection, quotes=tuple(found)))


def one_tier(**fields):
    return rules(tiers=(NEAR,), **fields)


def sales(made):
    return [move for move in made.moves if isinstance(move, TiltInventory)]


def market(by=None, **fields):
    by = by or one_tier()
    return on_sale(seen(spot_ticks=300), by, **fields), by


def test_the_call_is_bought_and_as_much_base_sold_where_that_costs_less_than_the_put():
    at, by = market()
    made = decided(at, by)
    (bought,), (sold,) = purchases(made), sales(made)
    assert [leg.kind for leg in bought.quote.contract.legs] == [OptionKind.CALL]
    assert (sold.sold, sold.token_ids) == (SIZE, ())
    why = next(reason for reason in made.reasons if reason.trigger == "hedge_synthetic")
    assert 0 < why.found < why.limit
    put_cost = at.protection.quotes[0].cost.raw / 10**6
    assert why.limit == pytest.approx(put_cost)
    price, strike = protected_price(at, by), float(bought.quote.contract.legs[0].strike)
    given = bought.quote.cost.raw / 10**6 - SIZE.raw / ETHER * (price - strike)
    assert given < why.found < given + SIZE.raw / ETHER * price * 0.005


@pytest.mark.parametrize(
    "change",
    [
        {"put_part": 1.0},
        {"call_part": 1.4},
        {"size": TokenAmount(token=WETH, raw=8 * 10**17)},
        {"cost_model": CostModel.STREAMED},
    ],
    ids=["put is fair", "call is dear", "base does not lie idle", "call streams"],
)
def test_otherwise_the_put_itself_is_bought_and_nothing_sold(change):
    at, by = market(**change)
    if "cost_model" in change:
        plain = replace(at.protection.quotes[0], cost_model=CostModel.UPFRONT)
        at = replace(at, protection=replace(at.protection, quotes=(plain, at.protection.quotes[1])))
    made = decided(at, by)
    assert [[leg.kind for leg in move.quote.contract.legs] for move in purchases(made)] == [[OptionKind.PUT]]
    assert sales(made) == []


def test_it_is_done_by_either_measure_and_the_breach_is_told():
    at, by = market(by=one_tier(against=Against.HOLDING))
    made = decided(at, by)
    assert {"hedge_parity", "hedge_synthetic"} <= triggers(made)
    (bought,), (sold,) = purchases(made), sales(made)
    assert [leg.kind for leg in bought.quote.contract.legs] == [OptionKind.CALL]
    assert (bought.stands_for, sold.sold) == (OptionKind.PUT, SIZE)


def test_budget_dear_and_suspicious_hold_for_what_both_cost_together():
    at, by = market(put_part=2.0)
    assert sales(decided(at, by))
    for rule in ({"fee_share": 0.0}, {"capital_year": 0.0}):
        assert not decided(at, one_tier(**rule)).moves
    assert not sales(decided(*market(by=one_tier(dear=1.0), put_part=2.0, call_part=1.05)))
    made = decided(*market(call_part=0.6, put_part=0.4))
    assert not purchases(made)
    assert gates(made) & {"hedge_suspicious", "hedge_unsound"}


def test_a_call_that_the_wallet_cannot_pay_for_is_left():
    by = one_tier()
    at = on_sale(seen(spot_ticks=300, usdc=120 * 10**6), by)
    assert not purchases(decided(at, by))


def test_the_ladder_waits_a_cycle_while_inventory_is_sold():
    at, by = market()
    unlaid = replace(
        at, ladder=replace(at.ladder, layers=at.ladder.layers[:2]), wallet=wallet(60_000 * 10**6, native_wei=2 * ETHER)
    )
    made = decided(unlaid, by)
    assert sales(made)
    assert not any(isinstance(move, OpenLayer | ShiftLayer) for move in made.moves)
    assert "hedge_sale" in gates(made)


def test_a_person_s_order_is_for_an_option_alone():
    at, by = market()
    made = buy_decision(at, told(by, NOW_S), ordering(by, "near"))
    assert [[leg.kind for leg in move.quote.contract.legs] for move in purchases(made)] == [[OptionKind.PUT]]
    assert sales(made) == []


def test_calls_are_asked_for_only_where_as_much_base_lies_idle():
    by, at = one_tier(fee_share=0.001, least_part=0.0), seen(spot_ticks=300)
    (want,) = wanted_quotes(at, told(by, NOW_S), by)
    assert want.size.raw <= 75 * 10**16
    assert want.kinds == (OptionKind.PUT, OptionKind.CALL)
    poor = replace(at, wallet=wallet(20_000 * 10**6, native_wei=ETHER // 2))
    (less,) = wanted_quotes(poor, told(by, NOW_S), by)
    assert less.kinds == (OptionKind.PUT,)


# ---- in what order, and what is left


def planned():
    at, by = market()
    made = decided(at, by)
    found = plan(at, made, by)
    assert found is not None
    return at, by, made, found


def test_the_option_comes_first_and_the_sale_is_of_just_as_much():
    _, _, made, found = planned()
    assert [stage.kind for stage in found.stages] == [StageKind.PROTECT, StageKind.SWAP]
    (bought,), (sold,) = found.stages[0].steps, found.stages[1].steps
    assert isinstance(bought, OpenOption)
    assert isinstance(sold, Swap)
    assert (sold.amount_in, sold.zero_for_one) == (SIZE.raw, False)
    assert bought.max_cost == purchases(made)[0].max_cost


def test_where_no_pool_takes_the_sale_nothing_is_bought_and_what_is_due_is_still_done():
    """Spot stands beyond the protected price: selling would only push it on."""
    at, by, made, _ = planned()
    (pool,) = at.pools
    pushed = replace(at, pools=(replace(pool, twap_tick=pool.twap_tick - 200),))
    assert plan(pushed, made, by) is None
    due = EndProtection(position=held(), how=CloseHow.EXERCISE, min_out=held().claimable)
    found = plan(pushed, replace(made, moves=(due, *made.moves)), by)
    assert [type(step) for stage in found.stages for step in stage.steps] == [CloseOption]


def test_inventory_is_not_sold_beside_moves_of_the_ladder():
    at, by, made, _ = planned()
    with pytest.raises(ValueError, match="beside"):
        plan(at, replace(made, moves=(*made.moves, CompoundLayer(layer=LayerKind.CORE, token_ids=(1001,)))), by)


def done(*deltas):
    return Done(tx_hashes=("0x1",), deltas=deltas, minted=(), gas_units=1, gas_wei=1, block=1)


def paid(made):
    return done(TokenAmount(token=USDC, raw=-purchases(made)[0].quote.cost.raw))


def test_the_sale_is_sized_anew_after_the_purchase_and_never_beyond_the_plan():
    at, by, made, found = planned()
    anew = resize(found, at, by, [paid(made)])
    assert anew.stages[1].steps == found.stages[1].steps
    shrunk = resize(found, at, by, [done(TokenAmount(token=WETH, raw=-ETHER // 2))])
    assert shrunk.stages[1].steps[0].amount_in == 25 * 10**16
    with pytest.raises(ValueError, match="did not happen"):
        resize(found, at, by, [NotDone(why="the price moved", tx_hashes=(), gas_wei=0)])


def call_of(made, **fields):
    (move,) = purchases(made)
    nothing = TokenAmount(token=USDC, raw=0)
    return held(contract=move.quote.contract, size=move.quote.size, state=PositionState.OPEN, claimable=nothing, **fields)


def test_a_sale_that_failed_is_tried_again_and_no_second_call_is_bought():
    by = rules(tiers=(replace(NEAR, share=0.03),))
    at, by = market(by=by)
    made = decided(at, by)
    assert needs(at, by)[0].size == pytest.approx(0.7, abs=0.15)
    missed = NotDone(why="reverted", tx_hashes=("0x2",), gas_wei=1)
    stages = (StageRecord(kind=StageKind.PROTECT, outcome=paid(made)), StageRecord(kind=StageKind.SWAP, outcome=missed))
    then = advance(at, told(by, NOW_S), made, stages, by)
    assert then.hedge.beside_raw == SIZE.raw
    positions = ProtectionView(positions=(call_of(made),), quotes=at.protection.quotes, absent=())
    following = replace(at, memory=then, protection=positions)
    again = decided(following, by)
    assert [move.sold for move in sales(again)] == [SIZE]
    assert not purchases(again)
    assert "hedge_beside" in triggers(again)
    sold = StageRecord(kind=StageKind.SWAP, outcome=done(TokenAmount(token=WETH, raw=-SIZE.raw)))
    assert advance(following, told(by, NOW_S), again, (sold,), by).hedge.beside_raw == 0
    assert advance(following, told(by, NOW_S), again, (), by).hedge.beside_raw == SIZE.raw
    gone = replace(following, protection=ProtectionView(positions=(), quotes=(), absent=()))
    assert advance(gone, told(by, NOW_S), decided(gone, by), (), by).hedge.beside_raw == 0
    silent = NoQuote(venue="shop", reason=NoQuoteReason.UNREACHABLE, note="")
    unknown = replace(gone, protection=replace(gone.protection, absent=(silent,)))
    assert not sales(decided(unknown, by))
    assert advance(unknown, told(by, NOW_S), decided(unknown, by), (), by).hedge.beside_raw == SIZE.raw
    spent = decided(replace(following, wallet=wallet(20_000 * 10**6, native_wei=ETHER // 2)), by)
    assert not sales(spent)
    assert "hedge_beside" in triggers(spent)


def test_a_purchase_that_failed_leaves_nothing_to_sell():
    at, by, made, _ = planned()
    missed = StageRecord(kind=StageKind.PROTECT, outcome=NotDone(why="dearer", tx_hashes=(), gas_wei=0))
    then = advance(at, told(by, NOW_S), made, (missed,), by).hedge
    assert (then.beside_raw, then.premiums) == (0, ())


def test_a_call_that_was_bought_for_one_covers_the_put_s_need_and_what_it_cost_beyond_parity_is_its_premium():
    at, by, made, _ = planned()
    stages = (StageRecord(kind=StageKind.PROTECT, outcome=paid(made)), StageRecord(kind=StageKind.SWAP, outcome=done()))
    then = advance(at, told(by, NOW_S), made, stages, by)
    (premium,) = then.hedge.premiums
    strike, price = float(purchases(made)[0].quote.contract.legs[0].strike), protected_price(at, by)
    beyond = purchases(made)[0].quote.cost.raw / 10**6 - 0.7 * (price - strike)
    assert premium.raw / 10**6 == pytest.approx(beyond, abs=1e-5)
    mine = (call_of(made),)
    known = replace(at, memory=then, protection=ProtectionView(positions=mine, quotes=(), absent=()))
    for measure in Against:
        assert needs(known, one_tier(against=measure))[0].held == pytest.approx(0.7)
    assert [one.kind for one in vanillas(known)] == [OptionKind.PUT]
    forgotten = replace(known, memory=at.memory)
    assert not needs(forgotten, by)[0].held
    assert [one.kind for one in vanillas(forgotten)] == [OptionKind.CALL]


# ---- carried out on paper


class DearPuts(PaperVenue):
    """Puts cost half as much again as the same payoff by a call."""

    def quote(self, contract, size):
        found = PaperVenue.quote(self, contract, size)
        is_put = contract.legs[0].kind is OptionKind.PUT
        return replace(found, upfront=replace(found.upfront, raw=found.upfront.raw * 3 // 2)) if is_put else found


@pytest.fixture(scope="module")
def run():
    tier = replace(TIER, anchor=Anchor.BREAK_EVEN, tenor_to_s=9 * DAY_S, share=0.05)
    by = hasty_policy(hedge=replace(HEDGE, tiers=(tier,)))
    paper = PaperRules(tenors_s=(7 * DAY_S,), spread=Decimal(0))
    found = rehearsal(0.25, policy=by, paper=paper, frictions=SMOOTH)
    venue = DearPuts(chain_id=1, base=WETH, quote_token=USDC, rules=found.setting.paper)
    found.account.options = venue
    found._ports = replace(found._ports, desk=venue)
    found.run()
    return found


def pairs(run):
    return [record for record in run.journal.acted if any(isinstance(move, TiltInventory) for move in record.decision.moves)]


def test_on_paper_a_call_and_a_sale_end_as_the_put_would_have_less_what_it_would_have_cost_more(run):
    record = next(one for one in pairs(run) if any(isinstance(move, BuyProtection) for move in one.decision.moves))
    assert [stage.kind for stage in record.stages if stage.kind is not StageKind.WRAP] == [StageKind.PROTECT, StageKind.SWAP]
    assert all(isinstance(stage.outcome, Done) for stage in record.stages)
    (bought,) = [move.quote for move in record.decision.moves if isinstance(move, BuyProtection)]
    (leg,), expiry_s = bought.contract.legs, bought.contract.expiry_s
    direct = next(
        one
        for one in record.view.protection.quotes
        if one.contract.legs == (replace(leg, kind=OptionKind.PUT),) and one.contract.expiry_s == expiry_s
    )
    moved = {USDC: 0, WETH: 0}
    for stage in record.stages:
        for delta in stage.outcome.deltas:
            moved[delta.token] += delta.raw
    assert moved[WETH] == -bought.size.raw
    size, savings = bought.size.raw / ETHER, []
    for part in ("0.5", "0.9", "1", "1.02", "1.6"):
        price = leg.strike * Decimal(part)
        by_call = moved[USDC] / 10**6 + settled(bought, price)
        by_put = -direct.cost.raw / 10**6 + settled(direct, price) + size * float(price)
        savings.append(by_call - by_put)
    assert max(savings) - min(savings) < 1e-5
    why = next(reason for reason in record.decision.reasons if reason.trigger == "hedge_synthetic")
    # the sale brought no less than it was taken to, give or take what the price moved meanwhile
    assert savings[0] == pytest.approx(why.limit - why.found, abs=size * float(leg.strike) * 0.005)
    assert savings[0] > 0


def settled(quoted, price):
    """What the venue on paper pays for it in the end, in dollars."""
    venue = PaperVenue(chain_id=1, base=WETH, quote_token=USDC)
    venue.buy(quoted, quoted.cost)
    shown = OptionMarket(
        base=WETH, quote=USDC, price=price, now_s=quoted.contract.expiry_s, block=1, reference_volatility=Decimal(1)
    )
    (position,) = venue.held(shown, "0x", None).positions
    return position.claimable.raw / 10**6


def test_on_paper_nothing_is_left_unsold_and_every_part_adds_up(run):
    assert run.journal.memory().hedge.beside_raw == 0
    assert run.watch.parts.total == run.watch.value - run.watch.opened.value(run.watch.opened_mark)

"""A call made of a put and more of the base: when it is taken, in what order it is carried out, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.adapters.options.paper import PaperRules, PaperVenue
from keeper.core.model.decision import BuyProtection, TiltInventory
from keeper.core.model.hedge import Against, Anchor
from keeper.core.model.option import CostModel, NoQuote, NoQuoteReason, OptionKind, ProtectionView, Style
from keeper.core.model.plan import Done, NotDone, OpenOption, StageKind, Swap
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.planning import plan, resize
from keeper.core.strategy import advance
from keeper.core.strategy.hedge.bias import option_worth
from keeper.core.strategy.hedge.needs import needs, wanted_quotes
from keeper.core.strategy.hedge.orders import buy_decision, ordering
from keeper.core.strategy.valuation import protected_price
from tests.builders import NOW_S, USDC, WETH, execution_policy, ladder_policy, wallet
from tests.calendars import DAY_S
from tests.options import put, quote
from tests.rehearsals import hasty_policy, rehearsal
from tests.stories import told
from tests.unit.test_simulation_options import HEDGE, SMOOTH, TIER
from tests.unit.test_strategy_hedge import NEAR, decided, purchases, rules, seen, triggers
from tests.unit.test_strategy_synthetic import ETHER, SIZE, call_of, done, paid, sales, settled

_ANY = 1_000.0
"""A share of fees that no premium reaches."""
PUT_STAGE, SWAP_STAGE = StageKind.PROTECT, StageKind.SWAP
MISSED = NotDone(why="reverted", tx_hashes=("0x2",), gas_wei=1)


def holding(**fields):
    return rules(tiers=(NEAR,), against=Against.HOLDING, **fields)


def call_need(at, by):
    return next(need for need in needs(at, by) if need.kind is OptionKind.CALL)


def market(by=None, *, call_part=1.3, put_part=1.02, size=SIZE, usdc=20_000 * 10**6, **fields):
    """A call and a put on the terms of the near tier's calls, at such parts of their worth."""
    by, found = by or holding(), []
    at = seen(spot_ticks=-300, usdc=usdc)
    strike = Decimal(round(call_need(at, by).strike))
    for kind, part in ((OptionKind.CALL, call_part), (OptionKind.PUT, put_part)):
        legs = (replace(put().legs[0], kind=kind, strike=strike),)
        contract = replace(put(style=Style.EUROPEAN, expiry_s=NOW_S + 10 * DAY_S), legs=legs)
        worth = option_worth(contract, size.raw, at, by, 0.6)
        found.append(quote(int(worth * part * 10**6), contract=contract, size=size, **fields))
    return replace(at, protection=replace(at.protection, quotes=tuple(found))), by


def kinds(made):
    return [[leg.kind for leg in move.quote.contract.legs] for move in purchases(made)]


def test_the_put_is_bought_and_as_much_base_where_that_costs_less_than_the_call():
    at, by = market()
    made = decided(at, by)
    (bought,), (sold,) = purchases(made), sales(made)
    assert kinds(made) == [[OptionKind.PUT]]
    assert (bought.stands_for, sold.sold.token, sold.token_ids) == (OptionKind.CALL, USDC, ())
    why = next(reason for reason in made.reasons if reason.trigger == "hedge_synthetic")
    assert 0 < why.found < why.limit == pytest.approx(at.protection.quotes[0].cost.raw / 10**6)
    price, strike = protected_price(at, by), float(bought.quote.contract.legs[0].strike)
    given = bought.quote.cost.raw / 10**6 + 0.7 * (price - strike)
    assert given < why.found < given + 0.7 * price * 0.005
    assert "more, in place of a call" in why.unit
    assert 0.7 * price < sold.sold.raw / 10**6 < 0.7 * price * 1.001


@pytest.mark.parametrize(
    "change",
    [
        {"call_part": 1.0},
        {"put_part": 1.4},
        {"usdc": 9_000 * 10**6},
        {"cost_model": CostModel.STREAMED},
    ],
    ids=["call is fair", "put is dear", "quote is kept for premiums", "put streams"],
)
def test_otherwise_the_call_itself_is_bought_and_nothing_sold(change):
    at, by = market(**change)
    if "cost_model" in change:
        plain = replace(at.protection.quotes[0], cost_model=CostModel.UPFRONT)
        at = replace(at, protection=replace(at.protection, quotes=(plain, at.protection.quotes[1])))
    made = decided(at, by)
    assert kinds(made) == [[OptionKind.CALL]]
    assert purchases(made)[0].stands_for is None
    assert sales(made) == []


def test_costs_of_the_swap_eat_a_small_advantage():
    cheap = holding()
    cheap = replace(cheap, execution=execution_policy(slippage_bps=1))
    dear = replace(cheap, execution=execution_policy(slippage_bps=100))
    assert kinds(decided(*market(by=cheap, call_part=1.25, put_part=1.0))) == [[OptionKind.PUT]]
    assert kinds(decided(*market(by=dear, call_part=1.25, put_part=1.0))) == [[OptionKind.CALL]]


def test_the_other_kind_is_asked_for_where_base_or_its_price_lies_idle():
    by = holding(fee_share=0.001, least_part=0.0)
    at = seen(spot_ticks=300)
    for_puts, for_calls = wanted_quotes(at, told(by, NOW_S), by)
    assert for_puts.kinds == for_calls.kinds == (OptionKind.PUT, OptionKind.CALL)
    poor = replace(at, wallet=wallet(6_200 * 10**6, native_wei=ETHER // 2))
    assert [want.kinds for want in wanted_quotes(poor, told(by, NOW_S), by)] == [(OptionKind.PUT,), (OptionKind.CALL,)]
    waiting = replace(at, memory=replace(at.memory, hedge=replace(at.memory.hedge, beside_raw=-ETHER)))
    assert [len(want.kinds) for want in wanted_quotes(waiting, told(by, NOW_S), by)] == [1, 1]


def test_a_person_s_order_is_for_an_option_alone():
    at, by = market()
    made = buy_decision(at, told(by, NOW_S), ordering(by, "near"))
    assert kinds(made) == [[OptionKind.CALL]]
    assert sales(made) == []


# ---- in what order, and what is left


def planned():
    at, by = market()
    made = decided(at, by)
    found = plan(at, made, by)
    assert found is not None
    return at, by, made, found


def test_the_option_comes_first_and_the_base_is_bought_with_what_is_left():
    at, by, made, found = planned()
    assert [stage.kind for stage in found.stages] == [PUT_STAGE, SWAP_STAGE]
    (bought,), (swap,) = found.stages[0].steps, found.stages[1].steps
    assert isinstance(bought, OpenOption)
    assert isinstance(swap, Swap)
    assert (swap.amount_in, swap.zero_for_one) == (sales(made)[0].sold.raw, True)
    assert SIZE.raw * 0.98 < swap.amount_out_min <= SIZE.raw
    assert resize(found, at, by, [paid(made)]).stages[1].steps == found.stages[1].steps
    spent = done(TokenAmount(token=USDC, raw=1_000 * 10**6 - 20_000 * 10**6))
    assert resize(found, at, by, [spent]).stages[1].steps[0].amount_in == 1_000 * 10**6
    with pytest.raises(ValueError, match="did not happen"):
        resize(found, at, by, [MISSED])


def test_where_no_pool_sells_the_base_within_the_protected_price_nothing_is_bought():
    at, by, made, _ = planned()
    (pool,) = at.pools
    assert plan(replace(at, pools=(replace(pool, twap_tick=pool.twap_tick + 200),)), made, by) is None


def stage(kind, outcome):
    return StageRecord(kind=kind, outcome=outcome)


def swapped(base_raw):
    return stage(SWAP_STAGE, done(TokenAmount(token=WETH, raw=base_raw), TokenAmount(token=USDC, raw=-1)))


def after_failed_swap():
    at, by = market()
    made = decided(at, by)
    then = advance(at, told(by, NOW_S), made, (stage(PUT_STAGE, paid(made)), stage(SWAP_STAGE, MISSED)), by)
    shown = ProtectionView(positions=(call_of(made),), quotes=at.protection.quotes, absent=())
    return replace(at, memory=then, protection=shown), by, made


def test_base_that_was_not_bought_is_tried_again_and_no_second_put_is_bought_for_it():
    following, by, made = after_failed_swap()
    assert following.memory.hedge.beside_raw == -SIZE.raw
    again = decided(following, by)
    assert [move.sold for move in sales(again)] == [sales(made)[0].sold]
    assert not purchases(again)
    assert "hedge_beside" in triggers(again)
    beside = next(reason for reason in again.reasons if reason.trigger == "hedge_beside")
    assert (beside.found, beside.unit) == (0.7, "WETH still to be bought beside puts in place of calls")
    poor = replace(following, wallet=wallet(6_000 * 10**6, native_wei=2 * ETHER))
    assert not sales(decided(poor, by))
    assert "hedge_beside" in triggers(decided(poor, by))


@pytest.mark.parametrize(
    ("gained_part", "left_part"),
    [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0), (1.01, 0.0), (0.995, 0.0), (-0.5, 1.0)],
    ids=["nothing", "half", "all", "too much", "all but a trifle", "the other way"],
)
def test_what_is_left_to_be_bought_follows_what_swaps_brought(gained_part, left_part):
    following, by, _ = after_failed_swap()
    gained = round(SIZE.raw * gained_part)
    then = advance(following, told(by, NOW_S), decided(following, by), (swapped(gained),), by)
    assert then.hedge.beside_raw == -round(SIZE.raw * left_part)


def test_nothing_is_bought_any_more_once_the_put_is_gone_unless_its_venue_is_silent():
    following, by, _ = after_failed_swap()
    gone = replace(following, protection=ProtectionView(positions=(), quotes=(), absent=()))
    assert not sales(decided(gone, by))
    then = advance(gone, told(by, NOW_S), decided(gone, by), (), by).hedge
    assert (then.beside_raw, then.stand_ins) == (0, ())
    silent = NoQuote(venue="shop", reason=NoQuoteReason.UNREACHABLE, note="")
    unknown = replace(gone, protection=replace(gone.protection, absent=(silent,)))
    kept = advance(unknown, told(by, NOW_S), decided(unknown, by), (), by).hedge
    assert (kept.beside_raw, kept.stand_ins) == (-SIZE.raw, following.memory.hedge.stand_ins)


def test_a_put_bought_for_a_call_covers_it_and_its_premium_is_what_it_cost_beyond_the_strike():
    at, by, made, _ = planned()
    stages = (stage(PUT_STAGE, paid(made)), swapped(SIZE.raw))
    then = advance(at, told(by, NOW_S), made, stages, by)
    known = replace(at, memory=then, protection=ProtectionView(positions=(call_of(made),), quotes=(), absent=()))
    assert {need.kind: round(need.held, 9) for need in needs(known, by)} == {OptionKind.PUT: 0.0, OptionKind.CALL: 0.7}
    (premium,) = then.hedge.premiums
    strike, price = float(purchases(made)[0].quote.contract.legs[0].strike), protected_price(at, by)
    beyond = purchases(made)[0].quote.cost.raw / 10**6 - 0.7 * (strike - price)
    assert premium.raw / 10**6 == pytest.approx(beyond, abs=1e-5)
    assert premium.raw > 0


# ---- carried out on paper


class DearCalls(PaperVenue):
    """Calls cost half as much again as the same payoff by a put."""

    def quote(self, contract, size):
        found = PaperVenue.quote(self, contract, size)
        is_call = contract.legs[0].kind is OptionKind.CALL
        return replace(found, upfront=replace(found.upfront, raw=found.upfront.raw * 3 // 2)) if is_call else found


def idle(weights, part=0.7):
    """Weights with three tenths more of everything left in the wallet."""
    kept = {kind: getattr(weights, kind) * part for kind in ("core", "secondary", "insurance")}
    return replace(weights, **kept, idle=1 - sum(kept.values()))


@pytest.fixture(scope="module")
def run():
    awake = replace(TIER.wake, walked=0.0)
    tier = replace(TIER, anchor=Anchor.BREAK_EVEN, tenor_to_s=9 * DAY_S, share=0.5, wake=awake)
    ladder = ladder_policy()
    by = hasty_policy(
        hedge=replace(HEDGE, tiers=(tier,), against=Against.HOLDING, loss_cap=1.0, reserve=0.02, fee_share=_ANY),
        ladder=replace(ladder, weights=tuple(map(idle, ladder.weights))),
    )
    found = rehearsal(0.25, policy=by, paper=PaperRules(tenors_s=(7 * DAY_S,), spread=Decimal(0)), frictions=SMOOTH)
    venue = DearCalls(chain_id=1, base=WETH, quote_token=USDC, rules=found.setting.paper)
    found.account.options = venue
    found._ports = replace(found._ports, desk=venue)
    found.run()
    return found


def test_on_paper_a_put_and_a_purchase_end_as_the_call_would_have_less_what_it_would_have_cost_more(run):
    record = next(
        one
        for one in run.journal.acted
        if any(isinstance(move, BuyProtection) and move.stands_for is OptionKind.CALL for move in one.decision.moves)
    )
    assert [each.kind for each in record.stages if each.kind is not StageKind.WRAP] == [PUT_STAGE, SWAP_STAGE]
    assert all(isinstance(each.outcome, Done) for each in record.stages)
    (bought,) = [move.quote for move in record.decision.moves if isinstance(move, BuyProtection)]
    (leg,), expiry_s = bought.contract.legs, bought.contract.expiry_s
    direct = next(
        one
        for one in record.view.protection.quotes
        if one.contract.legs == (replace(leg, kind=OptionKind.CALL),) and one.contract.expiry_s == expiry_s
    )
    moved = {USDC: 0, WETH: 0}
    for each in record.stages:
        for delta in each.outcome.deltas:
            moved[delta.token] += delta.raw
    assert moved[WETH] == pytest.approx(bought.size.raw, rel=0.002)
    savings = []
    for part in ("0.5", "0.98", "1", "1.1", "1.6"):
        price = leg.strike * Decimal(part)
        # what the swap brought too little or too much is held, and worth what it is worth
        off = (moved[WETH] - bought.size.raw) / ETHER * float(price - leg.strike)
        by_put = moved[USDC] / 10**6 + settled(bought, price) + moved[WETH] / ETHER * float(price) - off
        savings.append(by_put - (settled(direct, price) - direct.cost.raw / 10**6))
    assert max(savings) - min(savings) < 1e-5
    why = next(reason for reason in record.decision.reasons if reason.trigger == "hedge_synthetic")
    # the base was taken to cost the dearer of spot and average, and the whole slippage
    told_saving = why.limit - why.found
    assert 0 < told_saving <= savings[0] < told_saving + bought.size.raw / ETHER * float(leg.strike) * 0.02


def test_on_paper_what_stands_for_calls_is_remembered_and_every_part_adds_up(run):
    known = run.journal.memory().hedge
    assert known.beside_raw == 0
    assert {one.kind for one in known.stand_ins} == {OptionKind.PUT}
    bought = [
        move.quote.size.raw
        for record in run.journal.acted
        for move in record.decision.moves
        if isinstance(move, BuyProtection) and move.stands_for is OptionKind.CALL
    ]
    assert sum(one.raw for one in known.stand_ins) == sum(bought)
    assert any(isinstance(move, TiltInventory) for record in run.journal.acted for move in record.decision.moves)
    assert run.watch.parts.total == run.watch.value - run.watch.opened.value(run.watch.opened_mark)

"""The lean of everything: when it is steered, by which way, and what then waits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.app.cli import sentences, words
from keeper.core.model.decision import BuyProtection, CompoundLayer, OpenLayer, TiltInventory
from keeper.core.model.hedge import Against, HedgePolicy
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Regime
from keeper.core.model.option import NoQuote, NoQuoteReason, OptionKind, ProtectionView, Style
from keeper.core.model.plan import Collect, Done, StageKind, Swap, Unwrap
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.planning import plan
from keeper.core.strategy import advance, decide
from keeper.core.strategy.hedge.bias import balance, option_lean, option_worth
from keeper.core.strategy.hedge.lean import AIM, cheapest, steering_quotes, undone, ways_back
from keeper.core.strategy.hedge.needs import needs, wanted_quotes
from keeper.core.strategy.valuation import protected_price, worth
from tests.builders import NOW_S, TICK, USDC, WETH, gas, gate_policy, ladder, readings, view, wallet
from tests.calendars import DAY_S
from tests.options import put, quote
from tests.unit.test_strategy_decide import remembered, rules
from tests.unit.test_strategy_hedge import EARNED, RICH

ETHER = 10**18
BAND = HedgePolicy(lean_target=0.5, lean_band=0.05)
SIGMA = 0.65


def restful(**fields):
    """A regime that leaves a third idle: the ladder has what it wants."""
    given = rules(**fields)
    weights = [
        replace(one, core=0.35, secondary=0.2, insurance=0.1, idle=0.35) if one.regime is Regime.NORMAL else one
        for one in given.ladder.weights
    ]
    return replace(given, ladder=replace(given.ladder, weights=tuple(weights)))


def banded(**fields):
    return restful(hedge=replace(BAND, **fields))


def market(*, usdc=0, ether=0.0, fees=None, quotes=(), **fields):
    """The builders' ladder at rest, about 114,000 USDC of it; so much in the wallet beside half an ether of gas."""
    held = ladder()
    if fees is not None:
        layers = [
            replace(layer, positions=tuple(replace(one, fees0=fees[0], fees1=fees[1]) for one in layer.positions))
            for layer in held.layers
        ]
        held = Ladder(layers=tuple(layers))
    funds = wallet(usdc, native_wei=ETHER // 2 + int(ether * ETHER))
    fields.setdefault("remembered", remembered(since_s=NOW_S - 3_600))
    whole = view(held=held, wallet=funds, **fields)
    return replace(whole, protection=ProtectionView(positions=(), quotes=tuple(quotes), absent=()))


def made(at, by):
    return decide(at, readings(SIGMA, implied=SIGMA), by)


def of(decided, kind):
    return [move for move in decided.moves if isinstance(move, kind)]


def gates(decided):
    return {veto.gate for veto in decided.vetoes}


def triggers(decided):
    return {reason.trigger for reason in decided.reasons}


def tilts(decided):
    return of(decided, TiltInventory)


# ---- the measure


def test_share_is_delta_times_price_over_the_value_of_everything_with_the_gas_reserve():
    at, by = market(usdc=10_000 * 10**6, ether=5.0), banded()
    found, price = balance(at, by, SIGMA), protected_price(at, by)
    assert found.value == pytest.approx(worth(at, by).total + 0.5 * price)
    base = sum(one.amount1 + one.fees1 for one in at.ladder.positions) / ETHER + 5.5
    assert found.delta == pytest.approx(base, rel=1e-6)
    assert found.share == pytest.approx(base * price / found.value)


def test_without_a_band_or_where_a_venue_is_silent_there_is_nothing_to_steer_by():
    at = market(ether=20.0)
    silent = NoQuote(venue="opyn", reason=NoQuoteReason.UNREACHABLE, note="")
    assert balance(at, rules(), SIGMA) is None
    assert balance(replace(at, protection=replace(at.protection, absent=(silent,))), banded(), SIGMA) is None
    assert balance(at, banded(), None) is None


@pytest.mark.parametrize("funds", [{"ether": 20.0}, {"usdc": 80_000 * 10**6}])
def test_as_shipped_the_band_is_off_and_decisions_are_those_of_before(funds):
    at = market(**funds)
    assert HedgePolicy().lean_band >= 1
    off = made(at, restful(hedge=HedgePolicy(lean_target=0.1, lean_band=1.0)))
    assert off == made(at, restful())
    assert not tilts(off)
    assert "lean" not in triggers(off)


def test_within_the_band_nothing_is_done():
    assert not tilts(made(market(usdc=4_000 * 10**6, ether=1.0), banded()))


# ---- the three ways


@pytest.mark.parametrize(("funds", "sold"), [({"ether": 12.0}, WETH), ({"usdc": 50_000 * 10**6}, USDC)])
def test_idle_funds_of_the_side_in_excess_are_sold_down_to_just_inside_the_band(funds, sold):
    by = banded()
    at = market(**funds)
    leaning = balance(at, by, SIGMA)
    assert leaning.is_outside
    (move,) = [one for one in made(at, by).moves if isinstance(one, TiltInventory)]
    assert move.sold.token == sold
    assert move.token_ids == ()
    signed = move.sold.raw / ETHER if sold == WETH else -move.sold.raw / 10**6 / leaning.price
    after = leaning.after(-signed)
    assert not after.is_outside
    assert abs(after.share - after.target) == pytest.approx(AIM * after.band, abs=1e-6)


def test_fees_are_collected_and_sold_where_the_wallet_has_none_of_the_side():
    by = banded(lean_target=0.4, lean_band=0.05)
    at = market(usdc=3_000 * 10**6, fees=(0, ETHER // 2))
    (move,) = tilts(made(at, by))
    assert move.token_ids
    assert sentences.move(move) == f"sell {words.amount(WETH, move.sold.raw)}, fees of {len(move.token_ids)} positions among it"
    assert 0 < move.sold.raw <= len(move.token_ids) * ETHER // 2
    assert move.sold.token == WETH
    assert "lean" in triggers(made(at, by))


def test_fees_not_worth_their_gas_are_left_where_they_are():
    by = banded(lean_target=0.4, lean_band=0.05)
    dear = market(usdc=3_000 * 10**6, fees=(0, ETHER // 1_000), gas=gas(base_fee_wei=50 * 10**9))
    assert not tilts(made(dear, by))
    assert "lean_way" in gates(made(dear, by))


def european(kind, strike, size, *, worth_part, at):
    """At so much of its model's worth."""
    legs = (replace(put().legs[0], kind=kind, strike=Decimal(strike)),)
    contract = replace(put(style=Style.EUROPEAN, expiry_s=NOW_S + 10 * DAY_S), legs=legs)
    raw = int(size * ETHER)
    cost = option_worth(contract, raw, at, rules(), SIGMA) * worth_part
    return quote(int(cost * 10**6), contract=contract, size=TokenAmount(token=WETH, raw=raw))


def asleep(**fields):
    tiers = tuple(replace(tier, wake=replace(tier.wake, walked=10.0)) for tier in RICH.tiers)
    return restful(hedge=replace(RICH, tiers=tiers, reserve=0.0, lean_band=0.05, **fields))


@pytest.mark.parametrize("worth_part", [0.9, 1.3])
def test_a_put_below_its_worth_is_bought_rather_than_inventory_sold_and_a_dear_one_is_not(worth_part):
    by, at = asleep(), market(usdc=3_000 * 10**6, ether=7.0, remembered=replace(remembered(), hedge=EARNED))
    need, size = needs(at, by)[0], 12.0
    cheap = european(OptionKind.PUT, round(need.strike), size, worth_part=worth_part, at=at)
    shown = replace(at, protection=replace(at.protection, quotes=(cheap,)))
    decided = made(shown, by)
    assert "lean" in triggers(decided)
    (move,) = decided.moves
    assert isinstance(move, BuyProtection if worth_part < 1 else TiltInventory)
    if isinstance(move, BuyProtection):
        assert (move.tier, move.quote) == (need.tier.name, cheap)
        after = balance(shown, by, SIGMA).after(option_lean(cheap.contract, cheap.size.raw, shown, by, SIGMA).delta)
        assert not after.is_outside


@pytest.mark.parametrize("against", list(Against))
def test_a_call_is_a_way_only_against_holding(against):
    by = asleep(against=against, lean_target=0.9)
    at = market(usdc=3_000 * 10**6, remembered=replace(remembered(), hedge=EARNED))
    call = european(OptionKind.CALL, 4_250, 2.0, worth_part=0.9, at=at)
    shown = replace(at, protection=replace(at.protection, quotes=(call,)))
    ways = ways_back(shown, by, balance(shown, by, SIGMA), worth(shown, by).total)
    assert any(isinstance(way.move, BuyProtection) for way in ways) is (against is Against.HOLDING)


def test_an_option_that_would_lead_farther_off_on_the_other_side_is_no_way():
    by, at = asleep(), market(usdc=60_000 * 10**6, ether=23.0, remembered=replace(remembered(), hedge=EARNED))
    huge = european(OptionKind.PUT, round(needs(at, by)[0].strike), 60.0, worth_part=0.9, at=at)
    shown = replace(at, protection=replace(at.protection, quotes=(huge,)))
    leaning = balance(shown, by, SIGMA)
    delta = option_lean(huge.contract, huge.size.raw, shown, by, SIGMA).delta
    assert abs(leaning.after(delta).share - leaning.target) > abs(leaning.share - leaning.target)
    assert not any(isinstance(way.move, BuyProtection) for way in ways_back(shown, by, leaning, worth(shown, by).total))


def test_of_ways_that_reach_the_cheapest_token_wins_and_else_the_one_that_does_most():
    way = ways_back(market(ether=12.0), banded(), balance(market(ether=12.0), banded(), SIGMA), 150_000.0)[0]
    dear, near, far = way._replace(takes=5.0, cost=9.0), way._replace(takes=5.0, cost=8.0), way._replace(takes=2.0, cost=0.0)
    assert cheapest((dear, near, far), 5.0) is near
    assert cheapest((dear, near, far), 6.0) is near
    assert cheapest((far,), 6.0) is far


def test_quote_that_is_kept_for_premiums_is_not_sold():
    by = rules(hedge=replace(BAND, lean_target=0.9, reserve=0.02))
    at = market(usdc=5_000 * 10**6)
    (way,) = [one for one in ways_back(at, by, balance(at, by, SIGMA), worth(at, by).total) if not one.move.token_ids]
    kept = 0.02 * worth(at, by).total
    assert way.move.sold.raw <= 5_000 * 10**6 - kept * 10**6
    assert way.move.sold.raw == pytest.approx(5_000 * 10**6 - kept * 10**6, abs=2)


# ---- gates


def steered_s(at, ago_s):
    return replace(at, memory=replace(at.memory, tilted_at_s=NOW_S - ago_s))


GATES = [
    (lambda at: at, lambda by: replace(by, gates=gate_policy(max_base_fee_wei=1)), "base_fee"),
    (lambda at: at, lambda by: replace(by, gates=gate_policy(max_gas_day_wei=1)), "gas_per_day"),
    (lambda at: at, lambda by: replace(by, gates=gate_policy(min_move_quote=1e6)), "min_value"),
    (lambda at: at, lambda by: replace(by, gates=gate_policy(cost_multiple=1e6)), "lean_cost"),
    (lambda at: steered_s(at, 3_599), lambda by: by, "lean_cooldown"),
    (lambda at: replace(at, pools=(replace(at.pools[0], twap_tick=TICK + 101),)), lambda by: by, "twap_deviation"),
]


@pytest.mark.parametrize(("seen", "by", "gate"), GATES, ids=[gate for *_, gate in GATES])
def test_each_gate_alone_keeps_the_lean_as_it_is_and_says_so(seen, by, gate):
    at, given = seen(market(ether=12.0)), by(banded())
    refused = made(at, given)
    assert not tilts(refused)
    assert gate in gates(refused)
    assert "lean" in triggers(refused)


def test_after_the_cooldown_it_is_steered_again():
    assert tilts(made(steered_s(market(ether=12.0), 3_600), banded()))


def test_a_keeper_that_moves_its_ladder_or_options_does_not_steer_in_the_same_cycle():
    at = market(ether=12.0)
    lacking = replace(at, ladder=replace(at.ladder, layers=at.ladder.layers[:2]))
    assert balance(lacking, banded(), SIGMA).is_outside
    acting = made(lacking, banded())
    assert of(acting, OpenLayer)
    assert not tilts(acting)


# ---- no churn


def test_what_was_sold_is_not_bought_back_by_filling_a_layer_up():
    """The core lacks value and only quote lies idle: filling it up would buy base."""
    held = ladder()
    (core,) = held.layers[0].positions
    small = replace(core, liquidity=core.liquidity // 4, amount0=core.amount0 // 4, amount1=core.amount1 // 4)
    thin = replace(held, layers=(Layer(kind=LayerKind.CORE, positions=(small,)), *held.layers[1:]))
    at = view(held=thin, wallet=wallet(45_000 * 10**6, native_wei=ETHER // 2), remembered=remembered(since_s=NOW_S - 3_600))
    free = made(at, rules())
    assert of(free, OpenLayer)
    by = rules(hedge=replace(BAND, lean_target=0.3, lean_band=0.04))
    assert not balance(at, by, SIGMA).is_outside
    held_back = made(at, by)
    assert not of(held_back, OpenLayer)
    assert ("lean", LayerKind.CORE) in {(veto.gate, veto.layer) for veto in held_back.vetoes}


def test_fees_are_not_compounded_while_the_lean_is_outside_unless_it_comes_nearer():
    by = banded(lean_target=0.3, lean_band=0.05)
    rich = ladder()
    core = replace(rich.layers[0].positions[0], fees0=0, fees1=ETHER // 5)
    at = view(
        held=replace(rich, layers=(Layer(kind=LayerKind.CORE, positions=(core,)), *rich.layers[1:])),
        wallet=wallet(0, native_wei=ETHER // 2),
        remembered=remembered(since_s=NOW_S - 3_600),
    )
    assert of(made(at, rules()), CompoundLayer)
    leaning = balance(at, by, SIGMA)
    # base is owed, quote is lacking: compounding would sell some of it
    assert undone(leaning, at, by, LayerKind.CORE, [(core, 800.0)], [core]) is None
    # base and quote are at hand in the position's own ratio: nothing changes
    funded = replace(at, wallet=wallet(1_000 * 10**6, native_wei=ETHER))
    veto = undone(balance(funded, by, SIGMA), funded, by, LayerKind.CORE, [(core, 800.0)], [core])
    assert (veto.gate, veto.layer) == ("lean", LayerKind.CORE)


def test_a_steered_lean_is_left_alone_by_the_next_cycle():
    by, at = banded(), market(ether=12.0)
    decided = made(at, by)
    (move,) = tilts(decided)
    bought = int(move.sold.raw / ETHER * protected_price(at, by) * 0.9995 * 10**6)
    done = Done(tx_hashes=("0x",), deltas=(), minted=(), gas_units=1, gas_wei=1, block=1)
    stages = (StageRecord(kind=StageKind.SWAP, outcome=done),)
    then = advance(at, readings(SIGMA, implied=SIGMA), decided, stages, by)
    assert then.tilted_at_s == NOW_S
    after = replace(at, memory=then, wallet=wallet(bought, native_wei=ETHER // 2 + 12 * ETHER - move.sold.raw))
    assert not balance(after, by, SIGMA).is_outside
    for ago_s in (0, 7_200):
        assert not tilts(made(steered_s(after, ago_s), by))


def test_what_was_not_carried_out_is_not_remembered_as_steered():
    by, at = banded(), market(ether=12.0)
    assert advance(at, readings(SIGMA, implied=SIGMA), made(at, by), (), by).tilted_at_s is None


# ---- what venues are asked


def test_options_are_asked_for_where_the_lean_could_be_steered_and_not_within_the_band():
    by = asleep(lean_target=0.3)
    at = market(usdc=20_000 * 10**6, remembered=replace(remembered(), hedge=EARNED))
    known = readings(SIGMA, implied=SIGMA)
    assert wanted_quotes(at, known, by) == ()
    (want,) = steering_quotes(at, known, by)
    assert OptionKind.PUT in want.kinds
    assert 0 < want.size.raw <= needs(at, by)[0].gap * ETHER
    assert steering_quotes(steered_s(at, 60), known, by) == ()
    assert steering_quotes(at, known, replace(by, hedge=replace(by.hedge, lean_band=1.0))) == ()
    assert steering_quotes(at, known, banded(lean_target=0.3)) == ()


# ---- the plan


def test_a_sale_of_fees_is_planned_as_collects_and_one_swap():
    by = banded(lean_target=0.4, lean_band=0.05)
    at = market(usdc=3_000 * 10**6, fees=(7, ETHER // 2))
    decided = made(at, by)
    (move,) = tilts(decided)
    found = plan(at, decided, by)
    assert [stage.kind for stage in found.stages] == [StageKind.WITHDRAW, StageKind.SWAP]
    assert found.stages[0].steps == tuple(Collect(token_id=one) for one in move.token_ids)
    (step,) = found.stages[1].steps
    assert isinstance(step, Swap)
    assert not step.zero_for_one
    assert step.amount_in == move.sold.raw
    price = protected_price(at, by)
    assert 0.98 * step.amount_in / ETHER * price * 10**6 < step.amount_out_min < step.amount_in / ETHER * price * 10**6
    assert found.placements == ()
    assert found.cost.swap_fee_quote == pytest.approx(step.amount_in / ETHER * price * 0.0005, rel=0.01)
    assert [one.taken for one in found.alternatives] == [True]


def test_wrapped_ether_is_unwrapped_before_it_is_sold():
    by, at = banded(), market()
    at = replace(at, wallet=wallet(0, weth=12 * ETHER, native_wei=ETHER // 2))
    found = plan(at, made(at, by), by)
    assert [stage.kind for stage in found.stages] == [StageKind.WRAP, StageKind.SWAP]
    assert found.stages[0].steps == (Unwrap(amount_wei=12 * ETHER),)

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.ledger import mark, open_books, post
from keeper.core.ledger.accounts import holdings
from keeper.core.model.decision import ShiftLayer
from keeper.core.model.ladder import Ladder, Layer, LayerKind
from keeper.core.model.option import PositionState, ProtectionView
from keeper.core.model.plan import (
    Bounds,
    Collect,
    Cost,
    Done,
    Minted,
    NotDone,
    Plan,
    Simulated,
    Stage,
    StageKind,
    Swap,
)
from keeper.core.model.record import CycleRecord, CycleState, StageRecord
from keeper.core.model.token import TokenAmount
from tests import options
from tests.builders import (
    TICK,
    USDC,
    USDC_WETH_500,
    WETH,
    decision,
    ladder,
    memory,
    policy,
    position,
    target_layer,
    view,
    wallet,
)

CORE = LayerKind.CORE
PRICE = 1.0001**-TICK * 1e12


def record(seen, *, stages=(), outcomes=(), moves=()):
    plan = Plan(
        id="0",
        view_digest="0",
        stages=stages,
        placements=(),
        bounds=Bounds(deadline_s=0, max_gas_wei=0, slippage_bps=30),
        cost=Cost(gas_units=0, gas_quote=0, swap_fee_quote=0, impact_quote=0),
        alternatives=(),
    )
    return CycleRecord(
        id=1,
        state=CycleState.DONE,
        policy=policy(),
        view=seen,
        readings=(),
        decision=decision(moves=moves),
        plan=plan if stages else None,
        stages=tuple(StageRecord(kind=s.kind, outcome=o) for s, o in zip(stages, outcomes, strict=False)),
    )


def done(*, deltas=(), minted=(), gas_wei=0):
    return Done(tx_hashes=("0x1",), deltas=deltas, minted=minted, gas_units=1, gas_wei=gas_wei, block=1)


def held_view(tick=TICK, layers=None, **fields):
    ours = ladder(tick, centre=TICK) if layers is None else Ladder(layers=layers)
    return view(tick, held=ours, remembered=memory(), twap_tick=tick, **fields)


def test_at_the_start_the_account_is_worth_what_was_brought():
    found = mark(open_books(view(), policy()), view(), policy())
    assert found.value_quote == pytest.approx(60_000 + 15.5 * PRICE, rel=1e-9)
    assert found.hold_quote == found.value_quote
    assert found.against_hold_quote == found.fees_quote == found.gas_quote == 0
    assert found.layers == ()


def test_holdings_count_reserve_principal_and_fees_to_the_last_unit():
    mine = position(fees0=11, fees1=13)
    seen = held_view(layers=(Layer(kind=CORE, positions=(mine,)),), wallet=wallet(5, 7, native_wei=9))
    assert holdings(seen, policy()) == (5 + mine.amount0 + 11, 16 + mine.amount1 + 13)


def test_layers_are_marked_with_their_fees_and_whether_they_work():
    found = mark(open_books(held_view(), policy()), held_view(), policy())
    core, secondary, insurance = found.layers
    assert core.in_range
    assert secondary.in_range
    assert not insurance.in_range
    assert core.in_range_share == 1
    assert found.fees_owed_quote == pytest.approx(sum(layer.fees_quote for layer in found.layers))
    assert 0 < sum(layer.share for layer in found.layers) < 1


def test_fees_of_done_collects_are_counted_and_of_dry_ones_not():
    seen = held_view()
    withdraw = Stage(kind=StageKind.WITHDRAW, steps=(Collect(token_id=1001),))
    books = open_books(seen, policy())
    paid = post(books, record(seen, stages=(withdraw,), outcomes=(done(gas_wei=10**15),)))
    core = seen.ladder.layers[0].positions[0]
    assert (paid.fees0, paid.fees1) == (core.fees0, core.fees1)
    assert paid.gas_wei == 10**15
    assert paid.gas_quote == pytest.approx(PRICE / 1_000, rel=1e-6)
    dry = post(books, record(seen, stages=(withdraw,), outcomes=(Simulated(deltas=(), minted=(), gas_units=1),)))
    assert replace(dry, cycles=0) == books


def test_gas_of_a_revert_is_paid_all_the_same():
    seen = held_view()
    stage = Stage(kind=StageKind.WITHDRAW, steps=(Collect(token_id=1001),))
    failed = NotDone(why="reverted", tx_hashes=("0x1",), gas_wei=42)
    after = post(open_books(seen, policy()), record(seen, stages=(stage,), outcomes=(failed,)))
    assert (after.gas_wei, after.fees0) == (42, 0)


def test_a_swap_costs_what_came_out_short_of_the_price_before():
    seen = held_view()
    swap = Swap(
        pool=USDC_WETH_500.address, zero_for_one=True, amount_in=4_000 * 10**6, amount_out_min=0, sqrt_price_limit_x96=1
    )
    stage = Stage(kind=StageKind.SWAP, steps=(swap,))
    fair = int(4_000 / PRICE * 1e18)
    deltas = (TokenAmount(token=USDC, raw=-4_000 * 10**6), TokenAmount(token=WETH, raw=int(fair * 0.999)))
    after = post(open_books(seen, policy()), record(seen, stages=(stage,), outcomes=(done(deltas=deltas),)))
    assert after.swap_cost_quote == pytest.approx(4.0, rel=1e-6)


def test_shifts_are_layers_that_were_placed_anew():
    seen = held_view()
    stage = Stage(kind=StageKind.PLACE, steps=())
    moves = (ShiftLayer(target=target_layer(CORE), token_ids=(1001,)),)
    minted = (Minted(token_id=9, layer=CORE),)
    assert (
        post(open_books(seen, policy()), record(seen, stages=(stage,), outcomes=(done(minted=minted),), moves=moves)).shifts
        == 1
    )
    assert post(open_books(seen, policy()), record(seen, stages=(stage,), outcomes=(done(),), moves=moves)).shifts == 0


@settings(deadline=None)
@given(st.lists(st.integers(-3_000, 3_000), min_size=1, max_size=6))
def test_loss_to_arbitrage_never_turns_into_gain_and_grows_with_every_move(offsets):
    books = open_books(held_view(), policy())
    last = 0.0
    for offset in offsets:
        books = post(books, record(held_view(TICK + offset)))
        assert books.lvr_quote >= last - 1e-6
        last = books.lvr_quote
    assert books.cycles == len(offsets)


def test_loss_to_arbitrage_there_and_back_is_what_two_trades_at_the_new_price_would_have_earned():
    mine = position(1, TICK - 600, TICK + 600, liquidity=10**16, fees0=0, fees1=0)

    def at(tick):
        moved = position(1, TICK - 600, TICK + 600, liquidity=10**16, tick=tick, fees0=0, fees1=0)
        return held_view(tick, layers=(Layer(kind=CORE, positions=(moved,)),))

    books = post(post(open_books(at(TICK), policy()), record(at(TICK + 300))), record(at(TICK)))
    far = at(TICK + 300).ladder.positions[0]
    d0, d1 = (mine.amount0 - far.amount0) / 1e6, (mine.amount1 - far.amount1) / 1e18
    here, there = PRICE, PRICE * 1.0001**-300
    assert books.lvr_quote == pytest.approx((d0 + d1 * there) - (d0 + d1 * here), rel=1e-6)


def test_value_against_holding_is_impermanent_loss_and_fees():
    start = held_view()
    books = open_books(start, policy())
    found = mark(books, held_view(TICK + 500), policy())
    grown = mark(books, held_view(TICK + 500, wallet=wallet(3_100 * 10**6, native_wei=125 * 10**16)), policy())
    assert found.against_hold_quote < 0
    assert grown.against_hold_quote == pytest.approx(found.against_hold_quote + 100, rel=1e-6)
    assert math.isfinite(found.price)


def test_premiums_and_payoffs_are_what_receipts_tell_and_their_gas_is_told_apart():
    seen = held_view()
    books = open_books(seen, policy())
    bought = done(deltas=(TokenAmount(token=USDC, raw=-1_000_000_001), TokenAmount(token=WETH, raw=0)), gas_wei=7)
    after = post(books, record(seen, stages=(options.buying(),), outcomes=(bought,)))
    assert (after.premium0, after.premium1, after.payoff0, after.payoff1) == (1_000_000_001, 0, 0, 0)
    redeemed = done(deltas=(TokenAmount(token=USDC, raw=2_500_000_003),), gas_wei=5)
    after = post(after, record(seen, stages=(options.ending(),), outcomes=(redeemed,)))
    assert (after.premium0, after.payoff0) == (1_000_000_001, 2_500_000_003)
    withdraw = Stage(kind=StageKind.WITHDRAW, steps=(Collect(token_id=1001),))
    after = post(after, record(seen, stages=(withdraw,), outcomes=(done(gas_wei=100),)))
    assert (after.gas_wei, after.protection_gas_wei) == (112, 12)
    found = mark(after, seen, policy())
    assert found.premium_quote == pytest.approx(1_000.000001)
    assert found.payoff_quote == pytest.approx(2_500.000003)
    assert found.protection_quote == pytest.approx(1_500.000002 - found.protection_gas_quote)


def test_a_purchase_that_was_not_made_costs_its_gas_alone():
    seen = held_view()
    failed = NotDone(why="too dear", tx_hashes=("0x1",), gas_wei=9)
    after = post(open_books(seen, policy()), record(seen, stages=(options.buying(),), outcomes=(failed,)))
    assert (after.premium0, after.protection_gas_wei) == (0, 9)


@pytest.mark.parametrize(
    ("state", "brings"),
    [(PositionState.OPEN, 2_400.0), (PositionState.AWAITING_PRICE, 2_500.0), (PositionState.REDEEMABLE, 2_500.0)],
)
def test_a_held_option_counts_by_its_sale_until_it_expires_and_by_its_payoff_after(state, brings):
    sale = TokenAmount(token=USDC, raw=2_400 * 10**6)
    position = options.held(sale, state=state, intrinsic=TokenAmount(token=USDC, raw=2_500 * 10**6))
    seen = replace(held_view(), protection=ProtectionView(positions=(position,), quotes=(), absent=()))
    found = mark(open_books(seen, policy()), seen, policy())
    assert found.options_quote == brings
    assert found.value_quote == mark(open_books(held_view(), policy()), held_view(), policy()).value_quote

"""Laws of steering: it leads nearer to the band, never past it, with what is held and nothing else."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.decision import TiltInventory
from keeper.core.model.hedge import HedgePolicy
from keeper.core.model.ladder import Ladder
from keeper.core.model.plan import Collect, StageKind, Swap
from keeper.core.planning import plan
from keeper.core.strategy.decide import decide
from keeper.core.strategy.hedge.bias import balance
from keeper.core.strategy.hedge.lean import ways_back
from keeper.core.strategy.valuation import spare_raw, worth
from tests.builders import TICK, USDC, WETH, ladder, readings, view, wallet
from tests.unit.test_strategy_decide import remembered
from tests.unit.test_strategy_lean import SIGMA, restful

ETHER = 10**18


def around(*sizes):
    """Raw amounts of these sizes, none, one, and whatever lies between."""
    return st.one_of(st.sampled_from([0, 1, *sizes]), st.sampled_from(sizes).flatmap(lambda size: st.integers(size // 2, size)))


moments = {
    "offset": st.integers(-4_500, 4_500),
    "usdc": around(3_000 * 10**6, 30_000 * 10**6, 200_000 * 10**6),
    "native_wei": around(ETHER // 2, 3 * ETHER, 25 * ETHER, 50 * ETHER),
    "weth": around(ETHER, 20 * ETHER),
    "fees": st.tuples(around(10**7, 2 * 10**9), around(ETHER // 1_000, ETHER)),
}
bands = st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.sampled_from([0.01, 0.05, 0.2, 0.6]), st.floats(0, 0.2))


def seen(*, offset, usdc, native_wei, weth, fees):
    held = ladder(TICK + offset, centre=TICK)
    layers = [
        replace(layer, positions=tuple(replace(one, fees0=fees[0], fees1=fees[1]) for one in layer.positions))
        for layer in held.layers
    ]
    funds = wallet(usdc, weth, native_wei=native_wei)
    return view(
        TICK + offset, held=Ladder(layers=tuple(layers)), twap_tick=TICK + offset, wallet=funds, remembered=remembered()
    )


def rules(band):
    return restful(hedge=HedgePolicy(lean_target=band[0], lean_band=band[1], reserve=band[2]))


def signed(sold, price):
    """Base that a sale brings, negative when base is sold."""
    tokens = sold.raw / 10**sold.token.decimals
    return -tokens if sold.token == WETH else tokens / price


@given(st.fixed_dictionaries(moments), bands)
def test_no_way_leads_farther_from_the_target_or_sells_more_than_is_held(moment, band):
    at, by = seen(**moment), rules(band)
    leaning = balance(at, by, SIGMA)
    if not leaning.is_outside:
        return
    off = abs(leaning.share - leaning.target)
    owed = {USDC: sum(one.fees0 for one in at.ladder.positions), WETH: sum(one.fees1 for one in at.ladder.positions)}
    for way in ways_back(at, by, leaning, worth(at, by).total):
        assert isinstance(way.move, TiltInventory)
        sold = way.move.sold
        after = leaning.after(signed(sold, leaning.price))
        assert abs(after.share - after.target) <= off
        assert (after.share - after.target) * (leaning.share - leaning.target) >= -1e-9
        assert 0 < sold.raw <= (owed[sold.token] if way.move.token_ids else spare_raw(at, by, sold.token))
        assert way.takes <= abs(leaning.excess(0.9)) * (1 + 1e-9)
        assert way.cost > 0


@given(st.fixed_dictionaries(moments), bands)
def test_what_is_decided_is_planned_in_integers_that_are_held_and_ends_nearer(moment, band):
    at, by = seen(**moment), rules(band)
    made = decide(at, readings(SIGMA, implied=SIGMA), by)
    tilts = [move for move in made.moves if isinstance(move, TiltInventory)]
    if not tilts:
        return
    assert list(made.moves) == tilts
    (move,), found, leaning = tilts, plan(at, made, by), balance(at, by, SIGMA)
    if found is None:
        return
    steps = [step for stage in found.stages for step in stage.steps]
    assert [step.token_id for step in steps if isinstance(step, Collect)] == list(move.token_ids)
    (swap,) = [step for step in steps if isinstance(step, Swap)]
    assert found.stages[-1].kind is StageKind.SWAP
    assert swap.amount_in <= move.sold.raw
    assert swap.zero_for_one == (move.sold.token == USDC)
    collected = [one for one in at.ladder.positions if one.token_id in move.token_ids]
    brought = sum(one.fees0 if swap.zero_for_one else one.fees1 for one in collected)
    assert swap.amount_in <= spare_raw(at, by, move.sold.token) + brought
    assert swap.amount_out_min > 0
    after = leaning.after(signed(replace(move.sold, raw=swap.amount_in), leaning.price))
    assert abs(after.share - after.target) < abs(leaning.share - leaning.target)


@given(st.fixed_dictionaries(moments), bands)
def test_after_a_sale_without_cost_the_next_cycle_sells_nothing_back(moment, band):
    at, by = seen(**moment), rules(band)
    made = decide(at, readings(SIGMA, implied=SIGMA), by)
    tilts = [move for move in made.moves if isinstance(move, TiltInventory) and not move.token_ids]
    if not tilts:
        return
    sold, price = tilts[0].sold, balance(at, by, SIGMA).price
    usdc, wei = at.wallet.raw(USDC.address), at.wallet.native_wei + at.wallet.raw(WETH.address)
    if sold.token == WETH:
        usdc, wei = usdc + int(sold.raw / 10**18 * price * 10**6), wei - sold.raw
    else:
        usdc, wei = usdc - sold.raw, wei + int(sold.raw / 10**6 / price * 10**18)
    after = replace(at, wallet=wallet(usdc, native_wei=wei))
    again = decide(after, readings(SIGMA, implied=SIGMA), by)
    assert all(move.sold.token == sold.token for move in again.moves if isinstance(move, TiltInventory))

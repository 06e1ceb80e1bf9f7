"""Laws of options that are made of the other kind and a trade of the base."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.hedge import Against
from keeper.core.model.option import OptionKind, Style
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import StandIn
from keeper.core.strategy.hedge.beside import spot_price
from keeper.core.strategy.hedge.needs import needs
from keeper.core.strategy.hedge.standing import parts
from keeper.core.strategy.hedge.synthetic import ways_to
from tests.builders import USDC, WETH, execution_policy
from tests.options import put, quote
from tests.pairs import DAY_S, NOW_S
from tests.unit.test_strategy_hedge import NEAR, rules, seen
from tests.unit.test_strategy_standing import CALL, position

ETHER = 10**18
MILLI = 10**15
"""A thousandth of a token of the base: at prices in whole thousandths of a dollar every amount is a whole number."""
BY = rules(tiers=(replace(NEAR, share=1.0),), against=Against.HOLDING, reserve=0.0)

sizes = st.integers(100, 1_500)
premiums = st.integers(1, 500 * 10**6)
prices = st.lists(st.integers(1, 20_000_000), min_size=2, max_size=6)


def pays_raw(contract, size_raw, price_milli):
    """What it pays in the end, raw dollars; exact."""
    paid = contract.payoff(Decimal(price_milli) / 1000) * size_raw / ETHER * 10**6
    assert paid == int(paid)
    return int(paid)


@given(st.sampled_from(list(OptionKind)), sizes, premiums, prices, st.integers(1, 100))
def test_what_is_made_ends_as_the_option_does_at_every_price_and_costs_no_more_than_it_is_told_to(
    kind, milli, premium, ends, slippage_bps
):
    by = replace(BY, execution=execution_policy(slippage_bps=slippage_bps))
    at = seen(spot_ticks=300 if kind is OptionKind.PUT else -300, native_wei=3 * ETHER)
    need = next(one for one in needs(at, by) if one.kind is kind)
    legs = (replace(put().legs[0], kind=kind.other, strike=Decimal(round(need.strike))),)
    contract = put(legs=legs, style=Style.EUROPEAN, expiry_s=NOW_S + 10 * DAY_S)
    offered = quote(premium, contract=contract, size=TokenAmount(token=WETH, raw=milli * MILLI))
    at = replace(at, protection=replace(at.protection, quotes=(offered,)))
    offers, made = ways_to(need, at, by, 0.6, 20_000.0)
    (one,), (offer,) = made, offers
    assert offer.quote is one.made
    assert one.made.contract.legs == (replace(legs[0], kind=kind),)
    assert one.made.upfront.raw >= 0

    size, sold = one.bought.size.raw, one.beside.sold
    is_sale = sold.token == WETH
    assert is_sale == (kind is OptionKind.PUT)
    # of a sale of base the strike stands for the proceeds: what they differ by is the same at every price
    dollars = -premium + (size * int(legs[0].strike) * 10**6 // ETHER if is_sale else -sold.raw)
    base = 0 if is_sale else size
    differences = set()
    for price_milli in ends:
        base_price = price_milli * 1000
        by_parts = dollars + pays_raw(contract, size, price_milli) + base * base_price // ETHER
        held_beside = size * base_price // ETHER if is_sale else 0
        differences.add(by_parts - held_beside - pays_raw(one.made.contract, size, price_milli))
    assert len(differences) == 1
    if is_sale:
        # a sale brings less than the base is worth at spot
        at_spot = size / ETHER * (float(legs[0].strike) - spot_price(at, by)) * 10**6
        assert one.made.upfront.raw >= premium + at_spot
    else:
        # what is paid beyond the strike, which the call would have been exercised for, is at most what was told
        assert -differences.pop() - size * int(legs[0].strike) * 10**6 // ETHER <= max(one.made.upfront.raw, 0)


@given(st.lists(st.integers(1, 3_000), max_size=4), st.integers(1, 3_000), st.booleans())
def test_every_part_of_what_is_held_counts_once_and_no_more_than_was_bought_stands_in(held_milli, known_milli, is_known):
    positions = [position(milli * MILLI, id_=str(place)) for place, milli in enumerate(held_milli)]
    known: tuple[StandIn, ...] = (replace(CALL, raw=known_milli * MILLI),) if is_known else ()
    found = list(parts(positions, known))
    standing = sum(round(one.size * 1000) for one in found if one.kind is OptionKind.PUT)
    assert sum(round(one.size * 1000) for one in found) == sum(held_milli)
    assert standing == (min(known_milli, sum(held_milli)) if is_known else 0)
    assert all(one.size > 0 and one.leg.kind is OptionKind.CALL for one in found)
    assert USDC not in {one.size.token for one in positions}

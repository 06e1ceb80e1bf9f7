"""A tier of whose want parts alone are for sale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import OptionPosition, OptionQuote, PositionState, ProtectionView
from keeper.core.model.view import MarketView
from keeper.core.strategy.hedge.needs import needs
from keeper.core.strategy.hedge.offers import STRESS
from keeper.core.strategy.valuation import protected_price
from tests.builders import NOW_S, WETH
from tests.options import held
from tests.unit.test_strategy_hedge import NEAR, decided, gates, offered, purchases, rules, seen

BY = rules(tiers=(NEAR,))


def part_of(quote: OptionQuote, sold: int, cap_usd: int | None) -> OptionQuote:
    size, cost = (replace(one, raw=one.raw // sold) for one in (quote.size, quote.cost))
    cap = None if cap_usd is None else replace(cost, raw=cap_usd * 10**6)
    return replace(quote, size=size, upfront=cost, max_loss=cost, available=size, payable_cap=cap)


def shown(mine: Sequence[OptionPosition], sold: int, cap_usd: int | None = None) -> MarketView:
    """With what is held, and for sale one part in so many of what is then wanted."""
    holding = ProtectionView(positions=tuple(mine), quotes=(), absent=())
    whole = offered(seen(spot_ticks=300, protection=holding), BY)
    quotes = tuple(part_of(one, sold, cap_usd) for one in whole.protection.quotes)
    return replace(whole, protection=replace(holding, quotes=quotes))


def position(move: BuyProtection, id_: int) -> OptionPosition:
    return held(contract=move.quote.contract, size=move.quote.size, id=str(id_), state=PositionState.OPEN)


@pytest.mark.parametrize("sold", [3, 10])
def test_it_is_covered_over_several_cycles_each_time_by_a_part_of_what_is_then_lacking(sold: int) -> None:
    mine: list[OptionPosition] = []
    while moves := purchases(decided(shown(mine, sold), BY)):
        (need,) = needs(shown(mine, sold), BY)
        (move,) = moves
        assert move.quote.size.raw == pytest.approx(need.gap * 10**18 / sold, rel=1e-3)
        mine.append(position(move, len(mine)))
    (need,) = needs(shown(mine, sold), BY)
    assert len(mine) == {3: 4, 10: 16}[sold]
    assert need.gap == 0


def fallen_usd(quote: OptionQuote) -> float:
    """What it pays after the fall in which the venue must be able to pay."""
    price = protected_price(seen(spot_ticks=300), BY) * (1 - STRESS)
    return float(quote.contract.payoff(Decimal(price))) * quote.size.raw / 10**18


@pytest.mark.parametrize(
    ("elsewhere", "count"),
    [
        pytest.param({}, 2, id="there"),
        pytest.param({"venue": "elsewhere"}, 4, id="at another venue"),
        pytest.param({"settle_asset": WETH}, 4, id="paid in something else"),
    ],
)
def test_many_small_purchases_do_not_get_around_what_the_venue_could_pay(elsewhere: dict[str, Any], count: int) -> None:
    """Half of that is relied on: for the first and the second part of four."""
    cap_usd = round(2 * 1.8 * fallen_usd(shown([], 3).protection.quotes[0]))
    mine: list[OptionPosition] = []
    while moves := purchases(made := decided(shown(mine, 3, cap_usd), BY)):
        bought = position(moves[0], len(mine))
        mine.append(replace(bought, contract=replace(bought.contract, **elsewhere)))
    assert len(mine) == count
    assert ("hedge_unsound" in gates(made)) == (count == 2)


@pytest.mark.parametrize(("left_s", "bought"), [(0, True), (1, False)], ids=["due", "not yet"])
def test_what_is_to_be_replaced_does_not_keep_its_replacement_away(left_s: int, bought: bool) -> None:
    """Half is held. What is due is bought anew, all of it, within a tenth more; else the rest is past a tenth less than all."""
    whole = shown([], 1).protection.quotes[0]
    until_s = NOW_S + BY.hedge.roll_before_s + left_s
    contract, size = replace(whole.contract, expiry_s=until_s), replace(whole.size, raw=whole.size.raw // 2)
    old = held(contract=contract, size=size, state=PositionState.OPEN)
    cap_usd = round(2 * (1.1 if bought else 0.9) * fallen_usd(whole))
    assert bool(purchases(decided(shown([old], 1, cap_usd), BY))) == bought

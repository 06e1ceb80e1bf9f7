"""A tier of whose want parts alone are for sale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import OptionPosition, OptionQuote, PositionState, ProtectionView
from keeper.core.model.view import MarketView
from keeper.core.strategy.hedge.needs import needs
from tests.options import held
from tests.unit.test_strategy_hedge import NEAR, decided, offered, purchases, rules, seen

BY = rules(tiers=(NEAR,))


def part_of(quote: OptionQuote, sold: int) -> OptionQuote:
    size, cost = (replace(one, raw=one.raw // sold) for one in (quote.size, quote.cost))
    return replace(quote, size=size, upfront=cost, max_loss=cost, available=size)


def shown(mine: Sequence[OptionPosition], sold: int) -> MarketView:
    """With what is held, and for sale one part in so many of what is then wanted."""
    holding = ProtectionView(positions=tuple(mine), quotes=(), absent=())
    whole = offered(seen(spot_ticks=300, protection=holding), BY)
    quotes = tuple(part_of(one, sold) for one in whole.protection.quotes)
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

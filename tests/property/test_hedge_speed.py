"""What is computed for many prices or quotes at once is what is computed one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import OptionKind, ProtectionView
from keeper.core.model.token import TokenAmount
from keeper.core.quant.replication import Band, Vanilla, ladder_value, strip_payoff
from keeper.core.strategy.hedge.exposure import bands, ladder_values, strip_payoffs
from keeper.core.strategy.hedge.needs import needs
from keeper.core.strategy.hedge.offers import offers_for
from keeper.core.strategy.hedge.wake import walked_part
from tests.unit.test_strategy_hedge import decided, offered, purchases, rules, seen

positive = st.floats(1.0, 10_000.0)
ladders = st.lists(
    st.builds(
        lambda liquidity, lower, factor: Band(liquidity=liquidity, lower=lower, upper=lower * factor),
        positive,
        positive,
        st.floats(1.001, 4.0),
    ),
    max_size=6,
)
strips = st.lists(st.builds(Vanilla, st.sampled_from(list(OptionKind)), positive, st.floats(0.0, 50.0)), max_size=8)
prices = st.lists(st.floats(0.0, 20_000.0), min_size=1, max_size=20)


@given(ladders, prices)
def test_a_ladder_at_many_prices_has_the_bits_of_each(ladder, at):
    assert ladder_values(ladder, np.array(at)).tolist() == [ladder_value(ladder, price) for price in at]


@given(strips, prices)
def test_options_at_many_prices_have_the_bits_of_each(strip, at):
    assert strip_payoffs(strip, np.array(at)).tolist() == [strip_payoff(strip, price) for price in at]


@given(st.integers(-2_000, 2_000))
def test_the_way_walked_is_that_between_the_outermost_bands(ticks):
    at, by = seen(spot_ticks=ticks), rules()
    ladder = bands(at, by)
    low, high = np.log(min(band.lower for band in ladder)), np.log(max(band.upper for band in ladder))
    found = walked_part(at, by, 4_000.0)
    assert found is not None
    assert abs(found - abs(np.log(4_000.0) - (low + high) / 2) / ((high - low) / 2)) < 1e-12


def test_of_two_hundred_quotes_the_cheapest_that_can_be_believed_is_bought():
    by, shown = rules(), offered(seen(spot_ticks=300))
    near = needs(shown, by)[0]
    first = offers_for(near, shown, by, 0.6)[0].quote
    costs = [first.upfront.raw * (100 + 7 * place % 200) // 100 for place in range(200)]
    crowd = tuple(
        replace(first, upfront=TokenAmount(token=first.upfront.token, raw=raw), native=(str(place),))
        for place, raw in enumerate(costs)
    )
    at = replace(shown, protection=ProtectionView(positions=(), quotes=crowd, absent=()))
    found = offers_for(near, at, by, 0.6)
    assert [offer.quote.upfront.raw for offer in found] == sorted(costs)
    (bought,) = [move for move in purchases(decided(at, by)) if move.tier == near.tier.name]
    assert isinstance(bought, BuyProtection)
    assert bought.quote.upfront.raw == min(costs)

"""Laws of what held options cover."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.hedge import Anchor
from keeper.core.model.option import PositionState, ProtectionView
from keeper.core.model.token import TokenAmount
from keeper.core.strategy.hedge.needs import STRIKE_REACH, needs
from tests.builders import WETH
from tests.options import held, put
from tests.pairs import DAY_S, NOW_S
from tests.unit.test_strategy_hedge import FAR, NEAR, rules, seen

TIERS = (NEAR, replace(NEAR, name="middle", anchor=Anchor.SECONDARY_EDGE), FAR)
BY = rules(tiers=TIERS)
PERMILLE = round(STRIKE_REACH * 1000) - 1


def holding(at, bought):
    """The view with puts of those strikes and sizes."""
    positions = tuple(
        held(
            id=str(place),
            contract=put(legs=(replace(put().legs[0], strike=strike),), expiry_s=NOW_S + 40 * DAY_S),
            size=TokenAmount(token=WETH, raw=raw),
            state=PositionState.OPEN,
        )
        for place, (strike, raw) in enumerate(bought)
    )
    return replace(at, protection=ProtectionView(positions=positions, quotes=(), absent=()))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-PERMILLE, PERMILLE)), min_size=8, max_size=8))
def test_nothing_is_bought_twice_wherever_the_strikes_on_sale_lie(purchases):
    at, bought = seen(spot_ticks=300), []
    wanted = needs(at, BY)
    assert len(wanted) == len(TIERS)
    lacking = wanted
    for which, off in purchases:
        if not (lacking := [need for need in needs(holding(at, bought), BY) if need.gap > 0]):
            break
        need = lacking[which % len(lacking)]
        bought.append((Decimal(need.strike) * (1000 + off) / 1000, math.floor(need.gap * 10**18)))
    assert sum(raw for _, raw in bought) <= sum(need.size for need in wanted) * 10**18 * (1 + 1e-9)
    assert not lacking or len(bought) == len(purchases)


@given(st.lists(st.tuples(st.integers(500, 1500), st.integers(1, 10**20)), max_size=6))
def test_every_held_put_counts_once(puts):
    at = seen(spot_ticks=300)
    bought = [(Decimal(needs(at, BY)[0].strike) * permille / 1000, raw) for permille, raw in puts]
    covered = math.fsum(need.held for need in needs(holding(at, bought), BY))
    assert math.isclose(covered * 10**18, sum(raw for _, raw in bought), rel_tol=1e-9, abs_tol=1.0)

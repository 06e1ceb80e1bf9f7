"""The parts of a change of value, in integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.ledger.attribution import Attribution, Holdings, mark_at, moved, paid_gas, placed, swapped
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick

AMOUNTS = st.integers(0, 2**100)
ROOTS = st.integers(-300_000, 300_000).map(get_sqrt_ratio_at_tick)
HOLDINGS = st.builds(
    Holdings, wallet0=AMOUNTS, wallet1=AMOUNTS, principal0=AMOUNTS, principal1=AMOUNTS, owed0=AMOUNTS, owed1=AMOUNTS
)


def test_a_mark_is_the_price_in_raw_quote_tokens() -> None:
    root = 2**96 * 3
    assert mark_at(root, quote_is_token0=False).of0 == 9 << 64
    assert mark_at(root, quote_is_token0=True).of1 == (1 << 64) // 9
    assert mark_at(root, quote_is_token0=True).of0 == mark_at(root, quote_is_token0=False).of1 == 1 << 64


@given(HOLDINGS, HOLDINGS, HOLDINGS, st.lists(ROOTS, min_size=4, max_size=4), st.booleans())
def test_the_parts_add_up_to_the_change_exactly_whatever_happened(first, second, third, roots, quote_is_token0) -> None:
    then, now, after, last = (mark_at(root, quote_is_token0=quote_is_token0) for root in roots)
    still = Holdings(
        wallet0=first.wallet0,
        wallet1=first.wallet1,
        principal0=second.principal0,
        principal1=second.principal1,
        owed0=second.owed0,
        owed1=second.owed1,
    )
    parts = moved(Attribution(), first, still, then, now)
    parts = placed(parts, still, second, now)
    parts = swapped(parts, second, third, now, after)
    parts = paid_gas(parts, third, first, after)
    parts = moved(parts, first, still, after, last)
    assert parts.total == still.value(last) - first.value(then)


def test_a_wallet_that_changes_by_itself_is_refused() -> None:
    mark = mark_at(2**96, quote_is_token0=True)
    with pytest.raises(ValueError, match="wallet"):
        moved(Attribution(), Holdings(wallet0=1, wallet1=0), Holdings(wallet0=2, wallet1=0), mark, mark)


@given(
    st.integers(10**12, 10**24),
    st.integers(-5_000, 5_000),
    st.integers(-5_000, 5_000),
    st.booleans(),
)
def test_a_position_never_gains_on_the_market_but_for_rounding(liquidity, start, end, quote_is_token0) -> None:
    lower, upper = get_sqrt_ratio_at_tick(-1_000), get_sqrt_ratio_at_tick(1_500)
    held = []
    for tick in (start, end):
        amount0, amount1 = get_amounts_for_liquidity(get_sqrt_ratio_at_tick(tick), lower, upper, liquidity)
        held.append(Holdings(wallet0=0, wallet1=0, principal0=amount0, principal1=amount1))
    then, now = (mark_at(get_sqrt_ratio_at_tick(tick), quote_is_token0=quote_is_token0) for tick in (start, end))
    parts = moved(Attribution(), held[0], held[1], then, now)
    # two raw units of each token, at the later price
    assert parts.lvr <= 2 * (now.of0 + now.of1)
    assert parts.fees == 0

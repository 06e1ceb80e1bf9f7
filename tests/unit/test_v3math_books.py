"""What happens to a pool besides mints, burns and swaps: flash loans, liquidity without an owner, copies; and the late tick."""

from __future__ import annotations

import dataclasses
from itertools import starmap

import pytest

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from keeper.core.v3math.units import MAX_SQRT_RATIO, MAX_UINT128, MAX_UINT256, MIN_SQRT_RATIO, Q128

DOWN, UP = MIN_SQRT_RATIO + 1, MAX_SQRT_RATIO - 1
L = 10**18


def deep_pool(tick: int = 0) -> ExactPool:
    pool = ExactPool(fee_pips=3_000, tick_spacing=60)
    pool.initialize(get_sqrt_ratio_at_tick(tick))
    pool.mint("ann", -6_000, 6_000, L)
    return pool


def test_a_flash_loan_pays_the_liquidity_in_range() -> None:
    pool = deep_pool()
    pool.mint("bob", 60, 120, L)
    pool.flash(7_000, 11)
    assert (pool.fee_growth_global0_x128, pool.fee_growth_global1_x128) == (7_000 * Q128 // L, 11 * Q128 // L)
    assert (pool.protocol_fees0, pool.protocol_fees1) == (0, 0)
    pool.burn("ann", -6_000, 6_000, 0)
    pool.burn("bob", 60, 120, 0)
    assert pool.position("ann", -6_000, 6_000).tokens_owed0 == 7_000 - 1
    assert pool.position("bob", 60, 120).tokens_owed0 == 0


def test_the_protocol_takes_its_share_of_a_flash_loan_first_and_rounded_down() -> None:
    pool = deep_pool()
    pool.set_fee_protocol(4, 10)
    pool.flash(1_003, 1_009)
    assert (pool.protocol_fees0, pool.protocol_fees1) == (250, 100)
    assert (pool.fee_growth_global0_x128, pool.fee_growth_global1_x128) == (753 * Q128 // L, 909 * Q128 // L)


def test_a_flash_loan_moves_neither_price_nor_liquidity() -> None:
    pool = deep_pool()
    before = pool.snapshot()
    pool.flash(5, 0)
    assert dataclasses.replace(pool.snapshot(), fee_growth_global0_x128=0) == before


def test_what_a_flash_loan_adds_wraps_as_the_contract_wraps() -> None:
    start = dataclasses.replace(
        deep_pool().snapshot(), fee_protocol=4, fee_growth_global1_x128=MAX_UINT256, protocol_fees0=MAX_UINT128
    )
    pool = ExactPool.restore(start)
    pool.flash(4 * (MAX_UINT128 + 1) + 8, L)
    assert pool.protocol_fees0 == 1  # The contract cuts the share to 128 bits, and the sum too.
    assert pool.fee_growth_global1_x128 == Q128 - 1


@pytest.mark.parametrize(
    ("pool", "paid", "code"),
    [
        pytest.param(ExactPool(fee_pips=500, tick_spacing=10), (1, 1), "LOK", id="no price"),
        pytest.param(deep_pool(6_000), (1, 1), "L", id="nobody in range"),
        pytest.param(deep_pool(), (1, L << 128), "", id="growth beyond 256 bits"),
    ],
)
def test_a_flash_loan_is_refused_as_the_contract_refuses_it(pool: ExactPool, paid: tuple[int, int], code: str) -> None:
    growths = pool.fee_growth_global0_x128, pool.fee_growth_global1_x128
    with pytest.raises(RevertError) as refusal:
        pool.flash(*paid)
    assert refusal.value.code == code
    assert (pool.fee_growth_global0_x128, pool.fee_growth_global1_x128) == growths


def test_liquidity_without_an_owner_is_liquidity() -> None:
    """Ticks, depth, amounts and fees are those of a mint and a burn; only the position is missing."""
    owned, free = deep_pool(), deep_pool()
    for delta in (5 * L, -2 * L, -3 * L):
        act = owned.mint if delta > 0 else owned.burn
        amounts = act("bob", -120, 60, abs(delta))
        assert free.provide(-120, 60, delta) == (amounts if delta > 0 else (-amounts[0], -amounts[1]))
        assert dataclasses.replace(free.snapshot(), positions=owned.snapshot().positions) == owned.snapshot()
        for pool in (owned, free):
            pool.swap(zero_for_one=True, amount_specified=10**16, sqrt_price_limit_x96=DOWN)
    assert [key.owner for key in free.snapshot().positions] == ["ann"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((60, 60, 1), "TLU"),
        ((-887_280, 60, 1), "TLM"),
        ((60, 887_280, 1), "TUM"),
        ((-61, 60, 1), ""),
        ((-60, 60, -1), "LS"),
        ((-6_000, 6_000, -L - 1), "LS"),
        ((-60, 60, 1 << 127), ""),
        ((-60, 60, (1 << 127) - 1), "LO"),
    ],
)
def test_liquidity_without_an_owner_is_refused_as_a_mint_or_burn(change: tuple[int, int, int], code: str) -> None:
    pool = deep_pool()
    before = pool.snapshot()
    with pytest.raises(RevertError) as refusal:
        pool.provide(*change)
    assert refusal.value.code == code
    assert pool.snapshot() == before


def test_a_pool_without_a_price_takes_no_liquidity() -> None:
    with pytest.raises(RevertError, match="LOK"):
        ExactPool(fee_pips=500, tick_spacing=10).provide(-10, 10, 1)


def test_a_copy_goes_its_own_way() -> None:
    pool = deep_pool()
    before = pool.snapshot()
    twin = pool.copy()
    assert twin.snapshot() == before
    twin.mint("bob", -60, 60, L)
    twin.swap(zero_for_one=True, amount_specified=10**17, sqrt_price_limit_x96=DOWN)
    twin.burn("ann", -6_000, 6_000, L // 2)
    assert pool.snapshot() == before
    pool.swap(zero_for_one=True, amount_specified=10**17, sqrt_price_limit_x96=DOWN)
    assert pool.sqrt_price_x96 < twin.sqrt_price_x96


@pytest.mark.parametrize("zero_for_one", [True, False])
@pytest.mark.parametrize("amount", [10**15, -(10**15), 1])
def test_the_tick_is_that_of_the_price_whenever_it_is_asked_for(zero_for_one: bool, amount: int) -> None:
    pool = deep_pool(17)
    for _ in range(3):
        pool.swap(zero_for_one=zero_for_one, amount_specified=amount, sqrt_price_limit_x96=DOWN if zero_for_one else UP)
    assert pool.tick == get_tick_at_sqrt_ratio(pool.sqrt_price_x96)


@pytest.mark.parametrize(("home", "crossed"), [(7, -60), (7, 0)])
def test_a_swap_too_small_to_move_the_price_leaves_the_tick_one_below(home: int, crossed: int) -> None:
    """On a tick crossed downwards, and on the end of a word without a tick there."""
    pool = deep_pool(home)
    pool.mint("bob", -60, 60, L)
    pool.swap(zero_for_one=True, amount_specified=10**30, sqrt_price_limit_x96=get_sqrt_ratio_at_tick(crossed))
    before = pool.sqrt_price_x96
    pool.swap(zero_for_one=True, amount_specified=1, sqrt_price_limit_x96=DOWN)
    assert pool.sqrt_price_x96 == before
    assert pool.tick == crossed - 1
    pool.swap(zero_for_one=False, amount_specified=10**15, sqrt_price_limit_x96=UP)
    assert pool.tick >= crossed


def test_fees_between_two_moments_do_not_depend_on_what_ticks_remembered_before() -> None:
    """A snapshot without fee growth outside still gives exact fees from then on: what is forgotten cancels in differences."""
    pool = deep_pool(17)
    pool.mint("bob", -60, 60, L)
    pool.mint("cas", 60, 180, 3 * L)
    trades = [(True, 10**17), (False, 2 * 10**17), (True, 10**17), (True, 3 * 10**16), (False, 10**16)]
    for down, amount in trades:
        pool.swap(zero_for_one=down, amount_specified=amount, sqrt_price_limit_x96=DOWN if down else UP)
    known = pool.snapshot()
    bare = {
        tick: dataclasses.replace(info, fee_growth_outside0_x128=0, fee_growth_outside1_x128=0)
        for tick, info in known.ticks.items()
    }
    assert bare != known.ticks
    forgetful = ExactPool.restore(dataclasses.replace(known, ticks=bare, positions={}))
    ranges = [(-6_000, 6_000), (-60, 60), (60, 180), (-6_000, 60), (-60, 180)]
    before, bare_before = (list(starmap(each.fee_growth_inside, ranges)) for each in (pool, forgetful))
    assert before != bare_before
    for down, amount in trades:
        for each in (pool, forgetful):
            each.swap(zero_for_one=down, amount_specified=amount, sqrt_price_limit_x96=DOWN if down else UP)
    for where, then, bare_then in zip(ranges, before, bare_before, strict=True):
        grown = growth_since(pool.fee_growth_inside(*where), then)
        assert grown == growth_since(forgetful.fee_growth_inside(*where), bare_then)
        assert min(grown) > 0


def growth_since(now: tuple[int, int], then: tuple[int, int]) -> tuple[int, int]:
    return (now[0] - then[0]) & MAX_UINT256, (now[1] - then[1]) & MAX_UINT256

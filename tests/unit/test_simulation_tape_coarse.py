"""Coarse tapes keep the prices, the liquidity and the fees that they are told, and say that they are coarse."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.imported import import_file
from keeper.adapters.history.series import tick_bars_with_liquidity
from keeper.core.model.bar import DAY_S
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import Q128
from keeper.simulation.coarse import (
    CoarseBar,
    PriceAt,
    _bars_of,
    coarse_tape,
    coarsened,
    of_minutes,
    price_at,
    priced_tape,
    prices_of_series,
)
from keeper.simulation.playing import play
from keeper.simulation.recorded import open_tape
from keeper.simulation.tape import HeldTape, TapeError
from tests.event_rows import BEGIN_S
from tests.pairs import TICK, USDC, USDC_WETH_500, USDT, WETH
from tests.recorded_pool import whole
from tests.unit.test_history_import import HERE, OHLCV, TICKS, parquet

KEY = USDC_WETH_500
LIQUIDITY = 10**19


bars = st.lists(
    st.builds(
        CoarseBar,
        st.just(0),
        st.integers(TICK - 200, TICK + 200).map(get_sqrt_ratio_at_tick),
        st.integers(10**17, 10**20),
        st.integers(10**9, 10**12),
        st.integers(10**17, 10**20),
    ),
    min_size=2,
    max_size=20,
).map(lambda found: [bar._replace(end_s=60 * (place + 1)) for place, bar in enumerate(found)])


@given(bars)
def test_every_bar_leaves_the_pool_at_its_close_with_its_liquidity_and_its_fees(given_bars: list[CoarseBar]) -> None:
    tape = coarse_tape(KEY, 1, given_bars, described="made up")
    pool, ends = ExactPool.restore(tape.start.pool), {}
    before = (0, 0)
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
        now = pool.fee_growth_global0_x128, pool.fee_growth_global1_x128
        paid = tuple((after - was) * pool.liquidity / Q128 for was, after in zip(before, now, strict=True))
        ends[block.timestamp_s + 1] = (pool.sqrt_price_x96, pool.liquidity, *paid)
        before = now
    for bar in given_bars[1:]:
        price, liquidity, paid0, paid1 = ends[bar.end_s]
        assert (price, liquidity) == (bar.close_x96, bar.liquidity)
        # A swap to the close that alone pays more than the bar told is paid all the same.
        assert paid0 >= bar.fee0 - 100
        assert paid1 >= bar.fee1 - 100


def test_a_coarse_tape_is_marked_and_named_by_what_is_in_it() -> None:
    found = [CoarseBar(60 * count, 2**96 + count, LIQUIDITY, 1, 1) for count in range(1, 4)]
    one, same, other = (
        coarse_tape(KEY, 1, given_bars, described="made up")
        for given_bars in (found, found, [*found[:2], found[2]._replace(fee0=2)])
    )
    assert one.described.startswith("COARSE")
    assert not one.exact
    assert one.digest == same.digest != other.digest
    assert [block.number for block in one.blocks()] == [119 // 12, 179 // 12]
    assert (one.start.timestamp_s, one.end_s) == (59, 180)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ([{}], "needs two bars, 1 were given"),
        ([{}, {"end_s": 60}], "ends at Unix time 60 follows one that ends at 60"),
        ([{}, {"end_s": 120, "liquidity": 0}], "ends at Unix time 120 has no liquidity"),
    ],
)
def test_bars_that_cannot_be_are_refused(change: list[dict[str, int]], told: str) -> None:
    bar = CoarseBar(60, 2**96, LIQUIDITY, 0, 0)
    with pytest.raises(TapeError, match=told):
        coarse_tape(KEY, 1, [bar._replace(**one) for one in change], described="made up")


def test_minutes_with_liquidity_pay_the_fee_of_what_came_in(tmp_path: Path) -> None:
    done = import_file(parquet(tmp_path / "minutes.parquet", TICKS), tmp_path, target=HERE)
    found = list(of_minutes(tick_bars_with_liquidity(done.folder, 60), 500_000))
    assert [(bar.liquidity, bar.fee0, bar.fee1) for bar in found] == [(9, 5, 10), (9, 2, 0), (9, 0, 0)]
    assert [bar.close_x96 for bar in found] == [get_sqrt_ratio_at_tick(tick) for tick in (5, 9, 9)]
    with pytest.raises(TapeError, match="does not tell which way its volume went"):
        list(of_minutes([(replace(bar, net0=None), 1) for bar, _ in tick_bars_with_liquidity(done.folder, 60)], 500))


def test_a_tape_made_coarse_keeps_every_close_and_all_that_was_paid(tmp_path: Path) -> None:
    life = whole(tmp_path, seed=4)
    exact = open_tape(tmp_path, KEY, 1, BEGIN_S, BEGIN_S + 2 * DAY_S)
    found = list(_bars_of(exact, 3_600))
    assert [bar.end_s for bar in found] == list(range(BEGIN_S + 3_600, BEGIN_S + 2 * DAY_S + 1, 3_600))
    ends = {row.timestamp_s // 3_600 + 1: pool for row, pool in zip(life.rows, life.after, strict=True)}
    assert all(
        (bar.close_x96, bar.liquidity) == (ends[bar.end_s // 3_600].sqrt_price_x96, ends[bar.end_s // 3_600].liquidity)
        for bar in found
        if bar.end_s // 3_600 in ends
    )
    for token, paid in ((0, sum(bar.fee0 for bar in found)), (1, sum(bar.fee1 for bar in found))):
        came_in = [(row.event, max(getattr(row, f"amount{token}"), 0)) for row in life.rows]
        fees = sum(amount * 500 // 10**6 for event, amount in came_in if event is EventKind.SWAP)
        assert paid == fees + sum(amount for event, amount in came_in if event is EventKind.FLASH)
    assert "recorded events" in coarsened(exact).described


def priced(ratio: float, ticks: list[int]) -> HeldTape:
    prices = [PriceAt(time_s=3_600 * place, sqrt_price_x96=get_sqrt_ratio_at_tick(tick)) for place, tick in enumerate(ticks)]
    return priced_tape(KEY, 1, prices, liquidity=LIQUIDITY, implied_over_realised=ratio, described="made up")


@given(st.lists(st.integers(-150, 150), min_size=30, max_size=60), st.sampled_from([1.0, 1.5, 2.0]))
def test_prices_alone_earn_what_they_lose_at_a_ratio_of_one_and_its_square_at_others(steps: list[int], ratio: float) -> None:
    ticks = [TICK]
    for step in steps:
        # Far enough for the swap itself to pay less than its share.
        ticks.append(ticks[-1] + step + (60 if step > 0 else -60))
    tape = priced(ratio, ticks)
    pool, earned, lost = ExactPool.restore(tape.start.pool), 0.0, 0.0
    for block in tape.blocks():
        was0, was1, root = pool.fee_growth_global0_x128, pool.fee_growth_global1_x128, pool.sqrt_price_x96 / 2**96
        for event in block.events:
            play(pool, event)
        now = pool.sqrt_price_x96 / 2**96
        grown = (pool.fee_growth_global0_x128 - was0) * now**2 + (pool.fee_growth_global1_x128 - was1)
        earned += grown * LIQUIDITY / Q128
        # L sqrt(P) r^2 / 4, by twice the return of the square root.
        lost += LIQUIDITY * now * (now / root - 1) ** 2
    assert earned == pytest.approx(ratio**2 * lost, rel=1e-6)


def test_prices_alone_say_what_was_made_up() -> None:
    tape = priced(1.25, [TICK, TICK + 100])
    assert "no liquidity and no volume is known" in tape.described
    assert "1.25 times" in tape.described
    assert not tape.exact


def test_prices_from_outside_become_prices_of_the_pool(tmp_path: Path) -> None:
    usd = 2_000.0
    by_weth = price_at(KEY, 5, usd, base=WETH)
    assert 10**12 / (by_weth.sqrt_price_x96 / 2**96) ** 2 == pytest.approx(usd)
    assert price_at(KEY, 5, 1 / usd, base=USDC).sqrt_price_x96 == pytest.approx(by_weth.sqrt_price_x96, rel=1e-12)
    for price, base in ((0.0, WETH), (math.nan, WETH), (math.inf, WETH), (1.0, USDT)):
        with pytest.raises(ValueError, match="is no price"):
            price_at(KEY, 5, price, base=base)
    done = import_file(parquet(tmp_path / "eth_1m.parquet", OHLCV), tmp_path, target=None)
    assert [one.time_s for one in prices_of_series(done.folder, 60, KEY, base=WETH)] == [
        1_759_276_860,
        1_759_276_920,
        1_759_277_040,
    ]

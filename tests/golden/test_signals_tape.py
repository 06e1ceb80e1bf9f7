"""The instruments on recorded markets, against what pandas, TA-Lib and plain sums make of the same files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, Liquidations, PriceBar, Reserve, Sample
from keeper.core.model.pool import BlockPrice
from keeper.core.model.view import Quality, SignalReading
from keeper.core.signals import names
from keeper.core.signals.bars import close_hours, close_minutes
from keeper.core.signals.candle import Candle
from keeper.core.signals.instrument import Measure, Moment
from keeper.core.signals.lending import Lending
from keeper.core.signals.momentum import Momentum
from tests.builders import pool_state
from tests.markets import YEAR_S, fed, known, readings, wide_policy
from tests.pairs import WETH
from tests.policies import policy

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "unclear-licence"
RULES = policy()
DAY_AFTER_S = int(datetime(2025, 10, 2, tzinfo=UTC).timestamp())

pytestmark = [pytest.mark.tape, pytest.mark.skipif(not DATA.is_dir(), reason="recorded market data is not in ../shared/data")]


def rows(sql: str) -> list[tuple]:
    import duckdb

    with duckdb.connect() as connection:
        return connection.execute(sql.replace("$data", str(DATA))).fetchall()


@pytest.fixture(scope="module")
def swaps() -> pd.DataFrame:
    """Every swap of 2025-10-01 in order."""
    found = rows(
        'select block_number, epoch(block_timestamp)::bigint, amount0_raw::varchar, amount1_raw, "sqrtPriceX96" from '
        "'$data/swaps_mainnet_usdc_weth_500_2025-10-01.parquet' order by block_number, log_index"
    )
    return pd.DataFrame(
        [(block, at_s, int(amount0), int(amount1), int(root)) for block, at_s, amount0, amount1, root in found],
        columns=["block", "at_s", "amount0", "amount1", "root"],
    ).astype({"amount0": object, "amount1": object, "root": object})


@pytest.fixture(scope="module")
def minutes(swaps: pd.DataFrame) -> tuple[PriceBar, ...]:
    blocks = tuple(
        BlockPrice(
            block=int(block),
            timestamp_s=int(of_block.at_s.iloc[0]),
            sqrt_price_x96=of_block.root.iloc[-1],
            high_x96=max(of_block.root),
            low_x96=min(of_block.root),
            volume0=sum(map(abs, of_block.amount0)),
            volume1=sum(map(abs, of_block.amount1)),
            swaps=len(of_block),
            net0=sum(of_block.amount0),
            net1=sum(of_block.amount1),
        )
        for block, of_block in swaps.groupby("block")
    )
    return close_minutes(blocks, before=None, since_s=None, now_s=DAY_AFTER_S)


@pytest.fixture(scope="module")
def day(minutes: tuple[PriceBar, ...]) -> dict[str, SignalReading]:
    return readings(fed(RULES, known(RULES, minutes), DAY_AFTER_S), DAY_AFTER_S)


@pytest.fixture(scope="module")
def closes(swaps: pd.DataFrame) -> np.ndarray:
    """Logarithm of USDC per WETH at 00:01 and at the end of every minute after, by pandas."""
    ends = swaps.groupby("block").last().set_index("at_s").root
    logs = pd.Series([-2 * math.log(root / 2**96) + 12 * math.log(10) for root in ends], index=ends.index)
    grid = range(DAY_AFTER_S - DAY_S + MINUTE_S, DAY_AFTER_S + 1, MINUTE_S)
    return np.asarray([logs[logs.index < at_s].iloc[-1] for at_s in grid])


def a_year(variance: float, seconds: float) -> float:
    return math.sqrt(variance * YEAR_S / seconds)


def test_the_days_bars_hold_every_swap_but_those_of_the_first_minute(swaps, minutes):
    assert len(minutes) == 24 * 60 - 1
    inside = swaps[swaps.at_s >= DAY_AFTER_S - DAY_S + MINUTE_S]
    assert sum(bar.swaps for bar in minutes) == len(inside) == 4_703
    assert sum(bar.volume0 for bar in minutes) == sum(map(abs, inside.amount0))
    assert sum(bar.net1 for bar in minutes) == sum(inside.amount1)
    assert minutes[-1].close_x96 == swaps.root.iloc[-1]


def test_the_days_volatilities_equal_those_of_pandas(day, closes):
    returns = closes[5:] - closes[:-5]
    assert day[names.VOLATILITY_1D].value == pytest.approx(a_year(float((returns**2).mean()), 300), rel=1e-9)
    weights = 0.5 ** (np.arange(len(returns))[::-1] * MINUTE_S / RULES.signals.ewma_half_life_s)
    average = float(weights @ returns**2 / weights.sum())
    assert day[names.VOLATILITY_EWMA].value == pytest.approx(a_year(average, 300), rel=1e-9)
    assert day[names.VOLATILITY_FORECAST].value == pytest.approx(day[names.VOLATILITY_EWMA].value, rel=1e-12)
    assert day[names.VOLATILITY_EWMA].quality is Quality.GOOD


def test_the_days_ranges_equal_those_of_pandas(day, swaps, minutes):
    ends = swaps.groupby("block").last()
    logs = pd.Series([-2 * math.log(root / 2**96) + 12 * math.log(10) for root in ends.root], index=ends.at_s)
    hours = close_hours(minutes)[-17:]
    squares = []
    for hour in hours:
        inside = logs[(logs.index >= hour.start_s) & (logs.index < hour.end_s)]
        opened = logs[logs.index < hour.start_s].iloc[-1]
        squares.append((max(inside.max(), opened) - min(inside.min(), opened)) ** 2 / 4 / math.log(2))
    assert day[names.VOLATILITY_PARKINSON].value == pytest.approx(a_year(float(np.mean(squares)), HOUR_S), rel=1e-9)
    assert day[names.VOLATILITY_GK].quality is Quality.GOOD  # well over thirty swaps an hour


def test_the_days_taker_flow_is_what_takers_took_out_of_all(day, swaps):
    inside = swaps[swaps.at_s >= DAY_AFTER_S - 23 * HOUR_S]
    bought = -sum(inside.amount1) / sum(map(abs, inside.amount1))
    assert day[names.TAKER_FLOW].value == pytest.approx(bought, rel=1e-9)
    assert day[names.TAKER_FLOW].note == "23 of 24 hours are known"


def test_the_day_in_printed_digits(day):
    assert {name: day[name].value for name in GOLDEN} == pytest.approx(GOLDEN, abs=1e-11)


GOLDEN = {
    names.VOLATILITY_EWMA: 0.434051799513,
    names.VOLATILITY_1D: 0.488480514518,
    names.VOLATILITY_TSRV: 0.562967202947,
    names.VOLATILITY_GK: 0.57725476026,
    names.VOLATILITY_YZ: 0.602442458911,
    names.JUMP_SHARE: 0.0,
    names.RSI: 67.264936785941,
    names.ACCUMULATION: 0.145493707939,
    names.TAKER_FLOW: 0.057333153389,
}
"""Of this code, on the recorded day: a change of them is a change of meaning."""


def snapshots() -> list[tuple[int, int, int, int]]:
    """Time, square-root price and fee growth of both tokens at the end of every day of 2025's last quarter."""
    found = rows(
        "select epoch(snapshot_timestamp)::bigint, sqrt_price_x96, fee_growth_global_0_x128, fee_growth_global_1_x128 "
        "from '$data/slot0_daily_mainnet_usdc_weth_500_2025Q4.parquet' order by snapshot_block"
    )
    return [(at_s, int(root), int(growth0), int(growth1)) for at_s, root, growth0, growth1 in found]


def hourly(known_at: Sequence[tuple[int, int]]) -> tuple[PriceBar, ...]:
    """Hours that close at the newest known price, without trades."""
    bars, index, close = [], 0, known_at[0][1]
    for start_s in range(-(-known_at[0][0] // HOUR_S) * HOUR_S, known_at[-1][0] - HOUR_S + 1, HOUR_S):
        opened = close
        while index < len(known_at) and known_at[index][0] < start_s + HOUR_S:
            close = known_at[index][1]
            index += 1
        ends = sorted((opened, close))
        bars.append(
            PriceBar(
                start_s=start_s, width_s=HOUR_S, open_x96=opened, high_x96=ends[1], low_x96=ends[0], close_x96=close,
                wick_high_x96=ends[1], wick_low_x96=ends[0], volume0=0, volume1=0, net0=0, net1=0, jit0=0, swaps=0,
            )
        )  # fmt: skip
    return tuple(bars)


@pytest.mark.parametrize("newest", [8, 40, 80, 91])
def test_implied_volatility_over_weeks_equals_the_sum_of_what_was_paid_day_by_day(newest):
    """The crash of 2025-10-10 lies in it, and the day from which the protocol takes a part of the fee."""
    days = snapshots()[max(newest - 31, 0) : newest + 1]
    now_s = days[-1][0]
    taken = tuple(
        Sample(
            timestamp_s=at_s,
            block=n,
            fee_growth_global0_x128=growth0,
            fee_growth_global1_x128=growth1,
            balance0=1,
            balance1=1,
        )
        for n, (at_s, _, growth0, growth1) in enumerate(days)
    )
    state = pool_state(sqrt_price_x96=days[-1][1], fee_growth_global0_x128=days[-1][2], fee_growth_global1_x128=days[-1][3])
    history = known(RULES, hours=hourly([(at_s, root) for at_s, root, *_ in days]), samples=taken)
    found = readings(fed(RULES, history, now_s), now_s, state)
    for name, count in (
        (names.VOLATILITY_POOL_IMPLIED, 1),
        (names.VOLATILITY_POOL_IMPLIED_7D, 7),
        (names.VOLATILITY_POOL_IMPLIED_30D, 30),
    ):
        if count >= len(days):
            continue
        variance = 0.0
        for (_, root, *before), (_, later, *after) in zip(days[-count - 1 : -1], days[-count:], strict=True):
            mean = math.sqrt(root * later) / 2**96
            paid = [(b - a) % 2**256 / 2**128 for a, b in zip(before, after, strict=True)]
            variance += 4 * (paid[0] * mean + paid[1] / mean) * YEAR_S / DAY_S / count
        assert found[name].quality is Quality.GOOD
        assert found[name].value == pytest.approx(math.sqrt(variance), rel=0.02)  # one price for all of it, not one a day
        assert 0.2 < found[name].value < 3


def test_the_crash_is_in_the_week_that_holds_it_and_not_in_the_day_before():
    by_day = {}
    for newest in (9, 10, 11):
        days = snapshots()[: newest + 1]
        taken = tuple(
            Sample(timestamp_s=at_s, block=n, fee_growth_global0_x128=g0, fee_growth_global1_x128=g1, balance0=1, balance1=1)
            for n, (at_s, _, g0, g1) in enumerate(days)
        )
        hours = hourly([(at_s, root) for at_s, root, *_ in days])
        read = readings(fed(RULES, known(RULES, hours=hours, samples=taken), days[-1][0]), days[-1][0])
        by_day[newest] = read[names.VOLATILITY_POOL_IMPLIED].value
    assert by_day[10] > 2 * by_day[9]  # the snapshot of the end of 2025-10-10
    assert by_day[10] > by_day[11]


def test_momentum_of_two_years_of_hours_equals_ta_lib():
    import talib

    found = rows(
        "select close from '$data/eth_usd_hourly_2016-05_2024-01.parquet' where timestamp >= '2023-01-01' order by timestamp"
    )
    logs = np.log(np.asarray([close for (close,) in found], dtype=np.float64))
    assert len(logs) == 9_504
    momentum, volatility = Momentum(RULES), Measure(value=0.6, unit="per year", as_of_s=0, source="x")
    rsi, macd = [], []
    for n, log in enumerate(logs):
        candle = Candle(
            start_s=n * HOUR_S, end_s=(n + 1) * HOUR_S, open=log, high=log, low=log, close=log,
            volume=0.0, volume_quote=0.0, bought=0.0, jit_share=0.0, swaps=1,
        )  # fmt: skip
        momentum.hour(candle)
        read = momentum.measures(Moment(now_s=candle.end_s), {names.VOLATILITY_FORECAST: volatility})
        rsi.append(read[names.RSI].value)
        macd.append(read[names.MACD].value)
    assert rsi[:14] == [None] * 14
    assert rsi[14:] == pytest.approx(list(talib.RSI(logs, 14)[14:]), rel=1e-7)
    histogram = talib.MACD(logs, 12, 26, 9)[2] / (0.6 * math.sqrt(HOUR_S / YEAR_S))
    # the two begin their averages differently, and forget it as (1 - 2/27)^n
    assert macd[400:] == pytest.approx(list(histogram[400:]), abs=1e-9)
    assert macd[100] == pytest.approx(histogram[100], abs=0.05)


def test_liquidations_of_the_ftx_days_are_those_of_each_hour():
    events = [
        (at_s, block)
        for at_s, block in rows(
            "select epoch(timestamp)::bigint, block_number from '$data/events_aave_ftx_2022_11_08.parquet' "
            "where event = 'liquidation' order by 1"
        )
    ]
    begin_s = int(datetime(2022, 11, 7, tzinfo=UTC).timestamp())
    end_s = int(datetime(2022, 11, 8, 11, tzinfo=UTC).timestamp())
    rules = wide_policy()
    rules = replace(rules, outside=replace(rules.outside, lending=(WETH,)))
    lending, read = Lending(rules), {}
    for at_s in range(begin_s, end_s + 1, 900):
        since_s = at_s - 900
        lending.sample(
            Sample(
                timestamp_s=at_s, block=at_s // 12, fee_growth_global0_x128=0, fee_growth_global1_x128=0, balance0=0,
                balance1=0, reserves=(Reserve(asset=WETH.address, available=1, debt=2, kink_ray=None),),
                liquidations=Liquidations(
                    since_block=since_s // 12 + 1,
                    count=sum(since_s < event_s <= at_s for event_s, _ in events),
                    debt_covered=(),
                ),
            )
        )  # fmt: skip
        read[at_s] = lending.measures(Moment(now_s=at_s), {})[names.LIQUIDATIONS].value
    whole = [at_s for at_s in read if at_s >= begin_s + HOUR_S]
    assert [read[at_s] for at_s in whole] == [sum(at_s - HOUR_S < event_s <= at_s for event_s, _ in events) for at_s in whole]
    assert len(events) == 8
    assert max(read[at_s] for at_s in whole) >= 2

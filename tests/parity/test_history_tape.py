"""Recorded days through the store: their bars are those that the keeper makes of the same logs, integer for integer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from keeper.adapters.amm.swap_history import prices_of
from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.history import series
from keeper.adapters.history.audit import audit_pool, audit_series
from keeper.adapters.history.bars import make_bars
from keeper.adapters.history.imported import Target, import_file
from keeper.adapters.history.layouts import UnknownLayout
from keeper.adapters.history.store import folder_of
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, PriceBar
from keeper.core.signals.bars import close_hours, close_minutes
from tests.event_rows import moved, swap
from tests.pairs import USDC_WETH_500

pytestmark = pytest.mark.tape

HERE = Target(chain_id=1, pool=USDC_WETH_500.address)
BEGIN_S = 1_759_276_800
"""2025-10-01 00:00 UTC."""


def bars(root: Path, width_s: int) -> list[PriceBar]:
    with make_bars(folder_of(root, 1, HERE.pool), width_s=width_s) as table:
        return list(table)


def swaps(query: str) -> list[EventRow]:
    return [
        swap(
            block,
            index,
            timestamp_s=time_s,
            price=int(price),
            amount0=int(amount0),
            amount1=int(amount1),
            liquidity=int(liquidity),
            tick=tick,
        )
        for block, index, time_s, amount0, amount1, price, liquidity, tick in duckdb.execute(query).fetchall()
    ]


def changes(query: str) -> list[EventRow]:
    return [
        moved(block, index, int(change), timestamp_s=time_s, owner=owner.lower(), ticks=(lower, upper))
        for block, index, time_s, owner, lower, upper, change in duckdb.execute(query).fetchall()
    ]


def in_order(rows: Sequence[EventRow]) -> list[EventRow]:
    return sorted(rows, key=lambda row: (row.block_number, row.log_index))


def test_the_day_of_three_files_gives_the_bars_of_the_keeper_with_fleeting_liquidity(tape_path: Path, tmp_path: Path) -> None:
    unclear = tape_path / "unclear-licence"
    of_swaps = unclear / "swaps_mainnet_usdc_weth_500_2025-10-01.parquet"
    of_changes = unclear / "mint_burn_mainnet_usdc_weth_500_2025-10-01_07.parquet"
    end_s = BEGIN_S + DAY_S
    import_file(of_swaps, tmp_path, target=HERE, since_s=BEGIN_S, until_s=end_s)
    import_file(of_changes, tmp_path, target=HERE, since_s=BEGIN_S, until_s=BEGIN_S + 7 * DAY_S)
    where = "block_number, log_index, epoch(block_timestamp)::bigint"
    change = "case event_type when 'mint' then liquidity_raw else '-' || liquidity_raw end"
    rows = in_order(
        swaps(f"select {where}, amount0_raw, amount1_raw, sqrtPriceX96, active_liquidity, tick from '{of_swaps}'")
        + changes(
            f"select {where}, owner, tick_lower, tick_upper, {change} from '{of_changes}'"
            " where block_timestamp < timestamp '2025-10-02'"
        )
    )
    minutes = close_minutes(prices_of(rows, {}), before=None, since_s=None, now_s=end_s)
    assert len(minutes) == 1_439
    assert sum(bar.jit0 or 0 for bar in minutes) == 1_599_717_708_583
    assert bars(tmp_path, MINUTE_S) == list(minutes)
    assert bars(tmp_path, HOUR_S) == list(close_hours(minutes))
    assert not audit_pool(folder_of(tmp_path, 1, HERE.pool)).problems


def test_the_day_of_one_file_gives_the_bars_of_the_keeper(tape_path: Path, tmp_path: Path) -> None:
    path = tape_path / "events_mainnet_usdc_weth_500_2024-01-05.parquet"
    done = import_file(path, tmp_path, target=HERE)
    assert (done.rows, done.added) == (6_234, 6_234)
    where = "block_number, log_index, epoch(timestamp)::bigint"
    rows = in_order(
        swaps(f"select {where}, amount0, amount1, sqrt_price_x96, liquidity, tick from '{path}' where event = 'SWAP'")
        + changes(
            f"select {where}, owner, tick_lower, tick_upper, liquidity_delta from '{path}' where event in ('MINT', 'BURN')"
        )
    )
    # The file is complete up to its last event and not to the end of the day.
    minutes = close_minutes(prices_of(rows, {}), before=None, since_s=None, now_s=done.last_s)
    assert bars(tmp_path, MINUTE_S) == list(minutes)
    assert bars(tmp_path, HOUR_S) == list(close_hours(minutes))
    totals = audit_pool(done.folder).totals
    assert [totals[kind] for kind in EventKind] == [6_046, 54, 69, 65, 0, 0]


@pytest.mark.parametrize(
    ("name", "rows", "swaps_there"),
    [
        ("events_mainnet_usdc_weth_500_2023-11-10.parquet", 6_351, 5_898),
        ("events_mainnet_usdc_weth_3000_2024-01-05.parquet", 304, 267),
        ("events_polygon_usdc_weth_500_2023-11-25.parquet", 3_485, 3_098),
        ("unclear-licence/collects_mainnet_usdc_weth_500_2025-10-01_07.parquet", 964, 0),
    ],
)
def test_recorded_events_are_taken_in_whole(tape_path: Path, tmp_path: Path, name: str, rows: int, swaps_there: int) -> None:
    done = import_file(tape_path / name, tmp_path, target=HERE)
    assert (done.rows, done.added) == (rows, rows)
    report = audit_pool(done.folder)
    assert not report.problems
    assert report.totals["SWAP"] == swaps_there
    assert import_file(tape_path / name, tmp_path, target=HERE).added == 0


def test_days_apart_leave_gaps_that_are_told(tape_path: Path, tmp_path: Path) -> None:
    for day in ("2023-11-10", "2024-01-05"):
        done = import_file(tape_path / f"events_mainnet_usdc_weth_500_{day}.parquet", tmp_path, target=HERE)
    assert audit_pool(done.folder).problems == (
        "gap: blocks 18544980 to 18937381 are not stored: keeper data download fetches them",
    )
    days = {bar.start_s // DAY_S for bar in bars(tmp_path, HOUR_S)}
    assert days == {1_699_574_400 // DAY_S, 1_704_412_800 // DAY_S}


@pytest.mark.parametrize(
    ("name", "where", "width_s", "rows", "missing"),
    [
        ("eth_usdt_perp_1m_2025-05-04_2025-06-15.parquet", "outside/eth_usdt_perp_1m", 60, 60_191, 0),
        ("unclear-licence/eth_usd_hourly_2016-05_2024-01.parquet", "outside/eth_usd_hourly", 3_600, 67_762, 0),
        ("minutes_polygon_usdc_weth_500_2022-07-19_2022-08-22.parquet", f"1/{HERE.pool.lower()}", 60, 50_390, 10),
    ],
)
def test_bars_of_others_are_taken_in_whole(
    tape_path: Path, tmp_path: Path, name: str, where: str, width_s: int, rows: int, missing: int
) -> None:
    path = tape_path / name
    if not path.is_file():
        path = next(tape_path.rglob(path.name))
    done = import_file(path, tmp_path, target=HERE)
    one = series.series_of(tmp_path / where, width_s)
    assert (done.added, one.rows, one.missing) == (rows, rows, missing)
    assert not audit_series(tmp_path / where).problems


def test_recorded_minutes_in_ticks_are_bars(tape_path: Path, tmp_path: Path) -> None:
    path = tape_path / "minutes_polygon_usdc_weth_500_2022-07-19_2022-08-22.parquet"
    done = import_file(path, tmp_path, target=HERE)
    found = list(series.tick_bars(done.folder, 60))
    assert all(
        bar.low_x96 <= min(bar.open_x96, bar.close_x96) <= max(bar.open_x96, bar.close_x96) <= bar.high_x96 for bar in found
    )
    assert all(abs(bar.net0 or 0) <= bar.volume0 and abs(bar.net1 or 0) <= bar.volume1 for bar in found)


def test_swaps_without_prices_are_refused(tape_path: Path, tmp_path: Path) -> None:
    path = tape_path / "unclear-licence" / "events_mainnet_usdc_weth_500_ftx_2022_11_08_amounts_only.parquet"
    with pytest.raises(UnknownLayout, match="without the price after each swap"):
        import_file(path, tmp_path, target=HERE)

"""A recorded day is read whole or not at all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from keeper.localchain.replay import write_script
from keeper.localchain.tape import TapeError, TapeLiquidity, TapeSwap, read_tape

DAY = "2025-10-01"
POOL = "mainnet_usdc_weth_500"
SWAPS = f"swaps_{POOL}_{DAY}.parquet"


def table(path: Path, query: str) -> None:
    duckdb.execute(f"copy ({query}) to '{path}' (format parquet)")


def write_day(folder: Path) -> None:
    """A day of one swap and one mint, in a pool with one position."""
    folder.mkdir(parents=True, exist_ok=True)
    table(
        folder / SWAPS,
        "select 101 block_number, timestamp '2025-10-01 00:00:11' block_timestamp, 7 log_index, 5 amount0_raw,"
        " '-4' amount1_raw, '79228162514264337593543950330' sqrtPriceX96, '1000' active_liquidity, -1 tick",
    )
    table(
        folder / f"mint_burn_{POOL}_x.parquet",
        "select * from (values (101, timestamp '2025-10-01 00:00:11', 3, 'mint', -10, 10, '9'), (102, timestamp '2025-10-01"
        " 00:00:23', 1, 'burn', -10, 10, '0'), (99, timestamp '2025-09-30 00:00:00', 1, 'burn', -10, 10, '5'))"
        " t(block_number, block_timestamp, log_index, event_type, tick_lower, tick_upper, liquidity_raw)",
    )
    table(
        folder / f"tick_snapshots_daily_{POOL}_x.parquet",
        f"select '{DAY}' date, 100 snapshot_block, tick, net liquidityNet, '1000' liquidityGross,"
        " '0' fee_growth_outside_0_x128, '0' fee_growth_outside_1_x128 from (values (-10, '1000'), (10, '-1000')) t(tick, net)",
    )
    table(
        folder / f"slot0_daily_{POOL}_x.parquet",
        f"select '{DAY}' date, 100 snapshot_block, timestamp '2025-09-30 23:59:59' snapshot_timestamp,"
        " '79228162514264337593543950336' sqrt_price_x96, 0 current_tick, 0 fee_protocol, '1' fee_growth_global_0_x128,"
        " '2' fee_growth_global_1_x128",
    )


@pytest.mark.parametrize("named", [SWAPS, "."])
def test_a_day_is_found_by_its_file_or_its_folder(tmp_path: Path, named: str) -> None:
    write_day(tmp_path / "deep" / "down")
    tape = read_tape(tmp_path / "deep" / "down" / named if named == SWAPS else tmp_path)
    mint, swap = tape.events
    assert isinstance(mint, TapeLiquidity)
    assert mint.liquidity_delta == 9
    assert isinstance(swap, TapeSwap)
    assert (swap.timestamp_s, swap.swap.amount0, swap.swap.amount1) == (1_759_276_811, 5, -4)
    assert (tape.start.liquidity, tape.start.fee_growth_global1_x128, tape.start_timestamp_s) == (1000, 2, 1_759_276_799)
    assert (tape.day, tape.pool, tape.end) == (DAY, POOL, None)


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    write_day(tmp_path)
    for name in ("mint_burn", "slot0_daily"):
        (tmp_path / f"{name}_{POOL}_x.parquet").unlink()
    table(tmp_path / SWAPS, "select 1 block_number, 2 tick")
    with pytest.raises(TapeError) as refused:
        read_tape(tmp_path)
    text = str(refused.value)
    for part in ("mint_burn_", "slot0_daily_", "sqrtPriceX96", "active_liquidity", "log_index"):
        assert part in text
    assert "tick_snapshots" not in text


def test_a_day_without_its_first_state_is_refused(tmp_path: Path) -> None:
    write_day(tmp_path)
    (tmp_path / SWAPS).rename(tmp_path / SWAPS.replace(DAY, "2025-10-02"))
    with pytest.raises(TapeError, match="no pool state of 2025-10-02"):
        read_tape(tmp_path)


def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="does not exist"):
        read_tape(tmp_path / "nothing")
    with pytest.raises(TapeError, match="found: none"):
        read_tape(tmp_path)
    (tmp_path / "swaps.parquet").write_bytes(b"PAR1")
    with pytest.raises(TapeError, match="is not named"):
        read_tape(tmp_path / "swaps.parquet")


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    write_day(tmp_path)
    (tmp_path / SWAPS).write_bytes(b"not a table")
    with pytest.raises(TapeError, match="does not read as a market day"):
        read_tape(tmp_path)


def test_a_state_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    write_day(tmp_path)
    table(
        tmp_path / f"tick_snapshots_daily_{POOL}_x.parquet",
        f"select '{DAY}' date, 100 snapshot_block, -10 tick, '1000' liquidityNet, '1000' liquidityGross,"
        " '0' fee_growth_outside_0_x128, '0' fee_growth_outside_1_x128",
    )
    with pytest.raises(TapeError, match="does not read as a market day"):
        read_tape(tmp_path)


@pytest.mark.tape
def test_the_recorded_day_is_whole_and_in_order(tape_path: Path) -> None:
    tape = read_tape(tape_path)
    assert sum(isinstance(event, TapeSwap) for event in tape.events) == 4706
    assert all(before.place < after.place for before, after in pairwise(tape.events))
    assert all(before.timestamp_s <= after.timestamp_s for before, after in pairwise(tape.events))
    script = write_script(tape, "owner")
    assert sum(len(block.requests) for block in script.blocks) == len(tape.events)
    held = {(key.tick_lower, key.tick_upper): position.liquidity for key, position in script.start.positions.items()}
    assert held == tape.held_before()
    assert tape.end is not None
    assert script.blocks[-1].sqrt_price_after_x96 == tape.end.sqrt_price_x96

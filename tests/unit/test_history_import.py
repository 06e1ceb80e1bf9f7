"""Files of every known layout become events or bars, and others are refused with what they lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history import series
from keeper.adapters.history.audit import audit_pool, audit_series
from keeper.adapters.history.imported import Target, import_file, layout_of
from keeper.adapters.history.layouts import UnknownLayout
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.store import StoreConflict, scan
from keeper.core.model.errors import ConfigError
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.event_rows import POOL

HERE = Target(chain_id=1, pool=POOL)
HASH = "AB" * 32
T0, T1 = "2025-10-01 00:00:11", "2025-10-01 00:01:23"
T0_S = 1_759_276_811
WHO = "0xAb" + "cd" * 19

WHOLE = {
    "block_number": (10, 11, 11),
    "timestamp": (T0, T1, T1),
    "tx_hash": ("0x" + HASH, "0x" + HASH, "0x" + HASH),
    "tx_index": (1, 2, 3),
    "log_index": (5, 6, 7),
    "event": ("SWAP", "MINT", "BURN"),
    "sender": (WHO, WHO, None),
    "recipient": (WHO, None, None),
    "owner": (None, WHO, WHO),
    "amount0": ("-5", "6", "7"),
    "amount1": ("3", "8", "9"),
    "sqrt_price_x96": (str(2**160 - 1), None, None),
    "liquidity": ("77", None, None),
    "tick": (-3, None, None),
    "tick_lower": (None, -10, -10),
    "tick_upper": (None, 10, 10),
    "liquidity_delta": (None, "44", "-0"),
}
ESTIMATED = {
    **{name: values for name, values in WHOLE.items() if name not in {"owner", "liquidity", "liquidity_delta"}},
    "pool_liquidity_est": ("70", "71", "72"),
    "sqrt_price_x96": (str(2**96), str(2**97), str(2**97)),
    "liquidity_delta": (None, "44", "45"),
}
PLACE = {
    "block_number": (10, 11),
    "block_timestamp": (T0, T1),
    "transaction_hash": (HASH, HASH),
    "log_index": (5, 6),
    "amount0_raw": (-5, 2**60),
    "amount1_raw": ("3", "-" + "9" * 30),
}
SWAPS = {**PLACE, "sqrtPriceX96": (str(2**97), str(2**96)), "active_liquidity": ("7", "8"), "tick": (13863, 0)}
RANGE = {"owner": (WHO, WHO), "tick_lower": (-10, -10), "tick_upper": (10, 10)}
MINT_BURN = {**PLACE, **RANGE, "log_index": (8, 9), "event_type": ("mint", "burn"), "liquidity_raw": ("44", "45")}
COLLECTS = {**PLACE, **RANGE, "log_index": (1, 2), "recipient": (WHO, WHO)}
AMOUNTS_ONLY = {
    name: WHOLE[name] for name in ("block_number", "event", "amount0", "amount1", "tx_hash", "log_index", "timestamp")
}
OHLCV = {
    "timestamp": ("2025-10-01 00:00:00", "2025-10-01 00:01:00", "2025-10-01 00:03:00"),
    "open": (10.0, 11.0, 12.0),
    "high": (11.5, 11.5, 12.5),
    "low": (9.5, 10.5, 11.5),
    "close": (11.0, 11.0, 12.0),
    "volume_eth": (1.0, 2.0, 3.0),
}
TICKS = {
    "timestamp": ("2025-10-01 00:00:00", "2025-10-01 00:01:00", "2025-10-01 00:02:00"),
    "netAmount0": ("-30", "5", "0"),
    "netAmount1": ("20", "-4", "0"),
    "closeTick": (5, 9, 9),
    "openTick": (4, 5, 9),
    "lowestTick": (3, 4, 9),
    "highestTick": (8, 7, 9),
    "inAmount0": ("10", "5", "0"),
    "inAmount1": ("20", "0", "0"),
    "currentLiquidity": ("9", "9", "9"),
}


def parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    rows = list(zip(*columns.values(), strict=True))
    marks = ", ".join(f"({', '.join('?' for _ in columns)})" for _ in rows)
    text = ", ".join(f"{name}::timestamp as {name}" if name in {"timestamp", "block_timestamp"} else name for name in columns)
    query = f"copy (select {text} from (values {marks}) as given({', '.join(columns)})) to '{path}' (format parquet)"
    duckdb.execute(query, [value for row in rows for value in row])
    return path


def stored(folder: Path, columns: str) -> list[tuple[Any, ...]]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return duckdb.execute(f"select {columns} from {scan([folder / file.name for file in manifest.files])}").fetchall()


def test_a_file_of_all_events_is_taken_as_it_is_in_one_way_of_writing(tmp_path: Path) -> None:
    done = import_file(parquet(tmp_path / "a.parquet", WHOLE), tmp_path, target=HERE)
    assert (done.rows, done.added, done.kinds) == (3, 3, (EventKind.SWAP, EventKind.MINT, EventKind.BURN))
    assert stored(done.folder, "event, owner, amount0, liquidity_delta, tx_hash, sqrt_price_x96") == [
        ("SWAP", None, "-5", None, "0x" + HASH.lower(), str(2**160 - 1)),
        ("MINT", WHO.lower(), "6", "44", "0x" + HASH.lower(), None),
        ("BURN", WHO.lower(), "7", "0", "0x" + HASH.lower(), None),
    ]
    manifest = read_manifest(done.folder)
    assert manifest is not None
    # Other blocks of the first and the last second may not be in the file.
    assert [(one.first_block, one.last_block, one.from_s, one.to_s) for one in manifest.coverage] == [
        (10, 11, T0_S + 1, T0_S + 72)
    ]
    assert not audit_pool(done.folder).problems


def test_an_estimated_liquidity_is_none_and_unsigned_burns_get_their_sign(tmp_path: Path) -> None:
    done = import_file(parquet(tmp_path / "a.parquet", ESTIMATED), tmp_path, target=HERE)
    assert done.kinds == (EventKind.SWAP,)
    assert stored(done.folder, "event, liquidity, liquidity_delta, sqrt_price_x96, tick, owner") == [
        ("SWAP", None, None, str(2**96), -3, None),
        ("MINT", None, "44", None, None, None),
        ("BURN", None, "-45", None, None, None),
    ]
    report = audit_pool(done.folder)
    assert not report.problems
    assert [note.partition(" are ")[0] for note in report.notes] == ["1 MINT events", "1 BURN events"]


def test_swaps_mints_and_collects_of_three_files_come_together(tmp_path: Path) -> None:
    for name, columns in (("swaps", SWAPS), ("mint_burn", MINT_BURN), ("collects", COLLECTS)):
        done = import_file(parquet(tmp_path / f"{name}.parquet", columns), tmp_path, target=HERE)
        assert done.added == 2
    found = stored(done.folder, "block_number, log_index, event, amount0, amount1, liquidity_delta, recipient is not null")
    assert found == [
        (10, 1, "COLLECT", "-5", "3", None, True),
        (10, 5, "SWAP", "-5", "3", None, False),
        (10, 8, "MINT", "-5", "3", "44", False),
        (11, 2, "COLLECT", str(2**60), "-" + "9" * 30, None, True),
        (11, 6, "SWAP", str(2**60), "-" + "9" * 30, None, False),
        (11, 9, "BURN", str(2**60), "-" + "9" * 30, "-45", False),
    ]


def test_the_same_file_again_adds_nothing(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", WHOLE)
    first = import_file(path, tmp_path, target=HERE)
    before = read_manifest(first.folder)
    assert import_file(path, tmp_path, target=HERE).added == 0
    assert read_manifest(first.folder) == before


def test_a_file_that_contradicts_what_is_stored_changes_nothing(tmp_path: Path) -> None:
    first = import_file(parquet(tmp_path / "a.parquet", WHOLE), tmp_path, target=HERE)
    before = read_manifest(first.folder)
    with pytest.raises(StoreConflict, match="log 5 of block 10"):
        import_file(parquet(tmp_path / "b.parquet", WHOLE | {"amount0": ("-6", "6", "7")}), tmp_path, target=HERE)
    assert read_manifest(first.folder) == before


def test_the_operator_may_say_that_a_file_is_complete_for_longer(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", WHOLE)
    done = import_file(path, tmp_path, target=HERE, since_s=T0_S - 11, until_s=T0_S + 86_389)
    manifest = read_manifest(done.folder)
    assert manifest is not None
    assert [(one.from_s, one.to_s) for one in manifest.coverage] == [(T0_S - 11, T0_S + 86_389)]
    for since_s, until_s in ((T0_S + 1, None), (None, T0_S + 72)):
        with pytest.raises(ConfigError, match="outside the time"):
            import_file(path, tmp_path, target=HERE, since_s=since_s, until_s=until_s)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"amount0": ("1.5", "6", "7")}, "1 rows without a whole amount0"),
        ({"amount1": (None, "6", "7")}, "1 rows without a whole amount0 or amount1"),
        ({"sqrt_price_x96": ("0", None, None)}, "1 rows that are swaps without a whole price"),
        ({"sqrt_price_x96": (None, None, None)}, "1 rows that are swaps without a whole price"),
        ({"tick": (None, None, None)}, "without a tick"),
        ({"event": ("SWAP", "DONATE", "BURN")}, "1 rows of an unknown event"),
        ({"event": ("SWAP", None, "BURN")}, "1 rows of an unknown event"),
        ({"tick_lower": (None, 10, None)}, "2 rows whose range is empty or missing"),
        ({"liquidity_delta": (None, "much", "0")}, "1 rows with a liquidity"),
        ({"log_index": (None, 6, 7)}, "1 rows without block, log index or time"),
        ({"block_number": (-1, 11, 11)}, "1 rows with a block, log index or time below zero"),
        ({"timestamp": (T1, T0, T0)}, "time runs backward"),
        ({"timestamp": (T0, T0, T1)}, "differs within a block"),
        ({"block_number": ("ten", "11", "11")}, "a column is not what it should be"),
    ],
)
def test_rows_that_cannot_be_are_counted_and_nothing_is_stored(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        import_file(parquet(tmp_path / "a.parquet", WHOLE | change), tmp_path / "store", target=HERE)
    assert not (tmp_path / "store").exists()


def reordered(order: Sequence[int]) -> dict[str, Any]:
    return {name: tuple(values[place] for place in order) for name, values in WHOLE.items()}


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ((1, 0, 2), "log 5 of block 10, row 2, follows log 6 of block 11, the first of 1 such rows: --repair"),
        ((0, 1, 1, 2), "log 6 of block 11, row 3, is there twice, the first of 1 such rows: --repair"),
        ((2, 1, 0, 0), "log 6 of block 11, row 2, follows log 7 of block 11, the first of 3 such rows"),
    ],
    ids=["out of order", "twice", "both"],
)
def test_rows_out_of_order_or_there_twice_are_repaired_only_when_told_to(
    tmp_path: Path, order: Sequence[int], told: str
) -> None:
    path = parquet(tmp_path / "a.parquet", reordered(order))
    with pytest.raises(ConfigError, match=told):
        import_file(path, tmp_path / "store", target=HERE)
    assert not (tmp_path / "store").exists()
    done = import_file(path, tmp_path / "store", target=HERE, repair=True)
    assert (done.rows, done.added) == (len(order), len(set(order)))
    assert stored(done.folder, "block_number, log_index") == [
        (10, 5),
        *([(11, 6), (11, 7)] if len(set(order)) == 3 else [(11, 6)]),
    ]


def test_two_events_of_one_place_that_differ_are_never_repaired(tmp_path: Path) -> None:
    twice = reordered((0, 0, 1)) | {"amount0": ("-5", "-6", "6")}
    path = parquet(tmp_path / "a.parquet", twice)
    with pytest.raises(StoreConflict, match="log 5 of block 10"):
        import_file(path, tmp_path / "store", target=HERE, repair=True)


@pytest.mark.parametrize("lost", [0.02, 0.3, 0.6])
def test_a_torn_file_is_refused_and_nothing_is_stored(tmp_path: Path, lost: float) -> None:
    path = parquet(tmp_path / "a.parquet", WHOLE)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * (1 - lost))])
    with pytest.raises(ConfigError, match="does not read as a Parquet file"):
        import_file(path, tmp_path / "store", target=HERE)
    assert not (tmp_path / "store").exists()


def test_a_file_whose_pages_are_damaged_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", WHOLE)
    raw = path.read_bytes()
    path.write_bytes(raw[:4] + b"\xff" * 300 + raw[304:])
    with pytest.raises(ConfigError, match="torn or damaged"):
        import_file(path, tmp_path / "store", target=HERE)
    assert not (tmp_path / "store").exists()


def test_amounts_without_prices_are_refused_and_the_reason_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownLayout, match=r"lacks .*sqrt_price_x96.*no bar can be made"):
        layout_of(parquet(tmp_path / "a.parquet", AMOUNTS_ONLY))


@pytest.mark.parametrize("dropped", sorted(SWAPS))
def test_a_file_that_lacks_one_column_is_told_which(tmp_path: Path, dropped: str) -> None:
    columns = {name: values for name, values in SWAPS.items() if name != dropped}
    with pytest.raises(UnknownLayout, match=f"nearest is 'swaps of a pool', which lacks {dropped}$"):
        layout_of(parquet(tmp_path / "a.parquet", columns))


def test_what_is_no_parquet_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ConfigError, match="does not read as a Parquet file"):
        layout_of(tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="is not there"):
        layout_of(tmp_path / "*.parquet")


def test_events_need_a_pool_and_prices_from_outside_do_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the pool with --of"):
        import_file(parquet(tmp_path / "a.parquet", WHOLE), tmp_path, target=None)
    with pytest.raises(ConfigError, match="name the pool with --of"):
        import_file(parquet(tmp_path / "b.parquet", TICKS), tmp_path, target=None)
    done = import_file(parquet(tmp_path / "eth_usdt_perp_1m_2025-05-04_2025-06-15.parquet", OHLCV), tmp_path, target=None)
    assert done.folder == tmp_path / "outside" / "eth_usdt_perp_1m"


def test_bars_of_a_market_outside_are_series_of_their_own(tmp_path: Path) -> None:
    done = import_file(parquet(tmp_path / "eth_1m.parquet", OHLCV), tmp_path, target=None)
    assert (done.rows, done.added) == (3, 3)
    one = series.series_of(done.folder, 60)
    assert (one.rows, one.missing, one.sources) == (3, 1, ("file eth_1m.parquet",))
    columns = series.outside_columns(done.folder, 60)
    assert columns["start_s"].tolist() == [1_759_276_800, 1_759_276_860, 1_759_276_980]
    assert columns["high"].tolist() == [11.5, 11.5, 12.5]
    assert "gap: 1 bars of 60 s" in audit_series(done.folder).notes[0]
    longer = {name: (*values[1:], values[-1]) for name, values in OHLCV.items()} | {
        "timestamp": (*OHLCV["timestamp"][1:], "2025-10-01 00:04:00")
    }
    assert import_file(parquet(tmp_path / "eth_1m.parquet", longer), tmp_path, target=None).added == 1
    assert not audit_series(done.folder).problems
    with pytest.raises(ConfigError, match="with other values"):
        import_file(parquet(tmp_path / "eth_1m.parquet", OHLCV | {"volume_eth": (9.0, 2.0, 3.0)}), tmp_path, target=None)
    assert series.series_of(done.folder, 60).rows == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"high": (10.5, 11.5, 12.5)}, "1 bars do not begin"),
        ({"low": (10.5, 10.5, 11.5)}, "1 bars do not begin"),
        ({"close": (None, 11.0, 12.0)}, "1 bars do not begin"),
        ({"timestamp": ("2025-10-01 00:00:01", "2025-10-01 00:01:00", "2025-10-01 00:02:00")}, "1 bars do not begin"),
        ({"timestamp": ("2025-10-01 00:00:00", "2025-10-01 00:02:00", "2025-10-01 00:04:00")}, "bars of 120 s are not known"),
        ({"timestamp": ("2025-10-01", "2025-10-01", "2025-10-01")}, "bars of None s"),
    ],
)
def test_bars_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        import_file(parquet(tmp_path / "eth.parquet", OHLCV | change), tmp_path / "store", target=None)
    assert not (tmp_path / "store").exists()


def test_minutes_in_ticks_become_bars_of_whole_ticks(tmp_path: Path) -> None:
    done = import_file(parquet(tmp_path / "minutes.parquet", TICKS), tmp_path, target=Target(chain_id=137, pool=POOL))
    assert done.folder == tmp_path / "137" / POOL
    first, second, flat = series.tick_bars(done.folder, 60)
    assert (first.open_x96, first.close_x96) == (get_sqrt_ratio_at_tick(4), get_sqrt_ratio_at_tick(5))
    assert (first.high_x96, first.low_x96) == (get_sqrt_ratio_at_tick(8), get_sqrt_ratio_at_tick(3))
    # 10 came in and 40 went out; nothing and 20.
    assert (first.volume0, first.net0, first.volume1, first.net1) == (50, -30, 20, 20)
    # A recorded close above the recorded high stands, and the high with it.
    assert (second.high_x96, second.close_x96) == (get_sqrt_ratio_at_tick(9), get_sqrt_ratio_at_tick(9))
    assert (second.volume0, second.volume1, second.jit0) == (5, 4, None)
    assert flat.volume0 == flat.volume1 == flat.swaps == 0


@pytest.mark.parametrize("spoil", ["lose", "change"])
def test_damaged_bars_are_found(tmp_path: Path, spoil: str) -> None:
    done = import_file(parquet(tmp_path / "eth.parquet", OHLCV), tmp_path, target=None)
    path = next((done.folder / "bars").glob("*.parquet"))
    if spoil == "lose":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    assert len(audit_series(done.folder).problems) == 1

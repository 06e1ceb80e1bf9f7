"""A recorded market day of one pool, read from parquet files: the state it began with, and every event in order."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from keeper.core.model.errors import ConfigError
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.core.v3math.tick import TickInfo

TICK_SPACINGS = {100: 1, 500: 10, 3000: 60, 10000: 200}
"""Fee in pips -> tick spacing, as enabled in Uniswap's factory."""

_SWAPS = re.compile(r"swaps_(?P<pool>[a-z]+_[a-z]+_[a-z]+_(?P<fee>\d+))_(?P<day>\d{4}-\d{2}-\d{2})\.parquet")
_COLUMNS: Mapping[str, Sequence[str]] = {
    "swaps": (
        "block_number",
        "block_timestamp",
        "log_index",
        "amount0_raw",
        "amount1_raw",
        "sqrtPriceX96",
        "active_liquidity",
        "tick",
    ),
    "mint_burn": ("block_number", "block_timestamp", "log_index", "event_type", "tick_lower", "tick_upper", "liquidity_raw"),
    "tick_snapshots_daily": (
        "date",
        "snapshot_block",
        "tick",
        "liquidityNet",
        "liquidityGross",
        "fee_growth_outside_0_x128",
        "fee_growth_outside_1_x128",
    ),
    "slot0_daily": (
        "date",
        "snapshot_block",
        "snapshot_timestamp",
        "sqrt_price_x96",
        "current_tick",
        "fee_protocol",
        "fee_growth_global_0_x128",
        "fee_growth_global_1_x128",
    ),
}
"""Kind of file, as its name begins -> the columns that must be in it."""


class TapeError(ConfigError):
    """The recorded day cannot be used; every thing that is missing is named."""


class Place(NamedTuple):
    """Where in the chain something happened; sorts in order."""

    block: int
    log_index: int


class Range(NamedTuple):
    """Bounds of a position, in ticks."""

    tick_lower: int
    tick_upper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSwap:
    """A recorded swap."""

    place: Place
    timestamp_s: int
    swap: RecordedSwap


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeLiquidity:
    """A recorded mint or burn that moved liquidity."""

    place: Place
    timestamp_s: int
    range: Range
    liquidity_delta: int
    """Minted > 0, burned < 0; never 0."""


TapeEvent = TapeSwap | TapeLiquidity


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """A recorded day."""

    pool: str
    """As in the file's name, such as ``mainnet_usdc_weth_500``."""
    day: str
    """ISO date, UTC."""
    start: PoolSnapshot
    """The pool as of the end of the block before the first event; no positions."""
    start_timestamp_s: int
    """Time of that block, Unix seconds."""
    end: PoolSnapshot | None
    """The pool a day later, if recorded."""
    events: tuple[TapeEvent, ...]
    """In block and log order."""

    def held_before(self) -> dict[Range, int]:
        """Least liquidity, by range, that somebody must have held at the start for the day's burns to be possible."""
        balance: dict[Range, int] = {}
        least: dict[Range, int] = {}
        for event in self.events:
            if isinstance(event, TapeLiquidity):
                balance[event.range] = balance.get(event.range, 0) + event.liquidity_delta
                least[event.range] = min(least.get(event.range, 0), balance[event.range])
        return {where: -low for where, low in least.items() if low}


class _Files(NamedTuple):
    pool: str
    fee_pips: int
    day: str
    paths: Mapping[str, Path]


def _swaps_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise TapeError([f"{path} does not exist; name a recorded swaps file, or the folder that holds one"])
    found = sorted(file for file in path.rglob("swaps_*.parquet") if _SWAPS.fullmatch(file.name))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise TapeError([f"{path} must hold one file swaps_<pool>_<fee>_<day>.parquet, found: {names}"])
    return found[0]


def _files(path: Path) -> _Files:
    swaps = _swaps_file(path)
    if not (name := _SWAPS.fullmatch(swaps.name)):
        raise TapeError([f"{swaps.name} is not named swaps_<pool>_<fee>_<day>.parquet, so pool, fee and day are unknown"])
    paths, problems = {"swaps": swaps}, []
    for kind in list(_COLUMNS)[1:]:
        if siblings := sorted(swaps.parent.glob(f"{kind}_{name['pool']}_*.parquet")):
            paths[kind] = siblings[0]
        else:
            problems.append(f"{kind}_{name['pool']}_*.parquet is missing beside {swaps.name}")
    for kind, file in paths.items():
        there = {row[0] for row in duckdb.execute("describe select * from read_parquet(?)", [str(file)]).fetchall()}
        problems += [f"{file.name} has no column {column}" for column in _COLUMNS[kind] if column not in there]
    if int(name["fee"]) not in TICK_SPACINGS:
        problems.append(f"{swaps.name}: no tick spacing is known for the fee {name['fee']}")
    if problems:
        raise TapeError(problems)
    return _Files(name["pool"], int(name["fee"]), name["day"], paths)


def _rows(files: _Files, kind: str, where: str = "true", values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    # Every name below is ours; values go in as parameters.
    columns = ", ".join(f'"{column}"' for column in _COLUMNS[kind])
    query = f"select {columns} from read_parquet(?) where {where}"  # ruff: ignore[hardcoded-sql-expression] - no outside text
    return duckdb.execute(query, [str(files.paths[kind]), *values]).fetchall()


def _seconds(moment: dt.datetime) -> int:
    return int(moment.replace(tzinfo=dt.UTC).timestamp())


def _snapshot(files: _Files, day: str) -> tuple[int, int, PoolSnapshot] | None:
    """Block, time and state of the pool at the beginning of ``day``; None when it is not recorded."""
    slots = _rows(files, "slot0_daily", "date = ?", [day])
    ticks = _rows(files, "tick_snapshots_daily", "date = ?", [day])
    if len(slots) != 1 or not ticks:
        return None
    _, block, moment, sqrt_price, tick, fee_protocol, growth0, growth1 = slots[0]
    infos = {
        row[2]: TickInfo(
            liquidity_net=int(row[3]),
            liquidity_gross=int(row[4]),
            fee_growth_outside0_x128=int(row[5]),
            fee_growth_outside1_x128=int(row[6]),
        )
        for row in ticks
        if row[1] == block
    }
    snapshot = PoolSnapshot(
        fee_pips=files.fee_pips,
        tick_spacing=TICK_SPACINGS[files.fee_pips],
        sqrt_price_x96=int(sqrt_price),
        tick=tick,
        liquidity=sum(info.liquidity_net for place, info in infos.items() if place <= tick),
        fee_growth_global0_x128=int(growth0),
        fee_growth_global1_x128=int(growth1),
        fee_protocol=fee_protocol,
        ticks=infos,
    )
    return block, _seconds(moment), snapshot


def _events(files: _Files, after_block: int) -> tuple[TapeEvent, ...]:
    swaps: list[TapeEvent] = [
        TapeSwap(
            place=Place(block, log_index),
            timestamp_s=_seconds(moment),
            swap=RecordedSwap(
                amount0=int(amount0), amount1=int(amount1), sqrt_price_x96=int(price), liquidity=int(liquidity), tick=tick
            ),
        )
        for block, moment, log_index, amount0, amount1, price, liquidity, tick in _rows(files, "swaps")
    ]
    last = max((event.place.block for event in swaps), default=0)
    changes: list[TapeEvent] = [
        TapeLiquidity(
            place=Place(block, log_index),
            timestamp_s=_seconds(moment),
            range=Range(lower, upper),
            liquidity_delta=int(liquidity) if kind == "mint" else -int(liquidity),
        )
        for block, moment, log_index, kind, lower, upper, liquidity in _rows(
            files, "mint_burn", "block_number > ? and block_number <= ?", [after_block, _day_end(files, last)]
        )
        # A burn of nothing only settles the fees of a position that the tape does not follow.
        if int(liquidity)
    ]
    return tuple(sorted(swaps + changes, key=lambda event: event.place))


def _day_after(files: _Files) -> str:
    return (dt.date.fromisoformat(files.day) + dt.timedelta(days=1)).isoformat()


def _day_end(files: _Files, last_swap_block: int) -> int:
    slots = _rows(files, "slot0_daily", "date = ?", [_day_after(files)])
    return int(slots[0][1]) if slots else last_swap_block


def read_tape(path: Path) -> Tape:
    """Read a recorded day.

    Beside the swaps, the files ``mint_burn_*``, ``tick_snapshots_daily_*`` and ``slot0_daily_*`` of the same pool must lie in
    the same folder, with the pool's state of the block before the day.

    Args:
        path: the file ``swaps_<pool>_<fee>_<day>.parquet``, or a folder with one such file somewhere below it.

    Raises:
        TapeError: something is missing; all of it is named.
    """
    try:
        return _read(_files(path))
    except (ValueError, duckdb.Error) as error:
        raise TapeError([f"{path} does not read as a market day: {error}"]) from error


def _read(files: _Files) -> Tape:
    begin, end = _snapshot(files, files.day), _snapshot(files, _day_after(files))
    if begin is None:
        raise TapeError([f"no pool state of {files.day} in {files.paths['slot0_daily'].name} and its tick snapshots"])
    block, timestamp_s, start = begin
    events = _events(files, block)
    if not events or events[0].place.block <= block:
        raise TapeError([f"{files.paths['swaps'].name} does not begin after block {block} of the pool's recorded state"])
    return Tape(
        pool=files.pool,
        day=files.day,
        start=start,
        start_timestamp_s=timestamp_s,
        end=end[2] if end else None,
        events=events,
    )

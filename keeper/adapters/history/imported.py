"""Files of others, recognised by their columns, taken into the store.

What a file is complete for is not in it: that it holds everything between its first and its last event is taken for granted, as
its maker says so; that it holds everything of a longer time is for the operator to say.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.bars import WIDTHS_S
from keeper.adapters.history.layouts import (
    EVENT_LAYOUTS,
    OUTSIDE_BARS,
    SLOT_STATES,
    STATE_LAYOUTS,
    TICK_BARS,
    TICK_STATES,
    Layout,
    recognise,
)
from keeper.adapters.history.manifest import Coverage
from keeper.adapters.history.rows import COLUMNS
from keeper.adapters.history.series import OUTSIDE, OUTSIDE_COLUMNS, TICK_COLUMNS, add_bars
from keeper.adapters.history.state_files import PREFIXES, StatePair, read_states
from keeper.adapters.history.store import PoolWriter, folder_of, open_database
from keeper.core.model.errors import ConfigError

# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; paths are quoted


def _whole(column: str) -> str:
    return f"regexp_matches({column}, '^-?[0-9]{{1,78}}$')"


_FAULTS = {
    "without block, log index or time": "block_number is null or log_index is null or timestamp is null",
    "with a block, log index or time below zero": "block_number < 0 or log_index < 0 or timestamp < timestamp '1970-01-01'",
    "of an unknown event": f"event is null or event not in {tuple(str(kind) for kind in EventKind)}",
    "without a whole amount0 or amount1": f"not coalesce({_whole('amount0')} and {_whole('amount1')}, false)",
    "that are swaps without a whole price above zero, or without a tick": (
        "event = 'SWAP' and not coalesce(regexp_matches(sqrt_price_x96, '^[1-9][0-9]{0,48}$') and tick is not null, false)"
    ),
    "with a liquidity that is no whole number": (
        f"not (coalesce({_whole('liquidity')}, true) and coalesce({_whole('liquidity_delta')}, true))"
    ),
    "whose range is empty or missing": (
        "event in ('MINT', 'BURN', 'COLLECT') and not coalesce(tick_lower < tick_upper, false)"
    ),
}
"""What a row must not be -> the condition that finds it."""
_IMPOSSIBLE_OUTSIDE = (
    "low > least(open, close) or high < greatest(open, close) or low + high + open + close is null or low <= 0"
)
_IMPOSSIBLE_TICKS = "low_tick > high_tick or open_tick + close_tick is null"
"""Where the recorded closing tick is not the last of the minute's own, it may lie outside its lowest and highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where events go."""

    chain_id: int
    pool: str
    """Address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file."""

    path: Path
    layout: str
    folder: Path
    rows: int
    """In the file."""
    added: int
    """New to the store."""
    first_s: int
    last_s: int
    kinds: tuple[EventKind, ...] = ()
    """Kinds of events of which the time between is now complete."""


def import_file(
    path: Path,
    root: Path,
    *,
    target: Target | None,
    since_s: int | None = None,
    until_s: int | None = None,
    repair: bool = False,
    given: Sequence[Path] = (),
) -> Imported:
    """Take a file in, daily states together with the file that belongs to them.

    Args:
        path: Parquet.
        root: of the store.
        target: the pool that its events are of; not needed for prices from outside.
        since_s: the operator's word that the file holds everything from then on; None: only from its first event.
        until_s: likewise, exclusive; None: only to its last.
        repair: put events in order, and drop what is there twice, where the file does not; nothing else is ever repaired.
        given: files among which the one that belongs to daily states may be, besides beside them.

    Raises:
        ConfigError: it is no Parquet file or a torn one, of no known layout or of impossible rows, out of order without
            ``repair``, or ``target`` is needed.
        StoreConflict: it contradicts what is stored.
    """
    layout = layout_of(path)
    check_target(layout, target, path)
    if layout in STATE_LAYOUTS:
        assert target is not None
        return _import_states(path, root, layout, target, given)
    with contextlib.closing(open_database()) as database:
        if layout in EVENT_LAYOUTS:
            assert target is not None
            _check_events(database, path, layout, repair=repair)
            return _import_events(database, path, root, layout, target, (since_s, until_s))
        if layout is TICK_BARS:
            assert target is not None
            return _import_bars(database, path, folder_of(root, target.chain_id, target.pool), layout, TICK_COLUMNS)
        return _import_bars(database, path, root / OUTSIDE / series_name(path), layout, OUTSIDE_COLUMNS)


def layout_of(path: Path) -> Layout:
    """What kind of file it is.

    Raises:
        ConfigError: it is no Parquet file, or of no known layout.
    """
    if not path.is_file():
        raise ConfigError([f"{path} is not there, or is no file"])
    with contextlib.closing(open_database()) as database:
        try:
            found = database.execute(f"describe from {_file(path)}").fetchall()
        except duckdb.Error as error:
            raise ConfigError([f"{path} does not read as a Parquet file: {str(error).splitlines()[0]}"]) from None
    return recognise(path, frozenset(row[0] for row in found))


def series_name(path: Path) -> str:
    """Name of an outside series: its file's, without the dates at the end."""
    return re.sub(r"_\d{4}-.*$", "", path.stem).lower()


def check_target(layout: Layout, target: Target | None, path: Path) -> None:
    """See that it is known whose events they are.

    Raises:
        ConfigError: it is not, and must be.
    """
    if target is None and layout not in OUTSIDE_BARS:
        raise ConfigError([f"{path} holds {layout.name}: name the pool with --of"])


def _file(path: Path) -> str:
    name = str(path).replace("'", "''")
    return f"read_parquet('{name}')"


def _events_query(path: Path, layout: Layout) -> str:
    columns = ", ".join(
        f"{_normal(name, f'({layout.table[name]})')} as {name}" if name in layout.table else f"null::{kind} as {name}"
        for name, kind in COLUMNS.items()
    )
    return f"select {columns} from {_file(path)}"


def _normal(name: str, expression: str) -> str:
    """One way of writing: addresses and hashes in lower case, no minus before zero, types as ours."""
    if COLUMNS[name] != "VARCHAR":
        return f"{expression}::{COLUMNS[name]}"
    if name == "event":
        return f"upper({expression}::varchar)"
    if name in {"sender", "recipient", "owner", "tx_hash"}:
        return f"lower({expression}::varchar)"
    return f"regexp_replace({expression}::varchar, '^-0$', '0')"


def _unreadable(path: Path, error: duckdb.Error) -> ConfigError:
    why = str(error).splitlines()[0]
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return ConfigError([f"{path}: a column is not what it should be: {why}"])
    return ConfigError([f"{path} is torn or damaged: {why}: get it anew; nothing was added"])


def _check_order(database: duckdb.DuckDBPyConnection, path: Path, layout: Layout) -> None:
    """See that events lie in the order of the chain, each once.

    Raises:
        ConfigError: they do not; names the first that is out of place.
    """
    name = str(path).replace("'", "''")
    places = f"({layout.table['block_number']})::bigint as block, ({layout.table['log_index']})::bigint as index"
    rows = f"select file_row_number as row, {places} from read_parquet('{name}', file_row_number=true)"
    disorder = (
        f"from (select *, lag(block) over by_row as block_before, lag(index) over by_row as index_before from ({rows})"
        " window by_row as (order by row)) where block_before is not null and (block, index) <= (block_before, index_before)"
    )
    found = database.execute(
        f"select row, block, index, block_before, index_before, count(*) over () {disorder} order by row limit 1"
    ).fetchone()
    if found is not None:
        row, block, index, block_before, index_before, count = found
        what = (
            "is there twice"
            if (block, index) == (block_before, index_before)
            else f"follows log {index_before} of block {block_before}"
        )
        where = f"{path}: log {index} of block {block}, row {row + 1}, {what}, the first of {count} such rows"
        raise ConfigError([f"{where}: --repair sorts them, and drops what is there twice"])


def _pair_of(path: Path, layout: Layout, given: Sequence[Path]) -> StatePair:
    """A file and the one that belongs to it: among those ``given``, or beside it under the name that its own leads to."""
    other = SLOT_STATES if layout is TICK_STATES else TICK_STATES
    stem = path.name.removeprefix(PREFIXES[layout.name])
    named = PREFIXES[other.name] + stem
    candidates = [one for one in given if one.name == named] or [path.with_name(named)]
    found = next((one for one in candidates if one.is_file() and layout_of(one) is other), None)
    if found is None:
        raise ConfigError([f"{path} holds {layout.name}: {named} must be given too, or lie beside it"])
    return StatePair(path, found) if layout is TICK_STATES else StatePair(found, path)


def _import_states(path: Path, root: Path, layout: Layout, target: Target, given: Sequence[Path]) -> Imported:
    pair = _pair_of(path, layout, given)
    states = read_states(pair)
    if not states:
        raise ConfigError([f"{pair.slots} holds no row"])
    with PoolWriter(root, chain_id=target.chain_id, pool=target.pool) as writer:
        added = writer.add_states(states)
        folder = writer.folder
    return Imported(
        path=path,
        layout="daily states of a pool",
        folder=folder,
        rows=len(states),
        added=added,
        first_s=states[0].timestamp_s,
        last_s=states[-1].timestamp_s,
    )


def _import_events(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    root: Path,
    layout: Layout,
    target: Target,
    said: tuple[int | None, int | None],
) -> Imported:
    query = _events_query(path, layout)
    facts = "count(*), min(block_number), max(block_number), min(epoch(timestamp)::bigint), max(epoch(timestamp)::bigint)"
    rows, first, last, first_s, last_s = database.execute(f"select {facts} from ({query})").fetchall()[0]
    there = {kind for (kind,) in database.execute(f"select distinct event from ({query})").fetchall()}
    kinds = tuple(kind for kind in layout.kinds if kind in there)
    from_s, to_s = _stretch(path, (first_s, last_s), said)
    coverage = Coverage(
        first_block=first, last_block=last, from_s=from_s, to_s=to_s, kinds=kinds, sources=(f"file {path.name}",)
    )
    with PoolWriter(root, chain_id=target.chain_id, pool=target.pool) as writer:
        added = writer.add_query(query, coverage)
        writer.compact()
        folder = writer.folder
    return Imported(
        path=path,
        layout=layout.name,
        folder=folder,
        rows=rows,
        added=added.rows,
        first_s=first_s,
        last_s=last_s,
        kinds=kinds,
    )


def _check_events(database: duckdb.DuckDBPyConnection, path: Path, layout: Layout, *, repair: bool) -> None:
    """See that the file is whole, and its rows can be.

    Raises:
        ConfigError: it is not, or one cannot, or without ``repair`` they are not in order.
    """
    try:
        _check_rows(database, _events_query(path, layout), path)
        if not repair:
            _check_order(database, path, layout)
    except duckdb.Error as error:
        raise _unreadable(path, error) from None


def _check_rows(database: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    counts = ", ".join(f"count(*) filter (where {condition})" for condition in _FAULTS.values())
    rows, *faults = database.execute(f"select count(*), {counts} from ({query})").fetchall()[0]
    if not rows:
        raise ConfigError([f"{path} holds no row"])
    problems = [f"{path}: {count} rows {what}" for what, count in zip(_FAULTS, faults, strict=True) if count]
    if problems:
        raise ConfigError(problems)
    backward = database.execute(
        "select count(*) from (select min(timestamp) as begin_at, max(timestamp) as end_at,"
        f" lag(end_at) over (order by block_number) as before from ({query}) group by block_number)"
        " where begin_at <> end_at or before > begin_at"
    ).fetchall()[0][0]
    if backward:
        raise ConfigError([f"{path}: time runs backward, or differs within a block, at {backward} blocks"])


def _stretch(path: Path, found: tuple[int, int], said: Sequence[int | None]) -> tuple[int, int]:
    """Times from and to which the file is complete."""
    since_s, until_s = said
    if (since_s is not None and since_s > found[0]) or (until_s is not None and until_s <= found[1]):
        raise ConfigError([f"{path} has events outside the time that --since and --until say it is complete for"])
    # Other blocks of the first and the last second may lie outside the file.
    from_s = found[0] + 1 if since_s is None else since_s
    to_s = found[1] if until_s is None else until_s
    return min(from_s, to_s), to_s


def _import_bars(
    database: duckdb.DuckDBPyConnection, path: Path, folder: Path, layout: Layout, columns: tuple[str, ...]
) -> Imported:
    fields = ", ".join(f"{expression} as {name}" for name, expression in layout.table.items())
    try:
        database.execute(
            f"create temp table incoming as select epoch(timestamp)::bigint as start_s, {fields} from {_file(path)}"
        )
    except duckdb.Error as error:
        raise _unreadable(path, error) from None
    width_s = _width_s(database, path, _IMPOSSIBLE_TICKS if layout is TICK_BARS else _IMPOSSIBLE_OUTSIDE)
    rows, first_s, last_s = database.execute("select count(*), min(start_s), max(start_s) from incoming").fetchall()[0]
    added = add_bars(database, folder, width_s=width_s, columns=columns, source=f"file {path.name}")
    return Imported(path=path, layout=layout.name, folder=folder, rows=rows, added=added, first_s=first_s, last_s=last_s)


def _width_s(database: duckdb.DuckDBPyConnection, path: Path, impossible: str) -> int:
    """The time between two bars that is there most often, checked against every bar."""
    steps = "select start_s - lag(start_s) over (order by start_s) as step from incoming"
    # Of two that are there equally often, one that bars are made of, and the shorter: the longer is then a gap.
    often = database.execute(
        f"select step from ({steps}) where step > 0 group by step order by count(*) desc, step in {WIDTHS_S} desc, step limit 1"
    ).fetchone()
    one: Any = often and often[0]
    if one not in WIDTHS_S:
        raise ConfigError([f"{path}: bars of {one} s are not known; there are {', '.join(str(width) for width in WIDTHS_S)}"])
    wrong = database.execute(
        f"select count(*) from incoming where start_s % {one} <> 0 or coalesce({impossible}, true)"
    ).fetchall()[0][0]
    if wrong:
        raise ConfigError(
            [f"{path}: {wrong} bars do not begin on a multiple of {one} s, lack a price, or have a high below a low"]
        )
    return int(one)

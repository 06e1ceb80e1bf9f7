"""Daily states of a pool in two files: ticks, and the pool's own numbers. They count together."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from keeper.adapters.history.layouts import SLOT_STATES, TICK_STATES, Layout
from keeper.adapters.history.states import WholePool
from keeper.adapters.history.store import open_database
from keeper.core.model.errors import ConfigError
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick import TickInfo

# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; paths are parameters

PREFIXES = {TICK_STATES.name: "tick_snapshots_daily_", SLOT_STATES.name: "slot0_daily_"}
"""Layout -> how the names of its files begin; what follows is the same for the two that belong together."""


class StatePair(NamedTuple):
    """Where the two files are."""

    ticks: Path
    slots: Path


def leading(paths: Sequence[Path]) -> list[Path]:
    """The paths without the second file of a pair whose first is among them."""
    names = {path.name for path in paths}
    ticks, slots = PREFIXES.values()
    return [path for path in paths if not (path.name.startswith(slots) and ticks + path.name.removeprefix(slots) in names)]


def read_states(pair: StatePair) -> list[WholePool]:
    """Every state that the two files tell, in the order of blocks.

    Raises:
        ConfigError: one file has a block that the other lacks, twice the same, or a state that contradicts itself.
    """
    with contextlib.closing(open_database()) as database:
        try:
            ticks = _rows(database, pair.ticks, TICK_STATES, "block, tick")
            slots = _rows(database, pair.slots, SLOT_STATES, "block")
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            where = f"{pair.ticks.name}, {pair.slots.name}"
            raise ConfigError([f"{where}: a column is not what it should be: {str(error).splitlines()[0]}"]) from None
    maps = {block: list(rows) for block, rows in groupby(ticks, key=itemgetter(0))}
    blocks = [row[0] for row in slots]
    problems = [f"{pair.slots}: block {block} is told twice" for block, after in pairwise(blocks) if block == after]
    problems += [f"{pair.ticks} has no ticks of block {block}" for block in blocks if block not in maps]
    problems += [f"{pair.slots} does not tell block {block}" for block in maps if block not in set(blocks)]
    states = list[WholePool]()
    for row in [] if problems else slots:
        try:
            states.append(_state(row, maps[row[0]], pair))
        except ValueError as error:
            problems.append(f"{pair.slots}, {pair.ticks.name}: the state of block {row[0]} cannot be: {error}")
    if problems:
        raise ConfigError(problems)
    return states


def _rows(database: duckdb.DuckDBPyConnection, path: Path, layout: Layout, order: str) -> list[tuple[Any, ...]]:
    fields = ", ".join(f"{expression} as {name}" for name, expression in layout.table.items())
    return database.execute(f"select {fields} from read_parquet(?) order by {order}", [str(path)]).fetchall()


def _state(slot: tuple[Any, ...], ticks: Sequence[tuple[Any, ...]], pair: StatePair) -> WholePool:
    block, timestamp_s, sqrt_price_x96, tick, fee_protocol, growth0_x128, growth1_x128 = slot
    infos = {
        row[1]: TickInfo(
            liquidity_net=int(row[2]),
            liquidity_gross=int(row[3]),
            fee_growth_outside0_x128=int(row[4]),
            fee_growth_outside1_x128=int(row[5]),
        )
        for row in ticks
    }
    if len(infos) != len(ticks):
        raise ValueError("a tick is told twice")
    return WholePool(
        block=block,
        timestamp_s=timestamp_s,
        block_hash=None,
        source=f"files {pair.slots.name}, {pair.ticks.name}",
        pool=PoolSnapshot(
            # Of the pool's key, and not stored.
            fee_pips=0,
            tick_spacing=1,
            sqrt_price_x96=int(sqrt_price_x96),
            tick=tick,
            liquidity=sum(info.liquidity_net for place, info in infos.items() if place <= tick),
            fee_growth_global0_x128=int(growth0_x128),
            fee_growth_global1_x128=int(growth1_x128),
            fee_protocol=fee_protocol,
            ticks=infos,
        ),
    )

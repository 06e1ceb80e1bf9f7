"""Everything that is stored, read back and held against what the manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

import duckdb

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.manifest import Coverage, Manifest, StoredFile, StoredState, sha256_of
from keeper.adapters.history.series import read_series
from keeper.adapters.history.store import month_of, open_database, orphans, reading, scan

# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; paths are quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Blocks between two stretches, of which nothing is known."""

    first_block: int
    last_block: int
    from_s: int
    to_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in a folder."""

    folder: Path
    problems: tuple[str, ...]
    """What is wrong, gaps included."""
    notes: tuple[str, ...]
    """What is not wrong, and should be known."""
    totals: dict[str, int]
    """Events by kind, and the sums of what swaps moved, raw units: volume0, volume1, net0, net1."""


def gaps(manifest: Manifest) -> tuple[Gap, ...]:
    """Where the stored swaps have holes."""
    stretches = manifest.stretches((EventKind.SWAP,), with_tail=True)
    return tuple(starmap(_between, pairwise(stretches)))


def _between(one: Coverage, later: Coverage) -> Gap:
    return Gap(first_block=one.last_block + 1, last_block=later.first_block - 1, from_s=one.to_s, to_s=later.from_s)


def audit_pool(folder: Path) -> Report:
    """Read a pool's events back.

    Raises:
        ConfigError: there is no history, or its manifest is damaged.
    """
    notes = []
    with reading(folder) as (database, manifest):
        files = (*manifest.files, *([manifest.tail.file] if manifest.tail and manifest.tail.file else []))
        problems = [problem for file in files for problem in _file_problems(database, folder, file)]
        problems += [problem for state in manifest.states for problem in _state_problems(folder, state)]
        totals: dict[str, int] = {}
        if not problems:
            source = scan([folder / file.name for file in files])
            problems += _row_problems(database, source, manifest)
            totals = _totals(database, source)
            notes += [
                f"{count} {kind} events are stored where nothing says that they are all there were"
                for kind in EventKind
                if kind is not EventKind.SWAP
                if (count := _unclaimed(database, source, manifest, kind))
            ]
        problems += [
            f"gap: blocks {gap.first_block} to {gap.last_block} are not stored: keeper data download fetches them"
            for gap in gaps(manifest)
        ]
    notes += [f"{name} is left over from an interrupted run and does not count" for name in orphans(folder, manifest)]
    return Report(folder=folder, problems=tuple(problems), notes=tuple(notes), totals=totals)


def _file_problems(database: duckdb.DuckDBPyConnection, folder: Path, file: StoredFile) -> Iterator[str]:
    path = folder / file.name
    if not path.is_file():
        yield f"{file.name} is missing"
        return
    if sha256_of(path) != file.sha256:
        yield f"{file.name} was changed since it was written"
        return
    source = scan([path])
    facts = "count(*), min(block_number), max(block_number)"
    found = database.execute(f"select {facts} from {source}").fetchall()[0]
    if found != (file.rows, file.first_block, file.last_block):
        yield f"{file.name} holds {found[0]} rows of blocks {found[1]} to {found[2]}, not what the manifest says"
    disorder = database.execute(
        "select count(*) from (select (block_number, log_index) <= lag((block_number, log_index)) over () as wrong"
        f" from {source}) where wrong"
    ).fetchall()[0][0]
    if disorder:
        yield f"{file.name} has {disorder} rows that are not in chain order"
    if file.name.startswith("events/"):
        strays = f"select count(*) from {source} where strftime(timestamp, '%Y-%m') <> '{month_of(file)}'"
        if count := database.execute(strays).fetchall()[0][0]:
            yield f"{file.name} has {count} rows of another month"


def _state_problems(folder: Path, state: StoredState) -> Iterator[str]:
    path = folder / state.name
    if not path.is_file():
        yield f"{state.name} is missing"
    elif sha256_of(path) != state.sha256:
        yield f"{state.name} was changed since it was written"


def _row_problems(database: duckdb.DuckDBPyConnection, source: str, manifest: Manifest) -> Iterator[str]:
    """What no file shows by itself."""
    doubles = f"select count(*) - count(distinct (block_number, log_index)) from {source}"
    if count := database.execute(doubles).fetchall()[0][0]:
        yield f"{count} events are stored twice"
    if strays := _unclaimed(database, source, manifest, EventKind.SWAP):
        yield f"{strays} swaps lie outside the blocks that are said to be stored"
    yield from _price_problems(database, source, manifest)


def _unclaimed(database: duckdb.DuckDBPyConnection, source: str, manifest: Manifest, kind: EventKind) -> int:
    """Events of a kind in blocks that are not said to be complete for it."""
    parts = (*manifest.coverage, *([manifest.tail.coverage] if manifest.tail else []))
    spans = [f"block_number between {part.first_block} and {part.last_block}" for part in parts if kind in part.kinds]
    outside = f"select count(*) from {source} where event = '{kind}' and not ({' or '.join(spans) or 'false'})"
    return int(database.execute(outside).fetchall()[0][0])


def _price_problems(database: duckdb.DuckDBPyConnection, source: str, manifest: Manifest) -> Iterator[str]:
    """Swaps that moved the price against what was paid in: one before them must be missing."""
    for part in manifest.stretches((EventKind.SWAP,), with_tail=True):
        against = f"""
            select block_number, log_index from (
                select block_number, log_index, amount0, amount1, lpad(sqrt_price_x96, 49, '0') as price,
                    lag(price) over (order by block_number, log_index) as before
                from {source} where event = 'SWAP' and block_number between {part.first_block} and {part.last_block}
            ) where (amount0 not like '-%' and amount0 <> '0' and price > before)
                or (amount1 not like '-%' and amount1 <> '0' and price < before)
            order by all
        """
        found: list[tuple[Any, ...]] = database.execute(against).fetchall()
        if found:
            block, index = found[0]
            yield (
                f"{len(found)} swaps, the first log {index} of block {block}, moved the price against what was paid in:"
                " events before them are missing or wrong"
            )


def _totals(database: duckdb.DuckDBPyConnection, source: str) -> dict[str, int]:
    counts = database.execute(f"select event, count(*) from {source} group by event").fetchall()
    totals = {str(kind): 0 for kind in EventKind} | dict(counts)
    # Python's integers, since the sum of a pool's life may pass 128 bits.
    cursor = database.execute(f"select amount0, amount1 from {source} where event = 'SWAP'")
    sums = dict.fromkeys(("volume0", "volume1", "net0", "net1"), 0)
    while part := cursor.fetchmany(10_000):
        for amounts in part:
            for token, amount in enumerate(int(amount) for amount in amounts):
                sums[f"volume{token}"] += abs(amount)
                sums[f"net{token}"] += amount
    return totals | sums


def audit_series(folder: Path) -> Report:
    """Read the bars of a folder back.

    Raises:
        ConfigError: their list is damaged.
    """
    problems, notes, rows = list[str](), list[str](), 0
    database = open_database()
    for one in read_series(folder):
        path = folder / one.name
        if not path.is_file():
            problems.append(f"{one.name} is missing")
            continue
        if sha256_of(path) != one.sha256:
            problems.append(f"{one.name} was changed since it was written")
            continue
        count, distinct = database.execute(
            "select count(*), count(distinct start_s) from read_parquet(?)", [str(path)]
        ).fetchall()[0]
        rows += count
        if count != one.rows:
            problems.append(f"{one.name} holds {count} bars, not {one.rows}")
        if count != distinct:
            problems.append(f"{one.name} has {count - distinct} bars twice")
        if one.missing:
            # Nothing can fetch what the source itself does not have.
            notes.append(f"gap: {one.missing} bars of {one.width_s} s are not in {one.name}, and were not in its source")
    database.close()
    return Report(folder=folder, problems=tuple(problems), notes=tuple(notes), totals={"bars": rows})

"""Stored events that change a pool, as they lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.manifest import Manifest, StoredFile, read_manifest, sha256_of
from keeper.adapters.history.store import open_database, scan
from keeper.core.model.errors import ConfigError
from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.simulation.tape import TapeError

# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; outside values are parameters

NEEDED = (EventKind.SWAP, EventKind.MINT, EventKind.BURN)
"""Kinds without any of which a pool cannot be followed."""
WANTED = (EventKind.FLASH, EventKind.FEE_PROTOCOL)
"""Kinds without which its fees may be off."""
ANY_BLOCK = 1 << 62
"""A bound where the time alone decides."""


class RecordedEvent(NamedTuple):
    """A stored event, as far as it changes a pool; see ``EventRow`` for its fields."""

    block: int
    timestamp_s: int
    log_index: int
    kind: EventKind
    amount0: int
    amount1: int
    sqrt_price_x96: int | None
    liquidity: int | None
    tick: int | None
    tick_lower: int | None
    tick_upper: int | None
    liquidity_delta: int | None


def recorded_swap(row: RecordedEvent) -> RecordedSwap | None:
    """The swap of a row; None when what the pool was after it is not recorded."""
    if row.sqrt_price_x96 is None or row.liquidity is None or row.tick is None:
        return None
    return RecordedSwap(
        amount0=row.amount0,
        amount1=row.amount1,
        sqrt_price_x96=row.sqrt_price_x96,
        liquidity=row.liquidity,
        tick=row.tick,
    )


def manifest_of(folder: Path) -> Manifest:
    """What counts in a pool's folder.

    Raises:
        TapeError: there is no history, or its manifest is damaged.
    """
    try:
        manifest = read_manifest(folder)
    except ConfigError as error:
        raise TapeError(error.problems) from None
    if manifest is None:
        raise TapeError([f"{folder} holds no history: keeper data download fetches it, keeper data import takes it in"])
    return manifest


class Bounds(NamedTuple):
    """Of events: ``after_block`` < block <= ``upto_block``, and ``from_s`` <= time < ``to_s``."""

    after_block: int
    upto_block: int
    from_s: int
    to_s: int


class StoredEvents:
    """Reads the events of a pool's folder, from files that are what their manifest says; to be closed.

    Args:
        folder: of the pool.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = open_database()
        self._whole = set[str]()

    def close(self) -> None:
        """Let go of the memory."""
        self._database.close()

    def read(self, files: Sequence[StoredFile], bounds: Bounds) -> list[RecordedEvent]:
        """Events in the order of the chain, collects apart.

        Raises:
            TapeError: a file is missing, was changed since it was written, or does not read.
        """
        for file in files:
            path = self._folder / file.name
            if file.name not in self._whole and (not path.is_file() or sha256_of(path) != file.sha256):
                raise TapeError([f"{path} is missing, torn or was changed since it was written: keeper data check tells more"])
            self._whole.add(file.name)
        kinds = ", ".join(f"'{kind}'" for kind in (*NEEDED, *WANTED))
        query = (
            "select block_number, epoch(timestamp)::bigint, log_index, event, amount0, amount1, sqrt_price_x96, liquidity,"
            f" tick, tick_lower, tick_upper, liquidity_delta from {scan([self._folder / file.name for file in files])}"
            f" where event in ({kinds}) and block_number > ? and block_number <= ?"
            " and timestamp >= make_timestamp(?::bigint * 1000000) and timestamp < make_timestamp(?::bigint * 1000000)"
            " order by block_number, log_index"
        )
        try:
            rows = self._database.execute(query, list(bounds)).fetchall()
        except duckdb.Error as error:
            raise TapeError([f"{self._folder}: the stored events do not read: {str(error).splitlines()[0]}"]) from None
        return [
            RecordedEvent(
                block,
                timestamp_s,
                index,
                EventKind(kind),
                int(amount0),
                int(amount1),
                None if price is None else int(price),
                None if depth is None else int(depth),
                tick,
                lower,
                upper,
                None if delta is None else int(delta),
            )
            for block, timestamp_s, index, kind, amount0, amount1, price, depth, tick, lower, upper, delta in rows
        ]

"""Events of a pool as rows, whoever tells of them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class EventKind(StrEnum):
    """What a pool tells in its logs."""

    SWAP = "SWAP"
    MINT = "MINT"
    BURN = "BURN"
    COLLECT = "COLLECT"
    FLASH = "FLASH"
    FEE_PROTOCOL = "FEE_PROTOCOL"


class EventRow(NamedTuple):
    """One event; what an event has not is None.

    Amounts of swaps are as the pool sees them (> 0 came in), those of a flash loan are what was paid for it; of a new share of
    the protocol they are its two denominators, 0 for none. ``liquidity`` and ``tick`` are those after the swap;
    ``liquidity_delta`` is minted > 0, burned < 0, zero when only fees were brought up to date.
    """

    block_number: int
    timestamp_s: int | None
    """None until the block's header is known."""
    tx_hash: str
    tx_index: int
    log_index: int
    event: EventKind
    sender: str | None
    recipient: str | None
    owner: str | None
    """Who holds the position in the pool: for those of a position manager, the manager."""
    amount0: int
    amount1: int
    sqrt_price_x96: int | None
    liquidity: int | None
    tick: int | None
    tick_lower: int | None
    tick_upper: int | None
    liquidity_delta: int | None


class PoolEvents(NamedTuple):
    """What a node tells of a stretch of blocks."""

    rows: list[EventRow]
    hashes: dict[int, str]
    """Number -> hash, of every block that has a row."""

"""Stored events of a made-up pool, for tests of the market history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.history.manifest import Coverage
from keeper.adapters.history.rows import ALL_KINDS

POOL = "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"
BEGIN_S = 1_759_276_800
"""2025-10-01 00:00 UTC, the time of block 0."""
BLOCK_S = 12
PRICE = 1_230_517_565_215_743_880_847_134_828_410_784
OWNER = "0x" + "33" * 20
TICKS = (193_000, 193_100)


def time_of(block: int) -> int:
    return BEGIN_S + BLOCK_S * block


def _row(kind: EventKind, block: int, index: int, **values: Any) -> EventRow:
    blank: dict[str, Any] = dict.fromkeys(EventRow._fields)
    place = {
        "block_number": block,
        "timestamp_s": time_of(block),
        "tx_hash": f"0x{block:060x}{index:04x}",
        "tx_index": index,
        "log_index": index,
        "event": kind,
        "amount0": 0,
        "amount1": 0,
    }
    return EventRow(**{**blank, **place, **values})


def swap(block: int, index: int = 0, *, price: int = PRICE, amount0: int = 5, amount1: int = -3, **values: Any) -> EventRow:
    usual = {"sender": OWNER, "recipient": OWNER, "liquidity": 10**18, "tick": 193_021}
    both = {"sqrt_price_x96": price, "amount0": amount0, "amount1": amount1}
    return _row(EventKind.SWAP, block, index, **{**usual, **both, **values})


def mint(block: int, index: int, liquidity: int, *, ticks: tuple[int, int] = TICKS, **values: Any) -> EventRow:
    usual = {"owner": OWNER, "sender": OWNER, "tick_lower": ticks[0], "tick_upper": ticks[1]}
    return _row(EventKind.MINT, block, index, liquidity_delta=liquidity, **{**usual, **values})


def burn(block: int, index: int, liquidity: int, *, ticks: tuple[int, int] = TICKS, **values: Any) -> EventRow:
    usual = {"owner": OWNER, "tick_lower": ticks[0], "tick_upper": ticks[1]}
    return _row(EventKind.BURN, block, index, liquidity_delta=-liquidity, **{**usual, **values})


def moved(block: int, index: int, change: int, *, ticks: tuple[int, int] = TICKS, **values: Any) -> EventRow:
    """Liquidity that was minted, above zero, or burned."""
    return (mint if change > 0 else burn)(block, index, abs(change), ticks=ticks, **values)


def covered(first: int, last: int, kinds: Sequence[EventKind] = ALL_KINDS, **change: Any) -> Coverage:
    """Blocks ``first`` to ``last``, told by their own times."""
    usual: dict[str, Any] = {
        "first_block": first,
        "last_block": last,
        "from_s": min(time_of(first) + 1, time_of(last)),
        "to_s": time_of(last),
        "kinds": tuple(kinds),
        "sources": ("test",),
    }
    return Coverage(**{**usual, **change})

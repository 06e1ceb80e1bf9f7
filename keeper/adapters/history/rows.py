"""The one table that every stored event is a row of, as Parquet columns and as what a download writes."""

from __future__ import annotations

from keeper.adapters.evm.event_rows import EventKind

ALL_KINDS = tuple(EventKind)

COLUMNS = {
    "block_number": "BIGINT",
    "timestamp": "TIMESTAMP",
    "tx_hash": "VARCHAR",
    "tx_index": "BIGINT",
    "log_index": "BIGINT",
    "event": "VARCHAR",
    "sender": "VARCHAR",
    "recipient": "VARCHAR",
    "owner": "VARCHAR",
    "amount0": "VARCHAR",
    "amount1": "VARCHAR",
    "sqrt_price_x96": "VARCHAR",
    "liquidity": "VARCHAR",
    "tick": "INTEGER",
    "tick_lower": "INTEGER",
    "tick_upper": "INTEGER",
    "liquidity_delta": "VARCHAR",
}
"""Column -> DuckDB type, in the order of the fields of ``EventRow``.

Big integers are decimal text, since no Parquet integer holds them; times are UTC without a zone.
"""

KEY = ("block_number", "log_index")
"""What names an event: no chain has two of one key."""

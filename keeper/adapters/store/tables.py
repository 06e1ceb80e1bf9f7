"""The journal's tables. Rows are only ever added; what happens later to a thing is a row of its own.

The migrations build these tables; a test compares the two.
"""

from __future__ import annotations

import zlib

from sqlalchemy import (
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator


class WideInteger(TypeDecorator[int]):
    """An integer of any size, stored as decimal text: SQLite's own integers end at 64 bits."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # ruff: ignore[unused-method-argument] - the signature is SQLAlchemy's
        """Decimal text of ``value``."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:  # ruff: ignore[unused-method-argument] - the signature is SQLAlchemy's
        """The integer that was stored."""
        return None if value is None else int(value)


class Document(TypeDecorator[str]):
    """Canonical JSON, deflated: views repeat themselves, and one is written a cycle. Its checksum is verified on reading."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # ruff: ignore[unused-method-argument] - the signature is SQLAlchemy's
        """The bytes to store."""
        return None if value is None else zlib.compress(value.encode(), level=6)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # ruff: ignore[unused-method-argument] - the signature is SQLAlchemy's
        """The text that was stored.

        Raises:
            zlib.error: the bytes were damaged.
        """
        return None if value is None else zlib.decompress(value).decode()


REVISION = "0002"
"""The newest migration: what these tables are."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Whose journal it is: chain_id and account."""

policies = Table(
    "policies",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("policy", Document, nullable=False),
)

prices = Table(
    "prices",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("block", Integer, primary_key=True, autoincrement=False),
    Column("timestamp_s", Integer, nullable=False),
    Column("sqrt_price_x96", WideInteger, nullable=False),
    Column("high_x96", WideInteger, nullable=False),
    Column("low_x96", WideInteger, nullable=False),
    Column("volume0", WideInteger, nullable=False),
    Column("volume1", WideInteger, nullable=False),
    Column("swaps", Integer, nullable=False),
    Column("net0", WideInteger),
    Column("net1", WideInteger),
    Column("jit0", WideInteger),
    Index("ix_prices_time", "pool", "timestamp_s", "block"),
    sqlite_with_rowid=False,
)

bars = Table(
    "bars",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("width_s", Integer, primary_key=True, autoincrement=False),
    Column("start_s", Integer, primary_key=True, autoincrement=False),
    Column("open_x96", WideInteger, nullable=False),
    Column("high_x96", WideInteger, nullable=False),
    Column("low_x96", WideInteger, nullable=False),
    Column("close_x96", WideInteger, nullable=False),
    Column("wick_high_x96", WideInteger, nullable=False),
    Column("wick_low_x96", WideInteger, nullable=False),
    Column("volume0", WideInteger, nullable=False),
    Column("volume1", WideInteger, nullable=False),
    Column("net0", WideInteger),
    Column("net1", WideInteger),
    Column("jit0", WideInteger),
    Column("swaps", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Minutes and hours of signal pools."""

samples = Table(
    "samples",
    metadata,
    Column("pool", Text, primary_key=True),
    Column("timestamp_s", Integer, primary_key=True, autoincrement=False),
    Column("sample", Document, nullable=False),
    sqlite_with_rowid=False,
)
"""The surroundings of a signal pool."""

quotes = Table(
    "quotes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("seen_s", Integer, nullable=False),
    Column("as_of_s", Integer, nullable=False),
    Column("value", Float),
    Column("source", Text, nullable=False),
    Column("fault", Text),
    Index("ix_quotes_seen", "seen_s", "id"),
    Index("ix_quotes_name", "name", "id"),
    sqlite_autoincrement=True,
)
"""What others said, a row whenever it changed."""

cycles = Table(
    "cycles",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("started_s", Integer, nullable=False),
    Column("block", Integer, nullable=False),
    Column("timestamp_s", Integer, nullable=False),
    Column("policy_digest", Text, ForeignKey(policies.c.digest), nullable=False),
    Column("view_digest", Text, nullable=False),
    Column("view", Document, nullable=False),
    Column("readings", Document, nullable=False),
    Column("decision", Document, nullable=False),
    Column("plan", Document),
    sqlite_autoincrement=True,
)
"""What was seen, thought and planned. ``started_s`` is the wall clock; ``block`` and ``timestamp_s`` are the chain's."""

cycle_ends = Table(
    "cycle_ends",
    metadata,
    Column("cycle_id", Integer, ForeignKey(cycles.c.id), primary_key=True),
    Column("ended_s", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("memory", Document, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", Integer, ForeignKey(cycles.c.id), nullable=False),
    Column("kind", Text, nullable=False),
    Column("steps_digest", Text, nullable=False),
    Column("stage", Document, nullable=False),
    Column("deadline_s", Integer, nullable=False),
    Index("ix_intents_cycle", "cycle_id"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("intent_id", Integer, ForeignKey(intents.c.id), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("k", Integer, primary_key=True),
    Column("nonce", Integer, nullable=False),
    Column("tx_hash", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("max_fee_wei", WideInteger, nullable=False),
    Column("tip_wei", WideInteger, nullable=False),
    UniqueConstraint("tx_hash", name="uq_attempts_tx_hash"),
    sqlite_with_rowid=False,
)
"""``k`` counts the fee bumps of one transaction of a stage, from 0."""

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("intent_id", Integer, ForeignKey(intents.c.id), nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Document, nullable=False),
    Column("now_s", Integer, nullable=False),
    Index("ix_outcomes_intent", "intent_id"),
    Index("uq_outcomes_final", "intent_id", unique=True, sqlite_where=text("kind <> 'unknown'")),
    sqlite_autoincrement=True,
)
"""An intent may be unknown many times, and has one final outcome."""

layer_tokens = Table(
    "layer_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_id", WideInteger, nullable=False),
    Column("layer", Text, nullable=False),
    Column("since_cycle", Integer, ForeignKey(cycles.c.id)),
    Index("ix_layer_tokens_token", "token_id"),
    sqlite_autoincrement=True,
)
"""The newest row of a token counts; a position that was burnt keeps its row."""

control = Table(
    "control",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "action",
        Text,
        CheckConstraint("action IN ('pause', 'resume', 'halt', 'clear_halt')", name="ck_control_action"),
        nullable=False,
    ),
    Column("why", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at_s", Integer, nullable=False),
    sqlite_autoincrement=True,
)
"""The newest of pause and resume counts, and apart from it the newest of halt and clear_halt."""

"""Bars, samples and quotes, and the direction of what was traded. Rows of before do not know it: they keep NULL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: tuple[str, ...] | None = None
depends_on: tuple[str, ...] | None = None

_STATEMENTS = """
ALTER TABLE prices ADD COLUMN net0 VARCHAR;
ALTER TABLE prices ADD COLUMN net1 VARCHAR;
ALTER TABLE prices ADD COLUMN jit0 VARCHAR;
CREATE TABLE bars (
    pool TEXT NOT NULL,
    width_s INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    open_x96 VARCHAR NOT NULL,
    high_x96 VARCHAR NOT NULL,
    low_x96 VARCHAR NOT NULL,
    close_x96 VARCHAR NOT NULL,
    wick_high_x96 VARCHAR NOT NULL,
    wick_low_x96 VARCHAR NOT NULL,
    volume0 VARCHAR NOT NULL,
    volume1 VARCHAR NOT NULL,
    net0 VARCHAR,
    net1 VARCHAR,
    jit0 VARCHAR,
    swaps INTEGER NOT NULL,
    PRIMARY KEY (pool, width_s, start_s)
) WITHOUT ROWID;
CREATE TABLE samples (
    pool TEXT NOT NULL,
    timestamp_s INTEGER NOT NULL,
    sample BLOB NOT NULL,
    PRIMARY KEY (pool, timestamp_s)
) WITHOUT ROWID;
CREATE TABLE quotes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    seen_s INTEGER NOT NULL,
    as_of_s INTEGER NOT NULL,
    value FLOAT,
    source TEXT NOT NULL,
    fault TEXT
);
CREATE INDEX ix_quotes_seen ON quotes (seen_s, id);
CREATE INDEX ix_quotes_name ON quotes (name, id)
"""
_APPEND_ONLY = ("bars", "samples", "quotes")


def upgrade() -> None:
    """From the first tables."""
    for statement in _STATEMENTS.split(";"):
        op.execute(sa.text(statement))
    for table in _APPEND_ONLY:
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                sa.text(
                    f"CREATE TRIGGER no_{deed.lower()}_{table} BEFORE {deed} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            )

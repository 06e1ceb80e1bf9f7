"""The journal's first tables, and the triggers that keep every one of them append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: tuple[str, ...] | None = None
depends_on: tuple[str, ...] | None = None

_TABLES = """
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE policies (
    digest TEXT NOT NULL PRIMARY KEY,
    policy BLOB NOT NULL
);
CREATE TABLE prices (
    pool TEXT NOT NULL,
    block INTEGER NOT NULL,
    timestamp_s INTEGER NOT NULL,
    sqrt_price_x96 VARCHAR NOT NULL,
    high_x96 VARCHAR NOT NULL,
    low_x96 VARCHAR NOT NULL,
    volume0 VARCHAR NOT NULL,
    volume1 VARCHAR NOT NULL,
    swaps INTEGER NOT NULL,
    PRIMARY KEY (pool, block)
) WITHOUT ROWID;
CREATE INDEX ix_prices_time ON prices (pool, timestamp_s, block);
CREATE TABLE cycles (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    started_s INTEGER NOT NULL,
    block INTEGER NOT NULL,
    timestamp_s INTEGER NOT NULL,
    policy_digest TEXT NOT NULL REFERENCES policies (digest),
    view_digest TEXT NOT NULL,
    view BLOB NOT NULL,
    readings BLOB NOT NULL,
    decision BLOB NOT NULL,
    plan BLOB
);
CREATE TABLE cycle_ends (
    cycle_id INTEGER NOT NULL PRIMARY KEY REFERENCES cycles (id),
    ended_s INTEGER NOT NULL,
    state TEXT NOT NULL,
    memory BLOB NOT NULL
);
CREATE TABLE intents (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    cycle_id INTEGER NOT NULL REFERENCES cycles (id),
    kind TEXT NOT NULL,
    steps_digest TEXT NOT NULL,
    stage BLOB NOT NULL,
    deadline_s INTEGER NOT NULL
);
CREATE INDEX ix_intents_cycle ON intents (cycle_id);
CREATE TABLE attempts (
    intent_id INTEGER NOT NULL REFERENCES intents (id),
    sequence INTEGER NOT NULL,
    k INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    tx_hash TEXT NOT NULL,
    raw TEXT NOT NULL,
    max_fee_wei VARCHAR NOT NULL,
    tip_wei VARCHAR NOT NULL,
    PRIMARY KEY (intent_id, sequence, k),
    CONSTRAINT uq_attempts_tx_hash UNIQUE (tx_hash)
) WITHOUT ROWID;
CREATE TABLE outcomes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    intent_id INTEGER NOT NULL REFERENCES intents (id),
    kind TEXT NOT NULL,
    outcome BLOB NOT NULL,
    now_s INTEGER NOT NULL
);
CREATE INDEX ix_outcomes_intent ON outcomes (intent_id);
CREATE UNIQUE INDEX uq_outcomes_final ON outcomes (intent_id) WHERE kind <> 'unknown';
CREATE TABLE layer_tokens (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    token_id VARCHAR NOT NULL,
    layer TEXT NOT NULL,
    since_cycle INTEGER REFERENCES cycles (id)
);
CREATE INDEX ix_layer_tokens_token ON layer_tokens (token_id);
CREATE TABLE control (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL CONSTRAINT ck_control_action CHECK (action IN ('pause', 'resume', 'halt', 'clear_halt')),
    why TEXT NOT NULL,
    who TEXT NOT NULL,
    at_s INTEGER NOT NULL
)
"""

_APPEND_ONLY = (
    "meta",
    "policies",
    "prices",
    "cycles",
    "cycle_ends",
    "intents",
    "attempts",
    "outcomes",
    "layer_tokens",
    "control",
)


def upgrade() -> None:
    """From an empty file."""
    for statement in _TABLES.split(";"):
        op.execute(sa.text(statement))
    for table in _APPEND_ONLY:
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                sa.text(
                    f"CREATE TRIGGER no_{deed.lower()}_{table} BEFORE {deed} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            )

"""A journal as the keeper of the first schema left it: its own migration, and documents with the fields that it had."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

from keeper.adapters.store.database import make_private_file, writing_engine
from keeper.core.model.codec import digest_of, encode
from keeper.core.model.ladder import Regime
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import CycleState
from tests.builders import decision, ladder, memory, policy, prices, reading, view
from tests.pairs import BLOCK, DAY_S, NOW_S, USDC_WETH_500, WALLET

POOL = USDC_WETH_500.address
ROWS = prices(6.0)
VIEW = view(held=ladder(), remembered=memory(regime=Regime.STRESSED))
LEFT = memory(regime=Regime.STRESSED, last_cycle_s=NOW_S)
READINGS = (reading("volatility_forecast", 0.61), reading("volatility_pool_implied", None), reading("price", 3_987.65))


def write_old_journal(path: Path, *, ended: bool = True) -> None:
    """Six hours of prices and one cycle, ended or as a crash left it."""
    make_private_file(path)
    config = Config()
    config.set_main_option("script_location", "keeper.adapters.store:migrations")
    engine = writing_engine(path)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as stored, stored:
        stored.executemany("INSERT INTO meta VALUES (?, ?)", [("chain_id", "1"), ("account", WALLET)])
        stored.executemany("INSERT INTO prices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_price_values, ROWS))
        rules, seen = _policy_text(), _view_text()
        stored.execute("INSERT INTO policies VALUES (?, ?)", (digest_of(rules), _deflated(rules)))
        documents = (digest_of(rules), digest_of(seen), *map(_deflated, (seen, _readings_text(), encode(decision()))))
        stored.execute("INSERT INTO cycles VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", (NOW_S + 1, BLOCK, NOW_S, *documents))
        if ended:
            left = _deflated(_canonical(_memory_document(json.loads(encode(LEFT)))))
            stored.execute("INSERT INTO cycle_ends VALUES (1, ?, ?, ?)", (NOW_S + 2, CycleState.HELD.value, left))
        stored.execute("INSERT INTO layer_tokens VALUES (1, '1001', 'core', NULL)")
        stored.execute("INSERT INTO control VALUES (1, 'pause', 'upgrade', 'ann', ?)", (NOW_S,))


def _price_values(row: BlockPrice) -> tuple[object, ...]:
    wide = (row.sqrt_price_x96, row.high_x96, row.low_x96, row.volume0, row.volume1)
    return POOL, row.block, row.timestamp_s, *map(str, wide), row.swaps


def _policy_text() -> str:
    document = json.loads(encode(policy()))
    for later in ("stress", "calendar", "outside"):
        del document[later]
    document["signals"]["bar_s"] = 3_600
    return _canonical(document)


def _view_text() -> str:
    document = json.loads(encode(VIEW))
    document["history"] = {
        "pool": POOL,
        "first_block": ROWS[0].block,
        "last_block": ROWS[-1].block,
        "rows": len(ROWS),
        "digest": digest_of(_canonical({"pool": POOL, "rows": [_old_row(row) for row in ROWS]})),
    }
    document["memory"] = _memory_document(document["memory"])
    return _canonical(document)


def _old_row(row: BlockPrice) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encode(row._asdict()))
    return {name: value for name, value in document.items() if name not in {"net0", "net1", "jit0"}}


def _memory_document(document: dict[str, Any]) -> dict[str, Any]:
    hours, days = range(24), range(180)
    grown = {"fee_growth_global0_x128": 2**200, "fee_growth_global1_x128": 2**255}
    return {
        **document,
        "fee_growth": [{"timestamp_s": NOW_S - 3_600 * (24 - hour), **grown} for hour in hours],
        "volatilities": [{"day": NOW_S // DAY_S - 180 + day, "annualised": 0.5 + day / 1_000} for day in days],
    }


def _readings_text() -> str:
    documents = [json.loads(encode(one)) for one in READINGS]
    return _canonical([{name: value for name, value in one.items() if name not in {"note", "z"}} for one in documents])


def _canonical(document: object) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _deflated(text: str) -> bytes:
    return zlib.compress(text.encode(), level=6)

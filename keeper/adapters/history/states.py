"""Whole pools, as they stood at the end of a block, in files: exact, whatever the size of their integers."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeper.adapters.history.manifest import StoredState, sha256_of
from keeper.core.model.errors import ConfigError
from keeper.core.v3math.oracle import Observation, OracleSnapshot
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick import TickInfo

STATES = "states"
_FIELDS = (
    "sqrt_price_x96",
    "tick",
    "liquidity",
    "fee_growth_global0_x128",
    "fee_growth_global1_x128",
    "fee_protocol",
    "protocol_fees0",
    "protocol_fees1",
)
_OBSERVATIONS = "observations"
"""Missing in states whose source does not tell them."""
_TICK_FIELDS = ("liquidity_gross", "liquidity_net", "fee_growth_outside0_x128", "fee_growth_outside1_x128")


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePool:
    """A pool at the end of a block."""

    block: int
    timestamp_s: int
    block_hash: str | None
    """None where its source does not tell it."""
    source: str
    pool: PoolSnapshot
    """Without positions, which a chain does not list. Its fee and spacing are not stored: the pool's key has them."""


def encode_state(pool: PoolSnapshot) -> bytes:
    """A pool as gzipped JSON, positions, fee and spacing apart; equal pools are equal bytes."""
    document: dict[str, Any] = {name: getattr(pool, name) for name in _FIELDS}
    ticks = [[tick, *(getattr(pool.ticks[tick], name) for name in _TICK_FIELDS)] for tick in sorted(pool.ticks)]
    if pool.observations is not None:
        ring = [list(map(int, one)) for one in pool.observations.observations]
        document[_OBSERVATIONS] = [pool.observations.index, pool.observations.cardinality, ring]
    return gzip.compress(json.dumps(document | {"ticks": ticks}, separators=(",", ":")).encode(), mtime=0)


def decode_state(raw: bytes, *, fee_pips: int, tick_spacing: int) -> PoolSnapshot:
    """What :func:`encode_state` wrote, of a pool of that fee and spacing.

    Raises:
        ValueError: it is damaged, contradicts itself, or has ticks off the spacing.
    """
    try:
        document: Mapping[str, Any] = json.loads(gzip.decompress(raw))
        ticks = {
            _whole(tick): TickInfo(**dict(zip(_TICK_FIELDS, map(_whole, numbers), strict=True)))
            for tick, *numbers in document["ticks"]
        }
        values: dict[str, Any] = {name: _whole(document[name]) for name in _FIELDS}
        values["observations"] = _observations(document[_OBSERVATIONS]) if _OBSERVATIONS in document else None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is damaged: {error}") from None
    if stray := next((tick for tick in ticks if tick % tick_spacing), None):
        raise ValueError(f"its tick {stray} does not lie on the pool's spacing {tick_spacing}: it is another pool's")
    return PoolSnapshot(fee_pips=fee_pips, tick_spacing=tick_spacing, ticks=ticks, **values)


def _observations(document: tuple[int, int, list[list[int]]]) -> OracleSnapshot:
    index, cardinality, ring = document
    places = (map(_whole, numbers) for numbers in ring)
    return OracleSnapshot(
        index=_whole(index),
        cardinality=_whole(cardinality),
        observations=tuple(Observation(at_s, ticks, seconds, bool(written)) for at_s, ticks, seconds, written in places),
    )


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def read_state(folder: Path, stored: StoredState, *, fee_pips: int, tick_spacing: int) -> PoolSnapshot:
    """A stored pool.

    Raises:
        ConfigError: its file is missing, was changed, or is another pool's.
    """
    path = folder / stored.name
    if not path.is_file():
        raise ConfigError([f"{path} is missing: import or download the state of block {stored.block} anew"])
    if sha256_of(path) != stored.sha256:
        raise ConfigError([f"{path} was changed since it was written: remove it, and import or download it anew"])
    try:
        return decode_state(path.read_bytes(), fee_pips=fee_pips, tick_spacing=tick_spacing)
    except ValueError as error:
        raise ConfigError([f"{path} is no state of this pool: {error}"]) from None

"""Kinds of files that others make, told by their columns, and how each becomes ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.rows import COLUMNS
from keeper.core.model.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A kind of file."""

    name: str
    columns: frozenset[str]
    """All of which it has."""
    table: Mapping[str, str]
    """Our column -> the expression that makes it; what is not named is null."""
    kinds: tuple[EventKind, ...] = ()
    """Kinds of events that it is complete for, as far as it has any; none for bars."""


def _layout(name: str, table: Mapping[str, str], *, columns: str, kinds: Sequence[EventKind] = ()) -> Layout:
    return Layout(name=name, columns=frozenset(columns.split()), table=table, kinds=tuple(kinds))


_PLACE = {
    "block_number": "block_number",
    "timestamp": "block_timestamp",
    "tx_hash": "'0x' || right(lower(transaction_hash), 64)",
    "log_index": "log_index",
    "amount0": "amount0_raw",
    "amount1": "amount1_raw",
}
_PLACE_COLUMNS = "block_number block_timestamp transaction_hash log_index amount0_raw amount1_raw"
_RANGE = {"owner": "owner", "tick_lower": "tick_lower", "tick_upper": "tick_upper"}

EVENT_LAYOUTS = (
    _layout(
        "all events of a pool",
        {column: column for column in COLUMNS},
        columns=" ".join(COLUMNS),
        kinds=tuple(EventKind),
    ),
    _layout(
        "events with an estimated liquidity",
        # An estimate is no liquidity, the price beside a mint is not its own, and whose positions they are is not told.
        {
            **{name: name for name in ("block_number", "timestamp", "tx_hash", "tx_index", "log_index", "event")},
            **{name: name for name in ("amount0", "amount1", "tick_lower", "tick_upper", "recipient")},
            "sender": "case when event = 'SWAP' then sender end",
            "sqrt_price_x96": "case when event = 'SWAP' then sqrt_price_x96 end",
            "tick": "case when event = 'SWAP' then tick end",
            "liquidity_delta": "case event when 'MINT' then liquidity_delta when 'BURN' then '-' || liquidity_delta end",
        },
        columns="block_number timestamp event tx_hash tx_index log_index sender recipient amount0 amount1 pool_liquidity_est"
        " sqrt_price_x96 tick tick_lower tick_upper liquidity_delta",
        kinds=(EventKind.SWAP,),
    ),
    _layout(
        "swaps of a pool",
        {**_PLACE, "event": "'SWAP'", "sqrt_price_x96": "sqrtPriceX96", "liquidity": "active_liquidity", "tick": "tick"},
        columns=f"{_PLACE_COLUMNS} sqrtPriceX96 active_liquidity tick",
        kinds=(EventKind.SWAP,),
    ),
    _layout(
        "mints and burns of a pool",
        {
            **_PLACE,
            **_RANGE,
            "event": "upper(event_type)",
            "liquidity_delta": "case when event_type = 'burn' then '-' || liquidity_raw else liquidity_raw end",
        },
        columns=f"{_PLACE_COLUMNS} event_type owner tick_lower tick_upper liquidity_raw",
        kinds=(EventKind.MINT, EventKind.BURN),
    ),
    _layout(
        "collects of a pool",
        {**_PLACE, **_RANGE, "event": "'COLLECT'", "recipient": "recipient"},
        columns=f"{_PLACE_COLUMNS} owner recipient tick_lower tick_upper",
        kinds=(EventKind.COLLECT,),
    ),
)

_OHLC = {"open": "open::double", "high": "high::double", "low": "low::double", "close": "close::double"}

TICK_BARS = _layout(
    "bars of a pool in ticks",
    {
        "open_tick": "openTick::integer",
        "high_tick": "highestTick::integer",
        "low_tick": "lowestTick::integer",
        "close_tick": "closeTick::integer",
        # What came in is told, and what came in less what went out: so both are known.
        "volume0": "(2 * inAmount0::hugeint - netAmount0::hugeint)::varchar",
        "volume1": "(2 * inAmount1::hugeint - netAmount1::hugeint)::varchar",
        "net0": "netAmount0::hugeint::varchar",
        "net1": "netAmount1::hugeint::varchar",
        "liquidity": "currentLiquidity::hugeint::varchar",
    },
    columns="timestamp netAmount0 netAmount1 closeTick openTick lowestTick highestTick inAmount0 inAmount1 currentLiquidity",
)
OUTSIDE_BARS = (
    _layout(
        "prices of a market outside",
        {**_OHLC, "volume": "volume_eth::double"},
        columns="timestamp open high low close volume_eth",
    ),
    _layout(
        "an implied volatility",
        {name: f"dvol_{name}::double" for name in _OHLC} | {"volume": "null::double"},
        columns="timestamp dvol_open dvol_high dvol_low dvol_close",
    ),
)
TICK_STATES = _layout(
    "ticks of daily states of a pool",
    {
        "block": "snapshot_block",
        "tick": "tick",
        "liquidity_net": "liquidityNet",
        "liquidity_gross": "liquidityGross",
        "outside0": "fee_growth_outside_0_x128",
        "outside1": "fee_growth_outside_1_x128",
    },
    columns="snapshot_block tick liquidityNet liquidityGross fee_growth_outside_0_x128 fee_growth_outside_1_x128",
)
SLOT_STATES = _layout(
    "daily states of a pool, ticks apart",
    {
        "block": "snapshot_block",
        "timestamp_s": "epoch(snapshot_timestamp)::bigint",
        "sqrt_price_x96": "sqrt_price_x96",
        "tick": "current_tick",
        "fee_protocol": "fee_protocol",
        "growth0": "fee_growth_global_0_x128",
        "growth1": "fee_growth_global_1_x128",
    },
    columns="snapshot_block snapshot_timestamp sqrt_price_x96 current_tick fee_protocol fee_growth_global_0_x128"
    " fee_growth_global_1_x128",
)
STATE_LAYOUTS = (TICK_STATES, SLOT_STATES)
LAYOUTS = (*EVENT_LAYOUTS, TICK_BARS, *OUTSIDE_BARS, *STATE_LAYOUTS)


class UnknownLayout(ConfigError):
    """A file is none of those that are known."""


def recognise(path: Path, columns: frozenset[str]) -> Layout:
    """The most telling layout whose columns are all there.

    Raises:
        UnknownLayout: there is none; names what the nearest one lacks.
    """
    fitting = [layout for layout in LAYOUTS if layout.columns <= columns]
    if fitting:
        return max(fitting, key=lambda layout: len(layout.columns))
    nearest = max(LAYOUTS, key=lambda layout: len(layout.columns & columns) / len(layout.columns))
    lacking = ", ".join(sorted(nearest.columns - columns))
    why = ""
    if {"amount0", "amount1"} <= columns and not {"sqrt_price_x96", "sqrtPriceX96"} & columns:
        why = " (without the price after each swap no bar can be made of it)"
    raise UnknownLayout([f"{path}: no layout that is known; nearest is '{nearest.name}', which lacks {lacking}{why}"])

"""A pool's state written straight into the storage of the real contract, so that it continues where another pool stood.

Ref: storage of ``UniswapV3Pool.sol`` and its libraries ``Tick``, ``TickBitmap``, ``Position``, ``Oracle`` (v3-core 1.0.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak

from keeper.adapters.evm.rpc import Call
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.pool_snapshot import PoolSnapshot, PositionInfo, PositionKey
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_bitmap import words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalChain
from keeper.localchain.storage import field, mapping_slot, packed, padded_int, word
from keeper.localchain.twin import Twin

OBSERVATIONS = 2000
"""Cardinality given to a pool: hours of history even when every block moves the tick."""
HISTORY_S = 3600
"""Length of the flat price history before the first block, so that a time-weighted price can be asked for at once."""

_SLOT0, _GROWTH0, _GROWTH1, _PROTOCOL_FEES, _LIQUIDITY, _TICKS, _BITMAP, _POSITIONS, _OBSERVATIONS = range(9)
_UINT32 = 1 << 32
_WRITES_PER_REQUEST = 2000

Write = tuple[int, int]
"""Storage slot and the word that goes there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReading:
    """Where a pool stands, read from its storage."""

    sqrt_price_x96: int
    tick: int
    liquidity: int


def reading_calls(pool: str) -> list[Call]:
    """The calls whose replies :func:`pool_reading` takes."""
    return [("eth_getStorageAt", [pool, hex(slot), "latest"]) for slot in (_SLOT0, _LIQUIDITY)]


def pool_reading(slot0: str, liquidity: str) -> PoolReading:
    """Decode the replies of :func:`reading_calls`."""
    word0 = int(slot0, 16)
    return PoolReading(
        sqrt_price_x96=field(word0, 0, 160), tick=field(word0, 160, 24, signed=True), liquidity=int(liquidity, 16)
    )


def _tick_writes(tick: int, info: TickInfo) -> Iterator[Write]:
    slot = mapping_slot(padded_int(tick), _TICKS)
    yield slot, packed((info.liquidity_gross, 128), (info.liquidity_net, 128))
    yield slot + 1, info.fee_growth_outside0_x128
    yield slot + 2, info.fee_growth_outside1_x128
    # Seconds and tick cumulatives outside stay zero: nothing of the keeper's reads them, and no snapshot carries them.
    yield slot + 3, packed((0, 56), (0, 160), (0, 32), (1, 8))


def _position_writes(key: PositionKey, info: PositionInfo) -> Iterator[Write]:
    identity = encode_packed(["address", "int24", "int24"], [key.owner, key.tick_lower, key.tick_upper])
    slot = mapping_slot(keccak(identity), _POSITIONS)
    yield slot, info.liquidity
    yield slot + 1, info.fee_growth_inside0_last_x128
    yield slot + 2, info.fee_growth_inside1_last_x128
    yield slot + 3, packed((info.tokens_owed0, 128), (info.tokens_owed1, 128))


def history_writes(tick: int, liquidity: int, timestamp_s: int) -> Iterator[Write]:
    """Two observations: the price stood at ``tick`` for an hour until ``timestamp_s``, with ``liquidity`` in range.

    They take the places 0 and 1, and slot0 must name place 1 as the latest. Ref: ``Oracle.sol``.
    """
    seconds_per_liquidity_x128 = (HISTORY_S << 128) // max(liquidity, 1)
    places = ((timestamp_s - HISTORY_S, 0, 0), (timestamp_s, tick * HISTORY_S, seconds_per_liquidity_x128))
    for place, (time_s, tick_cumulative, cumulative_x128) in enumerate(places):
        yield (
            _OBSERVATIONS + place,
            packed((time_s % _UINT32, 32), (tick_cumulative, 56), (cumulative_x128, 160), (1, 8)),
        )


def _slot0(snapshot: PoolSnapshot) -> int:
    return packed(
        (snapshot.sqrt_price_x96, 160),
        (snapshot.tick, 24),
        (1, 16),
        (OBSERVATIONS, 16),
        (OBSERVATIONS, 16),
        (snapshot.fee_protocol, 8),
        (1, 8),
    )


def storage_writes(snapshot: PoolSnapshot, timestamp_s: int) -> Iterator[Write]:
    """Every storage word of a pool in this state, observations ending at ``timestamp_s`` (Unix seconds)."""
    yield _SLOT0, _slot0(snapshot)
    yield _GROWTH0, snapshot.fee_growth_global0_x128
    yield _GROWTH1, snapshot.fee_growth_global1_x128
    yield _PROTOCOL_FEES, packed((snapshot.protocol_fees0, 128), (snapshot.protocol_fees1, 128))
    yield _LIQUIDITY, snapshot.liquidity
    for tick, info in snapshot.ticks.items():
        yield from _tick_writes(tick, info)
    for place, bits in words_of(snapshot.ticks, snapshot.tick_spacing).items():
        yield mapping_slot(padded_int(place), _BITMAP), bits
    for key, position in snapshot.positions.items():
        yield from _position_writes(key, position)
    yield from history_writes(snapshot.tick, snapshot.liquidity, timestamp_s)


def write_storage(chain: LocalChain, contract: str, writes: Iterator[Write]) -> int:
    """Write the words; how many they were."""
    calls: list[Call] = [("anvil_setStorageAt", [contract, word(slot), word(value)]) for slot, value in writes]
    for start in range(0, len(calls), _WRITES_PER_REQUEST):
        chain.rpc.batch(calls[start : start + _WRITES_PER_REQUEST])
    return len(calls)


def tokens_needed(snapshot: PoolSnapshot) -> tuple[int, int]:
    """What the pool must hold of token0 and token1, raw units, to pay out all liquidity at its present price; rounded **up**.

    Fees that accrued before the snapshot and were not collected are not in it.
    """
    ticks = sorted(snapshot.ticks)
    need0 = need1 = 1 + len(ticks)
    liquidity = 0
    for lower, upper in pairwise(ticks):
        liquidity += snapshot.ticks[lower].liquidity_net
        amount0, amount1 = get_amounts_for_liquidity(
            snapshot.sqrt_price_x96, get_sqrt_ratio_at_tick(lower), get_sqrt_ratio_at_tick(upper), liquidity
        )
        need0 += amount0
        need1 += amount1
    return need0 + snapshot.protocol_fees0, need1 + snapshot.protocol_fees1


def _fund(twin: Twin, pool: str, snapshot: PoolSnapshot) -> None:
    for name, raw in zip(("token0", "token1"), tokens_needed(snapshot), strict=True):
        function = interface("UniswapV3Pool").function(name)
        (token,) = function.decode(twin.chain.rpc.call("eth_call", {"to": pool, "input": function.call_data()}, "latest"))
        twin.fund(pool, token, raw)


def transplant(twin: Twin, snapshots: Mapping[str, PoolSnapshot], timestamp_s: int) -> int:
    """Make pools stand exactly as in their snapshots, with the tokens that they owe and an hour of flat price history.

    The chain's clock is brought to ``timestamp_s``. A pool must not have been used before: words that it has written and its
    snapshot does not name would stay.

    Args:
        twin: where.
        snapshots: address of a created pool without a price -> state to take on.
        timestamp_s: Unix seconds of the snapshots, not before the latest block.

    Returns:
        How many storage words were written.
    """
    for pool, snapshot in snapshots.items():
        _fund(twin, pool, snapshot)
    if twin.chain.timestamp_s() < timestamp_s:
        twin.chain.mine(timestamp_s=timestamp_s)
    return sum(write_storage(twin.chain, pool, storage_writes(snapshot, timestamp_s)) for pool, snapshot in snapshots.items())

"""Prices of a pool from its logs, one row a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from keeper.adapters.evm import checked, pool_events
from keeper.adapters.evm.event_rows import EventKind, EventRow, PoolEvents
from keeper.adapters.evm.passing_liquidity import passing_volume0
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.pool import BlockPrice, BlockRef

FIRST_CHUNK_BLOCKS = 5_000
"""Asked of a node at once when looking back; halved at every refusal."""
_KINDS = (EventKind.SWAP, EventKind.MINT, EventKind.BURN)


def logs_call(pool: str, first: int, last: int) -> Call:
    """The request for a pool's swaps, mints and burns in blocks ``first`` to ``last``, both included."""
    return pool_events.logs_call(pool, _KINDS, first, last)


def events_of(reply: object, pool: str, first: int, last: int) -> PoolEvents:
    """The events of an ``eth_getLogs`` reply, checked against what was asked.

    Raises:
        Reorged: a log was removed from the chain, or two logs of one block name different blocks.
        BadReply: a log of another pool, event or block, or not in chain order.
    """
    events = pool_events.events_of(reply, pool, _KINDS, first, last)
    places = [(row.block_number, row.log_index) for row in events.rows]
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise BadReply("pool logs are not in chain order")
    return events


def prices_of(rows: Sequence[EventRow], headers: Mapping[int, BlockRef]) -> tuple[BlockPrice, ...]:
    """One price for each block with a swap, oldest first.

    Args:
        rows: in chain order.
        headers: the blocks whose headers are known; must hold every block with a swap whose logs carry no time.

    Raises:
        BadReply: time runs backward.
    """
    prices: list[BlockPrice] = []
    for number, group in groupby(rows, key=lambda row: row.block_number):
        of_block = list(group)
        if swaps_in(of_block):
            header = headers.get(number)
            timestamp_s = header.timestamp_s if header else of_block[0].timestamp_s
            assert timestamp_s is not None
            if prices and timestamp_s < prices[-1].timestamp_s:
                raise BadReply(f"block {number} is older than block {prices[-1].block}")
            prices.append(_price(number, timestamp_s, of_block))
    return tuple(prices)


def _price(number: int, timestamp_s: int, of_block: Sequence[EventRow]) -> BlockPrice:
    swaps = swaps_in(of_block)
    after = [price for swap in swaps if (price := swap.sqrt_price_x96) is not None]
    return BlockPrice(
        block=number,
        timestamp_s=timestamp_s,
        sqrt_price_x96=after[-1],
        high_x96=max(after),
        low_x96=min(after),
        volume0=sum(abs(swap.amount0) for swap in swaps),
        volume1=sum(abs(swap.amount1) for swap in swaps),
        swaps=len(swaps),
        net0=sum(swap.amount0 for swap in swaps),
        net1=sum(swap.amount1 for swap in swaps),
        jit0=passing_volume0(of_block),
    )


def swaps_in(rows: Sequence[EventRow]) -> list[EventRow]:
    """The swaps among the rows, in their order."""
    return [row for row in rows if row.event is EventKind.SWAP]


def untimed_blocks(rows: Sequence[EventRow], headers: Mapping[int, BlockRef]) -> list[int]:
    """Blocks with a swap whose time is neither in their logs nor known from a header."""
    return sorted({swap.block_number for swap in swaps_in(rows) if swap.timestamp_s is None} - set(headers))


class LookBack:
    """Reads what one request cannot: long stretches of logs.

    Args:
        rpc: the node.
        pool: whose logs.
    """

    def __init__(self, rpc: Rpc, pool: str) -> None:
        self._rpc = rpc
        self._pool = pool
        self._chunk_blocks = FIRST_CHUNK_BLOCKS

    def events(self, first: int, last: int) -> PoolEvents:
        """All events of blocks ``first`` to ``last``; a stretch that the node refuses is halved, down to one block.

        Raises:
            ReadRefused: the node refuses a single block.
        """
        found = PoolEvents([], {})
        at = first
        while at <= last:
            end = min(at + self._chunk_blocks - 1, last)
            outcome = self._rpc.batch_outcomes([logs_call(self._pool, at, end)])[0]
            if isinstance(outcome, RpcRefused) and end > at:
                self._chunk_blocks = (end - at + 1) // 2
                continue
            part = events_of(checked.answered(outcome, f"logs of block {at}"), self._pool, at, end)
            found.rows.extend(part.rows)
            found.hashes.update(part.hashes)
            at = end + 1
        return found

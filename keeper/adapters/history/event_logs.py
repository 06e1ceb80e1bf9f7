"""How a download takes a node's answer: any order will do, and repetition does no harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from keeper.adapters.evm import pool_events
from keeper.adapters.evm.event_rows import EventKind, EventRow, PoolEvents
from keeper.adapters.evm.rpc import BadReply


def rows_of(reply: object, pool: str, kinds: Sequence[EventKind], first: int, last: int) -> PoolEvents:
    """The events of an ``eth_getLogs`` reply in chain order, whatever that of the reply; one that is given twice counts once.

    Raises:
        Reorged: a log was removed from the chain, or two logs of one block name different blocks.
        BadReply: a log of another pool, event or block, or two different logs of one place.
    """
    given = pool_events.events_of(reply, pool, kinds, first, last)
    found: dict[tuple[int, int], EventRow] = {}
    for row in given.rows:
        if found.setdefault((row.block_number, row.log_index), row) != row:
            raise BadReply(f"two different logs {row.log_index} of block {row.block_number}")
    return PoolEvents([found[place] for place in sorted(found)], given.hashes)


def timed(rows: Sequence[EventRow], times: Mapping[int, int]) -> list[EventRow]:
    """The rows with the times of their blocks.

    Args:
        rows: in chain order.
        times: of at least the blocks whose logs carry none, Unix seconds.

    Raises:
        BadReply: time runs backward, or two logs of one block differ in it.
    """
    dated: list[EventRow] = []
    last_s = 0
    for number, group in groupby(rows, key=lambda row: row.block_number):
        of_block = [row if row.timestamp_s is not None else row._replace(timestamp_s=times[number]) for row in group]
        moments = {row.timestamp_s for row in of_block} | ({times[number]} if number in times else set())
        moment = of_block[0].timestamp_s
        if len(moments) > 1 or moment is None or moment < last_s:
            raise BadReply(f"the times of logs of block {number} cannot be")
        last_s = moment
        dated.extend(of_block)
    return dated

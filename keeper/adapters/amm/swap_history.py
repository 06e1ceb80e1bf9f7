"""Prices of a pool from its ``Swap`` logs, one row a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockPrice, BlockRef

FIRST_CHUNK_BLOCKS = 5_000
"""Asked of a node at once when looking back; halved at every refusal."""
HEADERS_A_REQUEST = 100
PROBES = 16
"""Headers a round when a block is sought by its time: 16 narrow a bracket of 65,536 blocks to one in four rounds."""

_SWAP = contract("UniswapV3Pool").event("Swap")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRow:
    """One swap as its log tells it."""

    block: int
    block_hash: str
    log_index: int
    timestamp_s: int | None
    """None when the node's logs carry no time."""
    amount0: int
    amount1: int
    sqrt_price_x96: int
    tick: int


def logs_call(pool: str, first: int, last: int) -> Call:
    """The request for a pool's swaps in blocks ``first`` to ``last``, both included."""
    return "eth_getLogs", [{"address": pool, "topics": [_SWAP.topic0], "fromBlock": hex(first), "toBlock": hex(last)}]


def header_call(number: int) -> Call:
    """The request for a block's header."""
    return "eth_getBlockByNumber", [hex(number), False]


def swaps_of(reply: object, pool: str, first: int, last: int) -> tuple[SwapRow, ...]:
    """The swaps of an ``eth_getLogs`` reply, checked against what was asked.

    Raises:
        Reorged: a log was removed from the chain.
        BadReply: a log of another pool, event or block, or not in chain order.
    """
    rows = tuple(_swap(checked.mapping(log, "log"), pool) for log in checked.sequence(reply, "eth_getLogs"))
    places = [(row.block, row.log_index) for row in rows]
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise BadReply("swap logs are not in chain order")
    if rows and not first <= rows[0].block <= rows[-1].block <= last:
        raise BadReply(f"swap logs of blocks {rows[0].block} to {rows[-1].block} for {first} to {last}")
    return rows


def _swap(log: Mapping[str, Any], pool: str) -> SwapRow:
    if checked.address(log.get("address"), "address of a log") != pool:
        raise BadReply(f"a log of {log.get('address')} for pool {pool}")
    if log.get("removed"):
        raise Reorged("a swap log was removed")
    values = _SWAP.decode(log)
    time = log.get("blockTimestamp")
    return SwapRow(
        block=checked.quantity(log.get("blockNumber"), "block of a log"),
        block_hash=checked.hash32(log.get("blockHash"), "block hash of a log"),
        log_index=checked.quantity(log.get("logIndex"), "index of a log"),
        timestamp_s=None if time is None else checked.quantity(time, "time of a log"),
        amount0=values["amount0"],
        amount1=values["amount1"],
        sqrt_price_x96=values["sqrtPriceX96"],
        tick=values["tick"],
    )


def prices_of(swaps: Sequence[SwapRow], headers: Mapping[int, BlockRef]) -> tuple[BlockPrice, ...]:
    """One row for each block with a swap, oldest first.

    Args:
        swaps: in chain order.
        headers: the blocks whose headers are known; must hold every block whose logs carry no time.

    Raises:
        Reorged: a log lies in another block than the header of its number says.
        BadReply: time runs backward.
    """
    rows: list[BlockPrice] = []
    for number, group in groupby(swaps, key=lambda swap: swap.block):
        of_block = list(group)
        header = headers.get(number)
        if len({swap.block_hash for swap in of_block}) > 1 or (header and header.hash != of_block[0].block_hash):
            raise Reorged(f"swap logs of block {number} are not of the block that is there")
        timestamp_s = header.timestamp_s if header else of_block[0].timestamp_s
        assert timestamp_s is not None
        if rows and timestamp_s < rows[-1].timestamp_s:
            raise BadReply(f"block {number} is older than block {rows[-1].block}")
        after = [swap.sqrt_price_x96 for swap in of_block]
        rows.append(
            BlockPrice(
                block=number,
                timestamp_s=timestamp_s,
                sqrt_price_x96=after[-1],
                high_x96=max(after),
                low_x96=min(after),
                volume0=sum(abs(swap.amount0) for swap in of_block),
                volume1=sum(abs(swap.amount1) for swap in of_block),
                swaps=len(of_block),
            )
        )
    return tuple(rows)


def untimed_blocks(swaps: Sequence[SwapRow], headers: Mapping[int, BlockRef]) -> list[int]:
    """Blocks whose time is neither in their logs nor known from a header."""
    return sorted({swap.block for swap in swaps if swap.timestamp_s is None} - set(headers))


class LookBack:
    """Reads what one request cannot: long stretches of logs, and headers to tell their times.

    Args:
        rpc: the node.
        pool: whose swaps.
    """

    def __init__(self, rpc: Rpc, pool: str) -> None:
        self._rpc = rpc
        self._pool = pool
        self._chunk_blocks = FIRST_CHUNK_BLOCKS

    def swaps(self, first: int, last: int) -> tuple[SwapRow, ...]:
        """All swaps of blocks ``first`` to ``last``; a stretch that the node refuses is halved, down to one block.

        Raises:
            ReadRefused: the node refuses a single block.
        """
        rows: list[SwapRow] = []
        at = first
        while at <= last:
            end = min(at + self._chunk_blocks - 1, last)
            outcome = self._rpc.batch_outcomes([logs_call(self._pool, at, end)])[0]
            if isinstance(outcome, RpcRefused) and end > at:
                self._chunk_blocks = (end - at + 1) // 2
                continue
            rows.extend(swaps_of(checked.answered(outcome, f"logs of block {at}"), self._pool, at, end))
            at = end + 1
        return tuple(rows)

    def headers(self, numbers: Sequence[int]) -> dict[int, BlockRef]:
        """The blocks of these numbers, up to 100 a request.

        Raises:
            Reorged: the node has no block of a number.
        """
        found: dict[int, BlockRef] = {}
        for start in range(0, len(numbers), HEADERS_A_REQUEST):
            part = numbers[start : start + HEADERS_A_REQUEST]
            for number, outcome in zip(part, self._rpc.batch_outcomes([header_call(one) for one in part]), strict=True):
                found[number] = header_of(outcome, number)
        return found

    def first_since(self, since_s: int, head: BlockRef) -> int:
        """Number of the oldest block that is not older than ``since_s``, as far back as the node has headers.

        About five requests, whatever the length of the chain: headers at growing distances bracket the time, then every round
        narrows the bracket 17-fold.
        """
        distances = [1 << bit for bit in range(head.number.bit_length()) if 1 << bit <= head.number]
        recent, old = self._bracket([head.number - distance for distance in distances], since_s, head.number, -1)
        while recent - old > 1:
            step = max((recent - old) // (PROBES + 1), 1)
            recent, old = self._bracket(list(range(recent - step, old, -step))[:PROBES], since_s, recent, old)
        return recent

    def _bracket(self, numbers: Sequence[int], since_s: int, recent: int, old: int) -> tuple[int, int]:
        """Oldest block known to be recent enough, and newest known not to be, after asking for ``numbers`` (descending)."""
        outcomes = self._rpc.batch_outcomes([header_call(number) for number in numbers])
        for number, outcome in zip(numbers, outcomes, strict=True):
            # A node that has thrown old blocks away answers null or refuses: what it has is the history that there is.
            missing = outcome is None or isinstance(outcome, RpcRefused)
            if missing or header_of(outcome, number).timestamp_s < since_s:
                return recent, number
            recent = number
        return recent, old


def header_of(outcome: object, number: int) -> BlockRef:
    """The header that was asked for by number.

    Raises:
        Reorged: the node has none.
        BadReply: it is another block's.
    """
    header = checked.block(checked.pinned(outcome, f"header of block {number}"), f"header of block {number}")
    if header.number != number:
        raise BadReply(f"header of block {header.number} for block {number}")
    return header

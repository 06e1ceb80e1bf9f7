"""Headers of blocks: by number, many at once, and by time."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.pool import BlockRef

HEADERS_A_REQUEST = 100
PROBES = 16
"""Headers a round when a block is sought by its time: 16 narrow a bracket of 65,536 blocks to one in four rounds."""


def header_call(block: int | str) -> Call:
    """The request for a header by number or tag."""
    return "eth_getBlockByNumber", [block if isinstance(block, str) else hex(block), False]


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


def headers(rpc: Rpc, numbers: Sequence[int]) -> dict[int, BlockRef]:
    """The blocks of these numbers, up to 100 a request.

    Raises:
        Reorged: the node has no block of a number.
    """
    found: dict[int, BlockRef] = {}
    for start in range(0, len(numbers), HEADERS_A_REQUEST):
        part = numbers[start : start + HEADERS_A_REQUEST]
        outcomes = rpc.batch_outcomes([header_call(number) for number in part])
        found |= {number: header_of(outcome, number) for number, outcome in zip(part, outcomes, strict=True)}
    return found


def first_block_since(rpc: Rpc, since_s: int, head: BlockRef) -> BlockRef | None:
    """The oldest block that is not older than ``since_s``, as far back as the node has headers; None when the head is older.

    About five requests, whatever the length of the chain: headers at growing distances bracket the time, then every round
    narrows the bracket 17-fold.
    """
    if head.timestamp_s < since_s:
        return None
    distances = [1 << bit for bit in range(head.number.bit_length()) if 1 << bit <= head.number]
    recent, old = _bracket(rpc, [head.number - distance for distance in distances], since_s, head, -1)
    while recent.number - old > 1:
        step = max((recent.number - old) // (PROBES + 1), 1)
        probes = list(range(recent.number - step, old, -step))[:PROBES]
        recent, old = _bracket(rpc, probes, since_s, recent, old)
    return recent


def _bracket(rpc: Rpc, numbers: Sequence[int], since_s: int, recent: BlockRef, old: int) -> tuple[BlockRef, int]:
    """Oldest block known to be recent enough, and newest known not to be, after asking for ``numbers`` (descending)."""
    outcomes = rpc.batch_outcomes([header_call(number) for number in numbers])
    for number, outcome in zip(numbers, outcomes, strict=True):
        # A node that has thrown old blocks away answers null or refuses: what it has is the history that there is.
        if outcome is None or isinstance(outcome, RpcRefused):
            return recent, number
        header = header_of(outcome, number)
        if header.timestamp_s < since_s:
            return recent, number
        recent = header
    return recent, old

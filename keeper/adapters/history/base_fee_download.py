"""Base fees of a chain from a node, a header about every hour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keeper.adapters.evm import checked
from keeper.adapters.evm.blocks import HEADERS_A_REQUEST, first_block_since, header_call
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history.base_fees import STRIDE_S, path_of, read_base_fees, write_base_fees


def download_base_fees(rpc: Rpc, root: Path, chain_id: int, *, since_s: int, until_s: int | None) -> int:
    """Fetch what is missing, a header about every hour; how many are new.

    Args:
        rpc: the node.
        root: of the store.
        chain_id: of its chain.
        since_s: Unix time.
        until_s: likewise; None for the newest block.

    Raises:
        Transient: the node failed.
    """
    (newest,) = rpc.batch_outcomes([header_call("latest")])
    head = checked.block(checked.answered(newest, "newest block"), "newest block")
    first = first_block_since(rpc, since_s, head)
    if first is None:
        return 0
    end_s = head.timestamp_s if until_s is None else min(until_s, head.timestamp_s)
    blocks, seconds = head.number - first.number, head.timestamp_s - first.timestamp_s
    stride = max(round(STRIDE_S * blocks / seconds), 1) if seconds > 0 else 1
    known = dict(read_base_fees(root, chain_id))
    before = len(known)
    fetched = _fetched(rpc, range(first.number, head.number + 1, stride))
    known.update((at_s, wei) for at_s, wei in fetched if at_s <= end_s)
    write_base_fees(path_of(root, chain_id), known)
    return len(known) - before


def _fetched(rpc: Rpc, numbers: range) -> Iterator[tuple[int, int]]:
    for start in range(0, len(numbers), HEADERS_A_REQUEST):
        part = numbers[start : start + HEADERS_A_REQUEST]
        for number, outcome in zip(part, rpc.batch_outcomes([header_call(number) for number in part]), strict=True):
            what = f"header of block {number}"
            header = checked.mapping(checked.answered(outcome, what), what)
            fee = header.get("baseFeePerGas")
            yield checked.quantity(header.get("timestamp"), what), 0 if fee is None else checked.quantity(fee, what)

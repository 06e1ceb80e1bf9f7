"""Base fees of a chain, one an hour or so, in a text file beside its pools: what gas cost then.

``<root>/<chain id>/base_fees.csv`` has the columns timestamp (Unix seconds) and wei, and is replaced whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from keeper.adapters.evm import checked
from keeper.adapters.evm.blocks import HEADERS_A_REQUEST, first_block_since, header_call
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history.manifest import settle
from keeper.core.model.errors import ConfigError

NAME = "base_fees.csv"
STRIDE_S = 3_600
_HEAD = ["timestamp", "wei"]


def path_of(root: Path, chain_id: int) -> Path:
    """Where a chain's base fees lie."""
    return root / str(chain_id) / NAME


def read_base_fees(root: Path, chain_id: int) -> list[tuple[int, int]]:
    """Times and base fees, in order; none when none are stored.

    Raises:
        ConfigError: the file is damaged.
    """
    path = path_of(root, chain_id)
    if not path.is_file():
        return []
    with path.open(encoding="ascii", newline="") as file:
        rows = list(csv.reader(file))
    try:
        found = [(int(at_s), int(wei)) for at_s, wei in rows[1:]]
    except ValueError:
        found = []
    if rows[:1] != [_HEAD] or len(found) != len(rows) - 1 or found != sorted(dict(found).items()):
        raise ConfigError([f"{path} is damaged: remove it and download anew"])
    return found


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
    _write(path_of(root, chain_id), known)
    return len(known) - before


def _fetched(rpc: Rpc, numbers: range) -> Iterator[tuple[int, int]]:
    for start in range(0, len(numbers), HEADERS_A_REQUEST):
        part = numbers[start : start + HEADERS_A_REQUEST]
        for number, outcome in zip(part, rpc.batch_outcomes([header_call(number) for number in part]), strict=True):
            what = f"header of block {number}"
            header = checked.mapping(checked.answered(outcome, what), what)
            fee = header.get("baseFeePerGas")
            yield checked.quantity(header.get("timestamp"), what), 0 if fee is None else checked.quantity(fee, what)


def _write(path: Path, fees: dict[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEAD)
        writer.writerows(sorted(fees.items()))
    settle(temporary, path)

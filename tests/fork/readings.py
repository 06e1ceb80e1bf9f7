"""Everything that something wants to know of the newest block of the twin, as a cycle reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.adapters.evm import checked
from keeper.adapters.evm.multicall import Answers, ContractRead, PinnedReader
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.pool import BlockRef
from keeper.localchain import mainnet


class Wanting(Protocol):
    def reads(self, answers: Answers) -> Sequence[ContractRead]: ...


def newest(rpc: Rpc) -> BlockRef:
    return checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")


def read_at(rpc: Rpc, head: BlockRef, wanting: Wanting) -> tuple[Answers, int]:
    """The answers at one block, and how many requests they took."""
    reader = PinnedReader(rpc, mainnet.MULTICALL3, head.hash)
    before = rpc.requests
    while missing := reader.missing(wanting.reads(reader.answers)):
        reader.ask(missing)
    return reader.answers, rpc.requests - before

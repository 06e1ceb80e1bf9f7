"""Many contract reads in few ``eth_call`` entries through Multicall3. Ref: ``Multicall3.sol`` aggregate3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import Function, contract, revert_reason
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.errors import Transient

CHUNK_GAS = 14_000_000
"""Gas that the reads of one ``eth_call`` may be expected to take: 300 positions of about 46,600.

A quarter of the 50 million that common nodes allow for a call, since the expectation is not a measurement.
"""

_AGGREGATE3 = contract("Multicall3").function("aggregate3")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRead:
    """One read of one contract; equal when it asks the same of the same."""

    target: str
    data: bytes
    function: Function = field(compare=False)
    may_fail: bool = field(default=False, compare=False)
    gas: int = field(default=10_000, compare=False)
    """Expected cost, to size chunks by."""


@dataclass(frozen=True, slots=True)
class Reverted:
    """What a read that may fail came to."""

    reason: str


class ReadReverted(Transient):
    """A read that must not fail reverted."""


Answers = Mapping[ContractRead, "tuple[Any, ...] | Reverted"]


def read_of(target: str, function: Function, *arguments: Any, may_fail: bool = False, gas: int = 10_000) -> ContractRead:
    """A read of ``function`` at ``target``."""
    return ContractRead(target=target, data=function.encode(*arguments), function=function, may_fail=may_fail, gas=gas)


def chunked(reads: Iterable[ContractRead]) -> Iterator[tuple[ContractRead, ...]]:
    """The reads in their order, each once, cut where the next one would pass ``CHUNK_GAS``."""
    chunk: list[ContractRead] = []
    gas = 0
    for read in dict.fromkeys(reads):
        if chunk and gas + read.gas > CHUNK_GAS:
            yield tuple(chunk)
            chunk, gas = [], 0
        chunk.append(read)
        gas += read.gas
    if chunk:
        yield tuple(chunk)


def _padded(size: int) -> int:
    return -(-size // 32) * 32


def encode_aggregate3(reads: Sequence[ContractRead]) -> bytes:
    """Call data of ``aggregate3`` over these reads; every call may fail, so that a failing one can be named.

    Written out word by word because it is on the path of every cycle and the general encoder takes milliseconds for it.
    """
    offsets: list[bytes] = []
    calls: list[bytes] = []
    at = 32 * len(reads)
    for read in reads:
        size = len(read.data)
        offsets.append(at.to_bytes(32, "big"))
        target = bytes(12) + bytes.fromhex(read.target[2:])
        head = target + (1).to_bytes(32, "big") + (96).to_bytes(32, "big") + size.to_bytes(32, "big")
        calls.append(head + read.data.ljust(_padded(size), b"\0"))
        at += len(calls[-1])
    prefix = _AGGREGATE3.selector + (32).to_bytes(32, "big") + len(reads).to_bytes(32, "big")
    return prefix + b"".join(offsets) + b"".join(calls)


def calls_of(multicall: str, chunks: Sequence[Sequence[ContractRead]], block_hash: str) -> list[Call]:
    """One ``eth_call`` a chunk, pinned to a block by its hash (EIP-1898), which must be canonical."""
    pin = {"blockHash": block_hash, "requireCanonical": True}
    return [("eth_call", [{"to": multicall, "data": "0x" + encode_aggregate3(chunk).hex()}, pin]) for chunk in chunks]


def answers_of(chunk: Sequence[ContractRead], outcome: object) -> dict[ContractRead, tuple[Any, ...] | Reverted]:
    """What the reads of one chunk returned, from the outcome of its pinned ``eth_call``.

    Raises:
        Reorged: the node does not know the block any more.
        ReadRefused: it refused the call.
        ReadReverted: a read reverted that must not.
        BadReply: the reply is malformed.
    """
    what = f"aggregate3 of {len(chunk)} reads"
    (results,) = _AGGREGATE3.decode(checked.data(checked.pinned(outcome, what), what))
    if len(results) != len(chunk):
        raise BadReply(f"{what}: {len(results)} results")
    answers: dict[ContractRead, tuple[Any, ...] | Reverted] = {}
    for read, (success, returned) in zip(chunk, results, strict=True):
        if read.may_fail:
            answers[read] = _tolerated(read, success=success, returned=returned)
        elif success:
            answers[read] = read.function.decode(returned)
        else:
            raise ReadReverted(f"{read.function.signature} at {read.target} reverted: {revert_reason(returned)}")
    return answers


def _tolerated(read: ContractRead, *, success: bool, returned: bytes) -> tuple[Any, ...] | Reverted:
    if not success:
        return Reverted(revert_reason(returned))
    if not returned:  # what an address without code answers
        return Reverted("nothing returned")
    try:
        return read.function.decode(returned)
    except BadReply as error:
        return Reverted(str(error))


class PinnedReader:
    """Reads of one block, gathered over as many requests as it takes.

    Args:
        rpc: the node.
        multicall: address of Multicall3.
        block_hash: the block.
    """

    def __init__(self, rpc: Rpc, multicall: str, block_hash: str) -> None:
        self.answers: dict[ContractRead, tuple[Any, ...] | Reverted] = {}
        self._rpc = rpc
        self._multicall = multicall
        self._block_hash = block_hash

    def missing(self, reads: Iterable[ContractRead]) -> list[ContractRead]:
        """Those of the reads that have no answer yet."""
        return [read for read in reads if read not in self.answers]

    def ask(self, reads: Iterable[ContractRead], others: Sequence[Call] = ()) -> list[Any | RpcRefused]:
        """Read, and ask ``others`` in the same HTTP request, after the reads; returns the outcomes of the others.

        Raises:
            Reorged, ReadRefused, ReadReverted, BadReply: as :func:`answers_of`.
        """
        chunks = list(chunked(reads))
        outcomes = self._rpc.batch_outcomes([*calls_of(self._multicall, chunks, self._block_hash), *others])
        for chunk, outcome in zip(chunks, outcomes, strict=False):
            self.answers.update(answers_of(chunk, outcome))
        return outcomes[len(chunks) :]


def values(answers: Answers, read: ContractRead) -> tuple[Any, ...]:
    """The answer to a read that must not fail."""
    answer = answers[read]
    assert not isinstance(answer, Reverted)
    return answer

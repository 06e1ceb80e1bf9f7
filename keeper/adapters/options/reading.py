"""What venues ask a node, gathered: the readings of all venues advance together, a request a round.

A reading is a generator that yields what it wants to know and is sent the replies; it returns what it made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from keeper.adapters.evm import checked
from keeper.adapters.evm.multicall import ContractRead, Reverted, answers_of, calls_of, chunked
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.errors import Transient
from keeper.core.model.pool import BlockRef

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One round of a reading."""

    reads: Sequence[ContractRead] = ()
    """Of contracts, at the reading's block. What one venue lets fail must not end the round of the others: ``may_fail``."""
    others: Sequence[Call] = ()
    """Anything else, as it goes to the node: logs, or a call with state overrides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What the round brought."""

    answers: Mapping[ContractRead, tuple[Any, ...] | Reverted]
    others: Sequence[Any | RpcRefused]
    """In the order asked; a refusal stands in its place."""


Reading = Generator[Ask, Replies, T]


def run_together(rpc: Rpc, multicall: str, block_hash: str, readings: Sequence[Reading[T]]) -> list[T | Transient]:
    """Run readings side by side, at one block, in as many HTTP requests as the longest of them has rounds.

    A reading that fails by a :class:`Transient` (a malformed answer, say) has that error in its place, and the others go on.

    Args:
        rpc: the node.
        multicall: address of Multicall3.
        block_hash: the block of every contract read.
        readings: each is run to its end.

    Raises:
        RpcUnreachable, Reorged: the node itself could not be asked about that block.
    """
    results: list[T | Transient] = [BadReply("asked nothing") for _ in readings]
    waiting: dict[int, Ask] = {}
    for place, reading in enumerate(readings):
        _advance(reading, None, place, waiting, results)
    while waiting:
        asked, waiting = waiting, {}
        chunks = list(chunked(read for ask in asked.values() for read in ask.reads))
        others = [call for ask in asked.values() for call in ask.others]
        outcomes = rpc.batch_outcomes([*calls_of(multicall, chunks, block_hash), *others])
        answers: dict[ContractRead, tuple[Any, ...] | Reverted] = {}
        for chunk, outcome in zip(chunks, outcomes, strict=False):
            answers.update(answers_of(chunk, outcome))
        rest = iter(outcomes[len(chunks) :])
        for place, ask in asked.items():
            replies = Replies(answers=answers, others=[next(rest) for _ in ask.others])
            _advance(readings[place], replies, place, waiting, results)
    return results


def run_now(rpc: Rpc, multicall: str, reading: Callable[[BlockRef], Reading[T]]) -> T:
    """Run one reading alone, at the newest block.

    Raises:
        Transient: it or the node failed.
    """
    head = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
    (found,) = run_together(rpc, multicall, head.hash, [reading(head)])
    if isinstance(found, Transient):
        raise found
    return found


def _advance(
    reading: Reading[T], replies: Replies | None, place: int, waiting: dict[int, Ask], results: list[T | Transient]
) -> None:
    try:
        waiting[place] = next(reading) if replies is None else reading.send(replies)
    except StopIteration as end:
        results[place] = end.value
    except Transient as error:
        results[place] = error

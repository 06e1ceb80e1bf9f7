"""What other adapters add to a cycle's one request at its block, without knowing who carries it out.

Reads are given as far as the answers so far let them be known, and asked for again until none is missing. A read whose failure
must not end the cycle says so itself (``may_fail``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from keeper.adapters.evm.multicall import Answers, ContractRead
from keeper.adapters.evm.rpc import Call, RpcRefused
from keeper.core.model.bar import Liquidations, Quote, Reserve
from keeper.core.model.pool import BlockRef


class ReserveReads(Protocol):
    """Reads a lending market."""

    def reads(self, answers: Answers) -> Sequence[ContractRead]:
        """Every read that is wanted, as far as it can be known."""
        ...

    def reserves(self, answers: Answers) -> tuple[Reserve, ...]:
        """The market's assets; one that could not be read is left out.

        Args:
            answers: to all of :meth:`reads`.

        Raises:
            BadReply: an answer cannot be.
        """
        ...

    def liquidation_calls(self, first_block: int, last_block: int) -> list[Call]:
        """What to ask for the liquidations of these blocks, both included; nothing where they are not looked at."""
        ...

    def liquidations(self, outcomes: Sequence[Any | RpcRefused], first_block: int) -> Liquidations | None:
        """What was liquidated since ``first_block``; None when the node refused to tell.

        Args:
            outcomes: of :meth:`liquidation_calls`.
            first_block: as given there.

        Raises:
            Reorged: a log was removed from the chain.
            BadReply: malformed logs.
        """
        ...


class FeedReads(Protocol):
    """Reads prices that others write to the chain."""

    def reads(self, answers: Answers) -> Sequence[ContractRead]:
        """Every read that is wanted, as far as it can be known."""
        ...

    def quotes(self, answers: Answers, head: BlockRef) -> tuple[Quote, ...]:
        """One quote a feed; one that may not be believed has no value and says why.

        Args:
            answers: to all of :meth:`reads`.
            head: the block of the answers.
        """
        ...

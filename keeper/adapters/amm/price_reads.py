"""The prices since the last known one: in the cycle's own request where they fit, looked back for where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.amm.swap_history import LookBack, events_of, logs_call, prices_of, swaps_in, untimed_blocks
from keeper.adapters.evm.blocks import first_block_since, header_call, header_of, headers
from keeper.adapters.evm.event_rows import EventRow, PoolEvents
from keeper.adapters.evm.pool_events import must_lie_in
from keeper.adapters.evm.rpc import AnotherBlock, Call, Rpc, RpcRefused
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockPrice, BlockRef, PoolState

STEADY_BLOCKS = 1_000
"""Most blocks whose logs ride along with the cycle's other reads: over three hours of mainnet, within every node's limits."""
STEADY_HEADERS = 50
"""Most headers that ride along, on a node whose logs carry no time: ten minutes of mainnet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which prices have to be read."""

    first: int | None
    """Number of the first block whose prices are not known; None when the whole look-back has to be read."""
    since_s: int | None = None
    """Chain time since which it is known that no block before the first has a swap, when no price is known at all."""
    last: tuple[int, int] | None = None
    """A block and the square root of its price there, as Q64.96: what the price was when it was looked at last."""


class PriceReads:
    """Prices of one pool; remembers the last price, to notice swaps that the logs leave out.

    Args:
        rpc: the node.
        pool: address of the pool.
        lookback_s: how far back the first call reads, seconds of chain time.
    """

    def __init__(self, rpc: Rpc, pool: str, lookback_s: int) -> None:
        self._rpc = rpc
        self._pool = pool
        self._lookback_s = lookback_s
        self._look_back = LookBack(rpc, pool)
        self._logs_carry_time = True
        self._last: tuple[int, int] | None = None
        self._empty: Wanted | None = None

    def wanted(self, prices_after_block: int | None) -> Wanted:
        """What is not known yet.

        A look-back that found nothing is not read again: on a pool without swaps every cycle asks for it.
        """
        if prices_after_block is not None:
            return Wanted(first=prices_after_block + 1, last=self._last)
        return self._empty or Wanted(first=None)

    def calls(self, wanted: Wanted, head: BlockRef) -> list[Call]:
        """What to ask along with the cycle's reads, after them; the outcomes go to :meth:`prices`.

        Args:
            wanted: of :meth:`wanted`.
            head: the block that the cycle reads at.
        """
        # Last, so that logs and reads before it are of the chain that it shows to be canonical still.
        closing = header_call(head.number)
        first = wanted.first
        if first is None or not 0 < head.number - first + 1 <= STEADY_BLOCKS:
            return [closing]
        untimed = range(first, head.number) if not self._logs_carry_time else range(0)
        times = [header_call(number) for number in untimed] if len(untimed) <= STEADY_HEADERS else []
        return [logs_call(self._pool, first, head.number), *times, closing]

    def prices(
        self, outcomes: Sequence[Any | RpcRefused], wanted: Wanted, head: BlockRef, state: PoolState
    ) -> tuple[tuple[BlockPrice, ...], int | None]:
        """The rows of the blocks that were wanted, oldest first, and the chain time from which they are complete.

        That time is None when they go on without a gap from the last known row.

        Args:
            outcomes: of :meth:`calls`.
            wanted: of :meth:`wanted`.
            head: as given to :meth:`calls`.
            state: the pool at the head, where the logs must lead.

        Raises:
            Reorged: the head is not canonical any more.
            ReadRefused: the node refuses the logs of a single block.
            BadReply: malformed logs; ``AnotherBlock`` when they do not lead to the pool's price: while a block is being made,
                some nodes answer from it for the one before.
        """
        self._last = self._empty = None
        _must_be(header_of(outcomes[-1], head.number), head)
        (rows, hashes), blocks, gap_to_s = self._events(outcomes, wanted.first, head)
        self._must_lead_to(state, rows, wanted)
        if untimed := untimed_blocks(rows, blocks):
            self._logs_carry_time = False
            blocks |= headers(self._rpc, untimed)
        must_lie_in(hashes, blocks)
        prices = prices_of(rows, blocks)
        since_s = wanted.since_s if gap_to_s is None else gap_to_s
        self._last = head.number, state.sqrt_price_x96
        if not prices and since_s is not None:
            self._empty = Wanted(first=head.number + 1, since_s=since_s, last=self._last)
        return prices, since_s

    def _events(
        self, outcomes: Sequence[Any | RpcRefused], first: int | None, head: BlockRef
    ) -> tuple[PoolEvents, dict[int, BlockRef], int | None]:
        """Events, the headers that came with them, and the time of the block that they begin with when it is past ``first``."""
        blocks = {head.number: head}
        if first is not None and first > head.number:
            return PoolEvents([], {}), blocks, None
        if len(outcomes) > 1 and not isinstance(outcomes[0], RpcRefused):
            assert first is not None
            for number, outcome in enumerate(outcomes[1:-1], start=first):
                blocks[number] = header_of(outcome, number)
            return events_of(outcomes[0], self._pool, first, head.number), blocks, None
        start = first_block_since(self._rpc, head.timestamp_s - self._lookback_s, head) or head
        is_gap = first is None or first < start.number
        events = self._look_back.events(start.number if first is None else max(first, start.number), head.number)
        _must_be(headers(self._rpc, [head.number])[head.number], head)
        return events, blocks, start.timestamp_s if is_gap else None

    def _must_lead_to(self, state: PoolState, rows: Sequence[EventRow], wanted: Wanted) -> None:
        last, first = wanted.last, wanted.first
        if swaps := swaps_in(rows):
            if (swaps[-1].sqrt_price_x96, swaps[-1].tick) != (state.sqrt_price_x96, state.tick):
                raise AnotherBlock(f"the swap logs of pool {self._pool} do not end at its price: some are missing")
        elif last and first is not None and first <= last[0] + 1 and last[1] != state.sqrt_price_x96:
            raise AnotherBlock(f"the price of pool {self._pool} moved and no swap log tells of it")


def _must_be(found: BlockRef, head: BlockRef) -> None:
    if found.hash != head.hash:
        raise Reorged(f"block {head.number} was {head.hash} and is {found.hash}")

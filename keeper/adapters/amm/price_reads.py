"""The prices since the last known one: in the cycle's own request where they fit, looked back for where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keeper.adapters.amm.swap_history import (
    LookBack,
    SwapRow,
    header_call,
    header_of,
    logs_call,
    prices_of,
    swaps_of,
    untimed_blocks,
)
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockPrice, BlockRef, PoolState

STEADY_BLOCKS = 1_000
"""Most blocks whose logs ride along with the cycle's other reads: over three hours of mainnet, within every node's limits."""
STEADY_HEADERS = 50
"""Most headers that ride along, on a node whose logs carry no time: ten minutes of mainnet."""


class PriceReads:
    """Prices of one pool; remembers the last price, to notice swaps that the logs leave out.

    Args:
        rpc: the node.
        pool: address of the pool.
        lookback_s: how far back the first call reads, seconds of chain time.
    """

    def __init__(self, rpc: Rpc, pool: str, lookback_s: int) -> None:
        self._pool = pool
        self._lookback_s = lookback_s
        self._look_back = LookBack(rpc, pool)
        self._logs_carry_time = True
        self._last: tuple[int, int] | None = None
        self._empty_to: int | None = None

    def first(self, prices_after_block: int | None) -> int | None:
        """Number of the first block whose prices are not known; None when the whole look-back has to be read.

        A look-back that found nothing is not read again: on a pool without swaps every cycle asks for it.
        """
        known = self._empty_to if prices_after_block is None else prices_after_block
        return None if known is None else known + 1

    def calls(self, first: int | None, head: BlockRef) -> list[Call]:
        """What to ask along with the cycle's reads, after them; the outcomes go to :meth:`prices`.

        Args:
            first: of :meth:`first`.
            head: the block that the cycle reads at.
        """
        # Last, so that logs and reads before it are of the chain that it shows to be canonical still.
        closing = header_call(head.number)
        if first is None or not 0 < head.number - first + 1 <= STEADY_BLOCKS:
            return [closing]
        untimed = range(first, head.number) if not self._logs_carry_time else range(0)
        headers = [header_call(number) for number in untimed] if len(untimed) <= STEADY_HEADERS else []
        return [logs_call(self._pool, first, head.number), *headers, closing]

    def prices(
        self, outcomes: Sequence[Any | RpcRefused], first: int | None, head: BlockRef, state: PoolState
    ) -> tuple[BlockPrice, ...]:
        """The rows of the blocks from ``first`` to the head, oldest first.

        Args:
            outcomes: of :meth:`calls`.
            first: of :meth:`first`.
            head: as given to :meth:`calls`.
            state: the pool at the head, where the logs must lead.

        Raises:
            Reorged: the head is not canonical any more.
            ReadRefused: the node refuses the logs of a single block.
            BadReply: malformed logs, or logs that do not lead to the pool's price.
        """
        known, self._last = self._last, None
        empty_to, self._empty_to = self._empty_to, None
        _must_be(header_of(outcomes[-1], head.number), head)
        swaps, headers = self._swaps(outcomes, first, head)
        self._must_lead_to(state, swaps, known, first)
        if untimed := untimed_blocks(swaps, headers):
            self._logs_carry_time = False
            headers |= self._look_back.headers(untimed)
        rows = prices_of(swaps, headers)
        self._last = head.number, state.sqrt_price_x96
        self._empty_to = head.number if first is None and not rows else empty_to
        return rows

    def _swaps(
        self, outcomes: Sequence[Any | RpcRefused], first: int | None, head: BlockRef
    ) -> tuple[tuple[SwapRow, ...], dict[int, BlockRef]]:
        headers = {head.number: head}
        if first is not None and first > head.number:
            return (), headers
        if len(outcomes) > 1 and not isinstance(outcomes[0], RpcRefused):
            assert first is not None
            for number, outcome in enumerate(outcomes[1:-1], start=first):
                headers[number] = header_of(outcome, number)
            return swaps_of(outcomes[0], self._pool, first, head.number), headers
        start = self._look_back.first_since(head.timestamp_s - self._lookback_s, head)
        swaps = self._look_back.swaps(max(first or 0, start), head.number)
        _must_be(self._look_back.headers([head.number])[head.number], head)
        return swaps, headers

    def _must_lead_to(
        self, state: PoolState, swaps: Sequence[SwapRow], known: tuple[int, int] | None, first: int | None
    ) -> None:
        if swaps:
            if (swaps[-1].sqrt_price_x96, swaps[-1].tick) != (state.sqrt_price_x96, state.tick):
                raise BadReply(f"the swap logs of pool {self._pool} do not end at its price: some are missing")
        elif known and first is not None and first <= known[0] + 1 and known[1] != state.sqrt_price_x96:
            raise BadReply(f"the price of pool {self._pool} moved and no swap log tells of it")


def _must_be(found: BlockRef, head: BlockRef) -> None:
    if found.hash != head.hash:
        raise Reorged(f"block {head.number} was {head.hash} and is {found.hash}")

"""How much of a block's volume was served by liquidity that came for it and left again: just-in-time liquidity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from keeper.adapters.evm.event_rows import EventKind, EventRow

_Key = tuple[str | None, int, int]


def passing_volume0(events: Sequence[EventRow]) -> int:
    """Part of a block's volume in token0, raw units, that just-in-time liquidity served; between 0 and that volume.

    Liquidity is just in time for a swap when its owner minted it into a range before the swap and burned as much of the same
    range after it, all within the block. A swap whose tick ends inside the range is served by it in proportion to the
    liquidity that is active then. Rounded down, swap by swap; nothing where that liquidity or tick is not known.

    Args:
        events: all swaps, mints and burns of the block, in chain order.
    """
    to_burn: dict[_Key, int] = defaultdict(int)
    for event in events:
        if event.event is EventKind.BURN:
            to_burn[_key(event)] -= event.liquidity_delta or 0
    minted: dict[_Key, int] = defaultdict(int)
    served = 0
    for event in events:
        match event.event:
            case EventKind.SWAP:
                served += _served(event, {key: min(amount, to_burn[key]) for key, amount in minted.items()})
            case EventKind.MINT:
                minted[_key(event)] += event.liquidity_delta or 0
            case EventKind.BURN:
                to_burn[_key(event)] += event.liquidity_delta or 0
    return served


def _key(event: EventRow) -> _Key:
    lower, upper = event.tick_lower, event.tick_upper
    assert lower is not None
    assert upper is not None
    return event.owner, lower, upper


def _served(swap: EventRow, passing: Mapping[_Key, int]) -> int:
    tick, liquidity = swap.tick, swap.liquidity
    if not liquidity or tick is None:
        return 0
    inside = sum(amount for (_, lower, upper), amount in passing.items() if lower <= tick < upper)
    return abs(swap.amount0) * min(inside, liquidity) // liquidity

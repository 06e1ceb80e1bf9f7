"""Tapes that are made, not stored: held in memory, and named by what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from keeper.adapters.history.states import encode_state
from keeper.core.model.pool import PoolKey
from keeper.simulation.tape import HeldTape, TapeBlock, TapeStart


def held_tape(
    key: PoolKey, chain_id: int, start: TapeStart, blocks: Sequence[TapeBlock], *, end_s: int, described: str
) -> HeldTape:
    """A tape of these blocks, which are not the chain's own to the wei."""
    digest = hashlib.sha256(f"{chain_id} {key.address.lower()} {start.block} {start.timestamp_s} {end_s}\n".encode())
    digest.update(encode_state(start.pool))
    for block in blocks:
        digest.update(f"{block.number} {block.timestamp_s}\n".encode())
        for event in block.events:
            digest.update(f"{type(event).__name__} {' '.join(str(int(field)) for field in event)}\n".encode())
    return HeldTape(
        key=key,
        chain_id=chain_id,
        start=start,
        end_s=end_s,
        digest=digest.hexdigest(),
        described=described,
        exact=False,
        held=tuple(blocks),
    )

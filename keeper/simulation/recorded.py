"""Tapes of what a store holds: exact, checked event by event when they are first opened, and read from prepared files after."""

from __future__ import annotations

import hashlib
import operator
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.states import decode_state, encode_state
from keeper.adapters.history.store import folder_of
from keeper.core.model.pool import PoolKey
from keeper.simulation.playing import Played
from keeper.simulation.prepared import DamagedFileError, PreparedHead, read_prepared
from keeper.simulation.preparing import OnProgress, path_of, prepare
from keeper.simulation.stored import manifest_of
from keeper.simulation.stretches import Plan, Stretch, plan, utc
from keeper.simulation.tape import TapeBlock, TapeError, TapeStart

_TIME = operator.attrgetter("timestamp_s")


def open_tape(
    root: Path, key: PoolKey, chain_id: int, from_s: int, to_s: int, *, on_progress: OnProgress | None = None
) -> RecordedTape:
    """The stored history of a pool with ``from_s`` <= time < ``to_s``.

    It begins with the newest stored state of ``from_s`` or before, carried on to ``from_s`` by the events between. What was
    never read before is run through the pool once, which tells how every swap was asked for, and that each gives the recorded
    amounts, price, liquidity and tick.

    Args:
        root: of the store.
        key: the pool.
        chain_id: of its chain.
        from_s: Unix time.
        to_s: Unix time; what a node may still replace does not count as stored.
        on_progress: called before the first part and after each that is prepared.

    Raises:
        TapeError: nothing, or not everything, is stored; or it does not add up: names the block, the log and what differs.
    """
    folder = folder_of(root, chain_id, key.address)
    if to_s <= from_s:
        raise TapeError([f"a tape from {utc(from_s)} to {utc(to_s)} has no time in it"])
    manifest = manifest_of(folder)
    made = plan(manifest, key, from_s, to_s)
    heads = prepare(folder, manifest, key, made.stretches, on_progress or _silent)
    return _tape(folder, key, chain_id, (from_s, to_s), made, heads)


def _silent(_: int, __: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTape:
    """A tape that reads prepared files, one after another; see :class:`keeper.simulation.tape.Tape`."""

    key: PoolKey
    chain_id: int
    start: TapeStart
    end_s: int
    digest: str
    described: str
    exact: bool
    parts: tuple[tuple[Path, str], ...]
    """Prepared files, and the names of their data."""
    from_s: int

    def blocks(self) -> Iterator[TapeBlock]:
        """Every block with an event, in order, a day of them in memory at a time.

        Raises:
            TapeError: a prepared file was removed or changed since the tape was opened.
        """
        for path, name in self.parts:
            try:
                held = read_prepared(path, name).blocks
            except DamagedFileError as error:
                raise TapeError([f"{error}: it was changed since the tape was opened; open it again"]) from None
            if held and not self.from_s <= held[0].timestamp_s <= held[-1].timestamp_s < self.end_s:
                held = held[bisect_left(held, self.from_s, key=_TIME) : bisect_left(held, self.end_s, key=_TIME)]
            yield from held


def _tape(
    folder: Path, key: PoolKey, chain_id: int, extent: tuple[int, int], made: Plan, heads: Sequence[PreparedHead]
) -> RecordedTape:
    from_s, to_s = extent
    first = max(place for place, one in enumerate(made.stretches) if place == 0 or one.from_s <= from_s)
    stretches, kept = made.stretches[first:], heads[first:]
    start = _start(folder, key, stretches[0], from_s)
    gaps = [head.growth_gap for head in kept if head.growth_gap]
    if gaps and not made.lacking:
        raise TapeError([f"{gap}, though all flash loans are stored: the state is not of this pool" for gap in gaps])
    # What lies within a second after a stored state is that second's own block, or nothing.
    exact = not made.lacking or all(
        head.checked or stretch.to_s - stretch.from_s <= 1 for head, stretch in zip(kept, stretches, strict=True)
    )
    named = [str(chain_id), key.address.lower(), str(key.fee_pips), str(start.block), str(from_s), str(to_s)]
    digest = hashlib.sha256(
        b"\0".join(
            [*(text.encode() for text in named), encode_state(start.pool), *(one.events_sha256.encode() for one in kept)]
        )
    )
    return RecordedTape(
        key=key,
        chain_id=chain_id,
        start=start,
        end_s=to_s,
        digest=digest.hexdigest(),
        described=_described(made, kept, exact=exact),
        exact=exact,
        parts=tuple((path_of(folder, stretch), stretch.name) for stretch in stretches),
        from_s=from_s,
    )


def _start(folder: Path, key: PoolKey, stretch: Stretch, from_s: int) -> TapeStart:
    """The pool as the first event from ``from_s`` on finds it."""
    prepared = read_prepared(path_of(folder, stretch), stretch.name)
    pool = Played(decode_state(prepared.state, fee_pips=key.fee_pips, tick_spacing=key.tick_spacing))
    first = bisect_left(prepared.blocks, from_s, key=_TIME)
    pool.take_all(prepared.blocks[:first])
    block = prepared.blocks[first].number - 1 if first < len(prepared.blocks) else stretch.after_block
    stored_s = stretch.begins_with.timestamp_s if stretch.begins_with else 0
    return TapeStart(block=block, timestamp_s=max(stored_s, from_s - 1), pool=pool.snapshot())


_LACKING = {EventKind.FLASH: "flash loans", EventKind.FEE_PROTOCOL: "changes of the protocol's share"}


def _described(made: Plan, heads: Sequence[PreparedHead], *, exact: bool) -> str:
    text = "recorded events, every swap, mint and burn checked against the pool to the wei"
    if made.lacking:
        text += f"; {' and '.join(_LACKING[kind] for kind in made.lacking)} are not stored"
        text += ", but the fee growth of the stored states shows none" if exact else ": fees may be short by theirs"
        text += " (keeper data download fetches them)"
    gaps = [head.growth_gap for head in heads if head.growth_gap]
    return "; ".join([text, *gaps[:3], *([f"and {len(gaps) - 3} more such gaps"] if len(gaps) > 3 else [])])

"""Stored events run through the pool once: how each was asked for, in prepared files beside the store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from keeper.adapters.history.manifest import Manifest, StoredState
from keeper.adapters.history.states import decode_state, encode_state, read_state
from keeper.core.model.errors import ConfigError
from keeper.core.model.pool import PoolKey
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.reverts import RevertError
from keeper.simulation.inference import Inference
from keeper.simulation.playing import Played
from keeper.simulation.prepared import (
    DamagedFileError,
    Prepared,
    PreparedHead,
    check_prepared,
    read_prepared,
    write_prepared,
)
from keeper.simulation.stored import Bounds, RecordedEvent, StoredEvents
from keeper.simulation.stretches import Stretch
from keeper.simulation.tape import TapeBlock, TapeError

PREPARED = "prepared"
"""Folder of prepared files, beside the events; it may be removed at any time."""

OnProgress = Callable[[int, int], None]
"""Told how many parts of how many are prepared."""

_MISSING = "an event between is missing, or the state is not of this pool"


def path_of(folder: Path, stretch: Stretch) -> Path:
    """Where the prepared file of a stretch lies, once there is one."""
    return folder / PREPARED / f"{stretch.from_s}-{stretch.name[:16]}.tape"


def prepare(
    folder: Path, manifest: Manifest, key: PoolKey, stretches: Sequence[Stretch], on_progress: OnProgress
) -> list[PreparedHead]:
    """See that every stretch is prepared; what the files say of themselves."""
    heads = list[PreparedHead]()
    pool: PoolSnapshot | None = None
    on_progress(0, len(stretches))
    with contextlib.ExitStack() as stack:
        maker: _Maker | None = None
        for stretch in stretches:
            path = path_of(folder, stretch)
            try:
                head = check_prepared(path, stretch.name)
                pool = None
            except DamagedFileError:
                if maker is None:
                    maker = stack.enter_context(contextlib.closing(_Maker(folder, manifest, key)))
                begin = maker.begin(stretch, pool, stretches)
                head, pool = maker.make(path, stretch, begin)
            heads.append(head)
            on_progress(len(heads), len(stretches))
    return heads


class _Maker:
    """Prepares stretches out of the store."""

    def __init__(self, folder: Path, manifest: Manifest, key: PoolKey) -> None:
        self._folder = folder
        self._manifest = manifest
        self._key = key
        self._events_of = StoredEvents(folder)

    def close(self) -> None:
        self._events_of.close()

    def begin(self, stretch: Stretch, pool: PoolSnapshot | None, stretches: Sequence[Stretch]) -> PoolSnapshot:
        """The pool before a stretch: stored, or as the stretch before it left the pool."""
        if stretch.begins_with is not None:
            return self._stored(stretch.begins_with)
        if pool is not None:
            return pool
        before = stretches[stretches.index(stretch) - 1]
        return self._end_of(read_prepared(path_of(self._folder, before), before.name))

    def _stored(self, state: StoredState) -> PoolSnapshot:
        try:
            return read_state(self._folder, state, fee_pips=self._key.fee_pips, tick_spacing=self._key.tick_spacing)
        except ConfigError as error:
            raise TapeError(error.problems) from None

    def _end_of(self, prepared: Prepared) -> PoolSnapshot:
        pool = Played(_decoded(prepared.state, self._key))
        pool.take_all(prepared.blocks)
        return pool.snapshot()

    def make(self, path: Path, stretch: Stretch, begin: PoolSnapshot) -> tuple[PreparedHead, PoolSnapshot]:
        """Run a stretch through the pool and write its file; what it says of itself, and the pool after it."""
        described = f"the stored state of block {stretch.after_block}" if stretch.begins_with else "the events before it"
        try:
            inference = Inference(begin, described)
        except RevertError as error:
            raise TapeError([f"the stored state of block {stretch.after_block} is not of this pool: {error}"]) from None
        blocks = list[TapeBlock]()
        for (number, timestamp_s), rows in groupby(self._events(stretch), key=lambda row: (row.block, row.timestamp_s)):
            events = tuple(event for row in rows if (event := inference.take(row)) is not None)
            if events:
                blocks.append(TapeBlock(number, timestamp_s, events))
        end = inference.snapshot()
        gap = self._compared(end, stretch)
        content = Prepared(
            state=encode_state(begin),
            blocks=tuple(blocks),
            checked=stretch.ends_with is not None and not gap,
            growth_gap=gap,
        )
        head = write_prepared(path, stretch.name, content)
        for one in path.parent.glob(f"{stretch.from_s}-*.tape"):
            # Of data that the store no longer holds. Another process may have made this very file at the same time.
            if one != path:
                one.unlink(missing_ok=True)
        return head, end

    def _events(self, stretch: Stretch) -> list[RecordedEvent]:
        bounds = Bounds(stretch.after_block, stretch.upto_block, stretch.from_s, stretch.to_s)
        return self._events_of.read(stretch.files, bounds)

    def _compared(self, found: PoolSnapshot, stretch: Stretch) -> str:
        """How far the fee growth of the next stored state is from what the events lead to; all else must be equal.

        Raises:
            TapeError: it is not.
        """
        if stretch.ends_with is None:
            return ""
        stored = self._stored(stretch.ends_with)
        where = f"the stored state of block {stretch.ends_with.block}"
        for name in ("sqrt_price_x96", "tick", "liquidity", "fee_protocol"):
            one, other = getattr(found, name), getattr(stored, name)
            if one != other:
                raise TapeError([f"{where} has {name} {other}, the events before it lead to {one}: {_MISSING}"])
        for tick in sorted({*found.ticks, *stored.ticks}):
            one, other = _depth(found, tick), _depth(stored, tick)
            if one != other:
                raise TapeError([f"{where} has liquidity {other} at tick {tick}, the events lead to {one}: {_MISSING}"])
        gaps = [
            (getattr(stored, name) - getattr(found, name)) % (1 << 256)
            for name in ("fee_growth_global0_x128", "fee_growth_global1_x128")
        ]
        return (
            f"{where} has a fee growth that is {gaps[0]} and {gaps[1]} / 2^128 above what the events lead to"
            if any(gaps)
            else ""
        )


def _depth(pool: PoolSnapshot, tick: int) -> tuple[int, int] | None:
    info = pool.ticks.get(tick)
    return None if info is None else (info.liquidity_gross, info.liquidity_net)


def _decoded(raw: bytes, key: PoolKey) -> PoolSnapshot:
    return decode_state(raw, fee_pips=key.fee_pips, tick_spacing=key.tick_spacing)

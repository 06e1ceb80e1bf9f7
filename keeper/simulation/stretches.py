"""Which parts of a store a tape is made of: each begins with a known state of the pool and is no longer than about a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.manifest import Manifest, StoredFile, StoredState
from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.pool import PoolKey
from keeper.simulation.prepared import VERSION
from keeper.simulation.stored import ANY_BLOCK, NEEDED, WANTED
from keeper.simulation.tape import TapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Events of a part of a tape."""

    name: str
    """Hex sha-256 of all that it is made from."""
    after_block: int
    """Its events lie in later blocks."""
    upto_block: int
    """Its events lie in this block at the latest."""
    from_s: int
    to_s: int
    """Exclusive."""
    begins_with: StoredState | None
    """The state before its first event; None when that is where the stretch before it ended."""
    ends_with: StoredState | None
    """The state that its last event must lead to; None when none is stored."""
    files: tuple[StoredFile, ...]
    """Which may hold its events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All stretches from the newest stored state on, as far as the store is complete."""

    stretches: tuple[Stretch, ...]
    """As many as reach the end that was asked for."""
    lacking: tuple[EventKind, ...]
    """Of the wanted kinds, those that are not complete for all of it."""


def utc(time_s: int) -> str:
    """A time as people write it."""
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S}"


def plan(manifest: Manifest, key: PoolKey, from_s: int, to_s: int) -> Plan:
    """What a tape from ``from_s`` to ``to_s`` is made of.

    Raises:
        TapeError: there is no state to begin with, or events are missing; names what and when.
    """
    before = [state for state in manifest.states if state.timestamp_s <= from_s]
    if not before:
        raise TapeError([_no_state(manifest, from_s)])
    base = before[-1]
    since = base.timestamp_s + 1, base.block + 1
    reaches = [_reach(manifest, kind, since, to_s) for kind in NEEDED]
    problems = [gap for reach in reaches for gap in reach.gaps]
    if problems:
        raise TapeError(problems)
    lacking = tuple(kind for kind in WANTED if _reach(manifest, kind, since, to_s).gaps)
    return Plan(stretches=tuple(_cut(manifest, key, base, min(one.to_s for one in reaches), to_s)), lacking=lacking)


def _no_state(manifest: Manifest, from_s: int) -> str:
    known = f"the first is of {utc(manifest.states[0].timestamp_s)}" if manifest.states else "there is none"
    return (
        f"no whole state of pool {manifest.pool} is stored of {utc(from_s)} or before ({known}): keeper data download --state"
        " --since that day fetches one, keeper data import takes daily states in; without any the pool can only be rebuilt"
    )


class _Reach(NamedTuple):
    """How far the events of a kind are stored without a hole, and what holes there are before the wanted end."""

    to_s: int
    gaps: list[str]


def gaps_of(manifest: Manifest, kind: EventKind, from_s: int, to_s: int) -> list[str]:
    """Where the events of a kind with ``from_s`` <= time < ``to_s`` are not all stored, for a person; none when they are."""
    return _reach(manifest, kind, (from_s, 0), to_s).gaps


def _reach(manifest: Manifest, kind: EventKind, since: tuple[int, int], to_s: int) -> _Reach:
    """From a time, and from the block that follows on a state."""
    gaps = list[str]()
    at_s, at_block = since
    for part in manifest.stretches((kind,), with_tail=False):
        if part.last_block < at_block and part.to_s <= at_s:
            continue
        # Blocks may follow on one another where times do not tell it, and the other way round.
        if part.first_block > at_block and part.from_s > at_s:
            if at_s >= to_s:
                break
            gaps.append(_gap(kind, at_s, min(part.from_s, to_s), f"blocks {at_block} to {part.first_block - 1}"))
        at_s, at_block = max(at_s, part.to_s), max(at_block, part.last_block + 1)
    if at_s < to_s:
        gaps.append(_gap(kind, at_s, to_s, f"blocks {at_block} and later"))
    return _Reach(at_s, gaps)


def _gap(kind: EventKind, from_s: int, to_s: int, blocks: str) -> str:
    return (
        f"the {kind} events of {utc(from_s)} to {utc(to_s)} ({blocks}) are not all stored: keeper data download fetches them;"
        " of files that have them all, keeper data import --since --until says so"
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    time_s: int
    block: int
    state: StoredState | None = None


def _cut(manifest: Manifest, key: PoolKey, base: StoredState, end_s: int, to_s: int) -> Iterator[Stretch]:
    base_of = base
    for begin, after in pairwise(_cuts(manifest.states, base, end_s)):
        if begin.time_s >= to_s and begin.state is not base:
            return
        base_of = begin.state or base_of
        yield _stretch(manifest, key, base_of, begin, after)


def _cuts(states: Sequence[StoredState], base: StoredState, end_s: int) -> list[_Cut]:
    later = [state for state in states if state.block > base.block and state.timestamp_s < end_s]
    known = [_Cut(state.timestamp_s, state.block, state) for state in (base, *later)]
    midnights = range((base.timestamp_s // DAY_S + 1) * DAY_S, end_s, DAY_S)
    # A state is as good a beginning of a day as midnight, which it may miss by a block.
    free = [time_s for time_s in midnights if not any(0 <= time_s - cut.time_s < HOUR_S for cut in known)]
    cuts = [*known, *(_Cut(time_s, ANY_BLOCK) for time_s in free)]
    return [*sorted(cuts, key=lambda cut: cut.time_s), _Cut(end_s, ANY_BLOCK)]


def _stretch(manifest: Manifest, key: PoolKey, base: StoredState, begin: _Cut, after: _Cut) -> Stretch:
    to_s = after.time_s + 1 if after.state else after.time_s
    since = [file for file in manifest.files if file.first_s < to_s and file.last_s >= base.timestamp_s]
    after_block = begin.state.block if begin.state else base.block
    made_from = [
        VERSION,
        *(manifest.chain_id, manifest.pool, key.fee_pips, key.tick_spacing),
        *(begin.time_s, after_block, to_s, after.block),
        *(base.sha256, after.state and after.state.sha256),
        *(file.sha256 for file in since),
    ]
    return Stretch(
        name=hashlib.sha256(json.dumps(made_from).encode()).hexdigest(),
        after_block=after_block,
        upto_block=after.block,
        from_s=begin.time_s,
        to_s=to_s,
        begins_with=begin.state,
        ends_with=after.state,
        files=tuple(file for file in since if file.last_s >= begin.time_s),
    )

"""A chain that is played from tapes: its pools, and the block that it stands at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice, repeat

from keeper.core.model.errors import Transient
from keeper.core.model.pool import BlockRef
from keeper.simulation.presence import Presence
from keeper.simulation.sim_pool import SimPool
from keeper.simulation.tape import Tape, TapeBlock

SLOT_S = {1: 12, 10: 2, 137: 2, 8453: 2}
"""Chain id -> seconds between blocks."""
_SLOT_S = 12
_NEVER = 1 << 62


def slot_s(chain_id: int) -> int:
    """Seconds between blocks of a chain."""
    return SLOT_S.get(chain_id, _SLOT_S)


class TapeEnd(Transient):
    """The tapes end before the time that was asked for."""


class SimMarket:
    """Plays the events of one or more pools in the order of the chain.

    Args:
        tapes: one for each pool, all of one chain, with a common start of time or near it.
        presence: how recorded swaps meet our liquidity.
        twap_window_s: of the views.
    """

    def __init__(self, tapes: Sequence[Tape], *, presence: Presence, twap_window_s: int) -> None:
        first = max(tapes, key=lambda tape: tape.start.timestamp_s)
        self.chain_id = first.chain_id
        self.slot_s = slot_s(self.chain_id)
        self.pools = {
            tape.key.address: SimPool(tape.key, tape.start, presence=presence, twap_window_s=twap_window_s) for tape in tapes
        }
        self.start_s = first.start.timestamp_s
        self.end_s = min(tape.end_s for tape in tapes)
        self._tapes = tuple(tapes)
        self._number, self._now_s = first.start.block, first.start.timestamp_s
        self._played = 0
        self._coming = self._read()
        self._next: tuple[SimPool, TapeBlock] | None = next(self._coming, None)
        self.advance_to_s(self._now_s)

    @property
    def now_s(self) -> int:
        """Chain time of the newest block."""
        return self._now_s

    @property
    def block(self) -> BlockRef:
        """The newest block; its hash is made of its number."""
        return BlockRef(number=self._number, hash=f"0x{self._number:064x}", timestamp_s=self._now_s)

    @property
    def swaps(self) -> int:
        """Recorded swaps that were made so far."""
        return sum(pool.swaps for pool in self.pools.values())

    @property
    def refused(self) -> int:
        """Recorded events that a pool refused because our presence has led it elsewhere."""
        return sum(pool.refused for pool in self.pools.values())

    def advance_to_s(self, until_s: int) -> None:
        """Play every block up to a time, and stand at the newest slot that is not later.

        Raises:
            TapeEnd: the tapes do not reach so far.
        """
        if until_s > self.end_s:
            raise TapeEnd(f"the tape ends at {self.end_s} s, {until_s} s was asked for")
        self._play(until_s=until_s, until_number=_NEVER)
        slots = max(until_s - self._now_s, 0) // self.slot_s
        if slots:
            self._stand(self._number + slots, self._now_s + slots * self.slot_s)

    def advance_blocks(self, count: int) -> None:
        """Let so many blocks pass.

        Raises:
            TapeEnd: the tapes do not reach so far.
        """
        number, at_s = self._number + count, self._now_s + count * self.slot_s
        self._play(until_s=_NEVER, until_number=number)
        self._stand(max(number, self._number), max(at_s, self._now_s))
        if self._now_s > self.end_s:
            raise TapeEnd(f"the tape ends at {self.end_s} s")

    def _play(self, *, until_s: int, until_number: int) -> None:
        """Every block that is neither later nor further on."""
        upcoming, coming, played, last = self._next, self._coming, 0, None
        while upcoming is not None:
            pool, block = upcoming
            if block.timestamp_s > until_s or block.number > until_number:
                break
            pool.play(block)
            played, last = played + 1, block
            upcoming = self._next = next(coming, None)
        if last is not None:
            self._played += played
            self._number, self._now_s = max(self._number, last.number), max(self._now_s, last.timestamp_s)

    def _stand(self, number: int, now_s: int) -> None:
        """Be at a block without events; never at or past the next one that has some."""
        if self._next is not None:
            number = min(number, self._next[1].number - 1)
            now_s = min(now_s, self._next[1].timestamp_s)
        self._number, self._now_s = max(number, self._number), max(now_s, self._now_s)

    def __getstate__(self) -> dict[str, object]:
        """All but what reads the tapes: it is opened anew, and goes on where it was."""
        return {name: value for name, value in vars(self).items() if name not in {"_coming", "_next"}}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._coming = islice(self._read(), self._played, None)
        self._next = next(self._coming, None)

    def _read(self) -> Iterator[tuple[SimPool, TapeBlock]]:
        streams = [zip(repeat(self.pools[tape.key.address]), tape.blocks(), strict=False) for tape in self._tapes]
        return streams[0] if len(streams) == 1 else merge(*streams, key=lambda one: one[1].number)

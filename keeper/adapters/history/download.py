"""From a node into the store: in stretches as long as the node bears, and only what is not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.blocks import first_block_since, header_call, header_of, headers
from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.evm.pool_events import logs_call, must_lie_in
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.history.event_logs import rows_of, timed
from keeper.adapters.history.manifest import Coverage, Manifest
from keeper.adapters.history.rows import ALL_KINDS
from keeper.adapters.history.store import PoolWriter
from keeper.core.model.errors import ConfigError, Fault, Reorged, Transient
from keeper.core.model.pool import BlockRef

FIRST_RANGE_BLOCKS = 100
LONGEST_RANGE_BLOCKS = 200_000
WANTED_LOGS = 10_000
"""A range grows while its answers hold fewer: more would cost memory and gain no speed."""
FLUSH_ROWS = 50_000
"""Rows held in memory before they are stored."""
FLUSH_S = 30.0
"""Seconds after which they are stored anyway, so that a cut loses little."""
FAILURES = 3
"""Unusable answers in a row, each after the client's own attempts, before a download gives up."""
TAIL_ATTEMPTS = 3
_REGROWTH = 8
"""Answers in a row after which a length that was refused is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a download is."""

    blocks_done: int
    blocks_total: int
    logs: int
    """Taken from the node in this run."""
    new_rows: int
    """Stored in this run that were not there before."""
    requests: int
    elapsed_s: float

    @property
    def logs_per_s(self) -> float:
        """Rate of this run so far."""
        return self.logs / self.elapsed_s if self.elapsed_s > 0 else 0.0


class RangeLength:
    """How many blocks to ask for at once: halved when refused, doubled while answers are small."""

    def __init__(self) -> None:
        self.blocks = FIRST_RANGE_BLOCKS
        self._cap = LONGEST_RANGE_BLOCKS
        self._answers = 0

    def refused(self, asked: int) -> None:
        """The node would not answer for so many blocks."""
        self.blocks = max(asked // 2, 1)
        self._cap = self.blocks
        self._answers = 0

    def answered(self, asked: int, logs: int) -> None:
        """It did, with so many logs."""
        self._answers += 1
        if self._answers >= _REGROWTH:
            self._cap, self._answers = min(2 * self._cap, LONGEST_RANGE_BLOCKS), 0
        if logs > 2 * WANTED_LOGS:
            self.blocks = max(asked // 2, 1)
        elif 2 * logs < WANTED_LOGS:
            self.blocks = min(max(2 * asked, self.blocks), self._cap)


@dataclass(frozen=True, slots=True)
class Span:
    """Blocks of which some kinds of events are to be fetched."""

    first: int
    last: int
    kinds: tuple[EventKind, ...] = ALL_KINDS

    @property
    def blocks(self) -> int:
        """How many; below one when there are none."""
        return self.last - self.first + 1


def missing_spans(manifest: Manifest, first: int, last: int) -> list[Span]:
    """What of blocks ``first`` to ``last``, both included, is not stored for good, each span with the kinds that it lacks."""
    held = {
        kind: [(part.first_block, part.last_block) for part in manifest.stretches((kind,), with_tail=False)]
        for kind in ALL_KINDS
    }
    edges = {edge for parts in held.values() for begin, end in parts for edge in (begin, end + 1)}
    spans = list[Span]()
    for begin, after in pairwise(sorted({first, last + 1} | {edge for edge in edges if first < edge <= last})):
        kinds = tuple(kind for kind, parts in held.items() if not any(one <= begin <= end for one, end in parts))
        if spans and spans[-1].last == begin - 1 and spans[-1].kinds == kinds:
            spans[-1] = replace(spans[-1], last=after - 1)
        elif kinds:
            spans.append(Span(begin, after - 1, kinds))
    return spans


@dataclass(frozen=True, slots=True)
class _Asked:
    span: Span
    answer: Future[list[Any]]
    """The logs of the range, and the header of its last block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    first: int
    end: BlockRef
    """Its number is the last that was asked for."""
    rows: list[EventRow]


class Download:
    """One run for one pool.

    Args:
        rpc: the node.
        writer: of the pool's folder.
        pool: address.
        confirmations: depth at which a block counts as final where the node knows no ``finalized``.
        clock: seconds, for the rate.
    """

    def __init__(
        self,
        rpc: Rpc,
        writer: PoolWriter,
        *,
        pool: str,
        confirmations: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = rpc
        self._writer = writer
        self._pool = pool
        self._confirmations = confirmations
        self._clock = clock
        self._length = RangeLength()
        # The client is for one thread at a time: one speaks with the node while what it gave before is taken apart.
        self._line = ThreadPoolExecutor(max_workers=1, thread_name_prefix="history")
        self._ahead: _Asked | None = None
        self._begin_s = clock()
        self._requests_before = rpc.requests
        self._logs = self._new_rows = self._done = self._total = 0
        self.notes: list[str] = []
        """What a person should know of this run."""

    def run(self, *, since_s: int, until_s: int | None = None) -> Generator[Progress]:
        """Fetch what is missing of the blocks with ``since_s`` <= time < ``until_s`` (None: to the newest), telling progress.

        What has been told as done is stored. Blocks that may still be replaced are read anew by every run.

        Raises:
            Transient: the node failed for good; a later run goes on from what is stored.
            Fault: the chain is not the one that the stored blocks are of.
            ConfigError: there is no block in that time.
        """
        try:
            yield from self._run(since_s, until_s)
        finally:
            self._line.shutdown(wait=False, cancel_futures=True)

    def _run(self, since_s: int, until_s: int | None) -> Generator[Progress]:
        head, final = self._ends()
        self._check_stored(head)
        last = head.number if until_s is None else self._first_since(until_s, head) - 1
        first = self._first_since(since_s, head)
        if last < first:
            raise ConfigError(
                [f"--since, --until: no block was made in that time; the newest is of Unix time {head.timestamp_s}"]
            )
        spans = missing_spans(self._writer.manifest, first, min(last, final)) if first <= final else []
        tail = Span(max(first, final + 1), last)
        self._total = sum(span.blocks for span in spans) + max(tail.blocks, 0)
        for span in spans:
            yield from self._sealed(span)
        if tail.blocks > 0:
            self._tail(tail)
        self._writer.compact()
        self._done = self._total
        yield self._progress()

    def _first_since(self, since_s: int, head: BlockRef) -> int:
        found = first_block_since(self._rpc, since_s, head)
        return head.number + 1 if found is None else found.number

    def _ends(self) -> tuple[BlockRef, int]:
        """The newest block, and the number of the newest that is final."""
        newest, final = self._rpc.batch_outcomes([header_call("latest"), header_call("finalized")])
        head = checked.block(checked.answered(newest, "newest block"), "newest block")
        if isinstance(final, RpcRefused) or final is None:
            return head, head.number - self._confirmations
        number = checked.block(final, "finalised block").number
        if number > head.number:
            raise BadReply(f"the finalised block {number} is newer than the newest, {head.number}")
        return head, number

    def _check_stored(self, head: BlockRef) -> None:
        """Compare what is stored with the chain that is there now."""
        manifest = self._writer.manifest
        sealed = [part for part in manifest.coverage if part.last_hash is not None]
        stored = [*sealed[-1:], *([manifest.tail.coverage] if manifest.tail else [])]
        headers = self._rpc.batch_outcomes([header_call(part.last_block) for part in stored])
        same = [
            header is not None
            and not isinstance(header, RpcRefused)
            and checked.block(header, f"header of block {part.last_block}").hash == part.last_hash
            for part, header in zip(stored, headers, strict=True)
        ]
        if sealed and not same[0]:
            block = stored[0].last_block
            raise Fault(
                f"block {block}, stored as final, is not on the chain of {self._rpc.name} (its newest is {head.number}):"
                f" is it another chain? If its history was rewritten, remove {self._writer.folder} and download anew"
            )
        if manifest.tail and not same[-1]:
            self.notes.append(f"the chain was reorganised: blocks {manifest.tail.coverage.first_block} and later are read anew")
            self._writer.drop_tail()

    def _sealed(self, span: Span) -> Generator[Progress]:
        """Fetch final blocks, storing them every so often."""
        begin = self._headers([span.first])[span.first]
        held: list[_Fetched] = []
        at, flushed_s = span.first, self._clock()
        try:
            while at <= span.last:
                # An interruption finds a stretch whole in the list, or not at all.
                held.append(self._fetch(replace(span, first=at)))
                at = held[-1].end.number + 1
                full = sum(len(part.rows) for part in held) >= FLUSH_ROWS or self._clock() - flushed_s >= FLUSH_S
                if full or at > span.last:
                    begin = self._store(held, begin, span.kinds)
                    held, flushed_s = [], self._clock()
                    yield self._progress()
        finally:
            if held:
                self._store(held, begin, span.kinds)

    def _store(self, held: Sequence[_Fetched], begin: BlockRef, kinds: tuple[EventKind, ...]) -> BlockRef:
        """Store what follows on ``begin``; the block that the next follows on."""
        first, end = held[0].first, held[-1].end
        rows = [row for part in held for row in part.rows]
        self._new_rows += self._writer.add_rows(rows, self._coverage(first, end, begin.timestamp_s + 1, kinds)).rows
        self._done += end.number - first + 1
        return end

    def _coverage(self, first: int, end: BlockRef, from_s: int, kinds: tuple[EventKind, ...]) -> Coverage:
        return Coverage(
            first_block=first,
            last_block=end.number,
            from_s=min(from_s, end.timestamp_s),
            to_s=end.timestamp_s,
            kinds=kinds,
            sources=("eth_getLogs",),
            last_hash=end.hash,
        )

    def _fetch(self, span: Span) -> _Fetched:
        """The events from the beginning of ``span`` on, as far as the node bears."""
        failures = 0
        while True:
            asked = self._asked(span)
            blocks = asked.span.blocks
            try:
                reply, header = asked.answer.result()
                if not isinstance(reply, RpcRefused):
                    return self._taken(reply, header, asked.span, span.last)
                failure: Transient = checked.ReadRefused(f"logs of block {span.first}: {reply}")
                if blocks == 1:
                    raise failure
            except Transient as error:
                # An answer that is cut short or comes too late may be too large: a shorter range is the remedy for that too.
                failures += 1
                if blocks == 1 or failures == FAILURES:
                    raise
                failure = error
            self._length.refused(blocks)

    def _asked(self, span: Span) -> _Asked:
        """A request for what ``span`` begins with: the one that is on its way already, or a new one."""
        ahead, self._ahead = self._ahead, None
        if (
            ahead is not None
            and ahead.span.kinds == span.kinds
            and span.first == ahead.span.first <= ahead.span.last <= span.last
        ):
            return ahead
        part = replace(span, last=min(span.first + self._length.blocks - 1, span.last))
        calls = [logs_call(self._pool, part.kinds, part.first, part.last), header_call(part.last)]
        return _Asked(part, self._line.submit(self._rpc.batch_outcomes, calls))

    def _taken(self, reply: object, header: object, part: Span, limit: int) -> _Fetched:
        self._length.answered(part.blocks, len(checked.sequence(reply, "eth_getLogs")))
        if part.last < limit:
            self._ahead = self._asked(Span(part.last + 1, limit, part.kinds))
        rows, hashes = rows_of(reply, self._pool, part.kinds, part.first, part.last)
        end = header_of(header, part.last)
        untimed = sorted({row.block_number for row in rows if row.timestamp_s is None} - {part.last})
        known = self._headers(untimed) | {part.last: end}
        must_lie_in(hashes, known)
        dated = timed(rows, {number: block.timestamp_s for number, block in known.items()})
        self._logs += len(rows)
        return _Fetched(first=part.first, end=end, rows=dated)

    def _tail(self, span: Span) -> None:
        """Read the blocks that are not final, all of them, and store them apart."""
        for attempt in range(1, TAIL_ATTEMPTS + 1):
            try:
                rows, coverage = self._tail_once(span)
            except Reorged:
                if attempt == TAIL_ATTEMPTS:
                    raise
            else:
                self._writer.replace_tail(rows, coverage)
                return

    def _tail_once(self, span: Span) -> tuple[list[EventRow], Coverage]:
        begin = self._headers([span.first])[span.first]
        parts, at = list[_Fetched](), span.first
        while at <= span.last:
            parts.append(self._fetch(replace(span, first=at)))
            at = parts[-1].end.number + 1
        # The parts were asked for one by one: each of their ends must still be there.
        ends = self._headers([span.first, *(part.end.number for part in parts)])
        if any(ends[block.number].hash != block.hash for block in (begin, *(part.end for part in parts))):
            raise Reorged(f"a block between {span.first} and {span.last} was replaced while they were read")
        rows = [row for part in parts for row in part.rows]
        return rows, self._coverage(span.first, parts[-1].end, begin.timestamp_s + 1, span.kinds)

    def _headers(self, numbers: Sequence[int]) -> dict[int, BlockRef]:
        return self._line.submit(headers, self._rpc, numbers).result()

    def _progress(self) -> Progress:
        return Progress(
            blocks_done=self._done,
            blocks_total=self._total,
            logs=self._logs,
            new_rows=self._new_rows,
            requests=self._rpc.requests - self._requests_before,
            elapsed_s=self._clock() - self._begin_s,
        )

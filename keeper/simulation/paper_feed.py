"""What paper trading asks of a node: pools as they stood, what happened to them since, and when the next block is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.blocks import header_call, header_of, headers
from keeper.adapters.evm.event_rows import EventRow
from keeper.adapters.evm.multicall import ContractRead, PinnedReader, read_of, values
from keeper.adapters.evm.pool_events import logs_call, must_lie_in
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.history.download import RangeLength
from keeper.adapters.history.event_logs import rows_of, timed
from keeper.adapters.history.state_download import whole_pool
from keeper.adapters.history.states import WholePool
from keeper.core.model.errors import Reorged, Transient
from keeper.core.model.pool import BlockRef
from keeper.ports.clock import Clock
from keeper.simulation.stored import NEEDED, WANTED, RecordedEvent

KINDS = (*NEEDED, *WANTED)
POLL_S = 3.0
"""Between two looks for a block that is waited for."""
LOOKS = 3
"""At one block, of a node that answers from another."""
_POOL = contract("UniswapV3Pool")
_TIMESTAMP = contract("Multicall3").function("getCurrentBlockTimestamp")
_STANDING = ("slot0", "liquidity", "feeGrowthGlobal0X128", "feeGrowthGlobal1X128")


class BlockReplaced(Reorged):
    """Another block stands where the book's last one was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What happened to the pools after one block, up to another."""

    end: BlockRef
    """The last block, its own events included."""
    base_fee_wei: int
    """Of ``end``."""
    events: Mapping[str, Sequence[RecordedEvent]]
    """By pool, in the order of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A pool at the end of a block, as far as every event shows in it."""

    sqrt_price_x96: int
    tick: int
    liquidity: int
    fee_protocol: int
    fee_growth_global0_x128: int
    fee_growth_global1_x128: int


class PaperFeed:
    """Reads one node; not thread-safe.

    Args:
        rpc: the node.
        multicall: address of Multicall3.
        pools: addresses.
        confirmations: blocks on top of one, its own included, before it counts as settled.
        clock: how waiting is done.
    """

    def __init__(self, rpc: Rpc, *, multicall: str, pools: Sequence[str], confirmations: int, clock: Clock) -> None:
        self._rpc = rpc
        self._multicall = multicall
        self._pools = tuple(pools)
        self._confirmations = confirmations
        self._clock = clock
        self._length = RangeLength()

    def settled_states(self) -> dict[str, WholePool]:
        """Every pool at the newest settled block, by address.

        Raises:
            Transient: the node failed.
        """
        number = max(self.newest().number - self._confirmations + 1, 0)
        block = headers(self._rpc, [number])[number]
        return {pool: whole_pool(self._rpc, self._multicall, pool, block) for pool in self._pools}

    def newest(self) -> BlockRef:
        """The newest block.

        Raises:
            Transient: the node failed.
        """
        (found,) = self._rpc.batch_outcomes([header_call("latest")])
        return checked.block(checked.answered(found, "newest block"), "newest block")

    def await_block(self, number: int, limit_s: float) -> BlockRef:
        """The block of this number, as soon as it is there.

        Raises:
            Transient: the node failed, or made no such block within ``limit_s``.
        """
        begin_s = self._clock.monotonic_s()
        while (newest := self.newest()).number < number:
            if self._clock.monotonic_s() - begin_s > limit_s:
                raise Transient(f"{self._rpc.name} is still at block {newest.number}, {number} was waited for {limit_s:.0f} s")
            self._clock.pause(POLL_S)
        return newest if newest.number == number else headers(self._rpc, [number])[number]

    def stretch(self, begin: BlockRef, end: BlockRef) -> Stretch:
        """What happened after ``begin``, up to ``end`` or as far as the node tells at once.

        Raises:
            BlockReplaced: ``begin`` is not on the chain any more.
            Reorged: ``end`` is not.
            Transient: the node failed.
        """
        while True:
            last = min(begin.number + self._length.blocks, end.number)
            asked = last - begin.number
            logs = [logs_call(pool, KINDS, begin.number + 1, last) for pool in self._pools]
            first, final, *replies = self._rpc.batch_outcomes([header_call(begin.number), header_call(last), *logs])
            _must_be_there(first, begin)
            refused = next((reply for reply in replies if isinstance(reply, RpcRefused)), None)
            if refused is None:
                break
            if asked == 1:
                raise checked.ReadRefused(f"logs of block {last}: {refused}")
            self._length.refused(asked)
        self._length.answered(asked, sum(len(checked.sequence(reply, "eth_getLogs")) for reply in replies))
        found = header_of(final, last)
        if last == end.number and found.hash != end.hash:
            raise Reorged(f"block {last} was replaced while its events were read")
        events = {pool: self._events(reply, pool, begin, found) for pool, reply in zip(self._pools, replies, strict=True)}
        fee = checked.quantity(checked.mapping(final, "header").get("baseFeePerGas"), f"base fee of block {last}")
        return Stretch(end=found, base_fee_wei=fee, events=events)

    def standings(self, block: BlockRef) -> dict[str, Standing]:
        """How every pool stands at the end of a block.

        Raises:
            Transient: the node failed, or answers from another block; ``Reorged`` when it does not know this one any more.
        """
        reads = {(pool, name): read_of(pool, _POOL.function(name)) for pool in self._pools for name in _STANDING}
        reader = self._read(block, list(reads.values()))
        found = dict[str, Standing]()
        for pool in self._pools:
            slot0, *numbers = (values(reader.answers, reads[pool, name]) for name in _STANDING)
            price_x96, tick, _, _, _, fee_protocol, _ = slot0
            (liquidity,), (growth0_x128,), (growth1_x128,) = numbers
            found[pool] = Standing(
                sqrt_price_x96=price_x96,
                tick=tick,
                liquidity=liquidity,
                fee_protocol=fee_protocol,
                fee_growth_global0_x128=growth0_x128,
                fee_growth_global1_x128=growth1_x128,
            )
        return found

    def _read(self, block: BlockRef, reads: Sequence[ContractRead]) -> PinnedReader:
        """Answers from just this block, which some nodes do not give while blocks arrive."""
        time = read_of(self._multicall, _TIMESTAMP)
        for _ in range(LOOKS):
            reader = PinnedReader(self._rpc, self._multicall, block.hash)
            reader.ask([time, *reads])
            if values(reader.answers, time) == (block.timestamp_s,):
                return reader
        raise BadReply(f"{self._rpc.name} answers from another block than {block.number} at every look")

    def first_on_chain(self, blocks: Sequence[BlockRef]) -> BlockRef | None:
        """The first of these blocks that the chain still has; None when it has none of them.

        Raises:
            Transient: the node failed.
        """
        outcomes = self._rpc.batch_outcomes([header_call(block.number) for block in blocks])
        for block, outcome in zip(blocks, outcomes, strict=True):
            header = checked.answered(outcome, f"header of block {block.number}")
            if header is not None and header_of(header, block.number).hash == block.hash:
                return block
        return None

    def _events(self, reply: Any, pool: str, begin: BlockRef, end: BlockRef) -> list[RecordedEvent]:
        rows, hashes = rows_of(reply, pool, KINDS, begin.number + 1, end.number)
        untimed = sorted({row.block_number for row in rows if row.timestamp_s is None} - {end.number})
        known = headers(self._rpc, untimed) | {end.number: end}
        must_lie_in(hashes, known)
        return list(_recorded(timed(rows, {number: block.timestamp_s for number, block in known.items()})))


def _must_be_there(outcome: object, block: BlockRef) -> None:
    """See that a block of before is still on the chain.

    Raises:
        BlockReplaced: another one stands there.
        Transient: the node does not tell; one that lags behind knows no block there.
    """
    what = f"header of block {block.number}"
    header = checked.answered(outcome, what)
    if header is None:
        raise Transient(f"{what}: the node does not know it yet")
    if header_of(header, block.number).hash != block.hash:
        raise BlockReplaced(f"block {block.number} was replaced")


def _recorded(rows: Iterable[EventRow]) -> Iterable[RecordedEvent]:
    for row in rows:
        if row.timestamp_s is None:
            raise BadReply(f"a log of block {row.block_number} without a time")
        yield RecordedEvent(
            block=row.block_number,
            timestamp_s=row.timestamp_s,
            log_index=row.log_index,
            kind=row.event,
            amount0=row.amount0,
            amount1=row.amount1,
            sqrt_price_x96=row.sqrt_price_x96,
            liquidity=row.liquidity,
            tick=row.tick,
            tick_lower=row.tick_lower,
            tick_upper=row.tick_upper,
            liquidity_delta=row.liquidity_delta,
        )

"""The market of a virtual book: a live chain's pools with our liquidity in them, played from the events that its node tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter

from keeper.adapters.history.states import WholePool
from keeper.core.model.errors import Transient
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef
from keeper.simulation.inference import Inference
from keeper.simulation.market import SLOT_S
from keeper.simulation.paper_feed import BlockReplaced, PaperFeed, Standing, Stretch
from keeper.simulation.presence import Presence
from keeper.simulation.sim_pool import SimPool
from keeper.simulation.stored import RecordedEvent
from keeper.simulation.tape import TapeBlock, TapeError, TapeStart

_SLOT_S = 12
_PATIENCE_SLOTS = 10
"""How many times a block's usual time is waited for it, and a minute."""


class LostChain(Transient):
    """Events do not lead to what the chain says: some are missing, or the node contradicts itself."""


class PaperMarket:
    """Follows a chain block by block: as it is in a shadow of every pool, and with us in it in the pool itself.

    After anything but success the market may stand between two blocks: it is then to be thrown away, and a saved one taken.

    Args:
        feed: of the chain.
        starts: by pool, all of one block.
        policy: names the pools.
        presence: how the chain's swaps meet our liquidity.
    """

    def __init__(self, feed: PaperFeed, starts: Mapping[str, WholePool], policy: Policy, presence: Presence) -> None:
        self._feed: PaperFeed | None = feed
        self.chain_id = policy.chain_id
        self.slot_s = SLOT_S.get(self.chain_id, _SLOT_S)
        self.block = _block_of(starts[policy.signal_pool])
        """The newest block whose events are in the pools."""
        self.base_fee_wei = 0
        """Of ``block``; zero before the first that was followed."""
        window_s = policy.gates.twap_window_s
        self.pools = {
            key.address: SimPool(key, _start_of(starts[key.address]), presence=presence, twap_window_s=window_s)
            for key in policy.pools
        }
        self._shadows = {
            address: Inference(start.pool, f"the state of block {start.block}") for address, start in starts.items()
        }

    @property
    def now_s(self) -> int:
        """Chain time of the newest block that was followed."""
        return self.block.timestamp_s

    @property
    def refused(self) -> int:
        """Events of the chain that a pool refused because our presence has led it elsewhere."""
        return sum(pool.refused for pool in self.pools.values())

    def at(self, now_s: int) -> int:  # ruff: ignore[unused-method-argument] - the fees of a tape are asked by time
        """Base fee of the newest block that was followed, in wei."""
        return self.base_fee_wei

    def attach(self, feed: PaperFeed) -> None:
        """Go on from this node: a market that was saved has none."""
        self._feed = feed

    def follow(self, target: BlockRef) -> None:
        """Let everything happen that happened up to ``target``, and see that the shadows then stand as the chain does.

        Raises:
            BlockReplaced: the chain has left the block that the market stands at.
            LostChain: what the node tells does not fit together.
            Transient: the node failed, or is behind.
        """
        feed = self._node
        if target.number < self.block.number:
            raise Transient(f"the node is at block {target.number}, the book at {self.block.number}")
        if target.number == self.block.number and target.hash != self.block.hash:
            raise BlockReplaced(f"block {target.number} was replaced")
        if target == self.block:
            return
        while self.block.number < target.number:
            self._take(feed.stretch(self.block, target))
        self._must_stand(feed.standings(target))

    def advance_blocks(self, count: int) -> None:
        """Wait until the chain is so many blocks further, and follow it to just there.

        Raises:
            Transient: as :meth:`follow`, or the blocks did not come.
        """
        number = self.block.number + count
        self.follow(self._node.await_block(number, 60.0 + count * self.slot_s * _PATIENCE_SLOTS))

    def _take(self, stretch: Stretch) -> None:
        for address, events in stretch.events.items():
            pool, shadow = self.pools[address], self._shadows[address]
            for block in _blocks(events, shadow):
                pool.play(block)
            # prices are the chain's own: nobody takes these rows
            pool.rows.clear()
        self.block, self.base_fee_wei = stretch.end, stretch.base_fee_wei

    def _must_stand(self, standings: Mapping[str, Standing]) -> None:
        for address, wanted in standings.items():
            pool = self._shadows[address].pool
            differing = [name for name in Standing.__slots__ if getattr(pool, name) != getattr(wanted, name)]
            if differing:
                name = differing[0]
                found, there = getattr(pool, name), getattr(wanted, name)
                raise LostChain(
                    f"pool {address}, block {self.block.number}: events lead to {name} {found}, the chain has {there}"
                )

    @property
    def _node(self) -> PaperFeed:
        if self._feed is None:
            raise AssertionError("a market that was saved must be attached to a node first")
        return self._feed

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_feed": None}


def _blocks(events: Iterable[RecordedEvent], shadow: Inference) -> Iterable[TapeBlock]:
    """Blocks of a tape; the shadow takes the events in.

    Raises:
        LostChain: one does not follow.
    """
    for number, group in groupby(events, key=attrgetter("block")):
        of_block = list(group)
        try:
            taken = [shadow.take(row) for row in of_block]
        except TapeError as error:
            raise LostChain(str(error)) from None
        if found := tuple(event for event in taken if event is not None):
            yield TapeBlock(number, of_block[0].timestamp_s, found)


def _block_of(start: WholePool) -> BlockRef:
    assert start.block_hash is not None
    return BlockRef(number=start.block, hash=start.block_hash, timestamp_s=start.timestamp_s)


def _start_of(start: WholePool) -> TapeStart:
    return TapeStart(block=start.block, timestamp_s=start.timestamp_s, pool=start.pool)

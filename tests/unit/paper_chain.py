"""A chain that is made up block by block, as a node would tell of it to paper trading."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.states import WholePool
from keeper.core.model.errors import Transient
from keeper.core.model.pool import BlockRef
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.localchain.pools import USDC_WETH_500, crowded
from keeper.simulation.paper_feed import BlockReplaced, Standing, Stretch
from keeper.simulation.stored import RecordedEvent

POOL = USDC_WETH_500.address
BEGIN_S = 1_759_276_800
BLOCK_S = 12
_KINDS = (EventKind.SWAP,) * 6 + (EventKind.MINT, EventKind.BURN, EventKind.FLASH, EventKind.FEE_PROTOCOL)


@dataclass
class MadeBlock:
    ref: BlockRef
    events: list[RecordedEvent]
    after: ExactPool


@dataclass
class MadeChain:
    """A pool that trades by chance, and the feed of a node that knows it."""

    seed: int = 1
    blocks: list[MadeBlock] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    """Blocks whose first event the node keeps to itself."""
    is_down: bool = False
    stuck: bool = False
    """Whether no block comes, however long one waits."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._branch = 0
        pool = ExactPool.restore(crowded(USDC_WETH_500, 4_000.0, "crowd", random.Random(7)))
        self._provided: list[tuple[int, int, int]] = []
        self.blocks = [MadeBlock(self._ref(0), [], pool)]

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            pool, number = self.blocks[-1].after.copy(), len(self.blocks)
            events = [self._event(pool, number, index) for index in range(self._rng.randint(0, 3))]
            self.blocks.append(MadeBlock(self._ref(number), events, pool))

    def reorganise(self, depth: int) -> None:
        """Other blocks, with other events, in the place of the newest ``depth``."""
        self._branch += 1
        del self.blocks[-depth:]
        self._provided.clear()
        self.mine(depth)

    def _ref(self, number: int) -> BlockRef:
        return BlockRef(number=number, hash=f"0x{self._branch:032x}{number:032x}", timestamp_s=BEGIN_S + number * BLOCK_S)

    def _event(self, pool: ExactPool, number: int, index: int) -> RecordedEvent:
        kind = self._rng.choice(_KINDS)
        fields: dict[str, int] = {}
        if kind is EventKind.SWAP:
            down, sign = self._rng.random() < 0.5, self._rng.choice((1, -1))
            amount = sign * self._rng.randint(1, 10**11 if down == (sign > 0) else 3 * 10**19)
            limit = MIN_SQRT_RATIO + 1 if down else MAX_SQRT_RATIO - 1
            moved = pool.swap(zero_for_one=down, amount_specified=amount, sqrt_price_limit_x96=limit)
            fields = {"sqrt_price_x96": pool.sqrt_price_x96, "liquidity": pool.liquidity, "tick": pool.tick}
        elif kind is EventKind.MINT or (kind is EventKind.BURN and not self._provided):
            kind = EventKind.MINT
            lower = (pool.tick // 10 - self._rng.randint(1, 60)) * 10
            upper = (pool.tick // 10 + self._rng.randint(1, 60)) * 10
            self._provided.append((lower, upper, self._rng.randint(10**14, 10**17)))
            moved, fields = self._provide(pool, *self._provided[-1])
        elif kind is EventKind.BURN:
            lower, upper, liquidity = self._provided.pop()
            moved, fields = self._provide(pool, lower, upper, -liquidity)
        elif kind is EventKind.FLASH:
            moved = self._rng.randint(0, 10**7), self._rng.randint(1, 10**16)
            pool.flash(*moved)
        else:
            moved = self._rng.choice((0, 4, 10)), self._rng.choice((0, 4, 7))
            pool.set_fee_protocol(*moved)
        blank = dict.fromkeys(("sqrt_price_x96", "liquidity", "tick", "tick_lower", "tick_upper", "liquidity_delta"))
        return RecordedEvent(
            **{**blank, **fields},
            block=number,
            timestamp_s=BEGIN_S + number * BLOCK_S,
            log_index=index,
            kind=kind,
            amount0=moved[0],
            amount1=moved[1],
        )

    @staticmethod
    def _provide(pool: ExactPool, lower: int, upper: int, delta: int) -> tuple[tuple[int, int], dict[str, int]]:
        amounts = pool.provide(lower, upper, delta)
        sign = 1 if delta > 0 else -1
        fields = {"tick_lower": lower, "tick_upper": upper, "liquidity_delta": delta}
        return (sign * amounts[0], sign * amounts[1]), fields

    # --- the feed

    def settled_states(self) -> dict[str, WholePool]:
        newest = self.blocks[-1]
        pool = newest.after.snapshot()
        ref = newest.ref
        state = WholePool(block=ref.number, timestamp_s=ref.timestamp_s, block_hash=ref.hash, source="made up", pool=pool)
        return {POOL: state}

    def newest(self) -> BlockRef:
        return self.blocks[-1].ref

    def await_block(self, number: int, limit_s: float) -> BlockRef:
        if self.stuck:
            raise Transient(f"no block {number} within {limit_s} s")
        self.mine(max(number + 1 - len(self.blocks), 0))
        return self.blocks[number].ref

    def stretch(self, begin: BlockRef, end: BlockRef) -> Stretch:
        """Five blocks at once at most."""
        if self.is_down:
            raise Transient("the node is down")
        if self.blocks[begin.number].ref != begin:
            raise BlockReplaced(f"block {begin.number} was replaced")
        last = min(begin.number + 5, end.number)
        told = [
            event
            for block in self.blocks[begin.number + 1 : last + 1]
            for event in block.events[1 if block.ref.number in self.hidden else 0 :]
        ]
        return Stretch(end=self.blocks[last].ref, base_fee_wei=10**9 + last, events={POOL: told})

    def standings(self, block: BlockRef) -> dict[str, Standing]:
        pool = self.blocks[block.number].after
        return {POOL: Standing(**{name: getattr(pool, name) for name in Standing.__slots__})}

    def first_on_chain(self, blocks: Sequence[BlockRef]) -> BlockRef | None:
        return next((block for block in blocks if block in [one.ref for one in self.blocks]), None)

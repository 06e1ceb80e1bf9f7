"""One pool of a simulated chain: its exact state, its observations, its tick map and the rows of its price history."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from keeper.core.model.pool import BlockPrice, BlockRef, PoolKey, PoolState, PoolView, TickNet
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.oracle import MOST_OBSERVATIONS, Oracle, OracleSnapshot
from keeper.core.v3math.reverts import ObservationTooOldError, RevertError
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_TICK, MIN_TICK
from keeper.simulation.passing import passing_volume0
from keeper.simulation.presence import PLAYS, Presence
from keeper.simulation.tape import FeeEvent, FeeProtocolEvent, LiquidityEvent, SwapEvent, TapeBlock, TapeStart

OURS = "ours"
"""Owner of our liquidity in the pool's books, as the position manager is on the chain."""
REACH_TICKS = 1_000
"""How far a view's tick map reaches to either side of the price, as that of the real source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPool:
    """A pool as it was before a transaction."""

    pool: ExactPool
    observations: OracleSnapshot
    nets: tuple[TickNet, ...]
    balance0: int
    balance1: int


class SimPool:
    """A pool that lives on from a recorded state.

    Args:
        key: which pool.
        start: the state that it begins with. Where it has no observations, none are older, and the ring reaches over the
            window whatever happens.
        presence: how recorded swaps meet our liquidity.
        twap_window_s: seconds behind the time-weighted price.
    """

    def __init__(self, key: PoolKey, start: TapeStart, *, presence: Presence, twap_window_s: int) -> None:
        self.key = key
        self.pool = ExactPool.restore(start.pool)
        self._swap = PLAYS[presence]
        self.twap_window_s = twap_window_s
        self.refused = 0
        """Recorded events that this pool refused, because our presence has led it elsewhere."""
        self.swaps = 0
        self.balance0, self.balance1 = 0, 0
        """Raw tokens that came in since the start, less those that went out."""
        self._nets = [TickNet(tick=tick, liquidity_net=info.liquidity_net) for tick, info in sorted(start.pool.ticks.items())]
        self._ticks = [net.tick for net in self._nets]
        self._map: tuple[int, int, tuple[TickNet, ...]] | None = None
        self.oracle = _oracle_of(start, twap_window_s)
        self.now_s = start.timestamp_s
        """Chain time of the newest block that something of ours or of the tape happened in."""
        self.rows: list[BlockPrice] = []
        """Of every block with a swap, until they are taken."""

    def play(  # ruff: ignore[too-many-locals, complex-structure] - the one loop over a tape; to split it costs a call a swap
        self, block: TapeBlock
    ) -> None:
        """Let the events of a block happen."""
        number, now_s, events = block
        pool, swap, self.now_s = self.pool, self._swap, now_s
        tick, liquidity = pool.tick, pool.liquidity
        high_x96 = low_x96 = volume0 = volume1 = net0 = net1 = swaps = mints = burns = 0
        for event in events:
            if type(event) is SwapEvent:
                try:
                    amount0, amount1 = swap(pool, event)
                except RevertError:
                    self.refused += 1
                    continue
                price_x96 = pool.sqrt_price_x96
                if swaps:
                    high_x96, low_x96 = max(high_x96, price_x96), min(low_x96, price_x96)
                else:
                    high_x96 = low_x96 = price_x96
                if amount0 > 0:
                    volume0 += amount0
                    volume1 -= amount1
                else:
                    volume0 -= amount0
                    volume1 += amount1
                net0 += amount0
                net1 += amount1
                swaps += 1
            elif type(event) is LiquidityEvent:
                mints += event.liquidity_delta > 0
                burns += event.liquidity_delta < 0
                self._others(event, tick, liquidity)
            elif type(event) is FeeEvent:
                pool.flash(event.amount0, event.amount1)
            elif type(event) is FeeProtocolEvent:
                pool.set_fee_protocol(event.fee_protocol % 16, event.fee_protocol >> 4)
        if swaps:
            self.swaps += swaps
            self.balance0 += net0
            self.balance1 += net1
            self._add_row(
                # in the order of the fields: by their names it takes twice as long
                BlockPrice(
                    number,
                    now_s,
                    pool.sqrt_price_x96,
                    high_x96,
                    low_x96,
                    volume0,
                    volume1,
                    swaps,
                    net0,
                    net1,
                    passing_volume0(events, volume0, pool.tick, pool.liquidity) if mints and burns else 0,
                )
            )
            if pool.tick != tick or (swaps > 1 and _left(tick, low_x96, high_x96)):
                self.oracle.write(now_s, tick, liquidity)

    def twap_tick(self, now_s: int) -> int | None:
        """Mean tick over the window, rounded down; None where the observations do not reach back so far.

        Ref: ``OracleLibrary.sol`` consult.
        """
        tick, liquidity = self.pool.tick, self.pool.liquidity
        try:
            then, _ = self.oracle.observe_single(now_s, self.twap_window_s, tick=tick, liquidity=liquidity)
        except ObservationTooOldError:
            return None
        now, _ = self.oracle.observe_single(now_s, 0, tick=tick, liquidity=liquidity)
        return (now - then) // self.twap_window_s

    def view(self, now_s: int) -> PoolView:
        """As the source of a cycle shows it."""
        pool = self.pool
        tick = pool.tick
        lower, upper = max(tick - REACH_TICKS, MIN_TICK), min(tick + REACH_TICKS, MAX_TICK) + 1
        first, last = bisect_left(self._ticks, lower), bisect_left(self._ticks, upper)
        if self._map is None or self._map[:2] != (first, last):
            self._map = first, last, tuple(self._nets[first:last])
        return PoolView(
            state=PoolState(
                key=self.key,
                sqrt_price_x96=pool.sqrt_price_x96,
                tick=tick,
                liquidity=pool.liquidity,
                fee_growth_global0_x128=pool.fee_growth_global0_x128,
                fee_growth_global1_x128=pool.fee_growth_global1_x128,
                fee_protocol=pool.fee_protocol,
            ),
            ticks=self._map[2],
            map_lower=lower,
            map_upper=upper,
            twap_tick=self.twap_tick(now_s),
            twap_window_s=self.twap_window_s,
        )

    def change(self, owner: str, tick_lower: int, tick_upper: int, liquidity_delta: int) -> tuple[int, int]:
        """Mint or burn at ``now_s``; raw token0 and token1 into the pool, negative for what is owed out.

        Raises:
            RevertError: as the contract does.
        """
        tick, liquidity = self.pool.tick, self.pool.liquidity
        if liquidity_delta > 0:
            amount0, amount1 = self.pool.mint(owner, tick_lower, tick_upper, liquidity_delta)
        else:
            out0, out1 = self.pool.burn(owner, tick_lower, tick_upper, -liquidity_delta)
            amount0, amount1 = -out0, -out1
        if liquidity_delta:
            if tick_lower <= tick < tick_upper:
                self.oracle.write(self.now_s, tick, liquidity)
            self._note_net(tick_lower)
            self._note_net(tick_upper)
        self.balance0 += amount0
        self.balance1 += amount1
        return amount0, amount1

    def trade(self, block: BlockRef, swap: SwapRequest) -> tuple[int, int]:
        """A swap that is not on the tape, in the newest block; raw token0 and token1 into the pool.

        Raises:
            RevertError: as the contract does.
        """
        tick, liquidity, self.now_s = self.pool.tick, self.pool.liquidity, block.timestamp_s
        amount0, amount1 = self.pool.swap(
            zero_for_one=swap.zero_for_one,
            amount_specified=swap.amount_specified,
            sqrt_price_limit_x96=swap.sqrt_price_limit_x96,
        )
        self.balance0 += amount0
        self.balance1 += amount1
        self._add_row(_row_of(block, self.pool.sqrt_price_x96, amount0, amount1))
        if self.pool.tick != tick:
            self.oracle.write(block.timestamp_s, tick, liquidity)
        return amount0, amount1

    def _add_row(self, row: BlockPrice) -> None:
        rows = self.rows
        if rows and rows[-1].block == row.block:
            row = _joined(rows.pop(), row)
        rows.append(row)

    def saved(self) -> SavedPool:
        """All that a transaction can change, to be put back when it reverts."""
        return SavedPool(
            pool=self.pool.copy(),
            observations=self.oracle.snapshot(),
            nets=tuple(self._nets),
            balance0=self.balance0,
            balance1=self.balance1,
        )

    def put_back(self, saved: SavedPool) -> None:
        """Be again what was saved."""
        self.pool = saved.pool
        self.oracle = Oracle.restore(saved.observations)
        self._nets = list(saved.nets)
        self._ticks, self._map = [net.tick for net in saved.nets], None
        self.balance0, self.balance1 = saved.balance0, saved.balance1

    def _others(self, event: LiquidityEvent, tick: int, liquidity: int) -> None:
        """Somebody else's mint or burn; tick and liquidity are those before the block, which its observation holds."""
        lower, upper, delta = event
        try:
            amount0, amount1 = self.pool.provide(lower, upper, delta)
        except RevertError:
            self.refused += 1
            return
        if lower <= tick < upper:
            self.oracle.write(self.now_s, tick, liquidity)
        self.balance0 += amount0
        self.balance1 += amount1
        self._note_net(lower)
        self._note_net(upper)

    def _note_net(self, tick: int) -> None:
        self._map = None
        place = bisect_left(self._ticks, tick)
        there = place < len(self._ticks) and self._ticks[place] == tick
        info = self.pool.tick_info(tick)
        if info.liquidity_gross == 0:
            if there:
                del self._ticks[place], self._nets[place]
            return
        net = TickNet(tick=tick, liquidity_net=info.liquidity_net)
        if there:
            self._nets[place] = net
        else:
            self._ticks.insert(place, tick)
            self._nets.insert(place, net)


def _oracle_of(start: TapeStart, window_s: int) -> Oracle:
    if start.pool.observations is not None:
        return Oracle.restore(start.pool.observations)
    oracle = Oracle(start.timestamp_s)
    # at most one observation a second, the one before the window, and the one that is written next
    oracle.grow(min(window_s + 2, MOST_OBSERVATIONS))
    return oracle


def _left(tick: int, low_x96: int, high_x96: int) -> bool:
    """Whether prices after some swaps of a block lie outside a tick, that the last of them stands at again."""
    return low_x96 < get_sqrt_ratio_at_tick(tick) or high_x96 >= get_sqrt_ratio_at_tick(tick + 1)


def _row_of(block: BlockRef, price_x96: int, amount0: int, amount1: int) -> BlockPrice:
    return BlockPrice(
        block=block.number,
        timestamp_s=block.timestamp_s,
        sqrt_price_x96=price_x96,
        high_x96=price_x96,
        low_x96=price_x96,
        volume0=abs(amount0),
        volume1=abs(amount1),
        swaps=1,
        net0=amount0,
        net1=amount1,
        jit0=0,
    )


def _joined(first: BlockPrice, then: BlockPrice) -> BlockPrice:
    """Two parts of one block, in their order."""
    return then._replace(
        high_x96=max(first.high_x96, then.high_x96),
        low_x96=min(first.low_x96, then.low_x96),
        volume0=first.volume0 + then.volume0,
        volume1=first.volume1 + then.volume1,
        swaps=first.swaps + then.swaps,
        net0=(first.net0 or 0) + (then.net0 or 0),
        net1=(first.net1 or 0) + (then.net1 or 0),
        jit0=(first.jit0 or 0) + (then.jit0 or 0),
    )

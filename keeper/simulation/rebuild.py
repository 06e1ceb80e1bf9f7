"""A tape where no state of the pool was ever stored: the state is rebuilt from the events, and its error is told.

It begins after the first swap, with the liquidity that the swaps show where the price went. Beyond, where nothing shows it, the
outermost liquidity is taken to go on for ever. Initialised ticks whose liquidity cancels are not seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.store import folder_of
from keeper.core.model.pool import PoolKey
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import RecordedSwap, SwapKind
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.units import MAX_TICK
from keeper.simulation.depth import Depth, DepthFinder, Moved
from keeper.simulation.held import held_tape
from keeper.simulation.inference import swap_event
from keeper.simulation.playing import play
from keeper.simulation.stored import ANY_BLOCK, Bounds, RecordedEvent, StoredEvents, manifest_of
from keeper.simulation.stretches import gaps_of, utc
from keeper.simulation.tape import (
    Event,
    FeeEvent,
    FeeProtocolEvent,
    HeldTape,
    LiquidityEvent,
    SwapEvent,
    TapeBlock,
    TapeError,
    TapeStart,
)

LEAST_EXACT = 0.1
"""Part of the swaps that a rebuilt pool must give to the wei: recorded days reach 0.998, one of another fee tier 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildError:
    """How far the replay of a rebuilt tape is from its record."""

    swaps: int
    exact: int
    """Swaps whose amounts, price, tick and, where it is recorded, liquidity are those of the record, to the wei."""
    contradicted: int
    """Swaps that speak of another liquidity than most do: something between is missing."""
    dropped: int
    """Events that the rebuilt pool refuses."""
    fee_growth: tuple[float, float]
    """Sum of the errors of all swaps' fee growth, without regard to sign, over all of it: token0 and token1."""

    @property
    def exact_share(self) -> float:
        """Of all swaps; 1 when there are none."""
        return self.exact / self.swaps if self.swaps else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A tape, and its error."""

    tape: HeldTape
    error: RebuildError


def rebuilt_tape(root: Path, key: PoolKey, chain_id: int, from_s: int, to_s: int) -> Rebuilt:
    """The stored events of a pool with ``from_s`` <= time < ``to_s``, from the state after the first swap, which is rebuilt.

    Args:
        root: of the store.
        key: the pool.
        chain_id: of its chain.
        from_s: Unix time.
        to_s: Unix time.

    Raises:
        TapeError: not every swap of that time is stored, or there are fewer than two.
    """
    folder = folder_of(root, chain_id, key.address)
    manifest = manifest_of(folder)
    if problems := gaps_of(manifest, EventKind.SWAP, from_s, to_s):
        raise TapeError(problems)
    files = [file for file in manifest.files if file.first_s < to_s and file.last_s >= from_s]
    with contextlib.closing(StoredEvents(folder)) as stored:
        rows = stored.read(files, Bounds(-1, ANY_BLOCK, from_s, to_s))
    return rebuild(rows, key, chain_id, end_s=to_s)


def rebuild(rows: Sequence[RecordedEvent], key: PoolKey, chain_id: int, *, end_s: int) -> Rebuilt:
    """A tape of these events, from the state after the first swap.

    Raises:
        TapeError: there are fewer than two swaps, or too few of them follow from each other.
    """
    place = next((place for place, row in enumerate(rows) if row.kind is EventKind.SWAP), len(rows))
    later = rows[place + 1 :]
    if not any(row.kind is EventKind.SWAP for row in later):
        raise TapeError([f"a state cannot be rebuilt from fewer than two swaps of pool {key.address}"])
    first = rows[place]
    depth = _depth(first, later, key)
    start = TapeStart(block=first.block, timestamp_s=first.timestamp_s, pool=_state(first, later, key, depth))
    replay = _Replay(start.pool, depth)
    blocks = [
        TapeBlock(number, timestamp_s, events)
        for (number, timestamp_s), of_block in groupby(later, key=lambda row: (row.block, row.timestamp_s))
        if (events := tuple(replay.taken(of_block)))
    ]
    error = replay.error()
    if error.exact_share < LEAST_EXACT:
        told = f"only {error.exact:,} of {error.swaps:,} swaps follow from each other to the wei"
        told += f" in a pool with a fee of {key.fee_pips} pips, from block {first.block} on"
        raise TapeError([f"{told}: are they of another pool, or are many missing?"])
    described = (
        f"rebuilt from events alone, from {utc(first.timestamp_s)} on: {error.exact:,} of {error.swaps:,} swaps"
        f" ({error.exact_share:.2%}) give their record to the wei, fee growth is off by {max(error.fee_growth):.1e}"
        f" of itself; {depth.solved} intervals were solved, {error.contradicted} swaps contradict others, {error.dropped}"
        " events do not fit and are left out; liquidity beyond the prices of that time is a guess"
    )
    return Rebuilt(tape=held_tape(key, chain_id, start, blocks, end_s=end_s, described=described), error=error)


def _depth(first: RecordedEvent, later: Sequence[RecordedEvent], key: PoolKey) -> Depth:
    finder = DepthFinder(key.fee_pips, key.tick_spacing)
    price_x96, tick = _price(first)
    finder.swapped(Moved(0, 0, price_x96, tick, price_x96, tick, first.liquidity))
    for row in later:
        if row.kind is EventKind.SWAP:
            after_x96, tick_after = _price(row)
            finder.swapped(Moved(row.amount0, row.amount1, price_x96, tick, after_x96, tick_after, row.liquidity))
            price_x96, tick = after_x96, tick_after
        elif change := _change(row):
            finder.changed(*change)
    return finder.found()


def _price(row: RecordedEvent) -> tuple[int, int]:
    if row.sqrt_price_x96 is None or row.tick is None:
        raise TapeError([f"log {row.log_index} of block {row.block}: a swap without price or tick"])
    return row.sqrt_price_x96, row.tick


def _change(row: RecordedEvent) -> LiquidityEvent | None:
    """The mint or burn of a row; None when it moved no liquidity."""
    if row.tick_lower is None or row.tick_upper is None or not row.liquidity_delta:
        return None
    return LiquidityEvent(row.tick_lower, row.tick_upper, row.liquidity_delta)


def _state(first: RecordedEvent, later: Sequence[RecordedEvent], key: PoolKey, depth: Depth) -> PoolSnapshot:
    """The pool after the first swap."""
    spacing = key.tick_spacing
    positions = _held_before(later)
    places = range(min(depth.base), max(depth.base) + 1)
    known = {
        place: sum(held for (lower, upper), held in positions.items() if lower <= place * spacing < upper) for place in places
    }
    rest = {place: depth.base[place] - known[place] for place in places}
    edge = MAX_TICK // spacing * spacing
    # Beyond the places that are known the outermost liquidity goes on; it cannot be less than nothing.
    profile = [0, max(rest[places[0]], 0), *(rest[place] for place in places), max(rest[places[-1]], 0), 0]
    bounds = [-edge, *(place * spacing for place in places), (places[-1] + 1) * spacing, edge]
    steps = [after - before for before, after in pairwise(profile)]
    ticks = {tick: _tick(step) for tick, step in zip(bounds, steps, strict=True) if step}
    for (lower, upper), held in positions.items():
        ticks[lower] = _more(ticks.get(lower, TickInfo()), held, held)
        ticks[upper] = _more(ticks.get(upper, TickInfo()), held, -held)
    price_x96, tick = _price(first)
    return PoolSnapshot(
        fee_pips=key.fee_pips,
        tick_spacing=spacing,
        sqrt_price_x96=price_x96,
        tick=tick,
        liquidity=sum(info.liquidity_net for where, info in ticks.items() if where <= tick),
        fee_growth_global0_x128=0,
        fee_growth_global1_x128=0,
        ticks=ticks,
    )


def _tick(net: int) -> TickInfo:
    return TickInfo(liquidity_gross=abs(net), liquidity_net=net)


def _more(info: TickInfo, gross: int, net: int) -> TickInfo:
    return replace(info, liquidity_gross=info.liquidity_gross + gross, liquidity_net=info.liquidity_net + net)


def _held_before(later: Sequence[RecordedEvent]) -> Mapping[tuple[int, int], int]:
    """Least liquidity, by range, that must have been there at the beginning for the burns to be possible."""
    balance: dict[tuple[int, int], int] = {}
    least: dict[tuple[int, int], int] = {}
    for row in later:
        if change := _change(row):
            where = change.tick_lower, change.tick_upper
            balance[where] = balance.get(where, 0) + change.liquidity_delta
            least[where] = min(least.get(where, 0), balance[where])
    return {where: -low for where, low in least.items() if low}


class _Replay:
    """The rebuilt pool, which takes the events and counts where it departs from their record."""

    def __init__(self, start: PoolSnapshot, depth: Depth) -> None:
        self._pool = ExactPool.restore(start)
        self._depth = depth
        self._swaps = self._exact = self._dropped = 0
        self._growth = [0.0, 0.0]
        self._wrong = [0.0, 0.0]

    def taken(self, rows: Iterator[RecordedEvent]) -> Iterator[Event]:
        """The events of some rows; what the pool refuses is left out."""
        for row in rows:
            try:
                event = self._swap(row) if row.kind is EventKind.SWAP else self._other(row)
            except RevertError:
                self._dropped += 1
                continue
            if event is not None:
                yield event

    def _other(self, row: RecordedEvent) -> Event | None:
        event: Event | None
        if row.kind is EventKind.FLASH:
            event = FeeEvent(row.amount0, row.amount1)
        elif row.kind is EventKind.FEE_PROTOCOL:
            event = FeeProtocolEvent(row.amount0 + (row.amount1 << 4))
        else:
            event = _change(row)
        if event is not None:
            play(self._pool, event)
        return event

    def _swap(self, row: RecordedEvent) -> SwapEvent:
        self._swaps += 1
        price_x96, tick = _price(row)
        wanted = (row.amount0, row.amount1, price_x96, tick)
        recorded = RecordedSwap(
            amount0=row.amount0, amount1=row.amount1, sqrt_price_x96=price_x96, liquidity=row.liquidity or 0, tick=tick
        )
        kind = next((kind for kind in SwapKind if self._gives(kind, recorded, wanted)), SwapKind.PRICE_LIMIT)
        event = swap_event(kind, recorded, self._pool.sqrt_price_x96)
        growth = self._global()
        amounts = play(self._pool, event)
        same = (*amounts, self._pool.sqrt_price_x96, self._pool.tick) == wanted
        self._exact += same and row.liquidity in {None, self._pool.liquidity}
        self._compare(growth, amounts, row)
        return event

    def _gives(self, kind: SwapKind, recorded: RecordedSwap, wanted: tuple[int, int, int, int]) -> bool:
        event = swap_event(kind, recorded, self._pool.sqrt_price_x96)
        try:
            found = self._pool.preview_swap(
                zero_for_one=event.zero_for_one,
                amount_specified=event.amount_specified,
                sqrt_price_limit_x96=event.sqrt_price_limit_x96,
            )
        except RevertError:
            return False
        return (found.amount0, found.amount1, found.sqrt_price_x96, found.tick) == wanted

    def _global(self) -> tuple[int, int]:
        return self._pool.fee_growth_global0_x128, self._pool.fee_growth_global1_x128

    def _compare(self, before: tuple[int, int], amounts: tuple[int, int], row: RecordedEvent) -> None:
        """Hold a swap's fee growth against that of its recorded input and liquidity."""
        depth = self._pool.liquidity / row.liquidity if row.liquidity and self._pool.liquidity else 1.0
        for token, (was, now, found, recorded) in enumerate(
            zip(before, self._global(), amounts, (row.amount0, row.amount1), strict=True)
        ):
            growth = float(now - was)
            self._growth[token] += growth
            if growth and found > 0:
                self._wrong[token] += abs(growth * (recorded / found * depth - 1))

    def error(self) -> RebuildError:
        return RebuildError(
            swaps=self._swaps,
            exact=self._exact,
            contradicted=self._depth.contradicted,
            dropped=self._dropped,
            fee_growth=(self._share(0), self._share(1)),
        )

    def _share(self, token: int) -> float:
        return self._wrong[token] / self._growth[token] if self._growth[token] else 0.0

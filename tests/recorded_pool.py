"""A made-up pool whose life is recorded as a node would tell it: for tests of tapes."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.history.rows import ALL_KINDS
from keeper.adapters.history.states import WholePool
from keeper.adapters.history.store import PoolWriter
from keeper.core.model.bar import DAY_S
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from tests.event_rows import BEGIN_S, burn, covered, mint, swap
from tests.pairs import TICK, USDC_WETH_500

KEY = USDC_WETH_500
EVERY_BLOCKS = 300
"""Blocks between two events: an hour."""
DAY_BLOCKS = DAY_S // 12
SEED_LIQUIDITY = 10**18
CENTRE = TICK // 10 * 10
RANGES = ((CENTRE - 10, CENTRE + 10), (CENTRE - 30, CENTRE + 50), (CENTRE - 2_000, CENTRE + 2_000))


@dataclass
class Life:
    """What happened: rows in chain order, and the pool after each of them."""

    start: PoolSnapshot
    rows: list[EventRow] = field(default_factory=list)
    after: list[PoolSnapshot] = field(default_factory=list)

    def pool_before(self, block: int) -> PoolSnapshot:
        """The pool as the first event of ``block`` or later finds it."""
        count = sum(row.block_number < block for row in self.rows)
        return self.after[count - 1] if count else self.start


def first_pool() -> ExactPool:
    pool = ExactPool(fee_pips=KEY.fee_pips, tick_spacing=KEY.tick_spacing)
    pool.initialize(get_sqrt_ratio_at_tick(TICK) + 10**20)
    for lower, upper in ((CENTRE - 5_000, CENTRE + 5_000), *RANGES):
        pool.provide(lower, upper, SEED_LIQUIDITY)
    return pool


@functools.cache
def lived(days: float = 2.0, *, seed: int = 1, everything: bool = True) -> Life:
    """Some days of swaps of every kind, mints and burns, an event an hour from 40 minutes after midnight on.

    Args:
        days: how long.
        seed: of the chance.
        everything: with flash loans and a change of the protocol's share.
    """
    chance, pool = random.Random(seed), first_pool()
    life = Life(pool.snapshot())
    for count, block in enumerate(range(EVERY_BLOCKS * 2 // 3, int(days * DAY_BLOCKS), EVERY_BLOCKS)):
        for index in range(1 + count % 3):
            life.rows.append(_happening(pool, chance, block, 7 * index, everything=everything))
            life.after.append(pool.snapshot())
    return life


def _happening(pool: ExactPool, chance: random.Random, block: int, index: int, *, everything: bool) -> EventRow:
    what = chance.random()
    if what < 0.15:
        lower, upper = RANGES[chance.randrange(3)]
        delta = chance.choice((1, -1)) * chance.randrange(1, SEED_LIQUIDITY // 50)
        amount0, amount1 = pool.provide(lower, upper, delta)
        row = mint(block, index, delta, ticks=(lower, upper)) if delta > 0 else burn(block, index, -delta, ticks=(lower, upper))
        return row._replace(amount0=abs(amount0), amount1=abs(amount1))
    if everything and what < 0.2:
        return _rare(pool, chance, block, index)
    return _swapped(pool, chance, block, index)


def _rare(pool: ExactPool, chance: random.Random, block: int, index: int) -> EventRow:
    blank = swap(block, index, sqrt_price_x96=None, liquidity=None, tick=None)
    if chance.random() < 0.5:
        paid0, paid1 = chance.randrange(10**8), chance.randrange(10**16)
        pool.flash(paid0, paid1)
        return blank._replace(event=EventKind.FLASH, amount0=paid0, amount1=paid1)
    share = chance.choice((0, 4, 10))
    pool.set_fee_protocol(share, 4)
    return blank._replace(event=EventKind.FEE_PROTOCOL, amount0=share, amount1=4)


def _swapped(pool: ExactPool, chance: random.Random, block: int, index: int) -> EventRow:
    falls, kind = pool.tick > CENTRE + 40 or (pool.tick > CENTRE - 40 and chance.random() < 0.5), chance.randrange(3)
    limit = MIN_SQRT_RATIO + 1 if falls else MAX_SQRT_RATIO - 1
    dollars = chance.randrange(1, 30_000) * 10**6
    amount = dollars if falls == (kind == 0) else dollars * 10**12 // 4_000
    if kind == 2:
        limit, amount = pool.sqrt_price_x96 * (9_990 if falls else 10_010) // 10_000, 2**255 - 1
    amount0, amount1 = pool.swap(
        zero_for_one=falls, amount_specified=-amount if kind == 1 else amount, sqrt_price_limit_x96=limit
    )
    return swap(
        block,
        index,
        price=pool.sqrt_price_x96,
        amount0=amount0,
        amount1=amount1,
        liquidity=pool.liquidity,
        tick=pool.tick,
    )


def state(pool: PoolSnapshot, block: int, **change: Any) -> WholePool:
    usual: dict[str, Any] = {"block": block, "timestamp_s": BEGIN_S + 12 * block, "block_hash": None, "source": "test"}
    return WholePool(pool=pool, **{**usual, **change})


def store(
    root: Path,
    rows: Sequence[EventRow],
    states: Sequence[WholePool],
    *,
    days: float = 2.0,
    kinds: Sequence[EventKind] = ALL_KINDS,
    skip: Sequence[int] = (),
) -> None:
    """Store a life, complete for whole days from midnight of block 0 on, but for the days of ``skip``."""
    with PoolWriter(root, chain_id=1, pool=KEY.address) as writer:
        for day in range(round(days)):
            first, last = day * DAY_BLOCKS, (day + 1) * DAY_BLOCKS - 1
            part = [row for row in rows if first <= row.block_number <= last]
            if day not in skip:
                begin_s = BEGIN_S + day * DAY_S
                writer.add_rows(part, covered(first, last, kinds, from_s=begin_s, to_s=begin_s + DAY_S))
        writer.add_states(states)


def whole(root: Path, *, days: float = 2.0, **options: Any) -> Life:
    """A life that is stored with its first state."""
    life = lived(days, **options)
    store(root, life.rows, [state(life.start, 0)], days=days)
    return life


def changed(life: Life, place: int, **change: Any) -> list[EventRow]:
    """The rows, one of them with other values."""
    return [row._replace(**change) if at == place else row for at, row in enumerate(life.rows)]


def without_growth(pool: PoolSnapshot) -> PoolSnapshot:
    """A pool of which the fees are not known."""
    return replace(pool, fee_growth_global0_x128=0, fee_growth_global1_x128=0)

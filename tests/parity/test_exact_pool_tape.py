"""The recorded day 2025-10-01 of mainnet's USDC/WETH 0.05 % pool, replayed event by event."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import pytest

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot, PositionInfo, PositionKey
from keeper.core.v3math.swap_kind import RecordedSwap, SwapKind, infer_kind, swap_request
from keeper.core.v3math.tick import TickInfo

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "unclear-licence"
POOL = "mainnet_usdc_weth_500"
POSITION_MANAGER = "0xc36442b4a4522e871399cd717abdd847ab11fe88"

pytestmark = [pytest.mark.tape, pytest.mark.skipif(not DATA.is_dir(), reason="recorded market data is not in ../shared/data")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityEvent:
    kind: str
    key: PositionKey
    liquidity: int
    amount0: int
    amount1: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectEvent:
    key: PositionKey
    amount0: int
    amount1: int


Event = RecordedSwap | LiquidityEvent | CollectEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The pool after the events; how many of each agreed with the record to the wei, and how many did not."""

    pool: ExactPool
    kinds: Counter[SwapKind]
    swaps: Counter[bool]
    liquidity_events: Counter[bool]
    collects: Counter[bool]


def rows(sql: str) -> list[tuple]:
    import duckdb

    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def block_of(date: str) -> int:
    return rows(f"select snapshot_block from '{DATA}/slot0_daily_{POOL}_2025Q4.parquet' where date = '{date}'")[0][0]


def snapshot_of(date: str) -> PoolSnapshot:
    (slot0,) = rows(
        "select sqrt_price_x96, current_tick, fee_growth_global_0_x128, fee_growth_global_1_x128, fee_protocol "
        f"from '{DATA}/slot0_daily_{POOL}_2025Q4.parquet' where date = '{date}'"
    )
    ticks = rows(
        "select tick, liquidityGross, liquidityNet, fee_growth_outside_0_x128, fee_growth_outside_1_x128, active_liquidity "
        f"from '{DATA}/tick_snapshots_daily_{POOL}_2025Q4.parquet' where date = '{date}' order by tick"
    )
    sqrt_price, tick, growth0, growth1, fee_protocol = slot0
    return PoolSnapshot(
        fee_pips=500,
        tick_spacing=10,
        sqrt_price_x96=int(sqrt_price),
        tick=tick,
        liquidity=[int(row[5]) for row in ticks if row[0] <= tick][-1],
        fee_growth_global0_x128=int(growth0),
        fee_growth_global1_x128=int(growth1),
        fee_protocol=fee_protocol,
        ticks={
            row[0]: TickInfo(
                liquidity_gross=int(row[1]),
                liquidity_net=int(row[2]),
                fee_growth_outside0_x128=int(row[3]),
                fee_growth_outside1_x128=int(row[4]),
            )
            for row in ticks
        },
    )


def events_between(first_block: int, last_block: int) -> list[Event]:
    """Swaps, mints, burns and collects of the blocks in (first, last], in block and log order."""
    window = f"where block_number > {first_block} and block_number <= {last_block}"
    found: list[tuple[int, int, Event]] = [
        (
            block,
            log_index,
            RecordedSwap(
                amount0=int(amount0), amount1=int(amount1), sqrt_price_x96=int(price), liquidity=int(liquidity), tick=int(tick)
            ),
        )
        for block, log_index, amount0, amount1, price, liquidity, tick in rows(
            "select block_number, log_index, amount0_raw, amount1_raw, sqrtPriceX96, active_liquidity, tick "
            f"from '{DATA}/swaps_{POOL}_2025-10-01.parquet' {window}"
        )
    ]
    found += [
        (
            block,
            log_index,
            LiquidityEvent(
                kind=kind,
                key=PositionKey(owner, lower, upper),
                liquidity=int(liquidity),
                amount0=int(amount0),
                amount1=int(amount1),
            ),
        )
        for block, log_index, kind, owner, lower, upper, liquidity, amount0, amount1 in rows(
            "select block_number, log_index, event_type, owner, tick_lower, tick_upper, liquidity_raw, amount0_raw, amount1_raw"
            f" from '{DATA}/mint_burn_{POOL}_2025-10-01_07.parquet' {window}"
        )
    ]
    found += [
        (block, log_index, CollectEvent(key=PositionKey(owner, lower, upper), amount0=int(amount0), amount1=int(amount1)))
        for block, log_index, owner, lower, upper, amount0, amount1 in rows(
            "select block_number, log_index, owner, tick_lower, tick_upper, amount0_raw, amount1_raw "
            f"from '{DATA}/collects_{POOL}_2025-10-01_07.parquet' {window}"
        )
    ]
    return [event for *_, event in sorted(found, key=itemgetter(0, 1))]


def positions_from_before(events: list[Event]) -> dict[PositionKey, PositionInfo]:
    """The least that older positions must hold for the day's burns and pokes to be possible; their fees stay unknown."""
    held: defaultdict[PositionKey, int] = defaultdict(int)
    lowest: defaultdict[PositionKey, int] = defaultdict(int)
    for event in events:
        if not isinstance(event, LiquidityEvent):
            continue
        if event.kind == "mint":
            held[event.key] += event.liquidity
            continue
        held[event.key] -= event.liquidity
        poke = 0 if event.liquidity or held[event.key] > 0 else 1
        lowest[event.key] = min(lowest[event.key], held[event.key] - poke)
    return {key: PositionInfo(liquidity=-least) for key, least in lowest.items() if least < 0}


def replay(pool: ExactPool, events: list[Event], older: set[PositionKey]) -> Replayed:
    found = Replayed(pool=pool, kinds=Counter(), swaps=Counter(), liquidity_events=Counter(), collects=Counter())
    for event in events:
        match event:
            case RecordedSwap():
                kind = infer_kind(pool, event)
                request = swap_request(kind, event, pool.sqrt_price_x96)
                amounts = pool.swap(
                    zero_for_one=request.zero_for_one,
                    amount_specified=request.amount_specified,
                    sqrt_price_limit_x96=request.sqrt_price_limit_x96,
                )
                state = (*amounts, pool.sqrt_price_x96, pool.liquidity, pool.tick)
                recorded = (event.amount0, event.amount1, event.sqrt_price_x96, event.liquidity, event.tick)
                found.kinds[kind] += 1
                found.swaps[state == recorded] += 1
            case LiquidityEvent():
                act = pool.mint if event.kind == "mint" else pool.burn
                amounts = act(*event.key, event.liquidity)
                found.liquidity_events[amounts == (event.amount0, event.amount1)] += 1
            case CollectEvent():
                owed = pool.position(*event.key)
                if event.key.owner.lower() != POSITION_MANAGER and event.key not in older:
                    found.collects[(owed.tokens_owed0, owed.tokens_owed1) == (event.amount0, event.amount1)] += 1
                pool.collect(*event.key, event.amount0, event.amount1)
    return found


@pytest.fixture(scope="module")
def day() -> Replayed:
    events = events_between(block_of("2025-10-01"), block_of("2025-10-02"))
    older = positions_from_before(events)
    start = dataclasses.replace(snapshot_of("2025-10-01"), positions=older)
    return replay(ExactPool.restore(start), events, set(older))


def test_every_swap_of_the_day_ends_in_the_recorded_state_with_the_recorded_amounts(day: Replayed) -> None:
    assert day.swaps == {True: 4_706}


def test_every_swap_of_the_day_has_a_kind(day: Replayed) -> None:
    assert day.kinds == {SwapKind.EXACT_IN: 3_856, SwapKind.EXACT_OUT: 708, SwapKind.PRICE_LIMIT: 142}


def test_every_mint_and_burn_of_the_day_moves_the_recorded_amounts(day: Replayed) -> None:
    assert day.liquidity_events == {True: 250}


def test_positions_that_lived_within_the_day_are_owed_what_they_collected(day: Replayed) -> None:
    """Principal and fees; the position manager pools its clients' positions and keeps its own books, so it is left out."""
    assert day.collects == {True: 75}


def test_the_day_ends_in_the_next_snapshot(day: Replayed) -> None:
    end, recorded = day.pool.snapshot(), snapshot_of("2025-10-02")
    assert end.sqrt_price_x96 == recorded.sqrt_price_x96
    assert end.tick == recorded.tick
    assert end.liquidity == recorded.liquidity
    assert end.fee_growth_global0_x128 == recorded.fee_growth_global0_x128
    assert end.fee_growth_global1_x128 == recorded.fee_growth_global1_x128
    # The snapshots carry zeros for the ticks' fee growth outside, so only their liquidity can be compared.
    assert liquidity_of(end) == liquidity_of(recorded)


def liquidity_of(snapshot: PoolSnapshot) -> dict[int, tuple[int, int]]:
    return {tick: (info.liquidity_gross, info.liquidity_net) for tick, info in snapshot.ticks.items()}

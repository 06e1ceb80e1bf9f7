"""The recorded day 2025-10-01 of mainnet's USDC/WETH 0.05 % pool, replayed event by event."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import pytest

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.oracle import Observation, Oracle, OracleSnapshot
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
    oracle: Oracle
    """Told block numbers for times: it only matters that no two blocks share one."""
    kinds: Counter[SwapKind] = field(default_factory=Counter)
    swaps: Counter[bool] = field(default_factory=Counter)
    liquidity_events: Counter[bool] = field(default_factory=Counter)
    collects: Counter[bool] = field(default_factory=Counter)
    turned: set[int] = field(default_factory=set)
    """Ticks whose fee growth outside was set to something: crossed, or first used at or below the price."""


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


def oracle_of(date: str) -> Oracle:
    """As far as the snapshot knows it: where the ring stands, and how large it is."""
    ((block, index, places),) = rows(
        "select snapshot_block, observation_index, observation_cardinality "
        f"from '{DATA}/slot0_daily_{POOL}_2025Q4.parquet' where date = '{date}'"
    )
    observations = (Observation(block, 0, 0, initialized=True),) * places
    return Oracle.restore(OracleSnapshot(index=index, cardinality=places, observations=observations))


def events_between(first_block: int, last_block: int) -> list[tuple[int, Event]]:
    """Swaps, mints, burns and collects of the blocks in (first, last], each with its block, in block and log order."""
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
    return [(block, event) for block, _, event in sorted(found, key=itemgetter(0, 1))]


def positions_from_before(events: list[tuple[int, Event]]) -> dict[PositionKey, PositionInfo]:
    """The least that older positions must hold for the day's burns and pokes to be possible; their fees stay unknown."""
    held: defaultdict[PositionKey, int] = defaultdict(int)
    lowest: defaultdict[PositionKey, int] = defaultdict(int)
    for _, event in events:
        if not isinstance(event, LiquidityEvent):
            continue
        if event.kind == "mint":
            held[event.key] += event.liquidity
            continue
        held[event.key] -= event.liquidity
        poke = 0 if event.liquidity or held[event.key] > 0 else 1
        lowest[event.key] = min(lowest[event.key], held[event.key] - poke)
    return {key: PositionInfo(liquidity=-least) for key, least in lowest.items() if least < 0}


def replay(found: Replayed, events: list[tuple[int, Event]], older: set[PositionKey]) -> None:
    pool = found.pool
    for block, event in events:
        tick, liquidity = pool.tick, pool.liquidity
        match event:
            case RecordedSwap():
                replay_swap(found, event)
                writes = pool.tick != tick
            case LiquidityEvent():
                replay_liquidity(found, event)
                writes = event.liquidity > 0 and event.key.tick_lower <= tick < event.key.tick_upper
            case CollectEvent():
                owed = pool.position(*event.key)
                if event.key.owner.lower() != POSITION_MANAGER and event.key not in older:
                    found.collects[(owed.tokens_owed0, owed.tokens_owed1) == (event.amount0, event.amount1)] += 1
                pool.collect(*event.key, event.amount0, event.amount1)
                writes = False
        if writes:
            found.oracle.write(block, tick, liquidity)


def replay_swap(found: Replayed, event: RecordedSwap) -> None:
    pool = found.pool
    tick = pool.tick
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
    low, high = sorted((tick, pool.tick))
    found.turned.update(each for each in range(low // 10 * 10 + 10, high + 1, 10) if pool.tick_info(each).liquidity_gross)


def replay_liquidity(found: Replayed, event: LiquidityEvent) -> None:
    pool = found.pool
    used = [tick for tick in event.key[1:] if pool.tick_info(tick).liquidity_gross]
    act = pool.mint if event.kind == "mint" else pool.burn
    amounts = act(*event.key, event.liquidity)
    found.liquidity_events[amounts == (event.amount0, event.amount1)] += 1
    for tick in event.key[1:]:
        if not pool.tick_info(tick).liquidity_gross:
            found.turned.discard(tick)
        elif tick not in used and tick <= pool.tick:
            found.turned.add(tick)


@pytest.fixture(scope="module")
def day() -> Replayed:
    events = events_between(block_of("2025-10-01"), block_of("2025-10-02"))
    older = positions_from_before(events)
    start = dataclasses.replace(snapshot_of("2025-10-01"), positions=older)
    found = Replayed(pool=ExactPool.restore(start), oracle=oracle_of("2025-10-01"))
    replay(found, events, set(older))
    return found


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
    assert liquidity_of(end) == liquidity_of(recorded)


def liquidity_of(snapshot: PoolSnapshot) -> dict[int, tuple[int, int]]:
    return {tick: (info.liquidity_gross, info.liquidity_net) for tick, info in snapshot.ticks.items()}


def test_no_snapshot_of_the_quarter_tells_fee_growth_outside() -> None:
    """It was never read from the chain: zeros at every tick on every day, though global growth is anything but zero."""
    found = rows(
        "select fee_growth_outside_0_x128, fee_growth_outside_1_x128, count(distinct date) "
        f"from '{DATA}/tick_snapshots_daily_{POOL}_2025Q4.parquet' group by 1, 2"
    )
    assert found == [("0", "0", 92)]


def test_fee_growth_outside_is_the_snapshots_zero_but_at_ticks_that_the_day_turned(day: Replayed) -> None:
    """Only 43 were crossed, or first used at or below the price; nothing is learnt from the 1,429 that agree."""
    ticks = day.pool.snapshot().ticks
    other = {tick for tick, info in ticks.items() if (info.fee_growth_outside0_x128, info.fee_growth_outside1_x128) != (0, 0)}
    assert other == day.turned
    assert (len(ticks), len(ticks) - len(other)) == (1_472, 1_429)


def test_the_days_observations_end_at_the_recorded_place(day: Replayed) -> None:
    """The ring of 723 places comes round twice and more: a write too many or too few would show."""
    recorded = oracle_of("2025-10-02")
    assert day.oracle.index == recorded.index == 124
    assert day.oracle.cardinality == recorded.cardinality == 723


@pytest.mark.parametrize("last", range(2, 9))
def test_mints_and_burns_lead_from_one_snapshots_ticks_to_the_nexts(last: int) -> None:
    """Ticks do not depend on the price, so that every day of the week can be checked, whose swaps are not recorded."""
    before, after = f"2025-10-{last - 1:02}", f"2025-10-{last:02}"
    pool = ExactPool.restore(snapshot_of(before))
    for kind, lower, upper, liquidity in rows(
        f"select event_type, tick_lower, tick_upper, liquidity_raw from '{DATA}/mint_burn_{POOL}_2025-10-01_07.parquet' "
        f"where block_number > {block_of(before)} and block_number <= {block_of(after)} order by block_number, log_index"
    ):
        pool.provide(lower, upper, int(liquidity) if kind == "mint" else -int(liquidity))
    ticks = {tick: (pool.tick_info(tick).liquidity_gross, pool.tick_info(tick).liquidity_net) for tick in pool.snapshot().ticks}
    assert ticks == liquidity_of(snapshot_of(after))


def test_global_growth_of_the_day_is_the_fee_on_the_recorded_inputs() -> None:
    """To a hundredth, without any replay: a swap that crosses ticks is booked on the liquidity that it begins in."""
    start, end = snapshot_of("2025-10-01"), snapshot_of("2025-10-02")
    tick, liquidity, paid = start.tick, start.liquidity, [0.0, 0.0]
    for _, event in events_between(block_of("2025-10-01"), block_of("2025-10-02")):
        if isinstance(event, RecordedSwap):
            paid[event.amount1 > 0] += max(event.amount0, event.amount1) * 500 / 1e6 / liquidity
            tick, liquidity = event.tick, event.liquidity
        elif isinstance(event, LiquidityEvent) and event.key.tick_lower <= tick < event.key.tick_upper:
            liquidity += event.liquidity if event.kind == "mint" else -event.liquidity
    grown0 = (end.fee_growth_global0_x128 - start.fee_growth_global0_x128) / 2**128
    grown1 = (end.fee_growth_global1_x128 - start.fee_growth_global1_x128) / 2**128
    assert [grown0, grown1] == pytest.approx(paid, rel=1e-2)


def test_global_growth_rises_every_day_and_the_protocol_takes_its_quarter_from_28_december() -> None:
    found = rows(
        "select date, fee_protocol, fee_growth_global_0_x128, fee_growth_global_1_x128 "
        f"from '{DATA}/slot0_daily_{POOL}_2025Q4.parquet' order by date"
    )
    assert len(found) == 92
    assert {protocol for date, protocol, *_ in found if date < "2025-12-28"} == {0}
    assert {protocol for date, protocol, *_ in found if date >= "2025-12-28"} == {4 + (4 << 4)}
    for (_, _, *earlier), (_, _, *later) in pairwise(found):
        assert all(int(one) < int(two) for one, two in zip(earlier, later, strict=True))

"""Recorded days as tapes: exact where a state is stored, rebuilt where none is, and how far coarse ones are from both."""

from __future__ import annotations

from dataclasses import replace
from itertools import starmap
from pathlib import Path

import pytest

from keeper.adapters.history.imported import Target, import_file
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.series import tick_bars_with_liquidity
from keeper.adapters.history.states import read_state
from keeper.adapters.history.store import folder_of
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S
from keeper.core.model.pool import PoolKey
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.simulation.coarse import coarse_tape, coarsened, of_minutes, priced_tape, prices_of_series
from keeper.simulation.playing import play
from keeper.simulation.rebuild import Rebuilt, rebuilt_tape
from keeper.simulation.recorded import RecordedTape, open_tape
from keeper.simulation.tape import FeeProtocolEvent, LiquidityEvent, SwapEvent, Tape, TapeError
from tests.pairs import USDC_WETH_500, USDC_WETH_3000, WETH

pytestmark = pytest.mark.tape

BEGIN_S = 1_759_276_800
"""2025-10-01 00:00 UTC."""
POLYGON = replace(USDC_WETH_500, address="0x45dDa9cb7c25131DF268515131f647d726f50608")
DAYS = {
    "mainnet_usdc_weth_500_2024-01-05": (USDC_WETH_500, 1, 1_704_412_800),
    "mainnet_usdc_weth_500_2023-11-10": (USDC_WETH_500, 1, 1_699_574_400),
    "mainnet_usdc_weth_3000_2024-01-05": (USDC_WETH_3000, 1, 1_704_412_800),
    "polygon_usdc_weth_500_2023-11-25": (POLYGON, 137, 1_700_870_400),
}


@pytest.fixture(scope="module")
def root(tape_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the day that has all there is."""
    found = tmp_path_factory.mktemp("store")
    unclear, target = tape_path / "unclear-licence", Target(chain_id=1, pool=USDC_WETH_500.address)
    import_file(unclear / "tick_snapshots_daily_mainnet_usdc_weth_500_2025Q4.parquet", found, target=target)
    for name, days in (("swaps", 1), ("mint_burn", 7)):
        (path,) = unclear.glob(f"{name}_mainnet_usdc_weth_500_2025-10-01*.parquet")
        import_file(path, found, target=target, since_s=BEGIN_S, until_s=BEGIN_S + days * DAY_S)
    return found


@pytest.fixture(scope="module")
def day(root: Path) -> RecordedTape:
    return open_tape(root, USDC_WETH_500, 1, BEGIN_S, BEGIN_S + DAY_S)


@pytest.fixture(scope="module")
def rebuilt(tape_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rebuilt]:
    found = tmp_path_factory.mktemp("rebuilt")
    tapes = {}
    for name, (key, chain_id, begin_s) in DAYS.items():
        target = Target(chain_id=chain_id, pool=key.address)
        # Days of one pool lie months apart, and so does what is rebuilt of them.
        import_file(tape_path / f"events_{name}.parquet", found / name, target=target, since_s=begin_s, until_s=begin_s + DAY_S)
        tapes[name] = rebuilt_tape(found / name, key, chain_id, begin_s, begin_s + DAY_S)
    return tapes


def stored(root: Path) -> list[PoolSnapshot]:
    folder = folder_of(root, 1, USDC_WETH_500.address)
    manifest = read_manifest(folder)
    assert manifest is not None
    return [read_state(folder, one, fee_pips=500, tick_spacing=10) for one in manifest.states]


def played(tape: Tape) -> ExactPool:
    pool = ExactPool.restore(tape.start.pool)
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
    return pool


def liquidity_of(pool: PoolSnapshot) -> dict[int, tuple[int, int]]:
    return {tick: (info.liquidity_gross, info.liquidity_net) for tick, info in pool.ticks.items()}


def test_the_recorded_day_leads_from_one_stored_state_to_the_next(root: Path, day: RecordedTape) -> None:
    first, second, *_ = stored(root)
    assert day.exact
    assert day.start.pool == first
    end = played(day).snapshot()
    # The stored ticks tell no fee growth outside.
    assert replace(end, ticks={}, liquidity=0) == replace(second, ticks={}, liquidity=0)
    assert liquidity_of(end) == liquidity_of(second)


def test_the_recorded_day_has_all_its_swaps_mints_and_burns(day: RecordedTape) -> None:
    events = [event for block in day.blocks() for event in block.events]
    assert sum(isinstance(event, SwapEvent) for event in events) == 4_706
    assert sum(isinstance(event, LiquidityEvent) for event in events) == 217
    assert "flash loans and changes of the protocol's share are not stored, but the fee growth" in day.described


def test_the_next_day_of_which_there_are_no_swaps_is_refused(root: Path) -> None:
    with pytest.raises(TapeError, match="the SWAP events of 2025-10-02 00:00:00 to 2025-10-03 00:00:00"):
        open_tape(root, USDC_WETH_500, 1, BEGIN_S, BEGIN_S + 2 * DAY_S)


def test_ninety_two_states_are_stored_and_show_the_new_share_of_the_protocol(root: Path) -> None:
    shares = [pool.fee_protocol for pool in stored(root)]
    assert len(shares) == 92
    assert shares == [0] * 88 + [68] * 4


@pytest.mark.parametrize(
    ("name", "swaps", "exact", "fee_growth"),
    [
        ("mainnet_usdc_weth_500_2024-01-05", 6_045, 6_035, 1e-6),
        ("mainnet_usdc_weth_500_2023-11-10", 5_897, 5_897, 0.0),
        ("mainnet_usdc_weth_3000_2024-01-05", 266, 266, 0.0),
        ("polygon_usdc_weth_500_2023-11-25", 3_097, 3_097, 0.0),
    ],
)
def test_a_day_without_a_state_is_rebuilt_to_the_wei_but_where_no_swap_ever_stopped(
    rebuilt: dict[str, Rebuilt], name: str, swaps: int, exact: int, fee_growth: float
) -> None:
    error = rebuilt[name].error
    assert (error.swaps, error.exact, error.contradicted, error.dropped) == (swaps, exact, 0, 0)
    assert max(error.fee_growth) <= fee_growth


def test_a_rebuilt_day_earns_what_the_stored_states_say(root: Path) -> None:
    """Rebuilt from its events alone, a day whose states are known: the truth that the error can be held against."""
    first, second, *_ = stored(root)
    found = rebuilt_tape(root, USDC_WETH_500, 1, BEGIN_S, BEGIN_S + DAY_S)
    assert (found.error.exact, found.error.swaps) == (4_700, 4_705)
    end = played(found.tape)
    # It begins after the first swap, in which token0 came in.
    assert end.fee_growth_global0_x128 == pytest.approx(
        second.fee_growth_global0_x128 - first.fee_growth_global0_x128, rel=1e-4
    )
    true1_x128 = second.fee_growth_global1_x128 - first.fee_growth_global1_x128
    assert end.fee_growth_global1_x128 == pytest.approx(true1_x128, rel=1e-7)
    assert end.liquidity == second.liquidity
    assert not any(isinstance(event, FeeProtocolEvent) for block in found.tape.held for event in block.events)


def earned(tape: Tape, key: PoolKey) -> list[float]:
    """What a unit of liquidity earned in three static ranges around the first price, in token1."""
    centre = tape.start.pool.tick // key.tick_spacing * key.tick_spacing
    edge = 887_272 // key.tick_spacing * key.tick_spacing
    ranges = [(centre - 100, centre + 100), (centre - 300, centre + 300), (-edge, edge)]
    pool = ExactPool.restore(tape.start.pool)
    for lower, upper in ranges:
        pool.provide(lower, upper, 1)
    before = list(starmap(pool.fee_growth_inside, ranges))
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
    price = (pool.sqrt_price_x96 / 2**96) ** 2
    found = []
    for (lower, upper), was in zip(ranges, before, strict=True):
        grown = [(now - then) % 2**256 for now, then in zip(pool.fee_growth_inside(lower, upper), was, strict=True)]
        found.append(grown[0] * price + grown[1])
    return found


def errors(tape: Tape, key: PoolKey) -> list[float]:
    """How far minutes alone are from the tape that they were made of."""
    coarse = earned(coarsened(tape, width_s=MINUTE_S), key)
    return [abs(one / true - 1) for one, true in zip(coarse, earned(tape, key), strict=True)]


def test_minutes_alone_miss_the_fees_of_static_ranges_by_less_than_a_ninth(
    day: RecordedTape, rebuilt: dict[str, Rebuilt]
) -> None:
    found = {
        "2025-10-01": errors(day, USDC_WETH_500),
        "2024-01-05": errors(rebuilt["mainnet_usdc_weth_500_2024-01-05"].tape, USDC_WETH_500),
        "2023-11-10": errors(rebuilt["mainnet_usdc_weth_500_2023-11-10"].tape, USDC_WETH_500),
        "2023-11-25": errors(rebuilt["polygon_usdc_weth_500_2023-11-25"].tape, POLYGON),
    }
    assert max(worst for day_errors in found.values() for worst in day_errors) < 0.11
    # The widest range, which the price never leaves, is missed by what the liquidity changed within a minute.
    assert max(day_errors[2] for day_errors in found.values()) < 0.065
    # None is exact: then the days would not measure anything.
    assert min(worst for day_errors in found.values() for worst in day_errors) > 1e-4


def test_recorded_minutes_of_polygon_become_a_tape_of_five_weeks(tape_path: Path, tmp_path: Path) -> None:
    path = tape_path / "minutes_polygon_usdc_weth_500_2022-07-19_2022-08-22.parquet"
    done = import_file(path, tmp_path, target=Target(chain_id=137, pool=POLYGON.address))
    bars = list(of_minutes(tick_bars_with_liquidity(done.folder, MINUTE_S), POLYGON.fee_pips))
    tape = coarse_tape(POLYGON, 137, bars, described=path.name, block_s=2)
    pool = played(tape)
    assert len(bars) == 50_390
    assert (pool.sqrt_price_x96, pool.liquidity) == (bars[-1].close_x96, bars[-1].liquidity)
    assert tape.described.startswith("COARSE")
    # From the end of the first minute on.
    assert tape.end_s - tape.start.timestamp_s == 35 * DAY_S - MINUTE_S + 1


def test_hourly_prices_of_a_year_are_a_fair_tape(tape_path: Path, tmp_path: Path) -> None:
    path = tape_path / "unclear-licence" / "eth_usd_hourly_2016-05_2024-01.parquet"
    done = import_file(path, tmp_path, target=None)
    since_s = 1_640_995_200
    prices = [
        one
        for one in prices_of_series(done.folder, HOUR_S, USDC_WETH_500, base=WETH)
        if since_s <= one.time_s < since_s + 365 * DAY_S
    ]
    tape = priced_tape(USDC_WETH_500, 1, prices, liquidity=10**19, described="hourly closes of 2022")
    pool, income, loss = ExactPool.restore(tape.start.pool), 0.0, 0.0
    for block in tape.blocks():
        was0, was1, root = pool.fee_growth_global0_x128, pool.fee_growth_global1_x128, pool.sqrt_price_x96 / 2**96
        for event in block.events:
            play(pool, event)
        now = pool.sqrt_price_x96 / 2**96
        grown = (pool.fee_growth_global0_x128 - was0) * now**2 + pool.fee_growth_global1_x128 - was1
        income += grown * 10**19 / 2**128
        loss += 10**19 * now * (now / root - 1) ** 2
    assert len(prices) == 8_760
    assert income == pytest.approx(loss, rel=1e-6)

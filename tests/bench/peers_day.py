"""The day that everybody is run over, static positions in it, and what the chain says that these earned."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from keeper.adapters.history.imported import Target, import_file
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.series import tick_bars_with_liquidity
from keeper.adapters.history.states import read_state
from keeper.adapters.history.store import folder_of
from keeper.core.model.bar import DAY_S, MINUTE_S
from keeper.core.model.pool import PoolKey
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.simulation.coarse import coarse_tape, of_minutes
from keeper.simulation.made import made_tape
from keeper.simulation.playing import play
from keeper.simulation.recorded import open_tape
from keeper.simulation.tape import LiquidityEvent, SwapEvent, Tape, TapeBlock
from keeper.simulation.weather import Scenario
from tests.pairs import USDC, USDC_WETH_500, WETH

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
POLYGON_MINUTES = SHARED_DATA / "minutes_polygon_usdc_weth_500_2022-07-19_2022-08-22.parquet"
BEGIN_S = 1_759_276_800
"""2025-10-01 00:00 UTC."""
HALF_WIDTHS = (50, 300, 2_000)
"""Ticks; a tick is about a basis point."""
EACH_QUOTE = 1_000
"""USDC a position, so little that the pool's other earnings do not notice."""
COLUMNS = (
    "timestamp",
    "netAmount0",
    "netAmount1",
    "closeTick",
    "openTick",
    "lowestTick",
    "highestTick",
    "inAmount0",
    "inAmount1",
    "currentLiquidity",
)
"""Of a file of minutes as demeter reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position from the first block to the last."""

    lower: int
    upper: int
    liquidity: int

    def amounts(self, sqrt_price_x96: int) -> tuple[int, int]:
        """Raw token0 and token1 in it at a price."""
        return get_amounts_for_liquidity(
            sqrt_price_x96, get_sqrt_ratio_at_tick(self.lower), get_sqrt_ratio_at_tick(self.upper), self.liquidity
        )

    def owed(self, was_x128: tuple[int, int], now_x128: tuple[int, int]) -> tuple[int, int]:
        """Raw token0 and token1 of a fee growth inside, modulo 2**256."""
        owed0, owed1 = (self.liquidity * ((now - was) % 2**256) >> 128 for was, now in zip(was_x128, now_x128, strict=True))
        return owed0, owed1


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of one pool, and the truth about it."""

    tape: Tape
    held: tuple[Held, ...]
    fees: tuple[tuple[int, int], ...]
    """Of each position, raw token0 and token1, by the chain's own books."""
    end_x96: int
    """The price at the end."""
    truth: str
    """Where the fees are from."""


def quote_of(amounts: Sequence[float], sqrt_price_x96: int) -> float:
    """Raw USDC and WETH in USDC."""
    return (amounts[0] + amounts[1] / (sqrt_price_x96 / 2**96) ** 2) / 10**USDC.decimals


def the_day(root: Path) -> Day:
    """The recorded day where it is, imported into a store at ``root``; else a made one."""
    if SHARED_DATA.is_dir():
        tape: Tape = _recorded(root)
        after = _state_after(root)
        told = (
            "its fee growth ends at that of the next day's recorded state, difference 0;\n"
            "       of the widest range, which the price never left, the two recorded feeGrowthGlobal tell the fees alone:"
            " the same"
        )
    else:
        tape = made_tape(USDC_WETH_500, 1, base=WETH, quote=USDC, scenario=Scenario.CALM, seed=1, days=1.0)
        after, told = None, "the day is a made one"
    start, kept = tape.start.pool, _never_empty(tape)
    held = tuple(_held(start, nearest(kept, start.tick - half), nearest(kept, start.tick + half)) for half in HALF_WIDTHS)
    pool = ExactPool.restore(start)
    before = [pool.fee_growth_inside(one.lower, one.upper) for one in held]
    play_all(pool, tape)
    if after is not None:
        assert replace(pool.snapshot(), ticks={}, liquidity=0) == replace(after, ticks={}, liquidity=0)
    fees = tuple(one.owed(was, pool.fee_growth_inside(one.lower, one.upper)) for one, was in zip(held, before, strict=True))
    return Day(
        tape=tape, held=held, fees=fees, end_x96=pool.sqrt_price_x96, truth=f"feeGrowthInside of an exact replay; {told}"
    )


def nearest(ticks: Iterable[int], wanted: int) -> int:
    """The one that is nearest."""
    return min(ticks, key=lambda tick: (abs(tick - wanted), tick))


def play_all(pool: ExactPool, tape: Tape) -> None:
    """Run a pool over a tape, nothing of ours in it."""
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)


def _never_empty(tape: Tape) -> set[int]:
    """Ticks that somebody's liquidity holds from the first block to the last: the pool itself keeps books of them."""
    pool, left = ExactPool.restore(tape.start.pool), set()
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
            if isinstance(event, LiquidityEvent):
                left |= {tick for tick in event[:2] if not pool.tick_info(tick).liquidity_gross}
    return tape.start.pool.ticks.keys() - left


def _held(start: PoolSnapshot, lower: int, upper: int) -> Held:
    """A position worth as much as each is."""
    unit = 10**18
    worth = quote_of(Held(lower=lower, upper=upper, liquidity=unit).amounts(start.sqrt_price_x96), start.sqrt_price_x96)
    return Held(lower=lower, upper=upper, liquidity=int(unit * EACH_QUOTE / worth))


def _recorded(root: Path) -> Tape:
    unclear, target = SHARED_DATA / "unclear-licence", Target(chain_id=1, pool=USDC_WETH_500.address)
    import_file(unclear / "tick_snapshots_daily_mainnet_usdc_weth_500_2025Q4.parquet", root, target=target)
    for name, days in (("swaps", 1), ("mint_burn", 7)):
        (path,) = unclear.glob(f"{name}_mainnet_usdc_weth_500_2025-10-01*.parquet")
        import_file(path, root, target=target, since_s=BEGIN_S, until_s=BEGIN_S + days * DAY_S)
    return open_tape(root, USDC_WETH_500, 1, BEGIN_S, BEGIN_S + DAY_S)


def _state_after(root: Path) -> PoolSnapshot:
    folder = folder_of(root, 1, USDC_WETH_500.address)
    manifest = read_manifest(folder)
    assert manifest is not None
    return read_state(folder, manifest.states[1], fee_pips=500, tick_spacing=10)


def write_minutes(tape: Tape, folder: Path) -> str:
    """The tape's minutes as demeter reads them; the first day."""
    pool, rows = ExactPool.restore(tape.start.pool), {}
    for block in tape.blocks():
        minute_s = block.timestamp_s // MINUTE_S * MINUTE_S
        for amounts in _swaps(pool, block):
            row = rows.setdefault(minute_s, [0, 0, 0, pool.tick, pool.tick, pool.tick, 0, 0, 0])
            for token, amount in enumerate(amounts):
                row[token] += amount
                row[6 + token] += max(amount, 0)
            row[2], row[8] = pool.tick, pool.liquidity
            row[4], row[5] = min(row[4], pool.tick), max(row[5], pool.tick)
    return _write_days(folder, "ethereum", tape.key.address, ([minute_s, *row] for minute_s, row in sorted(rows.items())))


def _swaps(pool: ExactPool, block: TapeBlock) -> Iterator[tuple[int, int]]:
    for event in block.events:
        amounts = play(pool, event)
        if isinstance(event, SwapEvent):
            yield amounts


def _write_days(folder: Path, chain: str, pool: str, rows: Iterator[list[int]]) -> str:
    days: dict[str, list[list[object]]] = {}
    for minute_s, *values in rows:
        at = dt.datetime.fromtimestamp(minute_s, dt.UTC)
        days.setdefault(f"{at:%Y-%m-%d}", []).append([f"{at:%Y-%m-%d %H:%M:%S}", *values])
    folder.mkdir(parents=True, exist_ok=True)
    for day, found in days.items():
        with (folder / f"{chain}-{pool}-{day}.minute.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *found])
    return min(days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """demeter's own minutes of Polygon: a coarse tape of ours, and the minutes as they are."""

    tape: Tape
    held: tuple[Held, ...]
    first: str
    last: str


def the_weeks(root: Path, folder: Path, key: PoolKey) -> Weeks:
    """Five weeks of a pool on Polygon, stored at ``root`` for us and written into ``folder`` for demeter."""
    done = import_file(POLYGON_MINUTES, root, target=Target(chain_id=137, pool=key.address))
    bars = list(of_minutes(tick_bars_with_liquidity(done.folder, MINUTE_S), key.fee_pips))
    tape = coarse_tape(key, 137, bars, described=POLYGON_MINUTES.name, block_s=2)
    names = ", ".join(f'"{name}"' for name in COLUMNS[1:])
    found = duckdb.execute(f"select epoch(timestamp)::bigint, {names} from '{POLYGON_MINUTES}' order by timestamp").fetchall()
    first = _write_days(folder, "polygon", key.address, ([int(row[0]), *row[1:]] for row in found))
    start = tape.start.pool
    centre = start.tick // key.tick_spacing * key.tick_spacing
    held = tuple(_held(start, centre - half, centre + half) for half in HALF_WIDTHS)
    last = dt.datetime.fromtimestamp(int(found[-1][0]), dt.UTC)
    return Weeks(tape=tape, held=held, first=first, last=f"{last:%Y-%m-%d}")

"""A recorded price series, for a market whose price elsewhere follows it: prices are recorded, everything else is made up."""

from __future__ import annotations

import datetime as dt
import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb

from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.tape import TapeError

_SAMPLED = re.compile(r"sqrtprice_sampled_(?P<pool>mainnet_usdc_weth_500)_.+\.parquet")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_QUERIES = {
    True: "select timestamp::varchar, price from read_csv(?)",
    False: "select timestamp::varchar, price from read_parquet(?)",
}
_DAY_S = 86_400
_HOUR_S = 3_600

Priced = tuple[float, float]
"""Unix seconds, and dollars per ether."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPrices:
    """The part of a record that a market plays."""

    begin_s: int
    """Unix seconds of the market's first slot."""
    points: tuple[tuple[float, float], ...]
    """Hours from there and dollars per ether, the first at hour 0; between two the logarithm of the price runs straight."""
    recorded: int
    """Of the points, how many are of the record: the first and the last may lie between two of them."""
    widest_gap_s: int
    """Longest time between two points."""

    def __str__(self) -> str:
        """For people."""
        return (
            f"recorded are {self.recorded} prices, at most {self.widest_gap_s / 60:.0f} minutes apart; made up are the "
            "straight lines between them, the pool's depth, all traders and providers, and the base fee"
        )


def read_prices(path: Path, begin: str | None, days: float) -> RecordedPrices:
    """Read the prices of a stretch of time.

    Two kinds of file are known: CSV or Parquet with the columns ``timestamp`` (UTC, or Unix seconds) and ``price`` (dollars per
    ether); and ``sqrtprice_sampled_mainnet_usdc_weth_500_<period>.parquet`` with ``pre_swap_block`` and ``sqrt_price_x96``. Its
    blocks get their times from the daily states ``slot0_daily_mainnet_usdc_weth_500_*.parquet`` beside it, evenly between two.

    Args:
        path: the file.
        begin: day or moment, ISO, UTC unless it says otherwise; the first record when not given.
        days: length.

    Raises:
        TapeError: the file cannot be read, or does not cover the stretch.
    """
    try:
        rows = _sampled(path) if _SAMPLED.fullmatch(path.name) else _plain(path)
        begin_s = math.ceil(rows[0][0]) if begin is None else _seconds(begin)
    except (ValueError, IndexError, duckdb.Error) as error:
        raise TapeError([f"{path} does not read as a series of prices: {error}"]) from error
    return _stretch(path, rows, begin_s, begin_s + round(days * _DAY_S))


def _seconds(moment: str) -> int:
    found = dt.datetime.fromisoformat(moment)
    return int((found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp())


def _plain(path: Path) -> list[Priced]:
    rows = duckdb.execute(_QUERIES[path.suffix == ".csv"], [str(path)]).fetchall()
    return sorted((_moment(at), float(price)) for at, price in rows)


def _moment(text: str) -> float:
    """Unix seconds of a number or of an ISO time."""
    return float(text) if _NUMBER.fullmatch(text) else float(_seconds(text))


def _sampled(path: Path) -> list[Priced]:
    states = sorted(path.parent.glob("slot0_daily_mainnet_usdc_weth_500_*.parquet"))
    if not states:
        raise ValueError(f"no slot0_daily_mainnet_usdc_weth_500_*.parquet lies beside {path.name}, so its blocks have no times")
    query = "select snapshot_block, epoch(snapshot_timestamp) from read_parquet(?) order by 1"
    days = duckdb.execute(query, [str(states[0])]).fetchall()
    query = "select pre_swap_block, any_value(sqrt_price_x96) from read_parquet(?) group by 1 order by 1"
    prices = duckdb.execute(query, [str(path)]).fetchall()
    blocks = [int(block) for block, _ in days]
    found = []
    for block, sqrt_price in prices:
        place = bisect_right(blocks, block)
        if 0 < place < len(days):
            (low, low_s), (high, high_s) = days[place - 1], days[place]
            at_s = low_s + (high_s - low_s) * (block - low) / (high - low)
            found.append((float(at_s), USDC_WETH_500.usd(int(sqrt_price))))
    return found


def _stretch(path: Path, rows: list[Priced], begin_s: int, end_s: int) -> RecordedPrices:
    if min(price for _, price in rows) <= 0:
        raise TapeError([f"{path}: a price is not above 0"])
    if rows[0][0] > begin_s or rows[-1][0] < end_s:
        first, last = (dt.datetime.fromtimestamp(at_s, dt.UTC).isoformat(" ", "minutes") for at_s in (rows[0][0], rows[-1][0]))
        raise TapeError(
            [f"{path} records {first} to {last}, which does not cover the {(end_s - begin_s) / _DAY_S:g} days wanted"]
        )
    inside = {at_s: price for at_s, price in rows if begin_s <= at_s <= end_s}
    ends = {at_s: _between(rows, at_s) for at_s in (float(begin_s), float(end_s))}
    points = sorted({**ends, **inside}.items())
    return RecordedPrices(
        begin_s=begin_s,
        points=tuple(((at_s - begin_s) / _HOUR_S, price) for at_s, price in points),
        recorded=len(inside),
        widest_gap_s=round(max(later - earlier for (earlier, _), (later, _) in pairwise(points))),
    )


def _between(rows: list[Priced], at_s: float) -> float:
    place = min(max(bisect_right(rows, (at_s, math.inf)), 1), len(rows) - 1)
    (low_s, low), (high_s, high) = rows[place - 1], rows[place]
    if high_s == low_s:
        return high
    return math.exp(math.log(low) + (math.log(high) - math.log(low)) * (at_s - low_s) / (high_s - low_s))

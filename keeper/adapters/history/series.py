"""Bars that were made elsewhere, in Parquet: of a pool in ticks, or of a market outside the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from keeper.adapters.history.manifest import settle, sha256_of
from keeper.core.model.bar import PriceBar
from keeper.core.model.errors import ConfigError
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick

# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; paths are quoted

OUTSIDE = "outside"
"""In place of a chain, for series that are of none."""
BARS = "bars"
NAME = "bars.json"
TICK_COLUMNS = ("open_tick", "high_tick", "low_tick", "close_tick", "volume0", "volume1", "net0", "net1", "liquidity")
OUTSIDE_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A file of bars that counts."""

    name: str
    """Path below the folder."""
    width_s: int
    rows: int
    sha256: str
    first_s: int
    """Begin of the first bar."""
    last_s: int
    """Begin of the last."""
    columns: tuple[str, ...]
    """Besides ``start_s``."""
    sources: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Bars between the first and the last that are not there."""
        return (self.last_s - self.first_s) // self.width_s + 1 - self.rows


def folders_with_bars(root: Path) -> tuple[Path, ...]:
    """Folders that hold bars, in order."""
    return tuple(sorted(path.parent for path in root.glob(f"*/*/{NAME}")))


def read_series(folder: Path) -> tuple[Series, ...]:
    """What bars a folder holds, one series a width; none when there are none.

    Raises:
        ConfigError: the list is damaged.
    """
    path = folder / NAME
    try:
        entries = json.loads(path.read_bytes())["series"]
        return tuple(
            Series(**{**entry, "columns": tuple(entry["columns"]), "sources": tuple(entry["sources"])}) for entry in entries
        )
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError([f"{path} is damaged ({error}): remove its folder and import anew"]) from None


def series_of(folder: Path, width_s: int) -> Series:
    """The series of one width.

    Raises:
        ConfigError: there is none.
    """
    for one in read_series(folder):
        if one.width_s == width_s:
            return one
    raise ConfigError([f"{folder} holds no bars of {width_s} s: keeper data import takes them in"])


def add_bars(database: duckdb.DuckDBPyConnection, folder: Path, *, width_s: int, columns: tuple[str, ...], source: str) -> int:
    """Store the rows of the table ``incoming``; how many are new. Bars that are there already stay, and must be the same.

    Raises:
        ConfigError: a bar is stored with other values, or the series has other columns.
    """
    known = {one.width_s: one for one in read_series(folder)}
    old = known.get(width_s)
    if old and old.columns != columns:
        raise ConfigError([f"{folder} holds other bars of {width_s} s, with {', '.join(old.columns)}"])
    (folder / BARS).mkdir(parents=True, exist_ok=True)
    fields = ", ".join(columns)
    rows = f"select start_s, {fields} from incoming"
    if old:
        rows += f" union all select start_s, {fields} from {_scan(folder, old)}"
    database.execute(f"create or replace temp table together as select distinct * from ({rows})")
    clash = database.execute("select start_s from together group by start_s having count(*) > 1 order by 1 limit 1").fetchall()
    if clash:
        raise ConfigError([f"{source}: the bar of Unix time {clash[0][0]} is in {folder} with other values; nothing was added"])
    temporary = folder / BARS / "part.tmp"
    database.execute(
        f"copy (select * from together order by start_s) to '{_quoted(temporary)}' (format parquet, compression zstd)"
    )
    count, first_s, last_s = database.execute("select count(*), min(start_s), max(start_s) from together").fetchall()[0]
    digest = sha256_of(temporary)
    name = f"{BARS}/{width_s}-{digest[:12]}.parquet"
    settle(temporary, folder / name)
    sources = tuple(sorted({*(old.sources if old else ()), source}))
    known[width_s] = Series(
        name=name,
        width_s=width_s,
        rows=count,
        sha256=digest,
        first_s=first_s,
        last_s=last_s,
        columns=columns,
        sources=sources,
    )
    _take(folder, known)
    if old and old.name != name:
        (folder / old.name).unlink(missing_ok=True)
    return int(count) - (old.rows if old else 0)


def _take(folder: Path, series: Mapping[int, Series]) -> None:
    temporary = folder / f"{NAME}.tmp"
    document = {"format": 1, "series": [asdict(series[width]) for width in sorted(series)]}
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
    settle(temporary, folder / NAME)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _scan(folder: Path, series: Series) -> str:
    return f"read_parquet('{_quoted(folder / series.name)}')"


def outside_columns(folder: Path, width_s: int) -> Mapping[str, npt.NDArray[Any]]:
    """``start_s``, and ``open``, ``high``, ``low``, ``close``, ``volume`` as doubles; NaN where the source told none.

    Raises:
        ConfigError: there are no such bars.
    """
    series = series_of(folder, width_s)
    found = duckdb.execute(f"select start_s, {', '.join(OUTSIDE_COLUMNS)} from {_scan(folder, series)} order by 1").fetchnumpy()
    return {
        name: np.ma.filled(values.astype(np.int64 if name == "start_s" else np.float64), 0 if name == "start_s" else np.nan)
        for name, values in found.items()
    }


def tick_bars(folder: Path, width_s: int) -> Iterator[PriceBar]:
    """A pool's bars that were made elsewhere: prices are those of whole ticks, too low by up to one part in ten thousand.

    High and low are of every swap, for want of block ends, and no narrower than the open and close that the record tells. What
    it does not tell is ``jit0`` (None) and ``swaps``, which is 0 in every bar, also where there was volume.

    Raises:
        ConfigError: there are no such bars.
    """
    return (bar for bar, _ in tick_bars_with_liquidity(folder, width_s))


def tick_bars_with_liquidity(folder: Path, width_s: int) -> Iterator[tuple[PriceBar, int]]:
    """The bars of :func:`tick_bars`, each with the liquidity in range at its end.

    Raises:
        ConfigError: there are no such bars.
    """
    series = series_of(folder, width_s)
    for start_s, opened, high, low, close, *amounts in duckdb.execute(
        f"select start_s, {', '.join(TICK_COLUMNS)} from {_scan(folder, series)} order by 1"
    ).fetchall():
        volume0, volume1, net0, net1, liquidity = (int(amount) for amount in amounts)
        top, bottom = get_sqrt_ratio_at_tick(max(high, opened, close)), get_sqrt_ratio_at_tick(min(low, opened, close))
        bar = PriceBar(
            start_s=start_s,
            width_s=width_s,
            open_x96=get_sqrt_ratio_at_tick(opened),
            high_x96=top,
            low_x96=bottom,
            close_x96=get_sqrt_ratio_at_tick(close),
            wick_high_x96=top,
            wick_low_x96=bottom,
            volume0=volume0,
            volume1=volume1,
            net0=net0,
            net1=net1,
            jit0=None,
            swaps=0,
        )
        yield bar, liquidity

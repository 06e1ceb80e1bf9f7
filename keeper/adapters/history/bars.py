"""Bars out of stored swaps, exact: in 128-bit integers, and where a price does not fit them, in text of equal length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import numpy.typing as npt

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.evm.passing_liquidity import passing_volume0
from keeper.adapters.history.manifest import Coverage, Manifest, StoredFile, read_manifest
from keeper.adapters.history.rows import COLUMNS
from keeper.adapters.history.store import month_of, open_database, scan
from keeper.core.model.bar import PriceBar
from keeper.core.model.errors import ConfigError

WIDTHS_S = (60, 300, 3_600, 86_400)
"""A minute, five, an hour, a day of UTC: each a part of the next, and of the months of the store."""

_FETCH = 10_000
_FIELDS = (
    "start_s",
    "open_x96",
    "high_x96",
    "low_x96",
    "close_x96",
    "wick_high_x96",
    "wick_low_x96",
    "volume0",
    "volume1",
    "net0",
    "net1",
    "jit0",
    "swaps",
)
_LONG_PRICE = "lpad(sqrt_price_x96, 49, '0')"
"""The digits of 2^160: text of equal length sorts like the numbers."""
_SHORT_PRICE = "sqrt_price_x96::hugeint"
_SHORT_DIGITS = 38
"""Prices of so many digits fit 128 bits, which are six times as fast."""

# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; outside values are integers or parameters

_SCHEMA = """
create temp table raw (stretch integer, start_s bigint, high_x96 {price}, low_x96 {price}, close_x96 {price},
    wick_high_x96 {price}, wick_low_x96 {price}, volume0 hugeint, volume1 hugeint, net0 hugeint, net1 hugeint, swaps bigint);
create temp table spine (stretch integer, start_s bigint, counts boolean);
create temp table known (from_s bigint, to_s bigint);
create temp table jit (start_s bigint primary key, jit0 hugeint)
"""
# Files lie in chain order, and a window without an order of its own takes rows as they lie: no sorting, no grouping by block.
_RAW = """
insert into raw
with swaps as (
    select block_number, epoch(timestamp)::bigint // $width * $width as start_s, {price} as price,
        amount0::hugeint as amount0, amount1::hugeint as amount1
    from {source}
    where event = 'SWAP' and block_number between $first and $last
        and timestamp >= make_timestamp($from_s::bigint * 1000000) and timestamp < make_timestamp($to_s::bigint * 1000000)
), marked as (
    select *, lead(block_number) over () is distinct from block_number as is_end from swaps
)
select $stretch, start_s, max(price) filter (is_end), min(price) filter (is_end),
    arg_max(price, block_number) filter (is_end), max(price), min(price), sum(abs(amount0)), sum(abs(amount1)),
    sum(amount0), sum(amount1), count(*)
from marked group by start_s
"""
_BARS = """
create temp table bars as
with filled as (
    select spine.*, raw.* exclude (stretch, start_s),
        last_value(raw.close_x96 ignore nulls) over (partition by spine.stretch order by spine.start_s
            rows between unbounded preceding and 1 preceding) as open_x96
    from spine left join raw using (stretch, start_s)
)
select start_s, open_x96, greatest(open_x96, high_x96) as high_x96, least(open_x96, low_x96) as low_x96,
    coalesce(close_x96, open_x96) as close_x96, greatest(open_x96, wick_high_x96) as wick_high_x96,
    least(open_x96, wick_low_x96) as wick_low_x96, coalesce(volume0, 0) as volume0, coalesce(volume1, 0) as volume1,
    coalesce(net0, 0) as net0, coalesce(net1, 0) as net1,
    case when exists (from known where known.from_s <= start_s and start_s + $width <= known.to_s)
        then coalesce(jit.jit0, 0) end as jit0,
    coalesce(swaps, 0) as swaps
from filled left join jit using (start_s)
where counts and open_x96 is not null
order by start_s
"""
_FLEETING = """
select distinct mints.block_number
from (from {source} where event = 'MINT') as mints join (from {source} where event = 'BURN') as burns
    using (block_number, owner, tick_lower, tick_upper)
where mints.log_index < burns.log_index
"""


class BarTable:
    """Bars of one width, oldest first; a context manager that lets go of their memory."""

    def __init__(self, database: duckdb.DuckDBPyConnection, width_s: int) -> None:
        self._db = database
        self.width_s = width_s
        self.rows = int(database.execute("select count(*) from bars").fetchall()[0][0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def __iter__(self) -> Iterator[PriceBar]:
        """Every bar, exact."""
        cursor = self._db.execute(f"select {', '.join(_FIELDS)} from bars order by start_s")
        while part := cursor.fetchmany(_FETCH):
            for start_s, *prices, volume0, volume1, net0, net1, jit0, swaps in part:
                opened, high, low, close, wick_high, wick_low = (int(price) for price in prices)
                yield PriceBar(
                    start_s=start_s,
                    width_s=self.width_s,
                    open_x96=opened,
                    high_x96=high,
                    low_x96=low,
                    close_x96=close,
                    wick_high_x96=wick_high,
                    wick_low_x96=wick_low,
                    volume0=volume0,
                    volume1=volume1,
                    net0=net0,
                    net1=net1,
                    jit0=jit0,
                    swaps=swaps,
                )

    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """Every field as an array: integers for times and counts, else doubles, rounded to nearest; NaN where None."""
        whole = {"start_s", "swaps"}
        fields = ", ".join(name if name in whole else f"{name}::double as {name}" for name in _FIELDS)
        arrays = self._db.execute(f"select {fields} from bars order by start_s").fetchnumpy()
        return {
            name: np.ma.filled(arrays[name].astype(np.int64 if name in whole else np.float64), 0 if name in whole else np.nan)
            for name in _FIELDS
        }


def make_bars(
    folder: Path, *, width_s: int, since_s: int | None = None, until_s: int | None = None, through_tail: bool = False
) -> BarTable:
    """Bars of a pool's stored swaps.

    A bar is there when every swap of its time is stored and the price in force at its begin is known; where swaps are not
    stored there is none.

    Args:
        folder: of the pool.
        width_s: one of :data:`WIDTHS_S`.
        since_s: earliest begin, Unix seconds; None for the first there is.
        until_s: latest end; None for the last there is.
        through_tail: also of blocks that may still be replaced.

    Raises:
        ConfigError: there is no history, another width is asked for, or an amount does not fit 128 bits.
    """
    if width_s not in WIDTHS_S:
        raise ConfigError([f"bars of {width_s} s are not made; there are {', '.join(str(width) for width in WIDTHS_S)}"])
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConfigError([f"{folder} holds no history: keeper data download fetches it"])
    database = open_database()
    try:
        _Maker(database, folder, manifest, width_s, through_tail=through_tail).make(since_s, until_s)
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        database.close()
        raise ConfigError(
            [f"an amount in {folder} does not fit 128 bits, so that no exact bars can be made: {error}"]
        ) from None
    except BaseException:
        database.close()
        raise
    return BarTable(database, width_s)


class _Maker:
    def __init__(
        self, database: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, width_s: int, *, through_tail: bool
    ) -> None:
        self._db = database
        self._folder = folder
        self._manifest = manifest
        self._width_s = width_s
        self._through_tail = through_tail
        self._tail = [manifest.tail.file] if through_tail and manifest.tail and manifest.tail.file else []

    def make(self, since_s: int | None, until_s: int | None) -> None:
        """Make the table ``bars``."""
        self._price = _SHORT_PRICE if self._longest_price() <= _SHORT_DIGITS else _LONG_PRICE
        for statement in _SCHEMA.format(price="hugeint" if self._price is _SHORT_PRICE else "varchar").split(";"):
            self._db.execute(statement)
        for stretch, coverage in enumerate(self._stretches(EventKind.SWAP)):
            self._read(stretch, coverage, since_s, until_s)
        self._read_jit(since_s, until_s)
        self._db.execute(_BARS, {"width": self._width_s})

    def _longest_price(self) -> int:
        """Digits of the longest price that is stored."""
        source = self._scan((*self._manifest.files, *self._tail))
        found = self._db.execute(f"select max(length(sqrt_price_x96)) from {source}").fetchall()[0][0]
        return int(found or 0)

    def _stretches(self, *kinds: EventKind) -> Sequence[Coverage]:
        return self._manifest.stretches(kinds, with_tail=self._through_tail)

    def _read(self, stretch: int, coverage: Coverage, since_s: int | None, until_s: int | None) -> None:
        begin_s = max(coverage.from_s, since_s or 0)
        end_s = min(coverage.to_s, coverage.to_s if until_s is None else until_s)
        if end_s <= begin_s:
            return
        read_s = self._opening_s(coverage, begin_s)
        for files in self._by_month(coverage, read_s, end_s):
            span = {"first": coverage.first_block, "last": coverage.last_block, "from_s": read_s, "to_s": end_s}
            query = _RAW.format(source=self._scan(files), price=self._price)
            self._db.execute(query, {"width": self._width_s, "stretch": stretch, **span})
        width = self._width_s
        self._db.execute(
            "insert into spine select $stretch, start_s, start_s >= $begin and start_s + $width <= $end"
            " from (select unnest(generate_series($first::bigint, $end::bigint, $width::bigint)) as start_s)",
            {"stretch": stretch, "begin": begin_s, "end": end_s, "width": width, "first": read_s // width * width},
        )

    def _opening_s(self, coverage: Coverage, begin_s: int) -> int:
        """Time of the newest swap before ``begin_s``, which tells the opening price; ``begin_s`` when there is none."""
        for files in reversed(self._by_month(coverage, 0, begin_s)):
            query = (
                f"select max(epoch(timestamp)::bigint) from {self._scan(files)}"
                " where event = 'SWAP' and block_number between ? and ? and timestamp < make_timestamp(?::bigint * 1000000)"
            )
            found = self._db.execute(query, [coverage.first_block, coverage.last_block, begin_s]).fetchall()[0][0]
            if found is not None:
                return int(found)
        return begin_s

    def _by_month(self, coverage: Coverage, from_s: int, to_s: int) -> list[list[StoredFile]]:
        """Files that may hold events of that stretch and time; no bar lies in two months, so each is read by itself."""
        sealed, tail = (
            [
                file
                for file in files
                if file.first_block <= coverage.last_block and coverage.first_block <= file.last_block
                if file.first_s < to_s and from_s <= file.last_s
            ]
            for files in (self._manifest.files, self._tail)
        )
        months = [list(files) for _, files in groupby(sealed, key=month_of)]
        # The tail may go on with a month, or a bar, that the sealed files began.
        return [*months[:-1], [*months[-1], *tail]] if months else [tail] if tail else []

    def _scan(self, files: Sequence[StoredFile]) -> str:
        return scan([self._folder / file.name for file in files])

    def _read_jit(self, since_s: int | None, until_s: int | None) -> None:
        """Make the tables of what is known of fleeting liquidity, and of the volume that it served in that time."""
        totals: Counter[int] = Counter()
        read: set[int] = set()
        for coverage in self._stretches(EventKind.SWAP, EventKind.MINT, EventKind.BURN):
            self._db.execute("insert into known values (?, ?)", [coverage.from_s, coverage.to_s])
            for files in self._by_month(coverage, since_s or 0, coverage.to_s if until_s is None else until_s):
                for number, start_s, amount in self._fleeting(self._scan(files)):
                    totals[start_s] += 0 if number in read else amount
                    read.add(number)
        for start_s, total in totals.items():
            self._db.execute("insert into jit values (?, ?)", [start_s, total])

    def _fleeting(self, source: str) -> Iterator[tuple[int, int, int]]:
        """Block, begin of its bar and volume of token0, for every block in which liquidity came and went."""
        blocks = [number for (number,) in self._db.execute(_FLEETING.format(source=source)).fetchall()]
        if not blocks:
            return
        columns = ", ".join("epoch(timestamp)::bigint" if name == "timestamp" else name for name in COLUMNS)
        where = "event in ('SWAP', 'MINT', 'BURN') and list_contains(?::bigint[], block_number)"
        query = f"select {columns} from {source} where {where} order by block_number, log_index"
        rows = self._db.execute(query, [blocks]).fetchall()
        for number, of_block in groupby((_event(row) for row in rows), key=lambda event: event.block_number):
            block = list(of_block)
            yield number, (block[0].timestamp_s or 0) // self._width_s * self._width_s, passing_volume0(block)


def _event(row: Sequence[Any]) -> EventRow:
    text = ("amount0", "amount1", "sqrt_price_x96", "liquidity", "liquidity_delta")
    values = dict(zip(COLUMNS, row, strict=True))
    whole = {name: None if values[name] is None else int(values[name]) for name in text}
    return EventRow(*(values | whole | {"event": EventKind(values["event"])}).values())

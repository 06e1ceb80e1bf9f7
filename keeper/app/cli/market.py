"""Market history for the commands that look back: of the operator's own pool, or of files that others made."""

from __future__ import annotations

import contextlib
import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import pairwise
from pathlib import Path

import duckdb

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.bars import make_bars
from keeper.adapters.history.imported import layout_of, series_name
from keeper.adapters.history.layouts import OUTSIDE_BARS
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.series import OUTSIDE, outside_columns
from keeper.adapters.history.store import folder_of
from keeper.app.cli import words
from keeper.app.settings import Settings
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, PriceBar, Quote
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.core.signals.bars import close_hours
from keeper.core.signals.order import Kind, Piece, in_order, known_at_s
from keeper.core.signals.windows import Since

_PRICES, _IMPLIED = OUTSIDE_BARS
"""Layouts of the files that are understood."""
_DATES_HOUR_S = 18 * HOUR_S
"""At which an event of a list of dates is taken to be, UTC: a day is all that its use needs."""
_TO_FRACTION = 100.0

Columns = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Some past, ready to be walked once."""

    pieces: Iterator[tuple[Kind, Piece]]
    hours: int
    """How many whole hours will come."""
    described: str
    """Where it is from, for a person."""
    policy: Policy
    """The rules, with what the data call for."""
    events_s: tuple[int, ...] = ()
    """Scheduled events within it, Unix seconds."""
    no_volume_days: frozenset[int] = frozenset()
    """Days since 1970 of which some volume is not known."""


def own_market(settings: Settings, policy: Policy, journaled: MarketHistory | None, stack: ExitStack) -> Market | None:
    """Downloaded bars of the signal pool, and what the journal has after and beside them; None when there is neither.

    Args:
        settings: name the folder of the history.
        policy: the rules.
        journaled: everything that the journal holds.
        stack: lets go of the bars when it is closed.

    Raises:
        ConfigError: the history cannot be used.
    """
    known = journaled or MarketHistory(pool=policy.signal_pool)
    streams: list[Iterator[tuple[Kind, Piece]]] = []
    count, folder = 0, _own_folder(settings, policy)
    for kind, width_s, later in ((Kind.MINUTE, MINUTE_S, known.minutes), (Kind.HOUR, HOUR_S, known.hours)):
        end_s = 0
        if folder is not None:
            bars = stack.enter_context(make_bars(folder, width_s=width_s, through_tail=True))
            streams.append(_tagged(kind, bars))
            end_s = int(bars.columns()["start_s"][-1]) + width_s if bars.rows else 0
            count += bars.rows if kind is Kind.HOUR else 0
        after = [bar for bar in later if bar.start_s >= end_s]
        streams.append(_tagged(kind, after))
        count += len(after) if kind is Kind.HOUR else 0
    if not count:
        return None
    sources = ["downloaded history"] if folder is not None else []
    sources += ["the journal"] if known.hours or known.samples else []
    return Market(
        pieces=merge(*streams, _tagged(Kind.SAMPLE, known.samples), _tagged(Kind.QUOTE, known.quotes), key=_order),
        hours=count,
        described=f"{' and '.join(sources)} of the signal pool {policy.signal_pool}",
        policy=policy,
        events_s=_acting(policy),
    )


def own_end_s(settings: Settings, policy: Policy) -> int | None:
    """Time up to which swaps of the signal pool were downloaded; None when none were."""
    folder = _own_folder(settings, policy)
    manifest = None if folder is None else read_manifest(folder)
    return None if manifest is None else manifest.stretches([EventKind.SWAP], with_tail=True)[-1].to_s


def own_history(settings: Settings, policy: Policy, window: Since, *, up_to_s: int) -> MarketHistory:
    """Downloaded bars of the signal pool within the windows.

    Raises:
        ConfigError: nothing was downloaded, or it cannot be used.
    """
    folder = folder_of(settings.data.dir, policy.chain_id, policy.signal_pool)
    with (
        make_bars(folder, width_s=MINUTE_S, since_s=window.minutes_s, until_s=up_to_s, through_tail=True) as minutes,
        make_bars(folder, width_s=HOUR_S, since_s=window.hours_s, until_s=up_to_s, through_tail=True) as hours,
    ):
        return MarketHistory(pool=policy.signal_pool, minutes=tuple(minutes), hours=tuple(hours))


def _own_folder(settings: Settings, policy: Policy) -> Path | None:
    folder = folder_of(settings.data.dir, policy.chain_id, policy.signal_pool)
    manifest = read_manifest(folder)
    return folder if manifest is not None and manifest.stretches([EventKind.SWAP], with_tail=True) else None


def series_market(settings: Settings, policy: Policy, name: str) -> Market:
    """An imported series of prices.

    Raises:
        ConfigError: there is none of that name, or its bars are neither of a minute nor of an hour.
    """
    if not re.fullmatch(r"[a-z0-9_.-]*[a-z0-9_-][a-z0-9_.-]*", name):
        raise ConfigError([f"--series: {name} is no name of a series: keeper data list tells what there is"])
    folder = settings.data.dir / OUTSIDE / name
    for width_s in (HOUR_S, MINUTE_S):
        with contextlib.suppress(ConfigError):
            columns = {field: values.tolist() for field, values in outside_columns(folder, width_s).items()}
            return _of_columns(columns, width_s, policy, (), f"imported series {name}", _acting(policy))
    raise ConfigError([f"--series: {folder} holds no bars of an hour or a minute: keeper data list tells what there is"])


def tape_market(path: Path, policy: Policy, name: str | None) -> Market:
    """Prices of a Parquet file, or of a folder with an implied volatility and dates of events beside them.

    Args:
        path: file or folder; of several files of prices the longest is taken, unless ``name`` names one.
        policy: the rules.
        name: of the series: the file's, without the dates at its end.

    Raises:
        ConfigError: there is no such file, or none of a known layout.
    """
    if not path.exists():
        raise ConfigError([f"--tape: {path} does not exist; name a Parquet file of bars, or a folder that holds one"])
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    layouts = {file: layout for file in files if (layout := _layout_name(file)) is not None}
    prices = [file for file, layout in layouts.items() if layout == _PRICES.name and name in {None, series_name(file)}]
    if not prices:
        found = ", ".join(sorted(series_name(file) for file, layout in layouts.items() if layout == _PRICES.name)) or "none"
        raise ConfigError([f"--tape: {path} holds no such file of prices (columns {_wanted()}); series there: {found}"])
    columns, chosen = max(((_columns(file, _PRICES.table), file) for file in prices), key=lambda one: _span_s(one[0]))
    implied = [file for file, layout in layouts.items() if layout == _IMPLIED.name]
    quotes = _implied_quotes(_columns(implied[0], _IMPLIED.table), implied[0].name) if implied else ()
    dates = sorted(path.rglob("*dates*.csv")) if path.is_dir() else []
    events_s = tuple(sorted({at_s for file in dates for at_s in _dates(file)}))
    beside = [file.name for file in (*implied[:1], *dates)]
    told = chosen.name + (f", with {', '.join(beside)}" if beside else "")
    return _of_columns(columns, _width_s(columns, chosen), policy, quotes, told, events_s)


def _of_columns(
    columns: Columns, width_s: int, policy: Policy, quotes: Sequence[Quote], described: str, events_s: tuple[int, ...]
) -> Market:
    outside = policy.outside if not quotes else replace(policy.outside, implied=quotes[0].name)
    bars = list(_bars(columns, width_s, policy))
    hours, minutes = (bars, []) if width_s == HOUR_S else (list(close_hours(bars)), bars)
    history = MarketHistory(pool=policy.signal_pool, minutes=tuple(minutes), hours=tuple(hours), quotes=tuple(quotes))
    first_s, last_s = bars[0].start_s, bars[-1].end_s
    return Market(
        pieces=in_order(history),
        hours=len(hours),
        described=f"{described}: {len(bars):,} bars, {words.utc(first_s)} to {words.utc(last_s)}",
        policy=replace(policy, outside=outside),
        events_s=tuple(at_s for at_s in events_s if first_s <= at_s < last_s),
        no_volume_days=frozenset(
            int(start) // DAY_S
            for start, volume in zip(columns["start_s"], columns["volume"], strict=True)
            if math.isnan(volume)
        ),
    )


def _bars(columns: Columns, width_s: int, policy: Policy) -> Iterator[PriceBar]:
    """Bars of the signal pool as if it had had these prices; a bar that follows on another opens where that one closed."""
    pool = _AsIfPool(policy)
    before: tuple[float, float] | None = None
    fields = ("start_s", "open", "high", "low", "close", "volume")
    for start, *prices, volume in zip(*(columns[name] for name in fields), strict=True):
        if not all(price > 0 and math.isfinite(price) for price in prices):
            raise ConfigError([f"the bar of {words.utc(int(start))} has a price that is not above zero"])
        follows = before is not None and before[0] == start - width_s
        opened = before[1] if before is not None and follows else prices[0]
        before = start, prices[-1]
        yield pool.bar(int(start), width_s, (opened, *prices[1:]), 0.0 if math.isnan(volume) else volume)


class _AsIfPool:
    """Makes bars of the signal pool out of prices of the base token in tokens of the quote."""

    def __init__(self, policy: Policy) -> None:
        key = policy.pool(policy.signal_pool)
        self._base_is_0 = key.token0.address == policy.base.address
        self._shift = (key.token0.decimals - key.token1.decimals) * math.log(10)
        self._unit_base, self._unit_quote = 10**policy.base.decimals, 10**policy.quote.decimals

    def bar(self, start_s: int, width_s: int, prices: Sequence[float], volume: float) -> PriceBar:
        """Of open, high, low and close; ``volume`` in whole base tokens."""
        opened, *_, closed = (self._x96(price) for price in prices)
        low, high = sorted((self._x96(min(prices)), self._x96(max(prices))))
        base, quote = int(volume * self._unit_base), int(volume * prices[-1] * self._unit_quote)
        return PriceBar(
            start_s=start_s,
            width_s=width_s,
            open_x96=opened,
            high_x96=high,
            low_x96=low,
            close_x96=closed,
            wick_high_x96=high,
            wick_low_x96=low,
            volume0=base if self._base_is_0 else quote,
            volume1=quote if self._base_is_0 else base,
            net0=None,
            net1=None,
            jit0=None,
            swaps=0,
        )

    def _x96(self, price: float) -> int:
        log_human = math.log(price) if self._base_is_0 else -math.log(price)
        return int(math.exp((log_human - self._shift) / 2) * 2**96)


def _tagged(kind: Kind, bars: Iterable[Piece]) -> Iterator[tuple[Kind, Piece]]:
    return ((kind, bar) for bar in bars)


def _order(one: tuple[Kind, Piece]) -> tuple[int, Kind]:
    return known_at_s(one[1]), one[0]


def _acting(policy: Policy) -> tuple[int, ...]:
    calendar = policy.calendar.calendar
    return tuple(event.at_s for event in calendar.events if calendar.rule(event.kind).acts)


def _wanted() -> str:
    return ", ".join(sorted(_PRICES.columns))


def _layout_name(path: Path) -> str | None:
    try:
        return layout_of(path).name
    except ConfigError:
        return None


def _columns(path: Path, table: Mapping[str, str]) -> Columns:
    fields = ", ".join(f"{expression} as {name}" for name, expression in table.items())
    query = f"select epoch(timestamp)::bigint as start_s, {fields} from read_parquet(?) order by 1"  # ruff: ignore[hardcoded-sql-expression] - a layout's own
    with contextlib.closing(duckdb.connect(":memory:")) as database:
        try:
            rows = database.execute(query, [str(path)]).fetchall()
        except duckdb.Error as error:
            raise ConfigError([f"{path} does not read: {str(error).splitlines()[0]}"]) from None
    if len(rows) < 2:
        raise ConfigError([f"{path} holds {len(rows)} bars, too few"])
    names = ("start_s", *table)
    return {name: [math.nan if row[at] is None else row[at] for row in rows] for at, name in enumerate(names)}


def _span_s(columns: Columns) -> float:
    return columns["start_s"][-1] - columns["start_s"][0]


def _width_s(columns: Columns, path: Path) -> int:
    starts = [int(start) for start in columns["start_s"]]
    steps = sorted(after - before for before, after in pairwise(starts))
    width_s = steps[len(steps) // 2]
    if width_s not in {MINUTE_S, HOUR_S} or any(start % width_s for start in starts) or steps[0] <= 0:
        raise ConfigError([f"{path} must hold bars of an hour or a minute that begin on the hour or minute, none twice"])
    return width_s


def _implied_quotes(columns: Columns, source: str) -> tuple[Quote, ...]:
    """One an hour, known when its bar is over."""
    return tuple(
        Quote(name=source, value=close / _TO_FRACTION, as_of_s=int(start) + HOUR_S, source=source, seen_s=int(start) + HOUR_S)
        for start, close in zip(columns["start_s"], columns["close"], strict=True)
        if close > 0
    )


def _dates(path: Path) -> Iterator[int]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                day = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
            except (KeyError, TypeError, ValueError):
                raise ConfigError([f"{path} must have a column date of days such as 2024-01-31"]) from None
            yield int(day.timestamp()) + _DATES_HOUR_S

"""Bars, samples and quotes: what the readings of later cycles are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, Select, func, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or_leave

from keeper.adapters.store.tables import bars, quotes, samples
from keeper.core.model.bar import HOUR_S, MINUTE_S, HistoryRef, MarketHistory, PriceBar, Quote, Sample, Stretch
from keeper.core.model.codec import decode, encode
from keeper.core.model.errors import JournalFault
from keeper.core.signals.order import reference
from keeper.core.signals.windows import Since
from keeper.ports.journal import HistoryEnd

_BAR_COLUMNS = [column for column in bars.c if column.name != "pool"]
_QUOTE_COLUMNS = [column for column in quotes.c if column.name != "id"]


def bar_rows(connection: Connection, pool: str, width_s: int, *, since_s: int, before_s: int) -> tuple[PriceBar, ...]:
    """Stored bars that begin in ``[since_s, before_s)``, oldest first."""
    wanted = _bars_of(pool, width_s).where(bars.c.start_s >= since_s, bars.c.start_s < before_s).order_by(bars.c.start_s)
    return tuple(_bars(connection, wanted))


def first_bar_s(connection: Connection, pool: str, width_s: int) -> int | None:
    """Start of the oldest stored bar of that width; None when there is none."""
    of_width = select(func.min(bars.c.start_s)).where(bars.c.pool == pool, bars.c.width_s == width_s)
    first: int | None = connection.scalar(of_width)
    return first


def history_end(connection: Connection, pool: str) -> HistoryEnd:
    """Where the stored series end."""
    newest = _bars_of(pool, MINUTE_S).order_by(bars.c.start_s.desc()).limit(1)
    return HistoryEnd(
        minute=next(_bars(connection, newest), None),
        hour_s=connection.scalar(select(func.max(bars.c.start_s)).where(bars.c.pool == pool, bars.c.width_s == HOUR_S)),
        sample_s=connection.scalar(select(func.max(samples.c.timestamp_s)).where(samples.c.pool == pool)),
        quote_s=connection.scalar(select(func.max(quotes.c.seen_s))),
    )


def newest_quotes(connection: Connection, names: Iterable[str]) -> dict[str, Quote]:
    """The newest stored quote of each of the names."""
    found: dict[str, Quote] = {}
    for name in names:
        row = _quotes(connection, select(*_QUOTE_COLUMNS).where(quotes.c.name == name).order_by(quotes.c.id.desc()).limit(1))
        found |= {quote.name: quote for quote in row}
    return found


def within(connection: Connection, pool: str, since: Since, *, up_to_s: int) -> MarketHistory:
    """Everything within the windows that was known at ``up_to_s``."""
    return MarketHistory(
        pool=pool,
        minutes=bar_rows(connection, pool, MINUTE_S, since_s=since.minutes_s, before_s=up_to_s - MINUTE_S + 1),
        hours=bar_rows(connection, pool, HOUR_S, since_s=since.hours_s, before_s=up_to_s - HOUR_S + 1),
        samples=_samples(connection, pool, since.samples_s, up_to_s),
        quotes=tuple(_seen_quotes(connection, since.quotes_s, up_to_s)),
    )


def named(connection: Connection, ref: HistoryRef) -> MarketHistory:
    """The rows that a view names.

    Raises:
        JournalFault: they are not what the view was made of, or the view is of before there were bars.
    """
    if is_of_before_bars(ref):
        raise JournalFault("the view is of a keeper that had no bars: it can be explained, not replayed")
    history = MarketHistory(
        pool=ref.pool,
        minutes=_named_bars(connection, ref.pool, MINUTE_S, ref.minutes),
        hours=_named_bars(connection, ref.pool, HOUR_S, ref.hours),
        samples=_samples(connection, ref.pool, ref.samples.first_s, ref.samples.last_s)[: ref.samples.rows],
        quotes=tuple(islice(_seen_quotes(connection, ref.quotes.first_s, ref.quotes.last_s), ref.quotes.rows)),
    )
    if reference(history) != ref:
        raise JournalFault("the stored bars, samples and quotes are not those that the view names")
    return history


def is_of_before_bars(ref: HistoryRef) -> bool:
    """Whether a keeper wrote it that had no bars: its digest was of price rows."""
    return not any(stretch.rows for stretch in (ref.minutes, ref.hours, ref.samples, ref.quotes)) and (
        ref != reference(MarketHistory(pool=ref.pool))
    )


def append(connection: Connection, news: MarketHistory) -> None:
    """Store what follows on the newest stored rows; anything older is sealed and left as it is."""
    end = history_end(connection, news.pool)
    newest_s = {MINUTE_S: None if end.minute is None else end.minute.start_s, HOUR_S: end.hour_s}
    fresh = [bar for bar in (*news.minutes, *news.hours) if _is_after(bar.start_s, newest_s[bar.width_s])]
    _insert_bars(connection, news.pool, fresh)
    for sample in news.samples:
        if _is_after(sample.timestamp_s, end.sample_s):
            values = {"pool": news.pool, "timestamp_s": sample.timestamp_s, "sample": encode(sample)}
            connection.execute(insert(samples).values(values))
    for quote in news.quotes:
        is_fresh = end.quote_s is None or quote.seen_s >= end.quote_s
        if is_fresh and newest_quotes(connection, [quote.name]).get(quote.name) != quote:
            connection.execute(insert(quotes).values({c.name: getattr(quote, c.name) for c in _QUOTE_COLUMNS}))


def seed(connection: Connection, pool: str, older: Sequence[PriceBar]) -> int:
    """Store bars of before the oldest stored one of their width; gives how many there were."""
    oldest = {width_s: first_bar_s(connection, pool, width_s) for width_s in (MINUTE_S, HOUR_S)}
    fresh = [bar for bar in older if (first := oldest[bar.width_s]) is None or bar.start_s < first]
    _insert_bars(connection, pool, fresh)
    return len(fresh)


def _is_after(at_s: int, newest_s: int | None) -> bool:
    return newest_s is None or at_s > newest_s


def _bars_of(pool: str, width_s: int) -> Select[tuple[object, ...]]:
    return select(*_BAR_COLUMNS).where(bars.c.pool == pool, bars.c.width_s == width_s)


def _bars(connection: Connection, wanted: Select[tuple[object, ...]]) -> Iterator[PriceBar]:
    return (PriceBar(**row) for row in connection.execute(wanted).mappings())


def _named_bars(connection: Connection, pool: str, width_s: int, stretch: Stretch) -> tuple[PriceBar, ...]:
    if not stretch.rows:
        return ()
    return bar_rows(connection, pool, width_s, since_s=stretch.first_s, before_s=stretch.last_s + 1)


def _insert_bars(connection: Connection, pool: str, fresh: Sequence[PriceBar]) -> None:
    rows = [{"pool": pool} | {column.name: getattr(bar, column.name) for column in _BAR_COLUMNS} for bar in fresh]
    if rows:
        connection.execute(insert_or_leave(bars).on_conflict_do_nothing(), rows)


def _samples(connection: Connection, pool: str, first_s: int, last_s: int) -> tuple[Sample, ...]:
    wanted = select(samples.c.sample).where(samples.c.pool == pool, samples.c.timestamp_s.between(first_s, last_s))
    return tuple(decode(Sample, text) for (text,) in connection.execute(wanted.order_by(samples.c.timestamp_s)))


def _seen_quotes(connection: Connection, first_s: int, last_s: int) -> Iterator[Quote]:
    wanted = select(*_QUOTE_COLUMNS).where(quotes.c.seen_s.between(first_s, last_s))
    return _quotes(connection, wanted.order_by(quotes.c.seen_s, quotes.c.id))


def _quotes(connection: Connection, wanted: Select[tuple[object, ...]]) -> Iterator[Quote]:
    return (Quote(**row) for row in connection.execute(wanted).mappings())

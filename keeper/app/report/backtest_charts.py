"""What the charts of a backtest draw, thinned, with a sentence in place of each for who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from keeper.app.cli import words
from keeper.app.report.backtest_model import BacktestPage
from keeper.app.report.backtest_numbers import (
    aligned,
    column,
    drawdown,
    first_held,
    hedged,
    in_range,
    optioned,
    rolling_share,
    spoken,
)
from keeper.app.report.backtest_thin import MOST_POINTS, Floats, kept
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.signals.prices import price_at_tick
from keeper.simulation.benchmarks import ABLATED

_SIGNIFICANT = 8
"""Digits that a drawn number keeps."""
KEEPER = "keeper"
_STRIKES = "; a strike is a dotted line from the purchase of its options to their expiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over one axis of time."""

    id: str
    title: str
    unit: str
    places: int
    """Digits after the point."""
    lines: tuple[tuple[str, Floats], ...]
    """Name and value at each cycle; NaN where there is none."""
    told: str
    """What it is, in a sentence."""
    steps: bool = False
    """Whether a value holds until the next."""


def charts(page: BacktestPage) -> list[Chart]:
    """Every chart, in the order of the page; without a cycle there is none."""
    return [_price(page), *_ladder(page), *_money(page), *_weather(page)] if page.keeper.rows.time_s else []


def _price(page: BacktestPage) -> Chart:
    return Chart(
        id="price",
        title="Price and layers",
        unit=f"{page.quote} per {page.policy.base.symbol}",
        places=2,
        lines=(("price", column(page.keeper.rows.price)),),
        told="The pool's price at each cycle; a range that was held is a band of its layer, a cycle that acted a mark, along "
        f"the lower edge where many are in view{_STRIKES if page.keeper.protection is not None else ''}.",
    )


def _ladder(page: BacktestPage) -> Iterator[Chart]:
    run, rows = page.keeper, page.keeper.rows
    first = first_held(run)
    held = {span.layer for span in rows.spans.values()}
    if held:
        yield Chart(
            id="in_range",
            title="In range, by layer",
            unit="% of the last 24 h",
            places=1,
            lines=tuple(
                (kind.value, np.append(np.full(first, np.nan), rolling_share(rows.time_s[first:], in_range(run, kind)[first:])))
                for kind in LayerKind
                if kind in held
            ),
            told="Share of the cycles of the last 24 hours, on the first day of all since something was held, at which a layer "
            "was in range.",
        )


def _money(page: BacktestPage) -> Iterator[Chart]:
    rows, quote = page.keeper.rows, page.quote
    fees, lvr, costs = column(rows.fees), column(rows.lvr), column(rows.swaps) + column(rows.gas)
    is_protected, bought = page.keeper.protection is not None, optioned(page.keeper)
    together = "all four" if is_protected else "all three"
    yield Chart(
        id="earned",
        title="Fees, loss to arbitrage and costs so far",
        unit=quote,
        places=2,
        lines=(
            (together, fees + lvr + costs + bought),
            ("fees", fees),
            ("loss to arbitrage (LVR)", lvr),
            ("own swaps and gas", costs),
            *((("options, paid less cost", bought),) if is_protected else ()),
        ),
        told=f"Summed since the start; {together} together are the PnL without the price.",
    )
    yield from _options(page)
    shown = {spoken(name): run for name, run in page.benchmarks.items() if not name.startswith(ABLATED)}
    others = {name: aligned(rows.time_s, run, hedged(run)) for name, run in shown.items()}
    if others:
        yield Chart(
            id="hedged",
            title="PnL without the price, against the benchmarks",
            unit=quote,
            places=2,
            lines=((KEEPER, hedged(page.keeper)), *others.items()),
            told="Fees, loss to arbitrage, own swaps and gas since the start: what strategies are compared by.",
        )
    values = {name: aligned(rows.time_s, run, column(run.rows.value)) for name, run in shown.items()}
    values |= {spoken(name): column(track) for name, track in page.tracks.items()}
    yield Chart(
        id="value",
        title="Value, against the benchmarks" if values else "Value",
        unit=quote,
        places=2,
        lines=((KEEPER, column(rows.value)), *values.items()),
        told="Worth of everything held, the price's ups and downs included.",
    )
    tracked = {spoken(name): drawdown(column(track)) for name, track in page.tracks.items()}
    yield Chart(
        id="drawdown",
        title="Drawdown",
        unit="% from the highest value so far",
        places=2,
        lines=((KEEPER, drawdown(column(rows.value))), *tracked.items()),
        told="How far value lies below its highest so far.",
    )


def _options(page: BacktestPage) -> Iterator[Chart]:
    rows = page.keeper.rows
    if page.keeper.protection is None or not page.keeper.protection.options:
        return
    held = column(rows.options_model)
    yield Chart(
        id="options",
        title="Premiums, payoffs and held options",
        unit=page.quote,
        places=2,
        lines=(
            ("all three", optioned(page.keeper) + held),
            ("premiums so far", column(rows.premiums)),
            ("paid out so far", column(rows.payoffs)),
            ("held, by the model", held),
            ("held, if they ended now", column(rows.options_intrinsic)),
        ),
        told="Premiums and payoffs are parts of the change of value; what is held is in none, an estimate by the model at the "
        "reference volatility. All three: premiums, payoffs and the model's value of what is held.",
    )


def _weather(page: BacktestPage) -> Iterator[Chart]:
    rows = page.keeper.rows
    yield Chart(
        id="regime",
        title="Regime",
        unit="from calm to crisis",
        places=0,
        lines=(("regime", column(rows.regime)),),
        told=f"How rough the keeper took the market to be: {_shares(rows.regime)}.",
        steps=True,
    )
    forecast, score = 100 * column(rows.forecast), column(rows.score)
    if np.isfinite(forecast).any():
        yield Chart(
            id="forecast",
            title="Forecast of volatility",
            unit="% a year",
            places=1,
            lines=(("forecast", forecast),),
            told="What widths are made of; shaded by regime.",
        )
    if np.isfinite(score).any():
        yield Chart(
            id="score",
            title="Stress score",
            unit="score",
            places=2,
            lines=(("score", score),),
            told="The weighted signals; shaded by regime.",
        )


def _shares(regimes: Sequence[int]) -> str:
    counts = {regime.value: sum(one == regime.severity for one in regimes) for regime in Regime}
    return ", ".join(f"{name} {words.percent(count / len(regimes))}" for name, count in counts.items() if count)


def sentence(chart: Chart) -> str:
    """The chart in words: how the first line went, and where the others end."""
    name, values = chart.lines[0]
    known = values[np.isfinite(values)]
    if chart.id == "regime":
        return chart.told
    if not len(known):
        return f"{chart.told} There is no value of {name}."
    first, last, least, most = (_told(chart, value) for value in (known[0], known[-1], known.min(), known.max()))
    went = f"{name} went from {first} to {last}, between {least} and {most} ({chart.unit})."
    ends = [(other, _last(line)) for other, line in chart.lines[1:]]
    others = "; ".join(f"{other} {'has no value' if end is None else _told(chart, end)}" for other, end in ends)
    return f"{chart.told} {went[0].upper()}{went[1:]}" + (f" At the end: {others}." if others else "")


def _last(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else None


def _told(chart: Chart, value: float) -> str:
    return f"{value:,.{chart.places}f}"


def drawn(chart: Chart, times_s: Sequence[int]) -> dict[str, Any]:
    """The chart as the page's script reads it, at most :data:`~keeper.app.report.backtest_thin.MOST_POINTS` points."""
    places = kept([values for _, values in chart.lines])
    return {
        "id": chart.id,
        "title": chart.title,
        "unit": chart.unit,
        "places": chart.places,
        "steps": chart.steps,
        "t": [times_s[at] for at in places],
        "lines": [{"label": name, "values": [_rounded(float(values[at])) for at in places]} for name, values in chart.lines],
    }


def thinned(cycles: int) -> str:
    """How much of a run is drawn, for a person."""
    if cycles <= MOST_POINTS:
        return "Charts draw every cycle."
    return (
        f"Charts draw at most {MOST_POINTS:,} of {cycles:,} cycles each: of every stretch the least and the most of each line, "
        "so no peak is lost."
    )


def bands(page: BacktestPage) -> list[list[float]]:
    """Layer, lower and upper price, from and until when, of each range that was held; until the cycle that no longer saw it."""
    rows = page.keeper.rows
    times = np.array(rows.time_s, dtype=np.int64)
    found: list[list[float]] = []
    for span in rows.spans.values():
        ends = [price_at_tick(page.policy, tick) for tick in (span.tick_lower, span.tick_upper)]
        after = int(np.searchsorted(times, span.to_s, side="right"))
        until_s = int(times[min(after, len(times) - 1)])
        prices = sorted(float(f"{price:.{_SIGNIFICANT}g}") for price in ends)
        found.append([list(LayerKind).index(span.layer), *prices, span.from_s, until_s])
    return found


def runs(page: BacktestPage) -> list[list[int]]:
    """Regime, from and until when, of each stretch of one regime; as many of the newest as a chart has points."""
    rows = page.keeper.rows
    starts = [(regime, next(group)[0]) for regime, group in groupby(zip(rows.time_s, rows.regime, strict=True), itemgetter(1))]
    ends = [at for _, at in starts[1:]] + list(rows.time_s[-1:])
    return [[regime, at, until] for (regime, at), until in zip(starts, ends, strict=True)][-MOST_POINTS:]


def marks(page: BacktestPage) -> list[list[Any]]:
    """Time, price and moves of each cycle that acted; as many of the newest as a chart has points."""
    rows = page.keeper.rows
    times = np.array(rows.time_s, dtype=np.int64)
    found: list[list[Any]] = []
    for row in page.keeper.acted[-MOST_POINTS:] if len(times) else ():
        at = min(int(np.searchsorted(times, row.time_s)), len(times) - 1)
        found.append([row.time_s, _rounded(rows.price[at]), ", ".join(row.moves)])
    return found


def _rounded(value: float) -> float | None:
    return float(f"{value:.{_SIGNIFICANT}g}") if np.isfinite(value) else None

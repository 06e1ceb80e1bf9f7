"""One page that draws every signal over time under the price: a single file that asks nobody for anything."""

from __future__ import annotations

import html as markup
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from statistics import median
from typing import Any

from keeper.app.cli import signal_words, words
from keeper.app.report.points import MOST_POINTS, Point, with_gaps
from keeper.core.model.policy import Policy
from keeper.core.model.view import SignalReading
from keeper.core.signals import names
from keeper.core.signals.calendar import windows

SIGNIFICANT = 6
"""Digits that a drawn number keeps."""
_TABLE_ROWS = 200
_SKIPPED = frozenset({names.SPOT})
"""Drawn already, as the price."""


def html(points: Sequence[Point], policy: Policy, *, source: str) -> str:
    """The whole page.

    Args:
        points: oldest first, at least one, at most :data:`~keeper.app.report.points.MOST_POINTS`.
        policy: names the pair, the weights and the calendar.
        source: where the points are from, for a person.
    """
    if not 1 <= len(points) <= MOST_POINTS:
        raise ValueError(f"1 to {MOST_POINTS} points are drawn, not {len(points)}")
    pair = f"{policy.base.symbol}/{policy.quote.symbol}"
    told = f"{count(points)} of {source}, {words.utc(points[0].at_s)} to {words.utc(points[-1].at_s)}"
    parts = {
        "title": markup.escape(f"Signals of {pair}"),
        "told": markup.escape(told),
        "uplot_css": _asset("uPlot.min.css"),
        "css": _asset("signals.css"),
        "data": _inline(series(points, policy)),
        "uplot_js": _asset("uPlot.iife.min.js"),
        "js": _asset("signals.js"),
    }
    # in one pass: what is put in is not looked at again
    return re.sub("{(" + "|".join(parts) + ")}", lambda found: parts[found[1]], _asset("signals.html"))


def count(points: Sequence[Point]) -> str:
    """How many there are."""
    return "1 point" if len(points) == 1 else f"{len(points):,} points"


def series(points: Sequence[Point], policy: Policy) -> dict[str, Any]:
    """What is drawn: times, price and regime once, then each signal's values in the unit in which they are told."""
    rows = list(with_gaps(points))
    first_s, last_s = points[0].at_s, points[-1].at_s
    every = sorted({one.name for point in points for one in point.readings} - _SKIPPED, key=signal_words.rank)
    by_name = [{} if isinstance(row, int) else {one.name: one for one in row.readings} for row in rows]
    drawn = [_signal(name, [readings.get(name) for readings in by_name], policy) for name in every]
    return {
        "t": [row if isinstance(row, int) else row.at_s for row in rows],
        "price": [None if isinstance(row, int) else _rounded(row.price) for row in rows],
        "price_unit": f"{policy.quote.symbol} per {policy.base.symbol}",
        "regime": [None if isinstance(row, int) else row.regime.severity for row in rows],
        "events": [
            {"opens": window.opens_s, "closes": window.closes_s, "at": window.event.at_s, "title": window.event.title}
            for window in windows(policy.calendar.calendar)
            if window.closes_s >= first_s and window.opens_s <= last_s
        ],
        "table_rows": _TABLE_ROWS,
        "signals": [one for one in drawn if any(value is not None for value in one["values"])],
        "absent": [
            {"label": one["label"], "why": one["note"] or "no value"}
            for one in drawn
            if all(value is None for value in one["values"])
        ],
    }


def _signal(name: str, readings: Sequence[SignalReading | None], policy: Policy) -> dict[str, Any]:
    newest = next(reading for reading in reversed(readings) if reading is not None)
    values = [None if reading is None else reading.value for reading in readings]
    sizes = [abs(value) for value in values if value is not None]
    scale = signal_words.scale(newest.unit, median(sizes) if sizes else 0.0)
    weight = policy.stress.weight(name)
    return {
        "id": name,
        "label": name.replace("_", " "),
        "family": signal_words.family(name),
        "unit": scale.unit,
        "places": scale.places,
        "weight": weight,
        "note": newest.note,
        "values": [None if value is None else _rounded(value * scale.factor) for value in values],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{SIGNIFICANT}g}")


def _inline(document: Mapping[str, Any]) -> str:
    """JSON that cannot end the element that it stands in."""
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _asset(name: str) -> str:
    return resources.files(__package__ or "").joinpath("assets", name).read_text(encoding="utf-8")

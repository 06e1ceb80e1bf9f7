"""One page that tells a backtest: a single file that asks nobody for anything."""

from __future__ import annotations

import html as markup
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from keeper.app.report import backtest_options as options
from keeper.app.report import backtest_tables as tables
from keeper.app.report.backtest_charts import Chart, bands, charts, drawn, marks, runs, sentence, thinned
from keeper.app.report.backtest_model import BacktestPage
from keeper.core.model.ladder import LayerKind, Regime


def html(page: BacktestPage) -> str:
    """The whole page."""
    shown = charts(page)
    parts = {
        "title": markup.escape(f"Backtest of {page.pair}"),
        "thinned": thinned(len(page.keeper.rows.time_s)) if shown else "No cycle was made: there is nothing to draw.",
        "verdict": tables.verdict(page),
        "about": tables.about(page),
        "numbers": tables.numbers(page),
        "charts": "".join(_figure(chart) for chart in shown),
        "protection": options.section(page),
        "protection_link": options.link(page),
        "attribution": tables.attribution(page),
        "strategies": tables.strategies(page),
        "comparisons": tables.comparisons(page),
        "checks": tables.checks(page),
        "decisions": tables.decisions(page),
        "trouble": tables.trouble(page),
        "settings": tables.settings(page),
        "uplot_css": _asset("uPlot.min.css"),
        "css": _asset("backtest.css"),
        "data": _inline(document(page, shown)),
        "uplot_js": _asset("uPlot.iife.min.js"),
        "js": _asset("backtest.js"),
    }
    # in one pass: what is put in is not looked at again
    return re.sub("{(" + "|".join(parts) + ")}", lambda found: parts[found[1]], _asset("backtest.html"))


def document(page: BacktestPage, shown: list[Chart]) -> dict[str, Any]:
    """What the page's script draws."""
    times_s = page.keeper.rows.time_s
    return {
        "charts": [drawn(chart, times_s) for chart in shown],
        "bands": bands(page),
        "marks": marks(page),
        "runs": runs(page),
        **({"options": options.strikes(page)} if page.keeper.protection is not None else {}),
        "layers": [kind.value for kind in LayerKind],
        "regimes": [regime.value for regime in Regime],
    }


def _figure(chart: Chart) -> str:
    title, told = markup.escape(chart.title), markup.escape(sentence(chart))
    return (
        f'<figure id="{chart.id}"><figcaption><h3>{title} <small>{markup.escape(chart.unit)}</small></h3><output></output>'
        f'</figcaption><div class="legend" role="group" aria-label="Lines of {title}"></div><div class="plot"></div>'
        f'<p class="told" id="{chart.id}-told">{told}</p></figure>'
    )


def _inline(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the element that it stands in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _asset(name: str) -> str:
    return resources.files(__package__ or "").joinpath("assets", name).read_text(encoding="utf-8")

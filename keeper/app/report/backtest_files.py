"""A backtest for programs and for paper: a row a cycle, one JSON object, a PDF."""

from __future__ import annotations

import csv
import io
import math
import os
import shutil
import subprocess  # ruff: ignore[suspicious-subprocess-import] - the browser is a program
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keeper.app.report.backtest_model import BacktestPage
from keeper.app.report.backtest_numbers import column, days, deepest, finite, hedged_bps, key_numbers, parts_of, tokens
from keeper.app.report.backtest_payoff import Payoff, break_evens, payoff
from keeper.app.report.backtest_tables import flat
from keeper.core.model.decision import Reason, Veto
from keeper.core.model.errors import ConfigError
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.signals.prices import price_at_tick
from keeper.simulation.protection import Protection
from keeper.simulation.result import ActedRow, RunResult

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""Names under which the browser is looked for."""
PRINT_TIMEOUT_S = 120
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
    "--virtual-time-budget=5000",
)
_FLOATS = ("price", "value", "hold", "base", "fees", "lvr", "swaps", "gas", "forecast", "score")


_OPTIONS = ("premiums", "payoffs", "options_model", "options_intrinsic", "options_held")


def csv_of(run: RunResult) -> str:
    """One row a cycle under a row of names; money in quote tokens, an empty field where there is no value.

    Where options could be bought, what they cost and brought and what is held stand at the end of each row.
    """
    rows, out = run.rows, io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    optional = _OPTIONS if run.protection is not None else ()
    writer.writerow(["time_s", "time_utc", *_FLOATS, "regime", *(f"in_range_{kind}" for kind in LayerKind), *optional])
    columns = [getattr(rows, name) for name in _FLOATS]
    regimes, bits = [regime.value for regime in Regime], [1 << at for at in range(len(LayerKind))]
    for at, time_s in enumerate(rows.time_s):
        values = ("" if finite(one[at]) is None else repr(one[at]) for one in columns)
        ranged = (int(bool(rows.in_range[at] & bit)) for bit in bits)
        stamp = datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        protected = (repr(getattr(rows, name)[at]) for name in optional)
        writer.writerow([time_s, stamp, *values, regimes[rows.regime[at]], *ranged, *protected])
    return out.getvalue()


def json_of(page: BacktestPage) -> dict[str, Any]:
    """Everything but the cycles, ready for JSON: integers that may pass 2**53 are strings, a missing number is null."""
    return {
        "pair": {"base": page.policy.base.symbol, "quote": page.quote},
        "verdict": {"word": page.verdict.word, "reasons": list(page.verdict.reasons)},
        "numbers": {one.id: {"value": finite(one.value), "unit": one.unit} for one in key_numbers(page)},
        "keeper": _run(page.keeper),
        "benchmarks": {name: _run(run) for name, run in page.benchmarks.items()},
        "tracks": {
            name: {"start": finite(values[0]) if len(values) else None, "end": finite(values[-1]) if len(values) else None}
            for name, values in page.tracks.items()
        },
        "comparisons": [
            {
                "name": one.name,
                "mean_bps": finite(one.mean_bps),
                "lower_bps": finite(one.lower_bps),
                "upper_bps": finite(one.upper_bps),
            }
            for one in page.comparisons
        ],
        "checks": None
        if page.checks is None
        else [{"name": one.name, "passed": one.passed, "told": one.told} for one in page.checks],
        "decisions": [_acted(row) for row in page.keeper.acted],
        "spans": _spans(page),
        **({} if page.keeper.protection is None else {"payoff": _payoff(payoff(page, page.keeper.protection))}),
        "settings": {name: _plain(value) for name, value in flat(page.settings)},
    }


def pdf_of(html: str, path: Path) -> None:
    """Print a page by a browser of this machine.

    Raises:
        ConfigError: there is no browser, or it could not print.
    """
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        raise ConfigError([f"a PDF needs a browser on PATH, one of {', '.join(BROWSERS)}: install it, or print the HTML file"])
    with tempfile.TemporaryDirectory(prefix="keeper-pdf-") as folder:
        page, printed = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_text(html, encoding="utf-8")
        # a browser of root has no sandbox to enter; what it prints is our own page, which asks nobody
        rooted = ["--no-sandbox"] if os.geteuid() == 0 else []
        told = [f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}", page.as_uri()]
        try:
            ended = subprocess.run(  # ruff: ignore[subprocess-without-shell-equals-true] - found by name, given files of ours
                [browser, *_FLAGS, *rooted, *told], capture_output=True, text=True, timeout=PRINT_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError([f"{browser} did not print the page: {error}"]) from error
        if not printed.is_file():
            last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ConfigError([f"{browser} did not print the page (exit code {ended.returncode}): {last}"])
        try:
            shutil.copyfile(printed, path)
        except OSError as error:
            raise ConfigError([f"{path} cannot be written: {error.strerror}"]) from error


def _run(run: RunResult) -> dict[str, Any]:
    return {
        "label": run.label,
        "policy_digest": run.policy_digest,
        "tape_digest": run.tape_digest,
        "tape": run.tape_described,
        "tape_exact": run.tape_exact,
        "start_s": run.start_s,
        "end_s": run.end_s,
        "days": days(run),
        "capital_quote": run.setting.capital_quote,
        "presence": run.setting.presence.value,
        "cycles": run.cycles,
        "acted": len(run.acted),
        "swaps": run.swaps,
        "refused": run.refused,
        "quote_unit": str(run.quote_unit),
        "change": str(run.change),
        "parts": {name: str(units) for name, units in parts_of(run).items()},
        "hedged_bps_a_day": finite(hedged_bps(run)),
        "deepest_drawdown_percent": finite(deepest(column(run.rows.value))),
        "trouble": [{"time_s": at_s, "why": why} for at_s, why in run.trouble],
        **({} if run.protection is None else {"protection": _protection(run, run.protection)}),
    }


def _protection(run: RunResult, found: Protection) -> dict[str, Any]:
    """Money in quote tokens; ``model`` and ``intrinsic`` are in no part."""
    return {
        "premiums": tokens(run, run.parts.premiums),
        "payoffs": tokens(run, run.parts.payoffs),
        "held": run.rows.options_held[-1] if run.rows.options_held else 0,
        "model": run.options_model,
        "intrinsic": run.options_intrinsic,
        "reference_volatility": found.ending.volatility,
        "options": [asdict(one) for one in found.options],
    }


def _acted(row: ActedRow) -> dict[str, Any]:
    return {
        "cycle": row.cycle,
        "time_s": row.time_s,
        "block": row.block,
        "moves": list(row.moves),
        "reasons": [{"trigger": one.trigger, **_fired(one)} for one in row.reasons],
        "vetoes": [{"gate": one.gate, **_fired(one)} for one in row.vetoes],
        "expected_cost_quote": finite(row.expected_cost_quote),
        "outcomes": list(row.outcomes),
        "gas_wei": str(row.gas_wei),
    }


def _fired(one: Reason | Veto) -> dict[str, Any]:
    return {"layer": one.layer, "found": finite(one.found), "limit": finite(one.limit), "unit": one.unit}


def _spans(page: BacktestPage) -> list[dict[str, Any]]:
    return [
        {
            "layer": span.layer.value,
            "token_id": span.token_id,
            "tick_lower": span.tick_lower,
            "tick_upper": span.tick_upper,
            "prices": sorted(price_at_tick(page.policy, tick) for tick in (span.tick_lower, span.tick_upper)),
            "from_s": span.from_s,
            "to_s": span.to_s,
        }
        for span in page.keeper.rows.spans.values()
    ]


def _payoff(found: Payoff) -> dict[str, Any]:
    """Curves over price at the end of the run."""
    return {
        "price": found.price,
        "against": found.against.value,
        "prices": found.prices.tolist(),
        "ladder": found.ladder.tolist(),
        "options": found.options.tolist(),
        "together": found.together.tolist(),
        "together_now": found.now.tolist(),
        "strikes": list(found.strikes),
        "break_evens": {
            name: break_evens(found.prices, one) for name, one in (("ladder", found.ladder), ("together", found.together))
        },
    }


def _plain(value: object) -> object:
    """What JSON has, as it is; anything else in words."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)

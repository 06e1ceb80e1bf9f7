"""Runs as a backtest leaves them, made of a few lines each: for the report."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from keeper.app.report.backtest_model import BacktestPage, Check, Comparison, Verdict
from keeper.core.ledger.attribution import MARK_BITS, Attribution
from keeper.core.model.decision import Reason, Veto
from keeper.core.model.ladder import LayerKind
from keeper.simulation.ledger_rows import LedgerRows, Span
from keeper.simulation.result import ActedRow, RunResult
from keeper.simulation.runner import Setting
from tests.builders import policy
from tests.pairs import TICK

START_S = 1_759_276_800
STEP_S = 300
USDC_UNIT = 10**6


def rows(cycles: int, **columns: Sequence[float]) -> LedgerRows:
    """A price that swings about 4,000 and costs that grow; ``columns`` in place of any."""
    times = [START_S + STEP_S * at for at in range(cycles)]
    made: dict[str, Sequence[float]] = {
        "price": [4_000 + 100 * math.sin(at / 50) for at in range(cycles)],
        "value": [100_000 + 1_200 * math.sin(at / 50) - at for at in range(cycles)],
        "hold": [100_000 + 1_250 * math.sin(at / 50) for at in range(cycles)],
        "base": [12.5] * cycles,
        "fees": [2.0 * at for at in range(cycles)],
        "lvr": [-2.5 * at for at in range(cycles)],
        "swaps": [-0.4 * at for at in range(cycles)],
        "gas": [-0.1 * at for at in range(cycles)],
        "forecast": [math.nan if at < 3 else 0.6 for at in range(cycles)],
        "score": [math.nan if at < 5 else math.cos(at / 30) for at in range(cycles)],
        **columns,
    }
    done = LedgerRows(time_s=array("q", times), **{name: array("d", values) for name, values in made.items()})
    done.regime = array("b", [at // 40 % 4 for at in range(cycles)])
    done.in_range = array("b", [3 if at % 10 else 2 for at in range(cycles)])
    if cycles:
        half = cycles // 2
        done.spans = {
            1: Span(LayerKind.CORE, 1, TICK // 10 * 10 - 300, TICK // 10 * 10 + 300, times[0], times[half]),
            2: Span(LayerKind.SECONDARY, 2, TICK // 10 * 10 - 900, TICK // 10 * 10 + 900, times[0], times[-1]),
            3: Span(LayerKind.CORE, 3, TICK // 10 * 10 - 200, TICK // 10 * 10 + 400, times[half], times[-1]),
        }
    return done


def acted(at: int, **fields: Any) -> ActedRow:
    """A shift of the core at that cycle."""
    made: dict[str, Any] = {
        "cycle": at + 1,
        "time_s": START_S + STEP_S * at,
        "block": 23_480_000 + 25 * at,
        "moves": ("shift core",),
        "reasons": (
            Reason(trigger="steady", layer=LayerKind.SECONDARY, found=0.1, limit=0.75, unit="of half width"),
            Reason(trigger="outside", layer=LayerKind.CORE, found=1_200.0, limit=900.0, unit="s outside"),
        ),
        "vetoes": (Veto(gate="shifts_per_day", layer=LayerKind.INSURANCE, found=9.0, limit=9.0, unit="shifts in 24 h"),),
        "expected_cost_quote": 1_234.5,
        "outcomes": ("done", "done"),
        "gas_wei": 936_100_000_000_000,
    }
    return ActedRow(**(made | fields))


def usdc(quantity: int) -> int:
    """Whole tokens in the unit of an attribution."""
    return quantity * USDC_UNIT << MARK_BITS


def run(cycles: int = 600, *, kept: LedgerRows | None = None, **fields: Any) -> RunResult:
    """A keeper that lost 1,500 USDC of its 100,000 over two days, 600 of them without the price."""
    parts = Attribution(price=usdc(-900), fees=usdc(2_000) + 1, lvr=usdc(-2_100), swaps=usdc(-400), gas=usdc(-100), rounding=-1)
    made: dict[str, Any] = {
        "label": "keeper",
        "policy_digest": "p" * 64,
        "setting": Setting(),
        "tape_digest": "t" * 64,
        "tape_described": "a tape",
        "tape_exact": True,
        "start_s": START_S,
        "end_s": START_S + 2 * 86_400,
        "cycles": cycles,
        "swaps": 9_000,
        "refused": 0,
        "rows": rows(cycles) if kept is None else kept,
        "parts": parts,
        "change": usdc(-1_500),
        "quote_unit": USDC_UNIT,
        "acted": (acted(0), acted(cycles // 2)) if cycles else (),
        "trouble": (),
    }
    return RunResult(**(made | fields))


def page(keeper: RunResult | None = None, *, benchmarks: Mapping[str, RunResult] | None = None, **fields: Any) -> BacktestPage:
    """With one benchmark, one track, two comparisons and two checks."""
    done = run() if keeper is None else keeper
    made: dict[str, Any] = {
        "policy": policy(),
        "tracks": {"hold": done.rows.hold},
        "comparisons": (
            Comparison(name="full range", mean_bps=-30.25, lower_bps=-55.0, upper_bps=-4.5),
            Comparison(name="hold", mean_bps=1.0, lower_bps=None, upper_bps=None),
        ),
        "checks": (
            Check(name="look-ahead canary", passed=True, told="better, as it must be"),
            Check(name="costs doubled", passed=False, told="-60 bps a day"),
        ),
        "verdict": Verdict(word="unproven", reasons=("two days are too few",)),
        "settings": {"setting": {"cadence_s": 300}, "versions": {"keeper": "1"}},
    }
    others = {"full range": run(label="full range")} if benchmarks is None else benchmarks
    return BacktestPage(keeper=done, benchmarks=others, **(made | fields))

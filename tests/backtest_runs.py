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
from keeper.core.model.option import OptionKind
from keeper.core.quant.replication import Band
from keeper.simulation.ledger_rows import LedgerRows, Span
from keeper.simulation.protection import Ending, OptionRow, OptionState, Protection
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
        **{name: [0.0] * cycles for name in ("premiums", "payoffs", "options_model", "options_intrinsic")},
        "forecast": [math.nan if at < 3 else 0.6 for at in range(cycles)],
        "score": [math.nan if at < 5 else math.cos(at / 30) for at in range(cycles)],
        **columns,
    }
    done = LedgerRows(time_s=array("q", times), **{name: array("d", values) for name, values in made.items()})
    done.options_held = array("q", [0] * cycles)
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


def option(**fields: Any) -> OptionRow:
    """A put of 2 WETH at 3,900 that cost 180 USDC and is held."""
    made: dict[str, Any] = {
        "tier": "near",
        "kind": OptionKind.PUT,
        "strike": 3_900.0,
        "size": 2.0,
        "bought_s": START_S + 20 * STEP_S,
        "expiry_s": START_S + 7 * 86_400,
        "premium": 180.0,
        "implied_volatility": 0.66,
        "paid": 0.0,
        "state": OptionState.HELD,
    }
    return OptionRow(**(made | fields))


def protected(*options: OptionRow, **fields: Any) -> RunResult:
    """A keeper that paid 180 and was paid 50 for options, and holds some that the model values at 120 and that would pay 40."""
    cycles = 600
    kept = rows(
        cycles,
        premiums=[0.0] * 20 + [-180.0] * (cycles - 20),
        payoffs=[0.0] * 500 + [50.0] * (cycles - 500),
        options_model=[0.0] * 20 + [120.0] * (cycles - 20),
        options_intrinsic=[0.0] * 20 + [40.0] * (cycles - 20),
    )
    kept.options_held = array("q", [0] * 20 + [1] * (cycles - 20))
    parts = Attribution(price=usdc(-900), fees=usdc(2_000), lvr=usdc(-2_100), premiums=usdc(-180), payoffs=usdc(50))
    ending = Ending(
        at_s=START_S + STEP_S * cycles,
        price=4_000.0,
        volatility=0.6,
        base=1.0,
        quote=10_000.0,
        ladder=(Band(liquidity=4_000.0, lower=3_600.0, upper=4_400.0),),
        opened_base=12.5,
        opened_quote=50_000.0,
    )
    made = {"kept": kept, "parts": parts, "change": parts.total, "protection": Protection(options=options, ending=ending)}
    return run(cycles, **(made | fields))


def protected_page(*options: OptionRow, **fields: Any) -> BacktestPage:
    """Of a run that holds one put, unless others are named."""
    return page(protected(*(options or (option(),))), **fields)


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

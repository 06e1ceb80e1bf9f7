from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

from keeper.core.model.bar import DAY_S
from keeper.simulation.ledger_rows import LedgerRows
from keeper.simulation.runner import Setting

START_S = 1_000_000


def result(times_s: list[int], sums: list[float], *, days: float, capital_quote: int = 100_000) -> Any:
    rows = LedgerRows()
    rows.time_s = array("q", times_s)
    rows.fees = array("d", [2 * value for value in sums])
    for name, share in (("lvr", -0.5), ("swaps", -0.3), ("gas", -0.2)):
        setattr(rows, name, array("d", [share * value for value in sums]))
    for name in ("premiums", "payoffs", "options_model"):
        setattr(rows, name, array("d", [0.0] * len(sums)))
    end_s = START_S + int(days * DAY_S)
    return SimpleNamespace(rows=rows, start_s=START_S, end_s=end_s, setting=Setting(capital_quote=capital_quote))

"""The memory of a simulation stays small, and forgets nothing that a cycle may still ask for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, PriceBar
from keeper.core.signals.windows import MINUTES_BACK_S, TURN_S, since
from keeper.simulation.sim_journal import SimJournal
from tests.builders import NOW_S, barred, prices
from tests.pairs import USDC_WETH_500

POOL = USDC_WETH_500.address
BEGIN_S = since(NOW_S).turn_s
KNOWN = barred(prices(2.0)).minutes[0]


def minute(start_s: int) -> PriceBar:
    return replace(KNOWN, start_s=start_s)


def lived(ends_late_s: int, days: int) -> SimJournal:
    """Every minute of some days, in cycles of an hour that close their minutes so many seconds after the hour."""
    journal = SimJournal(POOL)
    for at_s in range(BEGIN_S + ends_late_s, BEGIN_S + days * DAY_S, HOUR_S):
        journal.append_history(
            MarketHistory(pool=POOL, minutes=tuple(minute(start_s) for start_s in range(at_s, at_s + HOUR_S, MINUTE_S)))
        )
    return journal


@pytest.mark.parametrize("ends_late_s", [0, 60, 1_740, 3_540])
def test_minutes_of_before_the_windows_are_let_go_whenever_cycles_close_theirs(ends_late_s: int) -> None:
    days = 2 * TURN_S // DAY_S + 10
    journal = lived(ends_late_s, days)
    now_s = BEGIN_S + days * DAY_S
    kept = journal.bars(POOL, MINUTE_S, since_s=0, before_s=1 << 40)
    assert kept[0].start_s == since(now_s).minutes_s
    assert kept == journal.market_history(POOL, since(now_s), up_to_s=1 << 40).minutes
    assert len(kept) * MINUTE_S <= MINUTES_BACK_S + 10 * DAY_S + HOUR_S


def test_what_the_windows_look_at_is_there_on_every_day() -> None:
    days = TURN_S // DAY_S + 5
    journal = lived(300, days)
    kept = journal.bars(POOL, MINUTE_S, since_s=0, before_s=1 << 40)
    assert kept[0].start_s == max(BEGIN_S + 300, since(kept[-1].end_s).minutes_s)
    assert all(later.start_s - bar.start_s == MINUTE_S for bar, later in pairwise(kept))

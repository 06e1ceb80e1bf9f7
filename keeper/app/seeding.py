"""A keeper's first memory: bars of downloaded history, for the time before its own journal begins."""

from __future__ import annotations

import time
from collections.abc import Callable

from keeper.adapters.history.bars import make_bars
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.store import folder_of
from keeper.adapters.store.journal import SqlJournal
from keeper.app.settings.schema import Settings
from keeper.core.model.bar import HOUR_S, MINUTE_S
from keeper.core.model.policy import Policy
from keeper.core.signals.windows import since


def seed_history(
    journal: SqlJournal, settings: Settings, policy: Policy, *, wall_clock: Callable[[], float] = time.time
) -> int:
    """Store bars of the signal pool that were downloaded and lie before everything that the journal knows of their width.

    Only what the readings look back on: minutes of 30 days, hours of 180. Nothing that a cycle has seen changes.

    Args:
        journal: open for writing.
        settings: name the folder of downloaded history.
        policy: names the signal pool.
        wall_clock: unix seconds, from which the windows are counted.

    Returns:
        How many bars were stored.

    Raises:
        ConfigError: the downloaded history cannot be used.
    """
    folder = folder_of(settings.data.dir, policy.chain_id, policy.signal_pool)
    if read_manifest(folder) is None:
        return 0
    windows, seeded = since(int(wall_clock())), 0
    for width_s, begin_s in ((MINUTE_S, windows.minutes_s), (HOUR_S, windows.hours_s)):
        until_s = journal.first_bar_s(policy.signal_pool, width_s)
        if until_s is not None and until_s <= begin_s:
            continue
        with make_bars(folder, width_s=width_s, since_s=begin_s, until_s=until_s) as bars:
            seeded += journal.seed_bars(policy.signal_pool, tuple(bars))
    return seeded

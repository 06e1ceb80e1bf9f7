"""How far the pool stands from what others say the price is."""

from __future__ import annotations

import math
from collections.abc import Mapping

from keeper.core.model.bar import HOUR_S, Quote
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.signals import names
from keeper.core.signals.candle import Minute
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing

UNIT = "bps over the mark"
FEED_LATE_S = HOUR_S + 600
"""The slowest feeds report every hour, and a little late."""


class Marks(Instrument):
    """The newest minute's price against the most trusted mark that is to be believed.

    Args:
        policy: names the marks.
    """

    def __init__(self, policy: Policy) -> None:
        self._names = policy.outside.marks
        self._stale_after_s = policy.signals.stale_after_s
        self._quotes: dict[str, Quote] = {}
        self._newest: Minute | None = None

    def minute(self, minute: Minute) -> None:
        """Keep the price."""
        self._newest = minute

    def quote(self, quote: Quote) -> None:
        """Keep the mark."""
        if quote.name in self._names:
            self._quotes[quote.name] = quote

    def ways(self) -> Mapping[str, Way]:
        """The one number."""
        return {names.MARK_DEVIATION: self.measures}

    def measures(self, moment: Moment, _before: Measures, /) -> Measures:
        """The deviation; stale when the mark is over an hour off, since price feeds report so often, or when the bar is old."""
        if not self._names:
            return {names.MARK_DEVIATION: missing(UNIT, moment.now_s, "-", "no mark is configured: outside.marks")}
        faults = []
        for name in self._names:
            quote = self._quotes.get(name)
            if quote is None or quote.value is None or quote.value <= 0 or self._newest is None:
                faults.append(f"{name}: {'not told yet' if quote is None else quote.fault or 'no bar is known'}")
                continue
            age_s, bar_age_s = moment.now_s - quote.as_of_s, moment.now_s - self._newest.end_s
            quality, note = Quality.GOOD, ""
            if abs(age_s) > FEED_LATE_S:
                quality, note = Quality.STALE, f"{name} was made {age_s} s ago"
            elif bar_age_s > self._stale_after_s:
                quality, note = Quality.STALE, f"the newest bar ended {bar_age_s} s ago"
            return {
                names.MARK_DEVIATION: Measure(
                    value=(self._newest.close - math.log(quote.value)) * 10_000,
                    unit=UNIT,
                    as_of_s=min(quote.as_of_s, self._newest.end_s),
                    source=quote.source,
                    quality=quality,
                    note=note,
                )
            }
        return {names.MARK_DEVIATION: missing(UNIT, moment.now_s, self._names[0], "; ".join(faults))}

"""All instruments together: fed with what is new, read at any time, made anew at every turn of the windows.

The readings of a cycle are a function of view, history and policy alone. This object only spares the work of making the same
sums again: whoever feeds it the whole history of the windows at once, or piece by piece, reads the same numbers.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping

from keeper.core.model.bar import DAY_S, HOUR_S, HistoryRef, MarketHistory, PriceBar, Sample
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef, PoolState
from keeper.core.model.view import Readings
from keeper.core.signals.breadth import Breadth
from keeper.core.signals.candle import Candle, Lens
from keeper.core.signals.flow import Flow
from keeper.core.signals.forecast import SCORED_DAYS, Forecasts
from keeper.core.signals.implied import Implied
from keeper.core.signals.instrument import Instrument, Moment, Way, ways_of
from keeper.core.signals.lending import Lending
from keeper.core.signals.marks import Marks
from keeper.core.signals.momentum import Momentum
from keeper.core.signals.order import Kind, Piece, Tally, in_order, known_at_s
from keeper.core.signals.realised import Realised
from keeper.core.signals.scheduled import Scheduled
from keeper.core.signals.sheet import Measured, Sheet
from keeper.core.signals.stress import WINDOW, Stress
from keeper.core.signals.windows import TURN_S, Since, since


def instruments(policy: Policy, begin: Since) -> tuple[Instrument, ...]:
    """Every instrument, each after those whose numbers it looks at.

    Args:
        policy: the rules.
        begin: of the windows that they will be fed.
    """
    realised = Realised(policy)
    return (
        realised,
        Forecasts(policy, realised, fit_from_s=begin.turn_s - (SCORED_DAYS + 7) * DAY_S),
        Implied(policy),
        Momentum(policy),
        Flow(policy),
        Breadth(policy),
        Lending(policy),
        Marks(policy),
        Scheduled(policy),
    )


class SignalState:
    """What the readings between two turns are made of.

    Args:
        policy: the rules.
        now_s: chain time of any moment between the turns.
        made: makes the instruments.
    """

    def __init__(
        self, policy: Policy, now_s: int, made: Callable[[Policy, Since], tuple[Instrument, ...]] = instruments
    ) -> None:
        self.policy = policy
        self.since: Since = since(now_s)
        self._begins = [self.since.of(kind) for kind in Kind]
        self._lens = Lens(policy)
        self._instruments = made(policy, self.since)
        self._last_sheet: weakref.ref[Sheet] | None = None
        # only who listens is called: most instruments ignore most of what comes
        self._on_minute = [one.minute for one in self._instruments if type(one).minute is not Instrument.minute]
        self._on_hour = [one.hour for one in self._instruments if type(one).hour is not Instrument.hour]
        self._stress = Stress(policy)
        self._reserves: list[str] = []
        self._ways = self._all_ways()
        self._remember_from_s = self.since.turn_s - WINDOW * HOUR_S
        self._tally = Tally(policy.signal_pool)
        self.known_until_s = 0

    def covers(self, now_s: int) -> bool:
        """Whether the windows are those of ``now_s``."""
        return self.since.turn_s <= now_s < self.since.turn_s + TURN_S

    def feed(self, more: MarketHistory) -> None:
        """Take in what is new, in order of time; nothing may be older than what was taken in before of the same kind.

        Raises:
            ValueError: it is of another pool, out of order, or from before the windows; the state is of no use afterwards.
        """
        self._settle()
        if more.pool != self.policy.signal_pool:
            raise ValueError(f"history is of pool {more.pool}, signals are read from {self.policy.signal_pool}")
        newest: Piece | None = None
        for kind, newest in in_order(more):
            self._tally.add(kind, newest, not_before_s=self._begins[kind])
            self._hand_on(kind, newest)
        if newest is not None:
            self.known_until_s = max(self.known_until_s, known_at_s(newest))

    @property
    def ref(self) -> HistoryRef:
        """Names everything that was taken in."""
        return self._tally.ref

    def sheet(self, block: BlockRef, state: PoolState | None) -> Sheet:
        """All that can be read now.

        Args:
            block: of the view.
            state: the signal pool's at that block; None where only its history is known.
        """
        self._settle()
        sheet = Sheet(block, Measured(Moment(block.timestamp_s, state), self._ways), self._stress)
        self._last_sheet = weakref.ref(sheet)
        return sheet

    def read(self, block: BlockRef, state: PoolState | None) -> Readings:
        """Every number with its quality, its z-score, and the score that they make; arguments as of :meth:`sheet`."""
        sheet = self.sheet(block, state)
        return Readings(sheet.names, sheet.reading)

    def _settle(self) -> None:
        """Whoever still holds what was read before finds in it what was so then, whenever it is asked for."""
        sheet = None if self._last_sheet is None else self._last_sheet()
        if sheet is not None:
            sheet.settle()
        self._last_sheet = None

    def _all_ways(self) -> Mapping[str, Way]:
        return {**ways_of(self._instruments), **self._stress.ways()}

    def _hand_on(self, kind: Kind, piece: Piece) -> None:
        if kind is Kind.MINUTE and isinstance(piece, PriceBar):
            minute = self._lens.minute(piece)
            for take in self._on_minute:
                take(minute)
        elif isinstance(piece, PriceBar):
            self._hour(self._lens.candle(piece))
        elif isinstance(piece, Sample):
            for instrument in self._instruments:
                instrument.sample(piece)
            reserves = [one.asset for one in piece.reserves]
            if reserves != self._reserves:  # each that is read has a reading of its own
                self._reserves, self._ways = reserves, self._all_ways()
        else:
            for instrument in self._instruments:
                instrument.quote(piece)

    def _hour(self, candle: Candle) -> None:
        for take in self._on_hour:
            take(candle)
        if candle.end_s > self._remember_from_s:
            self._stress.push(Measured(Moment(candle.end_s), self._ways))

"""The state of the signals as of the last cycle, kept so that a cycle takes in only what is new."""

from __future__ import annotations

from keeper.core.model.bar import MarketHistory
from keeper.core.model.policy import Policy
from keeper.core.signals.state import SignalState
from keeper.core.signals.windows import within
from keeper.ports.journal import HistoryEnd, ReadableJournal


class SignalMemo:
    """A memo, never a truth: whenever it does not fit what the journal holds the state is made anew from there."""

    def __init__(self) -> None:
        self._state: SignalState | None = None

    def advanced(
        self, journal: ReadableJournal, policy: Policy, now_s: int, news: MarketHistory, stored: HistoryEnd
    ) -> SignalState:
        """The state with everything that the journal holds of the windows, and ``news`` after it; ``stored`` ends the former.

        It is the caller's until it is kept: news that never reach the journal must not be remembered either.
        """
        state, self._state = self._state, None
        if state is None or state.policy != policy or not state.covers(now_s) or not _fits(stored, state, now_s):
            state = SignalState(policy, now_s)
            state.feed(journal.market_history(policy.signal_pool, state.since, up_to_s=now_s))
        # a chain whose time leapt may close bars of before the windows: they are stored all the same
        state.feed(within(news, state.since))
        return state

    def keep(self, state: SignalState) -> None:
        """Go on from this state in the next cycle: everything that it took in is in the journal."""
        self._state = state


def _fits(end: HistoryEnd, state: SignalState, now_s: int) -> bool:
    """Whether the newest that the state took in is the newest that is stored; what lies before the windows does not count.

    A node that lags behind the one before may show an earlier block: the state then knows too much.
    """
    if state.known_until_s > now_s:
        return False
    ref, since = state.ref, state.since
    pairs = (
        (None if end.minute is None else end.minute.start_s, since.minutes_s, ref.minutes),
        (end.hour_s, since.hours_s, ref.hours),
        (end.sample_s, since.samples_s, ref.samples),
        (end.quote_s, since.quotes_s, ref.quotes),
    )
    for stored_s, begin_s, known in pairs:
        if known.last_s != (stored_s if stored_s is not None and stored_s >= begin_s else 0):
            return False
    return True

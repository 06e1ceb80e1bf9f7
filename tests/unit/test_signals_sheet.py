"""Readings are measured when they are asked for, and tell of their own moment whenever that is."""

from __future__ import annotations

import pytest

from keeper.core.model.bar import HOUR_S, MINUTE_S
from keeper.core.model.pool import BlockRef
from keeper.core.signals import names
from keeper.core.signals.candle import Lens
from keeper.core.signals.instrument import Instrument, Measure
from keeper.core.signals.order import in_order, text_of
from keeper.core.signals.state import SignalState, instruments
from tests.markets import cut, fed, market
from tests.pairs import NOW_S

HOURS = 40
EARLY_S = NOW_S - 7 * MINUTE_S


def block(at_s):
    return BlockRef(number=1, hash="", timestamp_s=at_s)


@pytest.fixture(scope="module")
def one():
    return market(HOURS, seed=1)


class Counting(Instrument):
    """Tells two numbers together, and notes when it is asked."""

    def __init__(self):
        self.asked = []

    def ways(self):
        return dict.fromkeys(("one", "two"), self.measures)

    def measures(self, moment, before):
        self.asked.append(moment.now_s)
        return {
            name: Measure(value, "u", moment.now_s, "s", note=str(before[names.RSI].value))
            for name, value in (("one", 1.0), ("two", 2.0))
        }


def counted(one, at_s=EARLY_S):
    """A state that has taken in the market until then, with an instrument that counts, which no hour has asked."""
    counting = Counting()
    state = SignalState(one.rules, NOW_S, lambda rules, begin: (*instruments(rules, begin), counting))
    state.feed(cut(one.history, at_s))
    assert counting.asked == []
    return state, counting


def test_what_is_asked_for_late_is_of_its_own_moment(one):
    state = fed(one.rules, cut(one.history, EARLY_S))
    expected = tuple(fed(one.rules, cut(one.history, EARLY_S)).read(block(EARLY_S), None))
    early, again = state.read(block(EARLY_S), None), state.read(block(EARLY_S + 1), None)
    assert early.named(names.VOLATILITY_FORECAST) == expected[early.names.index(names.VOLATILITY_FORECAST)]
    state.feed(cut(one.history, NOW_S, after_s=EARLY_S))
    now = state.read(block(NOW_S), None)
    assert tuple(early) == expected
    assert {reading.as_of_s for reading in again if reading.source == "calendar"} == {EARLY_S + 1}
    assert sum(reading.z is not None for reading in early) > 5
    assert tuple(now) != expected


def test_each_is_measured_once_and_only_when_asked_for(one):
    state, counting = counted(one)
    readings = state.read(block(EARLY_S), None)
    assert readings.named(names.STRESS_SCORE) is readings.named(names.STRESS_SCORE)
    assert counting.asked == []
    assert readings.named("two").note == str(readings.named(names.RSI).value)
    assert (readings.named("one").value, readings.named("two").value) == (1.0, 2.0)
    assert counting.asked == [EARLY_S]


def test_what_nobody_holds_is_never_measured(one):
    state, counting = counted(one)
    state.read(block(EARLY_S), None).named(names.VOLATILITY_FORECAST)
    state.feed(cut(one.history, NOW_S, after_s=EARLY_S))
    assert counting.asked == []


def test_what_is_held_is_measured_before_more_is_taken_in(one):
    state, counting = counted(one)
    held = state.read(block(EARLY_S), None)
    state.feed(cut(one.history, NOW_S, after_s=EARLY_S))
    assert counting.asked == [EARLY_S]
    assert held.named("one").as_of_s == EARLY_S
    with pytest.raises(KeyError):
        held.named("three")
    assert counting.asked == [EARLY_S]


def test_a_digest_is_of_what_a_piece_shows(one):
    pieces = [piece for _, piece in in_order(one.history)]
    assert {type(piece).__name__ for piece in pieces} == {"PriceBar", "Sample", "Quote"}
    assert all(text_of(piece) == repr(piece) for piece in pieces)


def test_a_minute_is_its_candle_whatever_came_before(one):
    lens = Lens(one.rules)
    for bar in one.history.minutes[-HOUR_S // MINUTE_S :]:
        candle = Lens(one.rules).candle(bar)
        minute = lens.minute(bar)
        assert minute == tuple(getattr(candle, name) for name in minute._fields)

"""What measures: an object that takes the market in piece by piece and can be read at any time.

It is the same object in the daemon, in a replay and in a backtest. It knows only what it was given, so it cannot look ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from keeper.core.model.bar import Quote, Sample
from keeper.core.model.pool import BlockRef, PoolState
from keeper.core.model.view import Quality, SignalReading
from keeper.core.signals.candle import Candle, Minute


class Measure(NamedTuple):
    """A number and how far it can be relied on."""

    value: float | None
    """None exactly when the quality is missing."""
    unit: str
    as_of_s: int
    source: str
    quality: Quality = Quality.GOOD
    note: str = ""
    """Why it is not good, or what stands behind it."""


class Moment(NamedTuple):
    """When an instrument is read."""

    now_s: int
    state: PoolState | None = None
    """The signal pool at the view's block; None between views, when an hour is closed."""


Measures = Mapping[str, Measure]
Way = Callable[[Moment, Measures], Measures]
"""Measures a number, or several that are made together, at a moment: each by its name, the same until more is taken in.

The second argument is what can be measured at the same moment, of this instrument and of those that stand before it.
"""


class Instrument:
    """Takes in what it needs and ignores the rest; everything comes in order of time."""

    def minute(self, minute: Minute) -> None:
        """A minute is over."""

    def hour(self, candle: Candle) -> None:
        """An hour is over; its minutes, where they are known, came before."""

    def sample(self, sample: Sample) -> None:
        """The surroundings were sampled."""

    def quote(self, quote: Quote) -> None:
        """Somebody outside told a number."""

    def ways(self) -> Mapping[str, Way]:
        """How each of its numbers is measured, in the order in which they are told.

        The names are always the same, but for those of reserves: they are those that the newest sample holds.
        """
        raise NotImplementedError


def ways_of(instruments: Iterable[Instrument]) -> dict[str, Way]:
    """How everything is measured, in their order."""
    found: dict[str, Way] = {}
    for instrument in instruments:
        found.update(instrument.ways())
    return found


def missing(unit: str, as_of_s: int, source: str, note: str) -> Measure:
    """No value, and why."""
    return Measure(None, unit, as_of_s, source, Quality.MISSING, note)


def stale(measures: Measures, note: str) -> Measures:
    """The same numbers, too old to be relied on, and why; what is missing stays as it is."""
    return {
        name: measure if measure.value is None else measure._replace(quality=Quality.STALE, note=note)
        for name, measure in measures.items()
    }


def reading_of(name: str, measure: Measure, block: BlockRef, z: float | None = None) -> SignalReading:
    """A measure as it is journaled."""
    value, unit, as_of_s, source, quality, note = measure
    return SignalReading(
        name=name,
        value=value,
        unit=unit,
        as_of_s=as_of_s,
        block=block.number,
        source=source,
        quality=quality,
        note=note,
        z=z,
    )

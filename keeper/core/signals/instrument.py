"""What measures: an object that takes the market in piece by piece and can be read at any time.

It is the same object in the daemon, in a replay and in a backtest. It knows only what it was given, so it cannot look ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from keeper.core.model.bar import Quote, Sample
from keeper.core.model.pool import BlockRef, PoolState
from keeper.core.model.view import Quality, SignalReading
from keeper.core.signals.candle import Candle


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


class Instrument:
    """Takes in what it needs and ignores the rest; everything comes in order of time."""

    def minute(self, candle: Candle) -> None:
        """A minute is over."""

    def hour(self, candle: Candle) -> None:
        """An hour is over; its minutes, where they are known, came before."""

    def sample(self, sample: Sample) -> None:
        """The surroundings were sampled."""

    def quote(self, quote: Quote) -> None:
        """Somebody outside told a number."""

    def measures(self, moment: Moment, before: Measures, /) -> Measures:
        """Every number by its name.

        Args:
            moment: of the reading.
            before: what the instruments that stand before this one have measured at the same moment.
        """
        raise NotImplementedError


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

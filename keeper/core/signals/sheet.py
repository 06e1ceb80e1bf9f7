"""What can be read at one moment, each number made when it is first asked for: a decision asks for few of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from keeper.core.model.pool import BlockRef
from keeper.core.model.view import SignalReading
from keeper.core.signals.instrument import Measure, Measures, Moment, Way, reading_of
from keeper.core.signals.stress import Stress


class Measured(Measures):
    """All numbers of one moment; to be asked before the instruments take in more.

    Args:
        moment: of the reading.
        ways: how each is measured.
    """

    __slots__ = ("_found", "_moment", "_ways")

    def __init__(self, moment: Moment, ways: Mapping[str, Way]) -> None:
        self._moment = moment
        self._ways = ways
        self._found: dict[str, Measure] = {}

    def __getitem__(self, name: str) -> Measure:
        found = self._found.get(name)
        if found is None:
            self._found.update(self._ways[name](self._moment, self))
            found = self._found[name]
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._ways

    def __iter__(self) -> Iterator[str]:
        return iter(self._ways)

    def __len__(self) -> int:
        return len(self._ways)


class Sheet:
    """Every reading of one moment.

    Args:
        block: of the view.
        measured: all numbers as of it.
        stress: the past that they are held against.
    """

    __slots__ = ("__weakref__", "_block", "_measured", "_settled", "_stress", "names")

    def __init__(self, block: BlockRef, measured: Measured, stress: Stress) -> None:
        self.names = tuple(measured)
        self._block = block
        self._measured: Measured | None = measured
        self._stress = stress
        self._settled: dict[str, SignalReading] = {}

    def reading(self, name: str) -> SignalReading:
        """The reading of that name.

        Raises:
            KeyError: no such reading.
        """
        measured = self._measured
        if measured is None:
            return self._settled[name]
        measure = measured[name]
        return reading_of(name, measure, self._block, self._stress.z(name, measure))

    def settle(self) -> None:
        """Make every reading now, before the instruments take in more; and hold on to them no longer."""
        self._settled = {name: self.reading(name) for name in self.names}
        self._measured = None

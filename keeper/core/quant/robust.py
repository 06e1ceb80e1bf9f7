"""How unusual a value is against its own past, where a few wild values must not decide what usual is."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from keeper.core.quant.checks import finite, not_negative

Z_LIMIT = 3.0
"""Beyond it every value is equally extreme: no single signal may shout louder."""
MAD_TO_DEVIATION = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""
LEAST_VALUES = 20
"""With fewer the median absolute deviation is off by a quarter or more (one standard error)."""


class RollingMedian:
    """The last ``size`` values with their median and median absolute deviation.

    A push moves memory but compares only ``log(size)`` times, and so do both medians, once a push: nothing is sorted again.

    Raises:
        ValueError: the size is below 1.
    """

    __slots__ = ("_in_order", "_mad", "_median", "_sorted", "size")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self.size = size
        self._in_order: deque[float] = deque()
        self._sorted: list[float] = []
        self._median: float | None = None
        self._mad: float | None = None

    def push(self, value: float) -> None:
        """Add a value; the oldest leaves when more than ``size`` are held.

        Raises:
            ValueError: it is not finite; the window stays as it was.
        """
        finite("the value", (value,))
        if len(self._in_order) == self.size:
            self._sorted.pop(bisect_left(self._sorted, self._in_order.popleft()))
        self._in_order.append(value)
        insort(self._sorted, value)
        self._median = self._mad = None

    def __len__(self) -> int:
        return len(self._in_order)

    @property
    def median(self) -> float:
        """Middle value; of an even number the mean of the two middle ones.

        Raises:
            ValueError: the window is empty.
        """
        if self._median is None:
            self._need_one()
            half, odd = divmod(len(self), 2)
            self._median = self._sorted[half] if odd else (self._sorted[half - 1] + self._sorted[half]) / 2
        return self._median

    @property
    def mad(self) -> float:
        """Median of the distances from the median, unscaled; 0 when more than half of the values are equal.

        Raises:
            ValueError: the window is empty.
        """
        if self._mad is None:
            centre = self.median
            half, odd = divmod(len(self), 2)
            upper = self._distance(centre, half + 1)
            self._mad = upper if odd else (self._distance(centre, half) + upper) / 2
        return self._mad

    def _distance(self, centre: float, rank: int) -> float:
        """Distance of the ``rank``-th nearest value: the nearest ones lie side by side, so only where they begin is sought."""
        values = self._sorted
        first = bisect_left(
            range(len(values) - rank),
            True,  # where the key turns true the nearest values begin
            key=lambda start: centre - values[start] <= values[start + rank] - centre,
        )
        return max(centre - values[first], values[first + rank - 1] - centre)

    def _need_one(self) -> None:
        if not self._sorted:
            raise ValueError("the window is empty: push a value first")


def robust_z(value: float, median: float, mad: float) -> float:
    """Distance from the median in deviations of ``1.4826 mad``, clipped at :data:`Z_LIMIT` either way.

    When the past did not vary (``mad`` 0) a value equal to the median gives 0 and any other the limit: it is without precedent.

    Raises:
        ValueError: a number is not finite, or the deviation is negative.
    """
    finite("value and median", (value, median))
    not_negative(mad=mad)
    return _clipped_z(value, median, mad)


def _clipped_z(value: float, median: float, mad: float) -> float:
    distance = value - median
    if mad > 0:
        return min(max(distance / mad / MAD_TO_DEVIATION, -Z_LIMIT), Z_LIMIT)
    return 0.0 if distance == 0 else (Z_LIMIT if distance > 0 else -Z_LIMIT)


def z_of(window: RollingMedian, value: float) -> float | None:
    """:func:`robust_z` of a value against a window; None while that holds fewer than :data:`LEAST_VALUES`.

    To judge a value by its past alone, ask before it is pushed.

    Raises:
        ValueError: the value is not finite.
    """
    finite("the value", (value,))
    if len(window) < LEAST_VALUES:
        return None
    return _clipped_z(value, window.median, window.mad)

"""Momentum of a series, one value at a time: the same object in a live cycle and over a recorded year.

Fed with logarithms of a price they turn over with the tokens: RSI becomes ``100 - RSI`` and MACD changes its sign. Fed with the
price itself only the unit drops out of RSI, and MACD is in that unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from keeper.core.quant.checks import finite

FLAT_RSI = 50.0
"""Of a series that did not move: neither side has won."""


class Rsi:
    """Relative strength index with Wilder's averages: plain means of the first ``period`` moves, then ``1 / period`` a move.

    Raises:
        ValueError: the period is below 1.

    Ref: Wilder 1978, New Concepts in Technical Trading Systems.
    """

    __slots__ = ("_gain", "_last", "_loss", "_moves", "period")

    def __init__(self, period: int = 14) -> None:
        if period < 1:
            raise ValueError(f"period must be at least 1, not {period}")
        self.period = period
        self._last = math.nan
        self._moves = -1
        self._gain = 0.0
        self._loss = 0.0

    def update(self, x: float) -> float | None:
        """Take the next value of the series; gives the new :attr:`value`.

        Raises:
            ValueError: it is not finite; the state stays as it was.
        """
        finite("the value", (x,))
        self._moves += 1
        if self._moves:
            change = x - self._last
            share = 1 / min(self._moves, self.period)
            self._gain += share * (max(change, 0.0) - self._gain)
            self._loss += share * (max(-change, 0.0) - self._loss)
        self._last = x
        return self.value

    @property
    def value(self) -> float | None:
        """Between 0 and 100: 100 without a loss, :data:`FLAT_RSI` without a move; None before ``period`` moves."""
        if self._moves < self.period:
            return None
        moved = self._gain + self._loss
        return 100 * (self._gain / moved) if moved > 0 else FLAT_RSI


def rsi(values: Iterable[float], period: int = 14) -> list[float | None]:
    """:class:`Rsi` after each value of a series, oldest first.

    Raises:
        ValueError: a value is not finite, or the period is below 1.
    """
    index = Rsi(period)
    return [index.update(x) for x in values]


class Ema:
    """Exponential average that starts at the first value and takes ``2 / (span + 1)`` of each later one.

    Raises:
        ValueError: the span is below 1.
    """

    __slots__ = ("_share", "_value")

    def __init__(self, span: float) -> None:
        if not (math.isfinite(span) and span >= 1):
            raise ValueError(f"span must be at least 1, not {span}")
        self._share = 2 / (span + 1)
        self._value: float | None = None

    def update(self, x: float) -> float:
        """Take the next value; gives the new average.

        Raises:
            ValueError: it is not finite; the state stays as it was.
        """
        finite("the value", (x,))
        self._value = x if self._value is None else self._value + self._share * (x - self._value)
        return self._value

    @property
    def value(self) -> float | None:
        """The average; None before the first value."""
        return self._value


@dataclass(frozen=True, slots=True, kw_only=True)
class MacdPoint:
    """In the unit of the series."""

    line: float
    """Fast average less slow average."""
    signal: float
    """Average of the line."""

    @property
    def histogram(self) -> float:
        """Line less signal."""
        return self.line - self.signal


class Macd:
    """Moving average convergence/divergence; every average starts at its first value, so a point is there from the first on.

    Platforms that start an average at a plain mean differ at first and come together as ``(1 - 2 / (slow + 1))^n``: let about
    four times ``slow`` values pass before it is read. To compare markets, divide by the price's own deviation.

    Raises:
        ValueError: a span is below 1, or fast is not below slow.

    Ref: Appel 1979; pandas' ``ewm(adjust=False)``.
    """

    __slots__ = ("_average", "_fast", "_point", "_slow")

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        if fast >= slow:
            raise ValueError(f"fast {fast} must lie below slow {slow}")
        self._fast, self._slow, self._average = Ema(fast), Ema(slow), Ema(signal)
        self._point: MacdPoint | None = None

    def update(self, x: float) -> MacdPoint:
        """Take the next value; gives the new :attr:`point`.

        Raises:
            ValueError: it is not finite; the state stays as it was.
        """
        line = self._fast.update(x) - self._slow.update(x)
        self._point = MacdPoint(line=line, signal=self._average.update(line))
        return self._point

    @property
    def point(self) -> MacdPoint | None:
        """The latest; None before the first value."""
        return self._point


def macd(values: Iterable[float], fast: int = 12, slow: int = 26, signal: int = 9) -> list[MacdPoint]:
    """:class:`Macd` after each value of a series, oldest first.

    Raises:
        ValueError: a value is not finite, or a span is out of its range.
    """
    index = Macd(fast, slow, signal)
    return [index.update(x) for x in values]

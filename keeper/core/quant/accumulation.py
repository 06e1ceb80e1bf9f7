"""Whether volume and breadth stand behind a move of the price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keeper.core.quant.checks import finite, not_negative


def money_flow(*, high: float, low: float, close: float, volume: float) -> float:
    """Volume of one bar, signed by where it closed: ``((C - L) - (H - C)) / (H - L)`` times volume; 0 for a bar without range.

    With logarithms of prices it changes its sign when the tokens are swapped; with prices only nearly so.

    Args:
        high: of the bar, price or logarithm.
        low: of the bar, at most ``high``.
        close: between the two.
        volume: >= 0, in any unit.

    Raises:
        ValueError: a number is not finite or out of its range.

    Ref: Chaikin's accumulation/distribution line.
    """
    finite("a bar's prices", (high, low, close))
    not_negative(volume=volume)
    if not low <= close <= high:
        raise ValueError(f"close {close} must lie between low {low} and high {high}")
    if high <= low:
        return 0.0
    return ((close - low) - (high - close)) / (high - low) * volume


class AccumulationDistribution:
    """Running sum of :func:`money_flow`. Where it starts is arbitrary: only its changes mean something."""

    __slots__ = ("_total",)

    def __init__(self) -> None:
        self._total = 0.0

    def update(self, *, high: float, low: float, close: float, volume: float) -> float:
        """Take the next bar; gives the new :attr:`total`.

        Raises:
            ValueError: as :func:`money_flow`; the state stays as it was.
        """
        self._total += money_flow(high=high, low=low, close=close, volume=volume)
        return self._total

    @property
    def total(self) -> float:
        """In the unit of the volume; 0 before the first bar."""
        return self._total


def accumulation_distribution(
    *, highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], volumes: Sequence[float]
) -> list[float]:
    """:class:`AccumulationDistribution` after each bar of a series, oldest first.

    Raises:
        ValueError: the series differ in length, or a bar is out of its range.
    """
    line = AccumulationDistribution()
    return [
        line.update(high=high, low=low, close=close, volume=volume)
        for high, low, close, volume in zip(highs, lows, closes, volumes, strict=True)
    ]


def advance_decline(changes: Iterable[float], *, still: float = 0.0) -> float:
    """Markets that rose less those that fell, over those that moved: -1 to 1, and 0 when none moved.

    Args:
        changes: log return of each market over the same time, in a common numeraire.
        still: a move of at most this size, either way, counts as none: a pool's price is pinned inside its fee, so moves that
            small say nothing.

    Raises:
        ValueError: a change is not finite, or ``still`` is negative.
    """
    not_negative(still=still)
    advances = declines = 0
    for change in changes:
        finite("a change", (change,))
        advances += change > still
        declines += change < -still
    moved = advances + declines
    return (advances - declines) / moved if moved else 0.0

"""Which days a policy may be tuned on, and which days then judge it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One step of a walk forward, in days from the start of the data."""

    train: range
    test: range


def walk_forward(*, days: int, train: int, test: int, embargo: int) -> tuple[Fold, ...]:
    """Purged walk-forward folds, oldest first; none when the days do not suffice for one.

    Each is tuned on ``train`` days, waits ``embargo`` days and is judged on the next ``test`` days, where the one before it
    ended. What does not fill a fold is left out at the start, where it is oldest.

    Args:
        days: of data, >= 0.
        train: at least 1.
        test: at least 1.
        embargo: days that belong to neither: at least as long as a position or a label reaches, >= 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: Lopez de Prado 2018, chapter 7.
    """
    if days < 0 or train < 1 or test < 1 or embargo < 0:
        raise ValueError(
            f"days and embargo must be at least 0, train and test at least 1, not {days}, {embargo}, {train} and {test}"
        )
    before = train + embargo
    count = max(days - before, 0) // test
    starts = (days - (count - at) * test for at in range(count))
    return tuple(Fold(train=range(start - before, start - embargo), test=range(start, start + test)) for start in starts)

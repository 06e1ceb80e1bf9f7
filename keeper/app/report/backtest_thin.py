"""Long series made short enough to draw, without losing a peak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MOST_POINTS = 2_000
_SHRINK = 0.8

Floats = npt.NDArray[np.float64]


def kept(columns: Sequence[Floats], most: int = MOST_POINTS) -> list[int]:
    """Indices to draw of columns of one length, rising: first, last, and of each stretch every column's least and most.

    A stretch also keeps the first value that is not finite, so that no line bridges a gap.

    Args:
        columns: at least one; infinite counts as missing.
        most: how many indices at most, >= 2.

    Raises:
        ValueError: ``most`` is below 2.
    """
    if most < 2:
        raise ValueError(f"a line needs two points, {most} allowed")
    length = len(columns[0])
    if length <= most:
        return list(range(length))
    stretches = most // 2
    while stretches:
        found = _extremes(columns, length, stretches)
        if len(found) <= most:
            return found
        stretches = int(stretches * _SHRINK)
    return [0, length - 1]


def _extremes(columns: Sequence[Floats], length: int, stretches: int) -> list[int]:
    width = -(-length // stretches)
    rows = -(-length // width)
    starts = np.arange(rows) * width
    found = {0, length - 1}
    for column in columns:
        padded = np.full(rows * width, np.nan)
        padded[:length] = np.where(np.isfinite(column), column, np.nan)
        table = padded.reshape(rows, width)
        missing = np.isnan(table)
        known = ~missing.all(axis=1)
        found.update((starts + np.where(missing, np.inf, table).argmin(axis=1))[known].tolist())
        found.update((starts + np.where(missing, -np.inf, table).argmax(axis=1))[known].tolist())
        gaps = missing.any(axis=1)
        found.update((starts + missing.argmax(axis=1))[gaps].tolist())
    return sorted(index for index in found if index < length)

"""The price and the layers around it as a picture of characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from keeper.core.model.ladder import LayerKind

FILL = {LayerKind.CORE: ("█", "green"), LayerKind.SECONDARY: ("▓", "cyan"), LayerKind.INSURANCE: ("░", "blue")}
PRICE = ("●", "bold bright_yellow")
AXIS_CHARACTERS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One range of a layer, in tokens of the quote for one base token, lower first."""

    kind: LayerKind
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The market and the ladder at one cycle."""

    time_s: int
    price: float
    bands: tuple[Band, ...]


def chart(samples: Sequence[Sample], *, columns: int, rows: int) -> Text:
    """Prices from left to right over the layers as they lay at the time; the newest sample is the last column.

    The height shows the core and the secondary band of the newest sample and every price; wings that reach further are cut.

    Args:
        samples: oldest first; more than fit are thinned, fewer start at the left.
        columns: characters of the whole picture, axis included, at least 24.
        rows: lines, at least 4.
    """
    width = columns - AXIS_CHARACTERS
    shown = _thin(samples, width)
    if not shown:
        return Text("waiting for the first cycle")
    low, high = _span(shown)
    step = (high - low) / rows
    grid = [_column(sample, low, step, rows) for sample in shown]
    picture = Text()
    for row in range(rows):
        picture.append(f"{high - (row + 0.5) * step:>9,.1f} ", style="dim")
        for column in grid:
            character, style = column[row]
            picture.append(character, style=style)
        picture.append("\n")
    return picture


def _thin(samples: Sequence[Sample], width: int) -> list[Sample]:
    if len(samples) <= width:
        return list(samples)
    step = (len(samples) - 1) / (width - 1)
    return [samples[round(index * step)] for index in range(width)]


def _span(samples: Sequence[Sample]) -> tuple[float, float]:
    prices = [sample.price for sample in samples]
    inner = [band for sample in samples for band in sample.bands if band.kind is not LayerKind.INSURANCE]
    low = min([*prices, *(band.lower for band in inner)])
    high = max([*prices, *(band.upper for band in inner)])
    margin = max((high - low) * 0.15, max(prices) * 0.002)
    return low - margin, high + margin


def _column(sample: Sample, low: float, step: float, rows: int) -> list[tuple[str, str]]:
    cells = [(" ", "")] * rows
    order = list(LayerKind)
    for band in sorted(sample.bands, key=lambda band: order.index(band.kind), reverse=True):
        for row in range(rows):
            middle = low + (rows - row - 0.5) * step
            if band.lower <= middle < band.upper:
                cells[row] = FILL[band.kind]
    row = rows - 1 - min(rows - 1, max(0, math.floor((sample.price - low) / step)))
    cells[row] = PRICE
    return cells

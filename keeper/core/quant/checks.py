"""Refusal of numbers that no formula can use."""

from __future__ import annotations

import math
from collections.abc import Iterable

SECONDS_A_YEAR = 365 * 86_400
"""Rates are per year of 365 days: the market never closes."""


def finite(name: str, values: Iterable[float]) -> None:
    """Refuse ``values`` unless every one is finite.

    Raises:
        ValueError: one is not; the message carries ``name``.
    """
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name} must be finite")


def positive(**values: float) -> None:
    """Refuse values that are not finite and above zero.

    Raises:
        ValueError: naming the first that is not.
    """
    for name, value in values.items():
        if not 0 < value < math.inf:  # nor is a NaN
            raise ValueError(f"{name} must be finite and above zero, not {value}")


def not_negative(**values: float) -> None:
    """Refuse values that are not finite or lie below zero.

    Raises:
        ValueError: naming the first that does.
    """
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and not below zero, not {value}")

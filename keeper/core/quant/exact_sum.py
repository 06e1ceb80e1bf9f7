"""Sums of floats that can be added to and taken apart again: integers all the way, rounded once at the end.

Every double is a whole number of :data:`1 / UNIT`, so ``rounded(sum(map(exact, values)))`` is ``math.fsum(values)``, and the
sum of the last hours is the difference of two running ones, with nothing lost.
"""

from __future__ import annotations

_BITS = 1_074
"""The smallest double above zero is two to the minus this."""
UNIT = 1 << _BITS


def exact(value: float) -> int:
    """``value`` times :data:`UNIT`, exact.

    Raises:
        ValueError: it is not a number.
        OverflowError: it is infinite.
    """
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_BITS + 1 - denominator.bit_length())


def rounded(total: int) -> float:
    """A sum of :func:`exact` values as the nearest double."""
    return total / UNIT


def parts(total: int) -> tuple[float, ...]:
    """A sum of :func:`exact` values as the fewest doubles that add up to it: ``math.fsum`` adds more to it at one rounding."""
    found = []
    while total:
        found.append(rounded(total))
        total -= exact(found[-1])
    return tuple(found)

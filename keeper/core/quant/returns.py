"""When to put earnings back to work."""

from __future__ import annotations

import math

from keeper.core.quant.checks import not_negative, positive


def compound_period_years(*, cost: float, value: float, rate: float) -> float:
    """Best time between two compoundings, in years: ``sqrt(2 cost / value) / rate``.

    Fees of ``rate * value * t`` wait half of ``t`` on average, which loses ``rate^2 value t / 2`` a year; compounding loses
    ``cost / t`` a year; the sum is least here.

    Args:
        cost: of one compounding, >= 0, in the unit of ``value``.
        value: that earns, > 0.
        rate: earnings per value and year, > 0.

    Raises:
        ValueError: a number is out of its range.
    """
    not_negative(cost=cost)
    positive(value=value, rate=rate)
    return math.sqrt(2 * cost / value) / rate

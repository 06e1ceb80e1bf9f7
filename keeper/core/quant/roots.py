"""Where a function of one number is zero."""

from __future__ import annotations

from collections.abc import Callable

_RELATIVE = 4e-16
"""Two steps of a double: what is left of the bracket when the search ends, as a part of the root."""
_SMALLEST = 1e-300
_MOST_STEPS = 2_000
"""More than bisection alone takes from the widest bracket to two neighbouring doubles."""


def bracketed_root(function: Callable[[float], float], lower: float, upper: float) -> float:
    """A zero of ``function`` between two points where it has different signs; either point when it is zero there.

    Args:
        function: continuous.
        lower: any finite number.
        upper: likewise; the order of the two does not matter.

    Raises:
        ValueError: the function has the same sign at both points.

    Ref: Chandrupatla 1997: inverse quadratic steps where the last three points allow one, halves of the bracket elsewhere.
    """
    last, at_last = lower, function(lower)
    here, at_here = upper, function(upper)
    if 0 in {at_last, at_here}:
        return last if at_last == 0 else here
    if (at_last > 0) == (at_here > 0):
        raise ValueError(f"no sign changes between {lower} and {upper}: {at_last} and {at_here}")
    best, share = here, 0.5
    for _ in range(_MOST_STEPS):
        new = here + share * (last - here)
        at_new = function(new)
        if (at_new > 0) == (at_here > 0):
            third, at_third = here, at_here
        else:
            third, at_third, last, at_last = last, at_last, here, at_here
        here, at_here = new, at_new
        best = here if abs(at_here) < abs(at_last) else last
        least = (_RELATIVE * abs(best) + _SMALLEST) / abs(last - here)
        if at_here == 0 or least > 0.5:
            return best
        share = min(max(_step(here, at_here, last, at_last, third, at_third), least), 1 - least)
    return best


def _step(a: float, at_a: float, b: float, at_b: float, c: float, at_c: float) -> float:
    """Part of the way from ``a`` to ``b`` at which the next point lies; ``c`` is the point that was given up last."""
    along, risen = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
    if risen * risen >= along or (1 - risen) * (1 - risen) >= 1 - along:
        return 0.5
    from_bracket = at_a / (at_b - at_a) * at_c / (at_b - at_c)
    return from_bracket + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)

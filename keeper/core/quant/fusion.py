"""Many signals made one number, of which none can take more than its share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keeper.core.quant.checks import finite, not_negative, positive
from keeper.core.quant.robust import Z_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One signal's say.

    Raises:
        ValueError: the weight is negative, or a number is not finite: a signal without a value is None, never NaN.
    """

    weight: float
    z: float | None
    """Robust z-score, of which more means more stress; None when the signal is not available."""

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)
        if self.z is not None:
            finite("z", (self.z,))


class Score(NamedTuple):
    """How stressed the market is, and how much of the evidence says so."""

    value: float | None
    """Between -0.9052 and 0.9052, 0 is usual; None when nothing that has weight is available."""
    available: float
    """Weight of the available terms over that of all, 0 to 1."""


def squashed(z: float) -> float:
    """``tanh(z / 2)`` of a z-score clipped at :data:`Z_LIMIT`: what a term says before it is weighted, within +-0.9052."""
    return math.tanh(min(max(z, -Z_LIMIT), Z_LIMIT) / 2)


def stress_score(terms: Iterable[Term]) -> Score:
    """Weighted mean of :func:`squashed` over the available terms.

    One term, whatever it reads and whether or not it is there, moves the score by at most :func:`influence_bound`.
    """
    terms = tuple(terms)
    total = math.fsum(term.weight for term in terms)
    return _mean([(term.weight, term.z) for term in terms if term.z is not None], total)


def named_score(weights: Mapping[str, float], scores: Mapping[str, float]) -> Score:
    """:func:`stress_score` of the signals that have weight, as far as they have a score; arguments not checked.

    Args:
        weights: by name, > 0.
        scores: robust z-scores by name, finite.
    """
    heard = [(weight, scores[name]) for name, weight in weights.items() if name in scores]
    return _mean(heard, math.fsum(weights.values()))


def _mean(heard: Sequence[tuple[float, float]], total: float) -> Score:
    weight = math.fsum([w for w, _ in heard])
    if weight <= 0:
        return Score(value=None, available=0.0)
    value = math.fsum([w * squashed(z) for w, z in heard]) / weight
    return Score(value=value, available=min(weight / total, 1.0))


def influence_bound(weight: float, available: float) -> float:
    """Most that one term can move the score: ``2 tanh(3/2)``, about 1.81, times its share of the available weight.

    Args:
        weight: of the term, >= 0.
        available: weight of all available terms, this one included, > 0.

    Raises:
        ValueError: a number is out of its range.
    """
    not_negative(weight=weight)
    positive(available=available)
    return 2 * squashed(Z_LIMIT) * weight / available


def variance_multiplier(*, horizon_s: float, event_s: float, kappa: float) -> float:
    """Mean variance over a horizon that holds a scheduled event, over that of one without: ``((H - e) + e kappa) / H``.

    Its square root multiplies volatility and so widths; it says nothing of direction. Of overlapping events take the largest.

    Args:
        horizon_s: > 0.
        event_s: time of the event's window that falls into the horizon, >= 0; what exceeds the horizon is not counted.
        kappa: variance during the window over usual variance, >= 0.

    Raises:
        ValueError: a number is out of its range.
    """
    positive(horizon_s=horizon_s)
    not_negative(event_s=event_s, kappa=kappa)
    share = min(event_s / horizon_s, 1.0)
    return 1 + share * (kappa - 1)

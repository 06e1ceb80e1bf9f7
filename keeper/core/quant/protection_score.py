"""Which of many contracts protects for least: cost of a unit of the loss that it is expected to pay.

Money is in token1. Contracts lie along the first axis of an array and scenarios along the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.quant.checks import finite, not_negative, positive

_WHOLE = 1e-9
"""Rounding that weights which should not exceed 1 together are forgiven."""
_TIE_DECIMALS = 9
"""Scores that agree to a billionth are one."""

_Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HoldingCosts:
    """What it costs to hold each contract over the horizon, every number for the whole size and >= 0.

    Raises:
        ValueError: a number is negative or not finite.
    """

    upfront: _Array
    fee: _Array
    gas_open: _Array
    gas_close: _Array
    streamed: _Array
    """Expected over the horizon."""
    settlement_slip: _Array
    """What turning the payoff into token1 is expected to lose."""
    collateral: _Array
    """Locked and returned; only its interest is a cost."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _check(name, getattr(self, name))

    def total(self, *, rate: float, years: float) -> _Array:
        """All of them together, never negative.

        Args:
            rate: that locked collateral would earn a year, >= 0.
            years: for which it is locked, >= 0.

        Raises:
            ValueError: a number is negative or not finite.
        """
        not_negative(rate=rate, years=years)
        paid = self.upfront + self.fee + self.gas_open + self.gas_close + self.streamed + self.settlement_slip
        return paid + rate * years * self.collateral


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProtectionScores:
    """One number a contract in each."""

    score: _Array
    """Cost over protection; infinite where nothing is protected."""
    protection: _Array
    """Expected loss that the contract pays."""
    cost: _Array
    shortfall: _Array
    """Largest loss that a scenario leaves uncovered when the contract pays in full."""

    def ranking(self) -> npt.NDArray[np.intp]:
        """Positions of the contracts, best first: by score, and by shortfall among scores that agree to a billionth."""
        with np.errstate(over="ignore"):
            return np.lexsort((self.shortfall, np.round(self.score, _TIE_DECIMALS)))


class PriceVerdict(StrEnum):
    """What a price looks like beside the model's."""

    FAIR = "fair"
    DEAR = "dear"
    SUSPICIOUS = "suspicious"
    """So cheap that it is stale, or that nobody will pay."""


def protection_scores(
    *, payoffs: _Array, losses: _Array, weights: _Array, payment_probability: _Array, cost: _Array
) -> ProtectionScores:
    """Scores of contracts over scenarios: protection is ``p_pay sum(w min(payoff, loss))``.

    Args:
        payoffs: of each contract at its size in each scenario, shape ``(contracts, scenarios)``, >= 0.
        losses: that nothing held covers yet, one a scenario; a gain, below zero, needs no cover.
        weights: probability of each scenario, >= 0, together at most 1.
        payment_probability: that a contract's venue pays what it owes, in [0, 1].
        cost: of each contract, >= 0: see :meth:`HoldingCosts.total`.

    Raises:
        ValueError: a number is out of its range or not finite, or the shapes do not fit.

    Ref: the keeper's own measure; a loss is counted once however much a contract would pay beyond it.
    """
    for name, values in (("payoffs", payoffs), ("weights", weights), ("payment_probability", payment_probability)):
        _check(name, values)
    _check("cost", cost)
    finite("losses", losses.tolist())
    if weights.sum() > 1 + _WHOLE:
        raise ValueError(f"weights must not exceed 1 together, not {weights.sum()}")
    if payment_probability.max(initial=0.0) > 1:
        raise ValueError(f"payment_probability must not exceed 1, not {payment_probability.max()}")
    if payoffs.shape != (cost.size, losses.size) or weights.shape != losses.shape or payment_probability.shape != cost.shape:
        raise ValueError(f"shapes do not fit: payoffs {payoffs.shape}, losses {losses.shape}, cost {cost.shape}")
    needed = np.maximum(losses, 0.0)
    protection = payment_probability * (np.minimum(payoffs, needed) @ weights)
    with np.errstate(over="ignore"):
        score = np.divide(cost, protection, out=np.full(cost.shape, math.inf), where=protection > 0)
    shortfall = np.maximum(needed - payoffs, 0.0).max(axis=1, initial=0.0)
    return ProtectionScores(score=score, protection=protection, cost=cost, shortfall=shortfall)


def judge_price(*, cost: float, model_price: float, dear_above: float, suspicious_below: float) -> PriceVerdict:
    """Whether a price can be taken at its word, by ``cost / model_price``; what is worth nothing is fair only for nothing.

    Args:
        cost: of the contract over its life, >= 0.
        model_price: of the same by :func:`keeper.core.quant.black_scholes.option_price` at a reference volatility, >= 0.
        dear_above: ratio above which it is dear, >= ``suspicious_below``.
        suspicious_below: ratio below which it is suspiciously cheap, >= 0.

    Raises:
        ValueError: a number is out of its range or not finite.
    """
    not_negative(cost=cost, model_price=model_price, suspicious_below=suspicious_below)
    positive(dear_above=dear_above)
    if dear_above < suspicious_below:
        raise ValueError(f"dear_above {dear_above} must not lie below suspicious_below {suspicious_below}")
    if cost > dear_above * model_price:
        return PriceVerdict.DEAR
    if cost < suspicious_below * model_price:
        return PriceVerdict.SUSPICIOUS
    return PriceVerdict.FAIR


def _check(name: str, values: _Array) -> None:
    for extreme in (np.minimum, np.maximum):  # of what holds a NaN it is a NaN
        not_negative(**{name: extreme.reduce(values, axis=None, initial=0.0)})

"""What the account would be worth at every price at the end of a run: ladder alone, options alone, both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from keeper.app.report.backtest_model import BacktestPage
from keeper.app.report.backtest_numbers import tokens
from keeper.app.report.backtest_thin import Floats
from keeper.core.model.hedge import Against
from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_prices
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.strategy.hedge.exposure import ladder_values
from keeper.simulation.protection import OptionRow, OptionState, Protection

_POINTS = 240
_REACH = 0.4
"""How far from the price at the end the curves are drawn at least, as a part of it."""
_BEYOND = 0.05
"""And how far beyond the outermost strike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """Curves over price, in quote tokens, less what the policy measures by."""

    price: float
    """At the end of the run."""
    prices: Floats
    """Rising; every kink is one of them."""
    ladder: Floats
    """Ladder and wallet, as if no option had ever been paid for or had paid."""
    options: Floats
    """Premiums and payoffs so far, and what is held at what it pays at this price."""
    now: Floats
    """All together, with held options at model value instead."""
    against: Against
    strikes: tuple[float, ...]
    """Of held options, rising, each once."""

    @property
    def together(self) -> Floats:
        """Ladder and options."""
        return self.ladder + self.options


def payoff(page: BacktestPage, protection: Protection) -> Payoff:
    """At the end of the run."""
    end, run = protection.ending, page.keeper
    held = [one for one in protection.options if one.state is OptionState.HELD]
    strikes = tuple(sorted({one.strike for one in held}))
    prices = _prices(end.price, strikes, [edge for band in end.ladder for edge in (band.lower, band.upper)])
    paid = tokens(run, run.parts.premiums + run.parts.payoffs)
    whole = end.base * prices + end.quote + ladder_values(end.ladder, prices)
    if page.policy.hedge.against is Against.HOLDING:
        measure = end.opened_base * prices + end.opened_quote
    else:
        at_end = float(end.base * end.price + end.quote + ladder_values(end.ladder, np.array([end.price]))[0])
        measure = np.full_like(prices, at_end - tokens(run, run.change))
    ladder = whole - paid - measure
    return Payoff(
        price=end.price,
        prices=prices,
        ladder=ladder,
        options=paid + _pays(held, prices),
        now=ladder + paid + np.maximum(_model(held, prices, end.at_s, end.volatility or 0.0), _pays(held, prices)),
        against=page.policy.hedge.against,
        strikes=strikes,
    )


def break_evens(prices: Floats, values: Floats) -> list[float]:
    """Prices at which a curve crosses zero, rising; on a straight line between two points."""
    pairs = pairwise(zip(prices.tolist(), values.tolist(), strict=True))
    return [
        low + (high - low) * before / (before - after)
        for (low, before), (high, after) in pairs
        if (before < 0 <= after) or (after < 0 <= before)
    ]


def _prices(price: float, strikes: Sequence[float], edges: Sequence[float]) -> Floats:
    low = min([price * (1 - _REACH), *(strike * (1 - _BEYOND) for strike in strikes)])
    high = max([price * (1 + _REACH), *(strike * (1 + _BEYOND) for strike in strikes)])
    kinks = [one for one in (price, *strikes, *edges) if low < one < high]
    return np.unique(np.concatenate([np.linspace(low, high, _POINTS), kinks]))


def _pays(held: Sequence[OptionRow], prices: Floats) -> Floats:
    found = np.zeros_like(prices)
    for one in held:
        sign = 1 if one.kind is OptionKind.CALL else -1
        found += one.size * np.maximum(sign * (prices - one.strike), 0.0)
    return found


def _model(held: Sequence[OptionRow], prices: Floats, at_s: int, volatility: float) -> Floats:
    if not held:
        return np.zeros_like(prices)
    each = option_prices(
        calls=np.array([one.kind is OptionKind.CALL for one in held]),
        spots=prices[:, np.newaxis],
        strikes=np.array([one.strike for one in held]),
        years=np.array([max(one.expiry_s - at_s, 0) / SECONDS_A_YEAR for one in held]),
        volatilities=np.full(len(held), volatility),
    )
    found: Floats = each @ np.array([one.size for one in held])
    return found

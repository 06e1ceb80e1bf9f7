"""European options on a log-normal price without dividends.

Spot, strike and price are in token1 per token0, years are of 365 days, volatility and rate are per year as fractions and the
rate is compounded continuously. Without time or volatility left an option is worth what its forward pays, discounted.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.model.option import OptionKind
from keeper.core.quant.checks import finite, not_negative, positive
from keeper.core.quant.roots import bracketed_root

_ROUNDING = 1e-14
"""Part of the forward or the strike that a time value may lie below zero and still be zero."""
_MOST_DEVIATION = 64.0
"""``volatility sqrt(years)`` at which a price is its upper bound to the last digit."""

_Array: TypeAlias = npt.NDArray[np.float64]


class Greeks(NamedTuple):
    """How the price of one option moves with what it depends on."""

    delta: float
    """Per 1 of spot: token0."""
    gamma: float
    """Delta per 1 of spot, never negative."""
    vega: float
    """Per 1.00 of volatility, never negative."""
    theta: float
    """Per year that passes."""
    rho: float
    """Per 1.00 of rate."""


def option_price(kind: OptionKind, *, spot: float, strike: float, years: float, volatility: float, rate: float = 0.0) -> float:
    """Price of a put or a call on one token0, in token1; within the no-arbitrage bounds, never negative.

    Args:
        kind: put or call.
        spot: > 0.
        strike: > 0.
        years: to expiry, >= 0.
        volatility: >= 0.
        rate: of any sign.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Black & Scholes 1973, eq. 13; Black 1976 for the form in the forward.
    """
    _check(spot, strike, years, volatility, rate)
    growth = math.exp(rate * years)
    return _undiscounted(_sign(kind), spot * growth, strike, volatility * math.sqrt(years)) / growth


def greeks(kind: OptionKind, *, spot: float, strike: float, years: float, volatility: float, rate: float = 0.0) -> Greeks:
    """First derivatives of :func:`option_price`, and the second by spot.

    Without time or volatility left gamma and vega are 0, and exactly on the kink delta is the mean of both sides.

    Args:
        kind: put or call.
        spot: > 0.
        strike: > 0.
        years: to expiry, >= 0.
        volatility: >= 0.
        rate: of any sign.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: derivatives of Black & Scholes 1973, eq. 13; Hull, Options, futures and other derivatives, on the greek letters.
    """
    _check(spot, strike, years, volatility, rate)
    sign, deviation = _sign(kind), volatility * math.sqrt(years)
    above = math.log(spot / strike) + rate * years
    if deviation > 0:
        high = above / deviation + deviation / 2
        density = math.exp(-high * high / 2) / math.sqrt(2 * math.pi)
        gamma, decay = density / (spot * deviation), spot * density * deviation / (2 * years)
    else:
        high = math.copysign(math.inf, above) if above else 0.0
        density = gamma = decay = 0.0
    strike_part = sign * strike * math.exp(-rate * years) * _below(sign * (high - deviation))
    return Greeks(
        delta=sign * _below(sign * high),
        gamma=gamma,
        vega=spot * density * math.sqrt(years),
        theta=-decay - rate * strike_part,
        rho=years * strike_part,
    )


def implied_volatility(
    kind: OptionKind, price: float, *, spot: float, strike: float, years: float, rate: float = 0.0
) -> float | None:
    """Volatility per year at which :func:`option_price` is ``price``, to about the last digit that the price carries.

    None when none is: below the discounted payoff of the forward, or at the spot (call) or the discounted strike (put) and
    above. It is 0 at the lower bound.

    Args:
        kind: put or call.
        price: >= 0.
        spot: > 0.
        strike: > 0.
        years: to expiry, > 0.
        rate: of any sign.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Manaster & Koehler 1982 for the point from which the bracket grows: there the price bends.
    """
    not_negative(price=price)
    positive(years=years)
    _check(spot, strike, years, 0.0, rate)
    growth = math.exp(rate * years)
    forward, sign = spot * growth, _sign(kind)
    time_value = price * growth - max(sign * (forward - strike), 0.0)
    if time_value <= 0:
        return 0.0 if time_value >= -_ROUNDING * max(forward, strike) else None
    if time_value >= min(forward, strike):
        return None
    # by parity the time value is the price of whichever option is out of the money, which keeps its digits
    outside = 1 if forward <= strike else -1

    def excess(deviation: float) -> float:
        return _undiscounted(outside, forward, strike, deviation) - time_value

    low = high = max(math.sqrt(2 * abs(math.log(forward / strike))), time_value / forward)
    while excess(high) < 0:
        if high > _MOST_DEVIATION:
            return None
        low, high = high, 2 * high
    while excess(low) > 0:
        low, high = low / 2, low
    return bracketed_root(excess, low, high) / math.sqrt(years)


def option_prices(
    *, calls: npt.NDArray[np.bool_], spots: _Array, strikes: _Array, years: _Array, volatilities: _Array, rate: float = 0.0
) -> _Array:
    """:func:`option_price` of many options at once: the arrays are broadcast against one another.

    Contracts along the last axis and ``spots`` of shape ``(scenarios, 1)`` give one row a scenario.

    Args:
        calls: True for a call, False for a put.
        spots: > 0.
        strikes: > 0.
        years: to expiry, >= 0.
        volatilities: >= 0.
        rate: of any sign.

    Raises:
        ValueError: a number is out of its range or not finite, or the shapes do not fit.
    """
    for extreme in (np.min, np.max):  # of what holds a NaN it is a NaN
        positive(spots=extreme(spots, initial=1.0), strikes=extreme(strikes, initial=1.0))
        not_negative(years=extreme(years, initial=1.0), volatilities=extreme(volatilities, initial=1.0))
    finite("rate", (rate,))
    signs = np.where(calls, 1.0, -1.0)
    growths = np.exp(rate * years)
    forwards, deviations = spots * growths, volatilities * np.sqrt(years)
    spread = np.where(deviations > 0, deviations, 1.0)
    with np.errstate(over="ignore"):
        highs = np.log(forwards / strikes) / spread + spread / 2
        lows = highs - spread
    values = signs * (forwards * _all_below(signs * highs) - strikes * _all_below(signs * lows))
    intrinsic = np.maximum(signs * (forwards - strikes), 0.0)
    values = np.where(deviations > 0, np.maximum(values, intrinsic), intrinsic)
    return np.asarray(values / growths, dtype=np.float64)


def _sign(kind: OptionKind) -> int:
    return 1 if kind is OptionKind.CALL else -1


def _check(spot: float, strike: float, years: float, volatility: float, rate: float) -> None:
    positive(spot=spot, strike=strike)
    not_negative(years=years, volatility=volatility)
    finite("rate", (rate,))


def _undiscounted(sign: int, forward: float, strike: float, deviation: float) -> float:
    payoff = max(sign * (forward - strike), 0.0)
    if deviation <= 0:
        return payoff
    high = math.log(forward / strike) / deviation + deviation / 2
    value = sign * (forward * _below(sign * high) - strike * _below(sign * (high - deviation)))
    return max(value, payoff)


def _below(deviations: float) -> float:
    """Probability that a standard normal number lies below: by the complement, which keeps the digits of the lower tail."""
    return math.erfc(-deviations / math.sqrt(2)) / 2


def _all_below(deviations: _Array) -> _Array:
    scaled = (-deviations / math.sqrt(2)).ravel().tolist()
    return np.fromiter(map(math.erfc, scaled), np.float64, len(scaled)).reshape(deviations.shape) / 2

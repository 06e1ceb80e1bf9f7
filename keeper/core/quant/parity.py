"""Put-call parity: what a breach of it earns, and the cheaper of two ways to one payoff. European options only.

Quotes are in token1 per unit of token0, at the side that the trade takes; costs are in token1 per unit of token0, of all its
trades together: fees, gas over the quantity, borrowing, funding. Years are of 365 days, the rate is per year, compounded
continuously. An edge above zero is earned, one below zero is lost.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from keeper.core.quant.checks import finite, not_negative, positive


class Ways(NamedTuple):
    """Two ways to the same payoff, each with all its costs, token1 per unit of token0."""

    direct: float
    """By the option itself."""
    synthetic: float
    """By the other option and the token; negative when it brings in more than it costs."""

    @property
    def saving(self) -> float:
        """What the synthetic way costs less than the direct one; negative when it costs more."""
        return self.direct - self.synthetic


def conversion_edge(
    *, put_ask: float, call_bid: float, spot_ask: float, strike: float, years: float, rate: float, costs: float
) -> float:
    """Profit, in today's token1, of buying token0 and the put and selling the call: ``C - P - S + K e^(-rT) - costs``.

    Args:
        put_ask: >= 0.
        call_bid: >= 0.
        spot_ask: > 0.
        strike: of both, > 0.
        years: to the expiry of both, >= 0.
        rate: of any sign.
        costs: >= 0.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Stoll 1969.
    """
    not_negative(put_ask=put_ask, call_bid=call_bid, costs=costs)
    positive(spot_ask=spot_ask)
    return call_bid - put_ask - spot_ask + _discounted(strike, years, rate) - costs


def reversal_edge(
    *, put_bid: float, call_ask: float, spot_bid: float, strike: float, years: float, rate: float, costs: float
) -> float:
    """Profit, in today's token1, of selling token0 and the put and buying the call: ``P - C + S - K e^(-rT) - costs``.

    Args:
        put_bid: >= 0.
        call_ask: >= 0.
        spot_bid: > 0.
        strike: of both, > 0.
        years: to the expiry of both, >= 0.
        rate: of any sign.
        costs: >= 0, borrowing token0 included.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Stoll 1969.
    """
    not_negative(put_bid=put_bid, call_ask=call_ask, costs=costs)
    positive(spot_bid=spot_bid)
    return put_bid - call_ask + spot_bid - _discounted(strike, years, rate) - costs


def box_value(*, lower: float, upper: float, years: float, rate: float) -> float:
    """Today's worth of a box, which pays ``upper - lower`` whatever the price: token1 per unit.

    It is a call bought and a put sold at the lower strike, and the opposite at the upper one.

    Args:
        lower: > 0.
        upper: above ``lower``.
        years: to expiry, >= 0.
        rate: of any sign.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Ronn & Ronn 1989.
    """
    positive(lower=lower)
    if lower >= upper:
        raise ValueError(f"lower {lower} must lie below upper {upper}")
    return _discounted(upper, years, rate) - _discounted(lower, years, rate)


def ways_to_a_put(
    *,
    put_ask: float,
    put_costs: float,
    call_ask: float,
    spot_bid: float,
    synthetic_costs: float,
    strike: float,
    years: float,
    rate: float,
) -> Ways:
    """Protection of one unit of token0 by a put, or by selling the unit and buying the call: ``C - S + K e^(-rT)``.

    Either way the strike is there at expiry when the price is below it, and the unit's worth when it is above.

    Args:
        put_ask: >= 0.
        put_costs: of buying the put, >= 0.
        call_ask: >= 0.
        spot_bid: what selling the unit brings, > 0.
        synthetic_costs: of buying the call and of selling the unit, >= 0.
        strike: of both, > 0.
        years: to the expiry of both, >= 0.
        rate: that the proceeds earn, of any sign.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Stoll 1969.
    """
    not_negative(put_ask=put_ask, put_costs=put_costs, call_ask=call_ask, synthetic_costs=synthetic_costs)
    positive(spot_bid=spot_bid)
    synthetic = call_ask - spot_bid + _discounted(strike, years, rate) + synthetic_costs
    return Ways(direct=put_ask + put_costs, synthetic=synthetic)


def ways_to_a_call(
    *,
    call_ask: float,
    call_costs: float,
    put_ask: float,
    spot_ask: float,
    synthetic_costs: float,
    strike: float,
    years: float,
    rate: float,
) -> Ways:
    """The rise of one unit of token0 by a call, or by buying the unit and the put: ``P + S - K e^(-rT)``.

    Args:
        call_ask: >= 0.
        call_costs: of buying the call, >= 0.
        put_ask: >= 0.
        spot_ask: what buying the unit costs, > 0.
        synthetic_costs: of buying the put and the unit, >= 0.
        strike: of both, > 0.
        years: to the expiry of both, >= 0.
        rate: that the strike earns or is borrowed at, of any sign.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: Stoll 1969.
    """
    not_negative(call_ask=call_ask, call_costs=call_costs, put_ask=put_ask, synthetic_costs=synthetic_costs)
    positive(spot_ask=spot_ask)
    synthetic = put_ask + spot_ask - _discounted(strike, years, rate) + synthetic_costs
    return Ways(direct=call_ask + call_costs, synthetic=synthetic)


def _discounted(strike: float, years: float, rate: float) -> float:
    positive(strike=strike)
    not_negative(years=years)
    finite("rate", (rate,))
    return strike * math.exp(-rate * years)

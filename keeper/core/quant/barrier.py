"""How long a price stays between two bounds: log-normal diffusion that starts at 0, in natural logarithms of the price.

``lower < 0 < upper`` are ``ln(bound / price)``; ``drift`` is that of the *logarithm* per year (a price of drift m has
``m - volatility^2 / 2``); volatility is per year as a fraction; times are in years of 365 days. Jumps make every time shorter.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from keeper.core.quant.checks import finite, not_negative, positive

_NORMAL = NormalDist()
_IMAGES_BELOW = 0.5
"""Deviation over width: below it images settle in a few terms and the sine series cancels, above it the other way round."""
_IMAGES = 4
"""The nearest image left out lies eight widths away: sixteen deviations."""
_SINE_TERMS = 12
"""Each falls as ``exp(-(n pi / 2)^2 / 2)`` or faster: the eighth is below 1e-34."""
_OVERFLOW = 700.0
"""Largest exponent that a double carries; an image with a heavier tilt has no mass that it could carry."""
_FLAT_DRIFT = 1e-6
"""Drift times width over variance below which the driftless form is as exact, and the other one cancels."""


def stay_probability(*, lower: float, upper: float, volatility: float, years: float, drift: float = 0.0) -> float:
    """Probability that the price touches neither bound within ``years``; in [0, 1].

    Raises:
        ValueError: a bound lies on the wrong side of the price, or a number is negative or not finite.

    Ref: Cox & Miller 1965, section 5.7; sine series, and the series of images for short times.
    """
    _check_bounds(lower, upper)
    not_negative(volatility=volatility, years=years)
    finite("drift", (drift,))
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return 1.0 if lower < drift * years < upper else 0.0
    if deviation < _IMAGES_BELOW * (upper - lower):
        survival = _by_images(lower, upper, deviation, drift * years)
    else:
        survival = _by_sines(lower, upper, deviation, drift * years)
    return min(max(survival, 0.0), 1.0)


def _by_images(lower: float, upper: float, deviation: float, shift: float) -> float:
    width = upper - lower
    tilt = shift / deviation**2

    def mass(image: float) -> float:
        if tilt * image > _OVERFLOW:
            return 0.0
        near, far = ((bound - image - shift) / deviation for bound in (lower, upper))
        if near > 0:  # the lower tail keeps the digits that the upper one loses
            near, far = -far, -near
        return math.exp(tilt * image) * (_NORMAL.cdf(far) - _NORMAL.cdf(near))

    images = [2 * k * width for k in range(-_IMAGES, _IMAGES + 1)]
    return math.fsum(mass(image) - mass(2 * upper + image) for image in images)


def _by_sines(lower: float, upper: float, deviation: float, shift: float) -> float:
    width = upper - lower
    tilt = shift / deviation**2
    terms = []
    for n in range(1, _SINE_TERMS + 1):
        k = n * math.pi / width
        exponent = -(k * k * deviation**2 + tilt * shift) / 2
        # e^(tilt lower) is joined to both exponentials, so that neither overflows alone
        ends = math.exp(exponent + tilt * lower) - (-1) ** n * math.exp(exponent + tilt * upper)
        terms.append(math.sin(-k * lower) * k * ends / (tilt * tilt + k * k))
    return 2 / width * math.fsum(terms)


def expected_exit_years(*, lower: float, upper: float, volatility: float, drift: float = 0.0) -> float:
    """Mean time until either bound is touched, in years.

    Raises:
        ValueError: a bound lies on the wrong side of the price, or the volatility is not above zero.

    Ref: Karlin & Taylor 1975, section 7.5.
    """
    _check_bounds(lower, upper)
    positive(volatility=volatility)
    finite("drift", (drift,))
    variance = volatility**2
    if abs(drift) * (upper - lower) < _FLAT_DRIFT * variance:
        return -lower * upper / variance
    if drift < 0:
        lower, upper, drift = -upper, -lower, -drift
    tilt = 2 * drift / variance
    # the chance to leave at the top, written so that every exponent is below zero
    at_top = math.expm1(tilt * lower) / math.expm1(tilt * (lower - upper))
    return (upper * at_top + lower * (1 - at_top)) / drift


def expected_years_inside(*, lower: float, upper: float, volatility: float, years: float) -> float:
    """Mean time that a driftless price spends between two bounds within ``years``, returns after an exit included.

    Unlike the other formulas here the price may start outside: then this is the time for which it is expected to come back.

    Args:
        lower: ``ln(lower bound / price)``, of any sign.
        upper: ``ln(upper bound / price)``, above ``lower``.
        volatility: per year, >= 0.
        years: >= 0.

    Raises:
        ValueError: the bounds are not ordered, or a number is negative or not finite.

    Ref: the integral of ``P(X_t < x)`` over time, by parts; checked against quadrature.
    """
    finite("bounds", (lower, upper))
    if lower >= upper:
        raise ValueError(f"lower {lower} must lie below upper {upper}")
    not_negative(volatility=volatility, years=years)
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return years if lower <= 0 < upper else 0.0
    inside = _mean_share_below(upper / deviation) - _mean_share_below(lower / deviation)
    return years * min(max(inside, 0.0), 1.0)


def _mean_share_below(x: float) -> float:
    """Mean over t in [0, 1] of ``P(W_t < x)`` for a standard Brownian motion."""
    return _NORMAL.cdf(x) + x * _NORMAL.pdf(x) - x * abs(x) * _NORMAL.cdf(-abs(x))


def _check_bounds(lower: float, upper: float) -> None:
    finite("bounds", (lower, upper))
    if not lower < 0 < upper:
        raise ValueError(f"the price must lie strictly between the bounds: lower {lower} < 0 < upper {upper}")

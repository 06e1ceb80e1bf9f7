"""Which of the quotes for a need to take: those that can be believed, by cost of a unit of the loss that they are to pay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from keeper.core.model.bar import DAY_S
from keeper.core.model.hedge import Against
from keeper.core.model.option import CostModel, OptionContract, OptionQuote
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.quant.black_scholes import option_price
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.protection_score import HoldingCosts, PriceVerdict, judge_price, protection_scores
from keeper.core.quant.replication import Band, ladder_delta, ladder_value
from keeper.core.strategy.hedge.exposure import FloatArray, bands, contract_payoffs, ladder_values, strip_payoffs, vanillas
from keeper.core.strategy.hedge.needs import Need, fits_strike, protecting
from keeper.core.strategy.valuation import protected_price, wei_to_quote

SCENARIOS = 60
"""Equally likely prices at the end of the tier's life, or of the horizon where that is longer."""
STRESS = 0.3
"""Move of the price after which a venue must still be able to pay us."""
_MIDDLES = tuple([NormalDist().inv_cdf((place + 0.5) / SCENARIOS) for place in range(SCENARIOS)])
"""Standard normal deviates at the middles of equally likely slices."""


class Offer(NamedTuple):
    """A quote with what it is worth."""

    quote: OptionQuote
    cost: float
    """Of holding it over the horizon, tokens of the quote, gas and interest included."""
    score: float
    """Cost of a unit of the loss that it is expected to pay; infinite when it pays none."""
    verdict: PriceVerdict
    covered: bool
    """Whether the venue could pay our payoff after a fall of 30 %, that of what is held there included."""

    @property
    def sound(self) -> bool:
        """Whether it may be bought at all."""
        return self.verdict is PriceVerdict.FAIR and self.covered


def offers_for(need: Need, view: MarketView, policy: Policy, volatility: float) -> tuple[Offer, ...]:
    """Every quote that fits a need, best first, compared over the tier's own life: a far option protects no week.

    Args:
        need: what is wanted.
        view: holds the quotes.
        policy: the rules.
        volatility: reference per year, > 0.
    """
    quotes = fitting(need, view, policy)
    if not quotes:
        return ()
    price = protected_price(view, policy)
    horizon_s = max(policy.hedge.horizon_s, (need.tier.tenor_from_s + need.tier.tenor_to_s) // 2)
    ends = _prices(price, volatility, horizon_s)
    scores = protection_scores(
        payoffs=np.array([contract_payoffs(quote.contract, quote.size.raw, ends) for quote in quotes]),
        losses=_losses(view, policy, ends, price),
        weights=np.full(SCENARIOS, 1.0 / SCENARIOS),
        payment_probability=np.array([policy.hedge.pays_with(quote.contract.venue) for quote in quotes]),
        cost=(costs := _costs(quotes, view, policy, price, horizon_s)),
    )
    return tuple(
        [
            Offer(
                quote=quotes[place],
                cost=float(costs[place]),
                score=float(scores.score[place]),
                verdict=_verdict(quotes[place], view, policy, price, volatility),
                covered=is_covered(quotes[place], view, policy, price),
            )
            for place in scores.ranking()
        ]
    )


def fitting(need: Need, view: MarketView, policy: Policy) -> list[OptionQuote]:
    """The quotes that fit a need, in the view's order."""
    quotes = [quote for quote in view.protection.quotes if _fits(quote, need, view)]
    if all(leg.range_factor <= 1 for quote in quotes for leg in quote.contract.legs):
        return quotes
    ladder = bands(view, policy)
    return [quote for quote in quotes if _lies_outside(quote, ladder)]


def _fits(quote: OptionQuote, need: Need, view: MarketView) -> bool:
    contract = quote.contract
    if {leg.kind for leg in contract.legs} != {need.kind} or quote.valid_until_s < view.now_s:
        return False
    near = all(fits_strike(need, float(leg.strike)) for leg in contract.legs)
    if contract.expiry_s is None:
        return near
    return near and need.tier.tenor_from_s <= contract.expiry_s - view.now_s <= need.tier.tenor_to_s


def _lies_outside(quote: OptionQuote, ladder: Sequence[Band]) -> bool:
    """Whether an option made of liquidity lies where the ladder has none: within it, it costs more than the ladder earns."""
    return all(
        leg.range_factor <= 1
        or all(
            float(leg.strike / leg.range_factor) >= band.upper or float(leg.strike * leg.range_factor) <= band.lower
            for band in ladder
        )
        for leg in quote.contract.legs
    )


def _prices(price: float, volatility: float, horizon_s: int) -> list[float]:
    """Prices at the middles of equally likely slices of a log-normal price without drift after the horizon."""
    deviation = volatility * math.sqrt(horizon_s / SECONDS_A_YEAR)
    return [price * math.exp(middle * deviation - deviation**2 / 2) for middle in _MIDDLES]


def _losses(view: MarketView, policy: Policy, prices: Sequence[float], price: float) -> FloatArray:
    """What ladder and held options lose at each price, against what the policy measures by; a gain is negative."""
    ladder, held = bands(view, policy), vanillas(view)
    start = ladder_value(ladder, price)
    base = ladder_delta(ladder, price) if policy.hedge.against is Against.HOLDING else 0.0
    ends = np.asarray(prices, dtype=np.float64)
    losses: FloatArray = start + base * (ends - price) - ladder_values(ladder, ends) - strip_payoffs(held, ends)
    return losses


def _costs(quotes: Sequence[OptionQuote], view: MarketView, policy: Policy, price: float, horizon_s: int) -> FloatArray:
    days = horizon_s / DAY_S
    gas_price_wei = view.gas.price_wei

    def each(number: Callable[[OptionQuote], float]) -> FloatArray:
        return np.array([number(quote) for quote in quotes], dtype=np.float64)

    def tokens(amount: TokenAmount) -> float:
        each_token = amount.raw / 10**amount.token.decimals
        return float(each_token) * (price if amount.token.address == policy.base.address else 1.0)

    costs = HoldingCosts(
        upfront=each(lambda quote: tokens(quote.upfront)),
        fee=each(lambda quote: tokens(quote.fee)),
        gas_open=each(lambda quote: wei_to_quote(policy, price, quote.gas_open * gas_price_wei)),
        gas_close=each(lambda quote: wei_to_quote(policy, price, quote.gas_close * gas_price_wei)),
        streamed=each(lambda quote: tokens(quote.carry_per_day) * days),
        settlement_slip=each(lambda _quote: 0.0),
        collateral=each(lambda quote: math.fsum(tokens(amount) for amount in quote.collateral)),
    )
    return costs.total(rate=policy.hedge.capital_cost_year, years=horizon_s / SECONDS_A_YEAR)


def _verdict(quote: OptionQuote, view: MarketView, policy: Policy, price: float, volatility: float) -> PriceVerdict:
    """Premium and streamed cost against the model's price; a perpetual option is judged over the horizon."""
    hedge, contract = policy.hedge, quote.contract
    held_s = hedge.horizon_s if contract.expiry_s is None else contract.expiry_s - view.now_s
    size = quote.size.raw / 10**quote.size.token.decimals
    model = size * math.fsum(
        float(leg.ratio)
        * option_price(
            leg.kind, spot=price, strike=float(leg.strike), years=max(held_s, 0) / SECONDS_A_YEAR, volatility=volatility
        )
        for leg in contract.legs
    )
    cost = (quote.upfront.raw + quote.fee.raw) / 10**quote.upfront.token.decimals
    if quote.cost_model is CostModel.STREAMED:
        cost += quote.carry_per_day.raw / 10**quote.carry_per_day.token.decimals * held_s / DAY_S
    return judge_price(cost=cost, model_price=model, dear_above=hedge.dear, suspicious_below=hedge.suspicious)


def is_covered(quote: OptionQuote, view: MarketView, policy: Policy, price: float) -> bool:
    """Whether the venue could pay us after the price fell (calls: rose) by the stress, what protects us there already included.

    A venue's own bound may be on one purchase; many small ones must not get around it.
    """
    if quote.payable_cap is None:
        return True
    asset, venue = quote.contract.settle_asset.address, quote.contract.venue
    held = [
        (one.contract, one.size)
        for one in protecting(view, policy)
        if (one.contract.venue, one.contract.settle_asset.address) == (venue, asset)
    ]
    owed = [(quote.contract, quote.size), *held]
    worst = max(math.fsum(_pays(one, size, price * factor) for one, size in owed) for factor in (1 - STRESS, 1 + STRESS))
    cap = quote.payable_cap.raw / 10**quote.payable_cap.token.decimals
    return bool(worst <= policy.hedge.payable_part * cap)


def _pays(contract: OptionContract, size: TokenAmount, price: float) -> float:
    tokens: float = size.raw / 10**size.token.decimals
    return tokens * float(contract.payoff(Decimal(price)))

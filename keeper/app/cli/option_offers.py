"""What options were offered, how each was judged, and why others are absent; made of a view and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import protection, words
from keeper.app.cli.output import table
from keeper.core.model.decision import BuyProtection, Decision
from keeper.core.model.option import NoQuote
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.quant.protection_score import PriceVerdict
from keeper.core.strategy.hedge.budget import funds
from keeper.core.strategy.hedge.needs import Need, capped, needs, reference_volatility
from keeper.core.strategy.hedge.offers import Offer
from keeper.core.strategy.hedge.synthetic import Synthetic, taken, ways_to
from keeper.core.strategy.hedge.wake import mandate
from keeper.core.strategy.valuation import protected_price

_VERDICTS = {
    PriceVerdict.FAIR: "sound",
    PriceVerdict.DEAR: "too dear",
    PriceVerdict.SUSPICIOUS: "too cheap to be believed",
}


class Judged(NamedTuple):
    """What is offered for a tier."""

    tier: str
    """Its name."""
    offer: Offer
    way: Synthetic | None = None
    """How it is made of the other kind; None where it is an option of its own."""


def judged(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> list[Judged]:
    """Every way to what a tier wants that the view's quotes offer, as the strategy judges it, the best of each tier first."""
    if not view.protection.quotes:
        return []
    volatility = reference_volatility(readings) or policy.regimes.usual_volatility
    found: list[Judged] = []
    for need in wants(view, readings, policy):
        offers, made = ways_to(need, view, policy, volatility, funds(view, policy))
        found += [Judged(need.tier.name, offer, taken(made, offer)) for offer in offers]
    return found


def wants(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> tuple[Need, ...]:
    """What the tiers want, with what a mandate that binds adds to them."""
    found, volatility = needs(view, policy), reference_volatility(readings)
    if volatility is None or mandate(view, policy, volatility, protected_price(view, policy)) is None:
        return found
    return capped(found, view, policy, volatility)


def verdict(offer: Offer) -> str:
    """Whether an offer may be bought, in short."""
    if not offer.covered:
        return "not covered: the venue could not pay it"
    return _VERDICTS[offer.verdict]


def offer_document(tier: str, offer: Offer, way: Synthetic | None = None) -> dict[str, Any]:
    """One offer; amounts as exact decimal text in whole tokens."""
    quoted, contract = offer.quote, offer.quote.contract
    return {
        "tier": tier,
        "venue": contract.venue,
        "legs": [{"kind": leg.kind.value, "strike": str(leg.strike), "ratio": str(leg.ratio)} for leg in contract.legs],
        "expiry_s": contract.expiry_s,
        "size": words.exact(quoted.size.raw, quoted.size.token.decimals),
        "size_token": quoted.size.token.symbol,
        "cost": words.exact(quoted.cost.raw, quoted.cost.token.decimals),
        "token": quoted.cost.token.symbol,
        "carry_per_day": words.exact(quoted.carry_per_day.raw, quoted.carry_per_day.token.decimals),
        "implied_volatility": None if quoted.implied_volatility is None else float(quoted.implied_volatility),
        "basis": quoted.basis.value,
        "score": offer.score if math.isfinite(offer.score) else None,
        "verdict": offer.verdict.value,
        "covered": offer.covered,
        "valid_until_s": quoted.valid_until_s,
        "synthetic": None if way is None else _made_of(way),
    }


def _made_of(way: Synthetic) -> dict[str, Any]:
    """What is bought instead, and what is sold beside it."""
    (leg,), cost, sold = way.bought.contract.legs, way.bought.cost, way.beside.sold
    return {
        "bought": leg.kind.value,
        "cost": words.exact(cost.raw, cost.token.decimals),
        "token": cost.token.symbol,
        "sold": words.exact(sold.raw, sold.token.decimals),
        "sold_token": sold.token.symbol,
    }


def offer_tables(rows: Sequence[Judged], now_s: int, *, bought: Sequence[BuyProtection] = ()) -> list[RenderableType]:
    """Offers for a person, with what is made of the other kind; those that were taken are marked."""
    if not rows:
        return []
    symbol = rows[0].offer.quote.cost.token.symbol
    body = [
        (
            tier,
            offer.quote.contract.venue,
            words.amount(offer.quote.size.token, offer.quote.size.raw),
            _in_place(offer, way),
            protection.ends(offer.quote.contract, now_s),
            words.amount(offer.quote.cost.token, offer.quote.cost.raw),
            words.amount(offer.quote.carry_per_day.token, offer.quote.carry_per_day.raw)
            if offer.quote.carry_per_day.raw
            else "-",
            "-" if offer.quote.implied_volatility is None else words.percent(float(offer.quote.implied_volatility)),
            f"{offer.score:,.2f} {symbol}" if math.isfinite(offer.score) else "pays nothing",
            offer.quote.basis.value,
            "taken" if _is_taken(offer, way, bought) else verdict(offer),
        )
        for tier, offer, way in rows
    ]
    unit = f"per {symbol} paid"
    columns = ("tier", "venue", "covers", "option", "expires", "cost", "a day", "implied, a year", unit, "basis", "verdict")
    return [
        table("Offers, the best of each tier first", columns, body, right=("covers", "cost", "a day", "implied, a year", unit))
    ]


def _in_place(offer: Offer, way: Synthetic | None) -> str:
    """What is offered, and what it is made of."""
    own = protection.terms(offer.quote.contract)
    if way is None:
        return own
    (leg,), sold = way.bought.contract.legs, way.beside.sold
    cost = words.amount(way.bought.cost.token, way.bought.cost.raw)
    return f"synthetic {own}: the {leg.kind} for {cost}, and {words.amount(sold.token, sold.raw)} sold"


def _is_taken(offer: Offer, way: Synthetic | None, bought: Sequence[BuyProtection]) -> bool:
    """A quote may be on offer for itself and in place of the other kind: which one was meant is in the move."""
    quoted = offer.quote if way is None else way.bought
    return any(move.quote == quoted and (move.stands_for is None) == (way is None) for move in bought)


def absent_lines(absent: Sequence[NoQuote], *, most: int = 6) -> list[RenderableType]:
    """Why something is not offered, each reason once."""
    told = list(dict.fromkeys(f"{one.venue}: {one.reason.value.replace('_', ' ')}: {one.note}" for one in absent))
    more = [f"and {len(told) - most} reasons more: --json tells all"] if len(told) > most else []
    return [Text(line) for line in [*told[:most], *more]]


def explained(
    view: MarketView, readings: Sequence[SignalReading], decided: Decision, policy: Policy
) -> Iterator[RenderableType]:
    """What a cycle knew of options: what was held, what was offered and how it was judged, what was absent and why."""
    if not protection.is_concerned(view, policy):
        return
    yield from protection.held_tables(view, policy)
    bought = [move for move in decided.moves if isinstance(move, BuyProtection)]
    yield from offer_tables(judged(view, readings, policy), view.now_s, bought=bought)
    yield from absent_lines(view.protection.absent)


def explained_document(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> dict[str, Any]:
    """The same for a program."""
    return {
        "positions": [protection.held_document(one) for one in view.protection.positions],
        "offers": list(starmap(offer_document, judged(view, readings, policy))),
        "absent": [protection.absent_document(one) for one in view.protection.absent],
    }

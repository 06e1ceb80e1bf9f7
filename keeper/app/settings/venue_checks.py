"""Rules between the settings of protection and of option venues."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.app.settings.hedge import HedgeSettings
from keeper.app.settings.problems import Problem
from keeper.app.settings.schema import ChainSettings

Problems = Iterator[Problem]
KNOWN = ("hegic", "opyn", "panoptic", "paper")


def venues(chain: ChainSettings) -> Problems:
    """Venues are paid in tokens of the chain and ask feeds of the chain."""
    places = {"hegic": chain.venues.hegic, "opyn": chain.venues.opyn}
    for name, venue in places.items():
        if venue is None:
            continue
        for field in ("base", "quote"):
            symbol: str = getattr(venue, field)
            if symbol not in chain.tokens:
                message = f"must be one of {', '.join(chain.tokens)}"
                yield Problem(path=f"chain.venues.{name}.{field}", message=message, value=symbol)
    hegic = chain.venues.hegic
    if hegic is None:
        return
    if hegic.feed not in chain.feeds:
        message = f"must be one of chain.feeds: {', '.join(chain.feeds) or 'there is none'}"
        yield Problem(path="chain.venues.hegic.feed", message=message, value=hegic.feed)
    for name, put in hegic.puts.items():
        if put.min_days > put.max_days:
            message = f"must not exceed max_days, {put.max_days} days"
            yield Problem(path=f"chain.venues.hegic.puts.{name}.min_days", message=message, value=put.min_days)


def hedge(rules: HedgeSettings) -> Problems:
    """Tiers have times that can be, and limits do not contradict one another."""
    for name, tier in rules.tiers.items():
        if tier.tenor_from_s > tier.tenor_to_s:
            message = f"must not exceed tenor_to_s, {tier.tenor_to_s} seconds"
            yield Problem(path=f"hedge.tiers.{name}.tenor_from_s", message=message, value=tier.tenor_from_s)
        if tier.tenor_from_s <= rules.roll_before_s:
            message = f"must exceed hedge.roll_before_s, {rules.roll_before_s} seconds, or it is replaced when it is bought"
            yield Problem(path=f"hedge.tiers.{name}.tenor_from_s", message=message, value=tier.tenor_from_s)
    for name, probability in rules.pays.items():
        if name not in KNOWN:
            yield Problem(path=f"hedge.pays.{name}", message=f"must be one of {', '.join(KNOWN)}", value=str(probability))
        elif not 0 <= probability <= 1:
            yield Problem(path=f"hedge.pays.{name}", message="must be from 0 to 1", value=str(probability))
    for name in rules.venues:
        if name not in KNOWN[:-1]:
            yield Problem(path="hedge.venues", message=f"must be of {', '.join(KNOWN[:-1])}", value=name)
    if rules.enabled and not rules.tiers:
        yield Problem(path="hedge.tiers", message="at least one tier is needed where protection is on", value="none")

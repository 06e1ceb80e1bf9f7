"""``keeper hedge doctor``: whether each venue could be relied on now."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import protection, words
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.hedge import Looked, looking
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.app.venue_health import VenueHealth, venue_health
from keeper.core.model.bar import DAY_S
from keeper.core.model.option import HedgeWant, NoQuoteReason, OptionKind, OptionQuote
from keeper.core.model.token import TokenAmount
from keeper.core.strategy.hedge.offers import STRESS
from keeper.core.strategy.valuation import protected_price

_LOWEST = Decimal("0.6")
"""Of the price: puts further out are no protection that a ladder of ours could want."""


def doctor(session: Session) -> ExitCode:
    """Each venue: whether it answers or is paused, what it sells, how old its price is, what a fall of 30 % would be paid.

    It asks for puts on one token of the base of every strike and term, whether protection is on or not.
    """
    with looking(session) as looked:
        offered = looked.offered((_want(looked),))
        names = [venue.name for venue in looked.venues.venues]
        health = venue_health(looked.settings, looked.rpc, looked.view.block, names)
        health |= dict.fromkeys(looked.venues.lost, VenueHealth())
        found = [_checked(name, one, offered) for name, one in health.items()]
    session.out.show({"venues": found}, *_tables(found, offered))
    if any(not one["reachable"] for one in found):
        return ExitCode.CHAIN
    is_poor = any(one["bought_at"] and (one["paused"] or one["price_old"] or not one["offers"]) for one in found)
    return ExitCode.PREFLIGHT if is_poor else ExitCode.OK


def _want(looked: Looked) -> HedgeWant:
    view, base = looked.view, looked.policy.base
    price = Decimal(protected_price(view, looked.policy))
    return HedgeWant(
        kinds=(OptionKind.PUT,),
        strike_from=price * _LOWEST,
        strike_to=price * Decimal("1.05"),
        expiry_from_s=view.now_s + DAY_S,
        expiry_to_s=view.now_s + 365 * DAY_S,
        size=TokenAmount(token=base, raw=10**base.decimals),
    )


def _checked(name: str, health: VenueHealth, looked: Looked) -> dict[str, Any]:
    view, policy = looked.view, looked.policy
    fallen = protected_price(view, policy) * (1 - STRESS)
    quotes = [one for one in view.protection.quotes if one.contract.venue == name]
    absent = [one for one in view.protection.absent if one.venue == name]
    silent = [one for one in absent if one.reason is NoQuoteReason.UNREACHABLE]
    held = [one for one in view.protection.positions if one.contract.venue == name]
    refused = [one for one in absent if one.reason is NoQuoteReason.PAUSED]
    paused = health.paused if health.paused is not None else bool(refused) and not quotes
    best = max(quotes, key=lambda one: _value(one, fallen), default=None)
    deepest = max(quotes, key=lambda one: one.available.raw, default=None)
    return {
        "venue": name,
        "bought_at": name in looked.settings.hedge.venues,
        "reachable": not any(one.contract is None or not quotes for one in silent),
        "paused": paused,
        "paused_contracts": len(refused),
        "price_age_s": health.price_age_s,
        "price_old": health.is_old,
        "search_blocks": _search_blocks(looked, name),
        "offers": len(quotes),
        "depth": None if deepest is None else words.exact(deepest.available.raw, deepest.available.token.decimals),
        "depth_token": policy.base.symbol,
        "payable": None if best is None or best.payable_cap is None else _exact(best.payable_cap),
        "best": None if best is None else _best(best, fallen),
        "held": len(held),
        "held_paid_after_fall": sum(protection.paid_at(one.contract, one.size.raw, fallen) for one in held),
        "fallen_price": fallen,
        "quote": policy.quote.symbol,
        "notes": list(
            dict.fromkeys([*([health.fault] if health.fault else []), *(_note(one.reason, one.note) for one in absent)])
        ),
    }


def _search_blocks(looked: Looked, name: str) -> int | None:
    """How many blocks' logs the node searches after a start; None where the venue needs no search."""
    first = getattr(getattr(looked.settings.chain.venues, name, None), "first_block", None)
    return None if first is None else max(looked.view.block.number - first, 0)


def _value(quoted: OptionQuote, fallen: float) -> float:
    """Paid after the fall for what it costs."""
    cost: float = quoted.cost.raw / 10**quoted.cost.token.decimals
    return protection.paid_at(quoted.contract, quoted.size.raw, fallen) / max(cost, 1e-9)


def _best(quoted: OptionQuote, fallen: float) -> dict[str, Any]:
    return {
        "option": protection.terms(quoted.contract),
        "size": words.exact(quoted.size.raw, quoted.size.token.decimals),
        "size_token": quoted.size.token.symbol,
        "expiry_s": quoted.contract.expiry_s,
        "cost": _exact(quoted.cost),
        "paid_after_fall": protection.paid_at(quoted.contract, quoted.size.raw, fallen),
    }


def _exact(amount: TokenAmount) -> dict[str, str]:
    return {"amount": words.exact(amount.raw, amount.token.decimals), "token": amount.token.symbol}


def _note(reason: NoQuoteReason, note: str) -> str:
    return f"{reason.value.replace('_', ' ')}: {note}"


def _tables(found: list[dict[str, Any]], looked: Looked) -> Iterator[RenderableType]:
    for one in found:
        yield table(f"Venue {one['venue']}", ("", "check", "found"), list(_rows(one)))
        notes = one["notes"]
        yield from (Text(f"  {note}") for note in notes[:4])
        if len(notes) > 4:
            yield Text(f"  and {len(notes) - 4} more: --json tells all")
    if not looked.policy.hedge.tiers:
        yield Text("nothing is bought: hedge.enabled = false")


def _rows(one: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    reached = "yes" if one["reachable"] else "no: what is held there is unknown, and nothing is bought anywhere meanwhile"
    yield _mark(ok=one["reachable"]), "reachable", reached
    refused = one["paused_contracts"]
    some = f", but {_counted(refused, 'contract')} not sold" if refused and not one["paused"] else ""
    yield _mark(ok=not one["paused"]), "paused", "yes: nothing can be bought" if one["paused"] else f"no{some}"
    age_s = one["price_age_s"]
    age = "not told" if age_s is None else f"its feed's round is {words.duration(age_s)} old"
    yield _mark(ok=not one["price_old"]), "oldest price", age
    if one["search_blocks"] is not None:
        yield " ", "search of logs", f"{one['search_blocks']:,} blocks after a start: chain.venues.{one['venue']}.first_block"
    if one["bought_at"]:
        yield from _sales(one)
    else:
        yield " ", "for sale", "not asked: it is not in hedge.venues; what is held there is looked after"
    if one["held"]:
        paid = words.money(one["held_paid_after_fall"], one["quote"])
        yield " ", "held there", f"{_counted(one['held'], 'option')}, {paid} due after that fall"


def _sales(one: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    depth = f", of one at most {Decimal(one['depth']):,.4f} {one['depth_token']}" if one["depth"] else ""
    yield _mark(ok=bool(one["offers"])), "for sale", f"{_counted(one['offers'], 'put')}{depth}"
    if one["best"] is not None:
        yield from _payments(one, one["best"])


def _payments(one: dict[str, Any], best: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    cap = one["payable"]
    payable = "all: every option is fully collateralised" if cap is None else f"{_money(cap)}, to all holders together"
    yield " ", "can pay out now", payable
    until = "" if best["expiry_s"] is None else f" until {words.utc(best['expiry_s'])}"
    due = words.money(best["paid_after_fall"], one["quote"])
    bought = f"{words.number(float(best['size']))} {best['size_token']} of a {best['option']}{until}"
    yield (
        " ",
        f"a fall of {STRESS:.0%}",
        (f"to {words.money(one['fallen_price'], one['quote'])}: {bought} costs {_money(best['cost'])} and is due {due}"),
    )


def _money(exact: dict[str, str]) -> str:
    return words.money(float(exact["amount"]), exact["token"])


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _mark(*, ok: bool) -> str:
    return "✓" if ok else "✗"

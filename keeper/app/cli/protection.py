"""Protection in words and tables: what is held, and what is due; made of a view and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import words
from keeper.app.cli.output import table
from keeper.core.model.option import NoQuote, NoQuoteReason, OptionContract, OptionKind, OptionPosition
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord
from keeper.core.model.view import Exercisable, HedgeMemory, MarketView, StandIn
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.strategy.hedge.deadline import late, lost, worth_of
from keeper.core.strategy.hedge.exposure import contract_payoffs
from keeper.core.strategy.hedge.offers import STRESS
from keeper.core.strategy.valuation import protected_price

# ---- what is held


def is_concerned(view: MarketView, policy: Policy) -> bool:
    """Whether there is anything to say: protection is on, or was bought."""
    return bool(policy.hedge.tiers or view.protection.positions or view.memory.hedge.premiums)


def held_document(position: OptionPosition) -> dict[str, Any]:
    """One held option; amounts as exact decimal text in whole tokens."""
    contract = position.contract
    return {
        "venue": contract.venue,
        "id": position.id,
        "legs": [{"kind": leg.kind.value, "strike": str(leg.strike), "ratio": str(leg.ratio)} for leg in contract.legs],
        "expiry_s": contract.expiry_s,
        "act_before_s": position.act_before_s,
        "state": position.state.value,
        "size": words.exact(position.size.raw, position.size.token.decimals),
        "size_token": position.size.token.symbol,
        "intrinsic": words.exact(position.intrinsic.raw, position.intrinsic.token.decimals),
        "intrinsic_token": position.intrinsic.token.symbol,
        "claimable": words.exact(position.claimable.raw, position.claimable.token.decimals),
        "claimable_token": position.claimable.token.symbol,
    }


def absent_document(one: NoQuote) -> dict[str, Any]:
    """Something that was asked for and is not offered."""
    return {"venue": one.venue, "reason": one.reason.value, "note": one.note}


def held_tables(view: MarketView, policy: Policy) -> list[RenderableType]:
    """Held options for a person, and which venues could not tell."""
    silent = [one for one in view.protection.absent if one.reason is NoQuoteReason.UNREACHABLE]
    if not view.protection.positions:
        return [Text("what is held is not known: a venue did not answer" if silent else "no options are held")]
    price, quote = protected_price(view, policy), policy.quote.symbol
    rows = [
        (
            one.contract.venue,
            one.id,
            words.amount(one.size.token, one.size.raw),
            terms(one.contract),
            ends(one.contract, view.now_s),
            one.state.value.replace("_", " "),
            "-" if one.act_before_s is None else _moment(one.act_before_s, view.now_s),
            words.amount(one.intrinsic.token, one.intrinsic.raw),
            words.amount(one.claimable.token, one.claimable.raw),
            words.money(paid_at(one.contract, one.size.raw, price * (1 - STRESS)), quote),
        )
        for one in view.protection.positions
    ]
    fallen = f"after -{STRESS:.0%}"
    columns = ("venue", "id", "covers", "option", "expires", "state", "exercise before", "pays now", "can be taken", fallen)
    shown = table("Protection", columns, rows, right=("covers", "pays now", "can be taken", fallen))
    return [shown, *(Text(_standing(one, policy)) for one in view.memory.hedge.stand_ins)]


def _standing(one: StandIn, policy: Policy) -> str:
    """What was bought in place of the other kind."""
    traded = "less" if one.kind is OptionKind.CALL else "more"
    size, strike = words.amount(policy.base, one.raw), words.money(float(one.strike), policy.quote.symbol)
    return f"{one.venue}: {one.kind} at {strike} on {size}, with as much {policy.base.symbol} {traded}, is a {one.kind.other}"


def terms(contract: OptionContract) -> str:
    """What a contract pays on."""
    return " and ".join(f"{leg.kind} at {words.money(float(leg.strike), contract.quote.symbol)}" for leg in contract.legs)


def paid_at(contract: OptionContract, size_raw: int, price: float) -> float:
    """What so much of a contract owes when the base is at a price; tokens of the quote."""
    return float(contract_payoffs(contract, size_raw, [price])[0])


def ends(contract: OptionContract, now_s: int) -> str:
    """When a contract expires."""
    return "never" if contract.expiry_s is None else _moment(contract.expiry_s, now_s)


def _moment(at_s: int, now_s: int) -> str:
    """To the minute: tables are wide enough as they are."""
    return f"{words.utc(at_s)[:16]} UTC, {ahead(at_s - now_s)}"


def ahead(seconds: int) -> str:
    """How far a moment is, either way."""
    return f"in {words.duration(seconds)}" if seconds >= 0 else f"{words.duration(-seconds)} ago"


# ---- where it stands


def premiums_year(memory: HedgeMemory, policy: Policy, now_s: int) -> float:
    """Premiums of the last 365 days, tokens of the quote."""
    unit = 10**policy.quote.decimals
    return math.fsum(one.raw / unit for one in memory.premiums if now_s - one.timestamp_s < SECONDS_A_YEAR)


def neglected(record: CycleRecord) -> tuple[Exercisable, ...]:
    """What the cycle should have exercised and did not, or found lost."""
    return (*lost(record.view), *late(record.view, record.decision, record.stages, record.policy))


def standing_document(record: CycleRecord, memory: HedgeMemory) -> dict[str, Any]:
    """Held options, next deadline, premiums and awake tiers.

    Args:
        record: newest ended cycle.
        memory: what it left.
    """
    view, policy = record.view, record.policy
    following = _next_deadline(view)
    return {
        "positions": [held_document(one) for one in view.protection.positions],
        "worth_quote": _worth(view, policy),
        "next_deadline": None if following is None else {"id": following.id, "act_before_s": following.act_before_s},
        "late": [_late_document(one) for one in late(view, record.decision, record.stages, policy)],
        "lost": [_late_document(one) for one in lost(view)],
        "premiums_year": premiums_year(memory, policy, view.now_s),
        "quote": policy.quote.symbol,
        "awake": list(memory.awake),
    }


def standing_lines(record: CycleRecord, memory: HedgeMemory) -> list[RenderableType]:
    """The same for a person; nothing where protection was never on."""
    view, policy = record.view, record.policy
    if not (is_concerned(view, policy) or memory.premiums):
        return []
    symbol, count = policy.quote.symbol, len(view.protection.positions)
    options = "1 option" if count == 1 else f"{count or 'no'} options"
    line = f"protection: {options} held"
    if count:
        line += f", in the money by {words.money(_worth(view, policy), symbol)}"
    line += f"; premiums of the last 365 days {words.money(premiums_year(memory, policy, view.now_s), symbol)}"
    line += (
        f"; awake: {', '.join(memory.awake) or 'no tier'}" if policy.hedge.tiers else "; buying is off: hedge.enabled = false"
    )
    shown = [Text(line)]
    following = _next_deadline(view)
    if following is not None and following.act_before_s is not None:
        shown.append(
            Text(f"next deadline: {following.id} at {following.contract.venue}, {_moment(following.act_before_s, view.now_s)}")
        )
    return [*shown, *silent_lines(view.protection.absent), *alarm_lines(record)]


def silent_lines(absent: Sequence[NoQuote]) -> list[RenderableType]:
    """Venues of which it is not known what is held there."""
    silent = [one for one in absent if one.reason is NoQuoteReason.UNREACHABLE and one.contract is None]
    return [Text(f"{one.venue}: {one.note}", style="bold") for one in silent]


def alarm_lines(record: CycleRecord) -> list[RenderableType]:
    """What a person must do something about at once."""
    view, symbol = record.view, record.policy.quote.symbol
    shown: list[RenderableType] = [
        Text(
            f"EXERCISE NOW: option {one.id} at {one.venue} pays {words.money(one.worth_quote, symbol)} until "
            f"{words.utc(one.act_before_s)} ({ahead(one.act_before_s - view.now_s)}): keeper hedge exercise {one.id} --live",
            style="bold red",
        )
        for one in late(view, record.decision, record.stages, record.policy)
    ]
    shown += [
        Text(
            f"LOST: option {one.id} at {one.venue} passed its deadline unexercised; "
            f"it paid {words.money(one.worth_quote, symbol)} when last seen",
            style="bold red",
        )
        for one in lost(view)
    ]
    return shown


def _late_document(one: Exercisable) -> dict[str, Any]:
    return {"venue": one.venue, "id": one.id, "act_before_s": one.act_before_s, "worth_quote": one.worth_quote}


def _worth(view: MarketView, policy: Policy) -> float:
    return math.fsum(worth_of(one.intrinsic, view, policy) for one in view.protection.positions)


def _next_deadline(view: MarketView) -> OptionPosition | None:
    dated = [one for one in view.protection.positions if one.act_before_s is not None]
    return min(dated, key=lambda one: one.act_before_s or 0, default=None)

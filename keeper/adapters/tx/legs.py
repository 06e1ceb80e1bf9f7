"""What a stage takes: transactions of its own in order, what is approved immediately before each, and what that may leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import Call, Spending, approved_spender, is_approval, spendings, stage_call
from keeper.adapters.tx.signer import decode_transaction
from keeper.core.model.errors import Refused
from keeper.core.model.plan import CloseOption, OpenOption, OptionStep, Stage, StageKind
from keeper.core.model.record import Attempt, Intent
from keeper.ports.options import NotYet, OptionVenue, VenueCall, VenuePlan

NO_VENUES: Mapping[str, OptionVenue] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One transaction of a stage's own."""

    call: Call
    spends: tuple[Spending, ...]
    """What it takes by allowance; nothing of it is allowed before the leg begins or after it ends."""


def stage_legs(stage: Stage, deadline_s: int, account: Account, venues: Mapping[str, OptionVenue]) -> tuple[Leg, ...]:
    """One leg for a stage of the ladder, and as many as its venue says for an option.

    Raises:
        Refused: the steps do not belong to the stage's kind, or the venue refuses them or is not known.
    """
    if stage.kind is StageKind.PROTECT:
        return _option_legs(stage.option, venues)
    return (Leg(call=stage_call(stage, deadline_s, account, ()), spends=spendings(stage, account)),)


def call_count(intent: Intent, venues: Mapping[str, OptionVenue]) -> int:
    """How many legs the stage of an intent takes: a venue asks nothing to plan, so it says after a crash what it said before.

    Raises:
        Refused: the venue does not say so any more.
    """
    return len(_option_legs(intent.option, venues)) if intent.stage is StageKind.PROTECT else 1


def venue_allowances(pairs: Iterable[tuple[str, str]], account: Account) -> tuple[tuple[str, str], ...]:
    """Those of the allowances (token and spender) that a stage of the ladder would not look at."""
    return tuple(pair for pair in dict.fromkeys(pairs) if pair not in account.house_allowances)


def venue_allowances_set(attempts: Sequence[Attempt], account: Account) -> tuple[tuple[str, str], ...]:
    """Allowances beside the house's that were set by any of the attempts.

    Raises:
        JournalFault: one is not a signed transaction.
    """
    signed = [decode_transaction(attempt.raw) for attempt in attempts]
    return venue_allowances(((one.to, approved_spender(one.data)) for one in signed if is_approval(one.data)), account)


def _option_legs(step: OptionStep | None, venues: Mapping[str, OptionVenue]) -> tuple[Leg, ...]:
    if step is None:
        raise Refused(f"a {StageKind.PROTECT} stage holds exactly one purchase or exit of an option")
    plan = _plan(step, venues)
    if isinstance(plan, NotYet):
        raise Refused(plan.why)
    if not plan.calls:
        raise Refused("the venue is not on the chain: it asks for no call")
    return tuple(_leg(call) for call in plan.calls)


def _plan(step: OptionStep, venues: Mapping[str, OptionVenue]) -> VenuePlan | NotYet:
    match step:
        case OpenOption():
            return _venue(step.quote.contract.venue, venues).plan_open(step.quote, step.max_cost)
        case CloseOption():
            return _venue(step.position.contract.venue, venues).plan_close(step.position, step.how, step.min_out)


def _venue(name: str, venues: Mapping[str, OptionVenue]) -> OptionVenue:
    if name not in venues:
        raise Refused(f"{name} is not a configured venue")
    return venues[name]


def _leg(call: VenueCall) -> Leg:
    if call.value_wei:
        # What of it comes back leaves no log, so that nobody could tell from the receipt what was paid.
        raise Refused(f"{call.label}: pays native currency")
    if is_approval(call.data):
        raise Refused(f"{call.label}: approves by itself, where allowances are to be named")
    spends = tuple(Spending(token=one.token, spender=one.spender, amount=one.amount) for one in call.allowances)
    return Leg(call=Call(to=call.to, value_wei=0, data=call.data, label=call.label), spends=spends)

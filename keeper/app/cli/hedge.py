"""Protection: what is held, what is wanted and offered, and a person's own orders."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import starmap
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.adapters.evm.rpc import Rpc
from keeper.app import bootstrap
from keeper.app.cli import explain as explaining
from keeper.app.cli import lean, option_offers, protection, sentences, words
from keeper.app.cli.act import ACT_CODES, DRY, LIVE, account_of, loaded, memory_of, prove, telemetry_of
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.hedge_confirm import asked
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.app.settings import Need, Settings, to_policy
from keeper.app.venues import OpenVenues, open_venues
from keeper.core.model.decision import Decision
from keeper.core.model.errors import ConfigError, Fault, Refused
from keeper.core.model.option import (
    CloseHow,
    Exercise,
    HedgeWant,
    NoQuoteReason,
    OptionPosition,
    PositionState,
    ProtectionView,
)
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.strategy.hedge.budget import budget, funds
from keeper.core.strategy.hedge.needs import needs, reference_volatility, want_of, wanted_quotes
from keeper.core.strategy.hedge.orders import buy_decision, end_decision, ordering
from keeper.core.strategy.valuation import worth
from keeper.engine.cycle import Decide, run_cycle, think
from keeper.engine.protect import market_of
from keeper.ports.options import ProtectionDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The market, the ladder and the venues at one block."""

    settings: Settings
    policy: Policy
    view: MarketView
    """With what is held; with quotes where they were asked for."""
    readings: Sequence[SignalReading]
    rpc: Rpc
    venues: OpenVenues
    desk: ProtectionDesk

    @property
    def only_held(self) -> tuple[str, ...]:
        """Venues that are looked after, and not bought at."""
        return tuple(venue.name for venue in self.venues.venues if venue.name not in self.settings.hedge.venues)

    @property
    def is_known(self) -> bool:
        """Whether every venue told what is held."""
        return not any(one.reason is NoQuoteReason.UNREACHABLE for one in self.view.protection.absent)

    def offered(self, wants: tuple[HedgeWant, ...]) -> Looked:
        """The same with what the venues offer for these wants."""
        view = self.view
        if not wants:
            return self
        found = self.desk.offers(market_of(view, self.readings, self.policy), wants, view.block)
        absent = tuple(dict.fromkeys((*view.protection.absent, *found.absent)))
        known = ProtectionView(positions=view.protection.positions, quotes=found.quotes, absent=absent)
        return replace(self, view=replace(view, protection=known))


@contextlib.contextmanager
def looking(session: Session) -> Generator[Looked]:
    """Look at the newest block, as the next cycle would, and at what is held there.

    Raises:
        ConfigError: something is missing, or no venue of the chain serves the pair.
        Transient: the node could not be asked.
    """
    settings = session.load(Need.NODE, Need.ACCOUNT).settings
    policy = to_policy(settings)
    address = account_of(settings)
    with contextlib.closing(bootstrap.open_rpc(settings)) as rpc, memory_of(settings, policy, address) as journal:
        options = open_venues(settings, policy, rpc, address, journal.memory())
        if (desk := options.desk) is None:
            raise ConfigError([_no_venue(settings, policy)])
        thought = think(bootstrap.open_source(settings, policy, rpc, address), journal, policy)
        view = thought.sight.view
        held = desk.held(market_of(view, thought.readings, policy), address, view.block)
        yield Looked(
            settings=settings,
            policy=policy,
            view=replace(view, protection=held),
            readings=thought.readings,
            rpc=rpc,
            venues=options,
            desk=desk,
        )


def _no_venue(settings: Settings, policy: Policy) -> str:
    pair = f"{policy.base.symbol}/{policy.quote.symbol}"
    return (
        f"chain.venues: no venue of {settings.chain.name} sells options on {pair}; "
        "say where one stands in [chain.venues], and name it in hedge.venues"
    )


def show(session: Session) -> ExitCode:
    """What is held, what every tier wants, and what is left to spend."""
    with looking(session) as looked:
        session.out.show(_held_document(looked), *_held_tables(looked))
    return ExitCode.OK if looked.is_known else ExitCode.CHAIN


def quote(session: Session, size: str | None) -> ExitCode:
    """Ask every venue for every tier, awake or not; nothing is bought."""
    wanted = None if size is None else _size(size)
    with looking(session) as looked:
        if not looked.policy.hedge.tiers:
            raise ConfigError(
                ["hedge.enabled: is false, so there are no tiers to quote for; keeper hedge doctor asks all the same"]
            )
        offered = looked.offered(_wants(looked, wanted))
    view = offered.view
    rows = option_offers.judged(view, offered.readings, offered.policy)
    document = {
        "block": view.block.number,
        "offers": list(starmap(option_offers.offer_document, rows)),
        "absent": [protection.absent_document(one) for one in view.protection.absent],
    }
    nothing = [] if rows else [Text(_no_offer(offered))]
    session.out.show(
        document, *nothing, *option_offers.offer_tables(rows, view.now_s), *option_offers.absent_lines(view.protection.absent)
    )
    return ExitCode.OK if offered.is_known else ExitCode.CHAIN


def _size(text: str) -> float:
    try:
        size = Decimal(text)
    except ArithmeticError:
        size = Decimal(0)
    if not size.is_finite() or size <= 0:
        raise ConfigError([f"--size: {text!r}: must be a number above 0, in tokens of the base"])
    return float(size)


def _wants(looked: Looked, size: float | None) -> tuple[HedgeWant, ...]:
    """What ``hedge buy`` would ask for each tier; the tier's full size where nothing is left to spend or to cover."""
    view, policy = looked.view, looked.policy
    every = needs(view, policy)
    found: list[HedgeWant | None] = []
    for tier in policy.hedge.tiers:
        own = () if size else wanted_quotes(view, looked.readings, ordering(policy, tier.name))
        found += own or [want_of(one, view, policy, size or one.size) for one in every if one.tier.name == tier.name]
    return tuple([want for want in found if want is not None])


def _no_offer(looked: Looked) -> str:
    if not needs(looked.view, looked.policy):
        return "no tier wants anything: there is no ladder, or the price is past every strike"
    return "nobody offers what a tier wants now; --size asks for another amount"


def buy(session: Session, tier: str, *, live: bool, yes: bool) -> ExitCode:
    """Buy the best sound offer for one tier now."""
    settings = loaded(session, LIVE if live else DRY)
    policy = to_policy(settings)
    if not policy.hedge.tiers:
        raise ConfigError(["hedge.enabled: is false; protection is bought only where the configuration says so"])
    if policy.hedge.tier(tier) is None:
        known = ", ".join(one.name for one in policy.hedge.tiers)
        raise ConfigError([f"there is no tier {tier!r}; there are {known}"])
    decide = asked(settings, "hedge buy --live", _buying) if live and not yes else _buying
    return _ordered(session, settings, live=live, rules=ordering(policy, tier), decide=decide)


def _buying(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
    if reference_volatility(readings) is None:
        raise Refused("volatility cannot be told yet, so no price can be judged: keeper signals says what is lacking")
    return buy_decision(view, readings, policy)


def end(session: Session, position_id: str, how: CloseHow | None, *, live: bool, yes: bool) -> ExitCode:
    """Exercise, redeem, sell or clear away one held option; without ``how`` in the way that its state asks for."""
    settings = loaded(session, LIVE if live else DRY)

    def decide(view: MarketView, _readings: Sequence[SignalReading], policy: Policy) -> Decision:
        position = _held(view, position_id)
        chosen = how or _natural_way(position)
        _must_be_possible(position, chosen)
        return end_decision(view, policy, position_id, chosen)

    command = "hedge exercise --live" if how is CloseHow.EXERCISE else "hedge close --live"
    agreed = asked(settings, command, decide) if live and not yes else decide
    return _ordered(session, settings, live=live, rules=to_policy(settings), decide=agreed)


def _held(view: MarketView, position_id: str) -> OptionPosition:
    for position in view.protection.positions:
        if position.id == position_id:
            return position
    silent = sorted({one.venue for one in view.protection.absent if one.reason is NoQuoteReason.UNREACHABLE})
    if silent:
        raise Refused(f"what is held at {', '.join(silent)} cannot be read now; try again, and see keeper hedge doctor")
    held = ", ".join(position.id for position in view.protection.positions) or "none"
    raise ConfigError([f"option {position_id} is not held; held are: {held}"])


def _natural_way(position: OptionPosition) -> CloseHow:
    match position.state:
        case PositionState.REDEEMABLE | PositionState.AWAITING_PRICE:
            return CloseHow.REDEEM
        case PositionState.EXPIRED_WORTHLESS:
            return CloseHow.RELEASE
        case PositionState.ITM_EXERCISABLE:
            return CloseHow.EXERCISE
        case _:
            raise Refused(f"option {position.id} is {_state(position)}: say --how to end it early, if the venue buys it back")


def _must_be_possible(position: OptionPosition, how: CloseHow) -> None:
    """Refuse with a remedy what the venue would refuse anyhow."""
    contract = position.contract
    if how is CloseHow.EXERCISE and contract.exercise is Exercise.AUTO:
        raise Refused(
            f"{contract.venue} settles option {position.id} by itself when it expires: keeper hedge close {position.id} "
            "takes what it paid afterwards, --how sell sells it before"
        )
    if how is CloseHow.EXERCISE and position.state is not PositionState.ITM_EXERCISABLE:
        raise Refused(f"option {position.id} is {_state(position)}: exercising it would pay nothing")
    is_pending = position.state in {PositionState.OPEN, PositionState.ITM_EXERCISABLE} and contract.expiry_s is not None
    if how in {CloseHow.REDEEM, CloseHow.RELEASE} and is_pending:
        assert contract.expiry_s is not None
        raise Refused(f"option {position.id} has not expired: {how.value} is for after {words.utc(contract.expiry_s)}")
    if how is CloseHow.EXERCISE and not position.claimable.raw:
        owed = words.amount(position.intrinsic.token, position.intrinsic.raw)
        raise Refused(
            f"option {position.id} owes {owed} and {contract.venue} cannot pay it now; keeper hedge doctor tells what it can"
        )


def _state(position: OptionPosition) -> str:
    return "not in the money" if position.state is PositionState.OPEN else position.state.value.replace("_", " ")


def way_out(how: str | None) -> CloseHow | None:
    """The way to end an option that a person named; None when none was.

    Raises:
        ConfigError: there is no such way.
    """
    if how is None:
        return None
    try:
        return CloseHow(how)
    except ValueError:
        raise ConfigError([f"--how: {how!r}: must be one of {', '.join(CloseHow)}"]) from None


def _ordered(
    session: Session,
    settings: Settings,
    *,
    live: bool,
    rules: Policy,
    decide: Decide,
) -> ExitCode:
    prove(settings)
    with bootstrap.build(settings, live=live, telemetry=telemetry_of(session, settings), ordered=True) as keeper:
        if (why := keeper.journal.control()) is not None:
            raise Fault(f"{why}; take it back first: keeper resume --clear-halt (no keeper runs now, so nothing else acts)")
        if keeper.ports.desk is None:
            raise ConfigError([_no_venue(settings, rules)])
        record = run_cycle(keeper.ports, rules, decide)
    session.out.show(explaining.document(record), *explaining.render(record), Text(_afterwards(record), style="bold"))
    return ExitCode.CHAIN if record.plan is None else ACT_CODES.get(record.state, ExitCode.OK)


def _afterwards(record: CycleRecord) -> str:
    moves = "; ".join(sentences.move(move) for move in record.decision.moves)
    match record.state:
        case CycleState.DONE:
            return f"done: {moves}"
        case CycleState.SIMULATED:
            return f"a dry run, nothing was signed: {moves}. --live does it"
        case CycleState.UNKNOWN:
            return "its transaction is on its way: the next cycle settles it first"
        case CycleState.NOT_DONE:
            return f"not done: {moves}; the reason stands under Outcomes"
        case _:
            return sentences.not_bought(record.decision)


def _held_document(looked: Looked) -> dict[str, Any]:
    view, policy = looked.view, looked.policy
    left = budget(view, policy, worth(view, policy).total)
    return {
        "block": view.block.number,
        "positions": [protection.held_document(one) for one in view.protection.positions],
        "absent": [protection.absent_document(one) for one in view.protection.absent],
        "awake": list(view.memory.hedge.awake),
        "base": policy.base.symbol,
        "quote": policy.quote.symbol,
        "tiers": [
            {
                "tier": need.tier.name,
                "kind": need.kind.value,
                "strike": need.strike,
                "size": need.size,
                "covered": need.held,
            }
            for need in option_offers.wants(view, looked.readings, policy)
        ],
        "lean": lean.document(lean.rows(view, looked.readings, policy)),
        "enabled": bool(policy.hedge.tiers),
        "only_held": list(looked.only_held),
        "premiums_year": protection.premiums_year(view.memory.hedge, policy, view.now_s),
        "left_of_fees": left.of_fees,
        "left_of_capital": left.of_capital,
        "in_wallet": funds(view, policy),
    }


def _held_tables(looked: Looked) -> list[RenderableType]:
    view, policy = looked.view, looked.policy
    told, symbol = _held_document(looked), policy.quote.symbol
    head = f"{policy.base.symbol} at {words.money(worth(view, policy).price, symbol)}, block {view.block.number}, "
    shown: list[RenderableType] = [Text(head + words.utc(view.now_s)), *protection.held_tables(view, policy)]
    why = "it is not in hedge.venues; what is held there is looked after"
    shown += [Text(f"nothing is bought at {name}: {why}") for name in looked.only_held]
    shown += lean.tables(lean.rows(view, looked.readings, policy), policy)
    if not policy.hedge.tiers:
        shown.append(Text("nothing is bought: hedge.enabled = false; what is held is looked after"))
        return [*shown, *option_offers.absent_lines(view.protection.absent)]
    shown += _ladder_table(told, policy) if told["tiers"] else [Text(_no_offer(looked))]
    spent = f"premiums of the last 365 days {words.money(told['premiums_year'], symbol)}; "
    left = f"left to spend: {words.money(told['left_of_fees'], symbol)} of the share of fees, "
    left += f"{words.money(told['left_of_capital'], symbol)} of the year's ceiling; "
    shown.append(Text(spent + left + f"{words.money(told['in_wallet'], symbol)} in the wallet"))
    return [*shown, *option_offers.absent_lines(view.protection.absent)]


def _ladder_table(told: dict[str, Any], policy: Policy) -> list[RenderableType]:
    rows = [
        (
            one["tier"],
            one["kind"],
            words.money(one["strike"], policy.quote.symbol),
            f"{one['size']:,.4f} {policy.base.symbol}",
            f"{one['covered']:,.4f} {policy.base.symbol}",
            "awake" if one["tier"] in told["awake"] else "asleep",
        )
        for one in told["tiers"]
    ]
    columns = ("tier", "kind", "strike", "wants", "covered", "at the last cycle")
    return [table("Hedge ladder", columns, rows, right=("strike", "wants", "covered"))]

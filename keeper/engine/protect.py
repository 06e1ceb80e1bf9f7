"""What a cycle knows of options: asked for at its own block, made part of its view, and called out when a duty is late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from keeper.core.model.decision import Decision
from keeper.core.model.option import OptionMarket, ProtectionView
from keeper.core.model.policy import Policy
from keeper.core.model.record import StageRecord
from keeper.core.model.view import Exercisable, MarketView, SignalReading
from keeper.core.strategy.hedge.deadline import late, lost
from keeper.core.strategy.hedge.lean import steering_quotes
from keeper.core.strategy.hedge.needs import reference_volatility, wanted_quotes
from keeper.core.strategy.valuation import protected_price
from keeper.ports.options import ProtectionDesk
from keeper.ports.telemetry import Telemetry


def with_protection(desk: ProtectionDesk, view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> MarketView:
    """The view with what is held at the venues and, where protection is due, what they offer.

    Raises:
        Transient: the node could not be asked.
    """
    market = market_of(view, readings, policy)
    held = desk.held(market, view.wallet.address, view.block)
    knowing = view if held == view.protection else replace(view, protection=held)
    # nothing is bought while somewhere it is not known what is held: it would be bought twice
    wants = () if held.absent else wanted_quotes(knowing, readings, policy) or steering_quotes(knowing, readings, policy)
    if not wants:
        return knowing
    offered = desk.offers(market, wants, view.block)
    return replace(
        view,
        protection=ProtectionView(
            positions=held.positions, quotes=offered.quotes, absent=tuple(dict.fromkeys((*held.absent, *offered.absent)))
        ),
    )


def market_of(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> OptionMarket:
    """The market as venues are told of it: at the protected price, with the reference volatility."""
    volatility = reference_volatility(readings)
    return OptionMarket(
        base=policy.base,
        quote=policy.quote,
        price=Decimal(protected_price(view, policy)),
        now_s=view.now_s,
        block=view.block.number,
        reference_volatility=None if volatility is None else Decimal(volatility),
    )


def alarm(telemetry: Telemetry, view: MarketView, decision: Decision, stages: Sequence[StageRecord], policy: Policy) -> None:
    """The highest alarm: in every cycle for an option whose exercise is due and was not done, and once for a lost one."""
    if not view.protection.positions and not view.memory.hedge.exercisable:
        return
    for one in lost(view):
        telemetry.event("protection.lost", **_told(one, view, policy))
    for one in late(view, decision, stages, policy):
        telemetry.event("protection.deadline", **_told(one, view, policy))


def _told(one: Exercisable, view: MarketView, policy: Policy) -> dict[str, object]:
    return {
        "venue": one.venue,
        "option": one.id,
        "act_before_s": one.act_before_s,
        "left_s": one.act_before_s - view.now_s,
        "worth": round(one.worth_quote, 2),
        "unit": policy.quote.symbol,
    }

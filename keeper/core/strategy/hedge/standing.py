"""What held options stand for: a call beside a sale of base is a put, and a put beside a purchase of base is a call.

Nothing at a venue tells, so the journal remembers. What it does not know, because it was bought otherwise or its memory is
lost, stands for itself: taken for the other kind without the base traded beside it, it would leave the ladder uncovered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from keeper.core.model.decision import BuyProtection, Decision
from keeper.core.model.option import Leg, NoQuoteReason, OptionContract, OptionKind, OptionPosition, PositionState
from keeper.core.model.record import StageRecord
from keeper.core.model.view import MarketView, StandIn
from keeper.core.strategy.hedge.carried import carried_out

LIVE = frozenset({PositionState.OPEN, PositionState.ITM_EXERCISABLE})
"""States in which what an option pays still follows the price."""
Terms: TypeAlias = tuple[str, OptionKind, Decimal, int]
"""Venue, kind, strike and expiry: what is alike in them is the same option, whatever its venue calls it."""


class Part(NamedTuple):
    """Of a held option what stands for one kind."""

    kind: OptionKind
    """That it stands for."""
    leg: Leg
    """As it is held."""
    size: float
    """Tokens of the base."""


def parts(positions: Iterable[OptionPosition], known: Sequence[StandIn]) -> Iterator[Part]:
    """Held options leg by leg, by what they stand for; of those on the same terms the first stand in.

    Args:
        positions: to be counted.
        known: the journal's memory of them.
    """
    left = {_terms(one): one.raw for one in known}
    for position in positions:
        raw, unit, turned = position.size.raw, 10**position.contract.base.decimals, 0
        terms = terms_of(position.contract) if left else None
        if terms is not None and terms in left:
            turned = min(left[terms], raw)
            left[terms] -= turned
        for leg in position.contract.legs:
            if raw > turned:
                yield Part(leg.kind, leg, float(leg.ratio) * (raw - turned) / unit)
            if turned:
                yield Part(leg.kind.other, leg, float(leg.ratio) * turned / unit)


def stands_in(view: MarketView, kind: OptionKind) -> bool:
    """Whether an option of that kind is held in place of the other."""
    held = _live_raw(view) if view.memory.hedge.stand_ins else {}
    return any(one.kind is kind and _terms(one) in held for one in view.memory.hedge.stand_ins)


def bought_for_other(decision: Decision, stages: Sequence[StageRecord]) -> list[BuyProtection]:
    """Purchases in place of the other kind that a cycle really carried out."""
    done = [move for move, _ in carried_out(decision, stages) if isinstance(move, BuyProtection)]
    return [move for move in done if move.stands_for is not None]


def standing_after(view: MarketView, decision: Decision, stages: Sequence[StageRecord]) -> tuple[StandIn, ...]:
    """What stands for the other kind after a cycle: what still did and is still held, and what was really bought so.

    Of an option that is held for both, what goes is the part that stands for itself: base was traded beside the rest. While a
    venue does not tell what is held there nothing of it is forgotten.

    Args:
        view: of the cycle.
        decision: of the cycle.
        stages: how each stage that was begun went.
    """
    known = view.memory.hedge.stand_ins
    bought = bought_for_other(decision, stages)
    if not known and not bought:
        return ()
    held, silent = _live_raw(view), {one.venue for one in view.protection.absent if one.reason is NoQuoteReason.UNREACHABLE}
    left = {
        terms: one.raw if one.venue in silent else min(one.raw, held.get(terms, 0))
        for terms, one in ((_terms(one), one) for one in known)
    }
    for move in bought:
        terms = terms_of(move.quote.contract)
        assert terms is not None
        left[terms] = left.get(terms, 0) + move.quote.size.raw
    return tuple(
        [
            StandIn(venue=venue, kind=kind, strike=strike, expiry_s=expiry_s, raw=raw)
            for (venue, kind, strike, expiry_s), raw in left.items()
            if raw
        ]
    )


def terms_of(contract: OptionContract) -> Terms | None:
    """What a contract is known by; None for those that cannot stand for the other kind: of several legs, or without an end."""
    if contract.expiry_s is None or len(contract.legs) != 1:
        return None
    (leg,) = contract.legs
    return contract.venue, leg.kind, leg.strike, contract.expiry_s


def _terms(one: StandIn) -> Terms:
    return one.venue, one.kind, one.strike, one.expiry_s


def _live_raw(view: MarketView) -> Mapping[Terms, int]:
    """Raw units of the base that are held on each terms and still follow the price."""
    held: dict[Terms, int] = {}
    for position in view.protection.positions:
        terms = terms_of(position.contract)
        if terms is not None and position.state in LIVE:
            held[terms] = held.get(terms, 0) + position.size.raw
    return held

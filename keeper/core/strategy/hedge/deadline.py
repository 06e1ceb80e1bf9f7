"""The duty to exercise: which held options pay only until a deadline, which are late, and which were lost."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.core.model.decision import Decision, EndProtection
from keeper.core.model.option import NoQuoteReason, OptionPosition, PositionState
from keeper.core.model.policy import Policy
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import Exercisable, MarketView
from keeper.core.strategy.hedge.carried import carried_out
from keeper.core.strategy.valuation import protected_price, wei_to_quote


def is_due(act_before_s: int, view: MarketView, policy: Policy) -> bool:
    """Whether the time to exercise has come: the margin before the deadline has begun."""
    return view.now_s >= act_before_s - policy.hedge.exercise_margin_s


def worth_of(amount: TokenAmount, view: MarketView, policy: Policy) -> float:
    """An amount of quote or base, in tokens of the quote at the protected price."""
    tokens: float = amount.raw / 10**amount.token.decimals
    return tokens * (protected_price(view, policy) if amount.token.address == policy.base.address else 1.0)


def gas_to_end(position: OptionPosition, view: MarketView, policy: Policy) -> float:
    """What the transaction that ends a held option costs, in tokens of the quote."""
    wei = position.gas_close * view.gas.price_wei
    return wei_to_quote(policy, protected_price(view, policy), wei)


def exercisable(view: MarketView, policy: Policy) -> tuple[Exercisable, ...]:
    """Held options that are in the money by more than their gas and are worth nothing after a deadline.

    Judged by what they owe, not by what the venue can pay now: that it cannot is a reason to look, not to be silent. Those that
    were known at the last cycle stay known while their venue cannot be read.
    """
    seen = tuple(
        [
            Exercisable(
                venue=one.contract.venue,
                id=one.id,
                act_before_s=one.act_before_s,
                worth_quote=worth_of(one.intrinsic, view, policy),
            )
            for one in view.protection.positions
            if one.state is PositionState.ITM_EXERCISABLE
            and one.act_before_s is not None
            and worth_of(one.intrinsic, view, policy) > gas_to_end(one, view, policy)
        ]
    )
    held, silent = _held(view), _silent(view)
    return seen + tuple(
        [one for one in view.memory.hedge.exercisable if one.venue in silent and (one.venue, one.id) not in held]
    )


def left_exercisable(
    view: MarketView, decision: Decision, stages: Sequence[StageRecord], policy: Policy
) -> tuple[Exercisable, ...]:
    """The same after the cycle: without what it ended."""
    ended = {
        (move.position.contract.venue, move.position.id)
        for move, _ in carried_out(decision, stages)
        if isinstance(move, EndProtection)
    }
    return tuple([one for one in exercisable(view, policy) if (one.venue, one.id) not in ended])


def late(view: MarketView, decision: Decision, stages: Sequence[StageRecord], policy: Policy) -> tuple[Exercisable, ...]:
    """Options whose exercise is due and that the cycle did not end: money is lost unless a person helps."""
    return tuple([one for one in left_exercisable(view, decision, stages, policy) if is_due(one.act_before_s, view, policy)])


def lost(view: MarketView) -> tuple[Exercisable, ...]:
    """Options that were in the money when last seen and have passed their deadline unexercised, told by the first view after.

    One that is not held any more counts too: anybody may clear an expired option away, and whoever exercised it elsewhere
    meanwhile knows.
    """
    silent = _silent(view)
    states = {(one.contract.venue, one.id): one.state for one in view.protection.positions}
    gone = {None, PositionState.EXPIRED_WORTHLESS}
    return tuple(
        [
            one
            for one in view.memory.hedge.exercisable
            if view.now_s >= one.act_before_s and one.venue not in silent and states.get((one.venue, one.id)) in gone
        ]
    )


def _held(view: MarketView) -> set[tuple[str, str]]:
    return {(one.contract.venue, one.id) for one in view.protection.positions}


def _silent(view: MarketView) -> set[str]:
    """Venues that did not answer."""
    return {one.venue for one in view.protection.absent if one.reason is NoQuoteReason.UNREACHABLE}

"""The base that is traded beside an option to make it the other kind: how much for what, what refuses it, and what is left.

Beside a call in place of a put base is sold, beside a put in place of a call it is bought. The option has come first; what the
swap then leaves is tried again in every cycle for as long as the option is held. Once that has ended nothing is traded back: at
its end option and trade are together worth what the other kind would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.core.model.decision import Decision, Reason, TiltInventory, Veto
from keeper.core.model.option import OptionKind
from keeper.core.model.plan import Done, StageKind
from keeper.core.model.policy import Policy
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView, StandIn
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy import gates
from keeper.core.strategy.benefit import sale_expense
from keeper.core.strategy.hedge.standing import bought_for_other, stands_in
from keeper.core.strategy.valuation import idle_raw, protected_price, worth

BESIDE = "hedge_beside"
"""An option was bought in place of the other kind, and base is still to be traded beside it."""


def due_beside(kind: OptionKind, size_raw: int) -> int:
    """Base to be sold (below 0: bought) beside so much of an option of that kind, raw units."""
    return size_raw if kind is OptionKind.CALL else -size_raw


def spot_price(view: MarketView, policy: Policy) -> float:
    """At which a swap begins, tokens of the quote."""
    return price_at_sqrt(policy, view.pool(policy.signal_pool).state.sqrt_price_x96)


def sold_for(due_raw: int, view: MarketView, policy: Policy) -> TokenAmount:
    """What is sold so that so much of the base goes, or below 0 comes.

    The base itself; or its price at spot with the swap's own cost, in quote, rounded **down**: a swap is of an exact amount in.

    Args:
        due_raw: raw units of the base.
        view: of the cycle.
        policy: the rules.
    """
    if due_raw >= 0:
        return TokenAmount(token=policy.base, raw=due_raw)
    price = spot_price(view, policy)
    value = -due_raw / 10**policy.base.decimals * price
    cost = sale_expense(view, policy, 0, value, price).swap_quote
    return TokenAmount(token=policy.quote, raw=int((value + cost) * 10**policy.quote.decimals))


def sale_vetoes(sold: TokenAmount, view: MarketView, policy: Policy) -> tuple[Veto, ...]:
    """What refuses to sell so much of base or quote that lies idle."""
    price, tokens = protected_price(view, policy), sold.raw / 10**sold.token.decimals
    value = tokens * price if sold.token.address == policy.base.address else tokens
    found = (
        gates.twap(view, policy, policy.execution.swap_pools, None),
        gates.min_value(None, value, policy),
        gates.gas_per_day(view, policy, None, wei=sale_expense(view, policy, 0, value, price).gas_wei),
    )
    return tuple([veto for veto in found if veto is not None])


def rest(
    view: MarketView, policy: Policy, closed: tuple[Veto, ...]
) -> tuple[TiltInventory | None, tuple[Reason, ...], tuple[Veto, ...]]:
    """The sale that an option still waits for, what asks for it and what refuses it: it is tried again in every cycle.

    Args:
        view: of the cycle.
        policy: the rules.
        closed: gates that refuse every sale of this cycle.
    """
    due_raw = view.memory.hedge.beside_raw
    kind = OptionKind.CALL if due_raw > 0 else OptionKind.PUT
    if not due_raw or not stands_in(view, kind):
        return None, (), ()
    done = "sold" if due_raw > 0 else "bought"
    unit = f"{policy.base.symbol} still to be {done} beside {kind}s in place of {kind.other}s"
    found: float = abs(due_raw) / 10**policy.base.decimals
    reason = Reason(trigger=BESIDE, layer=None, found=found, limit=0.0, unit=unit)
    wanted = sold_for(due_raw, view, policy)
    idle = max(idle_raw(view, policy, wanted.token, worth(view, policy).total), 0)
    sold = replace(wanted, raw=min(wanted.raw, idle))
    vetoes = (*closed, *sale_vetoes(sold, view, policy))
    return (None if vetoes or sold.raw <= 0 else TiltInventory(sold=sold, token_ids=())), (reason,), vetoes


def left_raw(
    view: MarketView, decision: Decision, stages: Sequence[StageRecord], policy: Policy, standing: Sequence[StandIn]
) -> int:
    """Base that is still to be sold (below 0: bought) after a cycle, raw units.

    Never more than what stands in, and 0 where it is too little to be worth a swap. A swap that goes too far, or the other way,
    asks for none back.

    Args:
        view: of the cycle.
        decision: of the cycle.
        stages: how each stage that was begun went.
        policy: the rules.
        standing: what stands for the other kind after it.
    """
    bought = [move.quote for move in bought_for_other(decision, stages)]
    due = view.memory.hedge.beside_raw + sum([due_beside(one.contract.legs[0].kind, one.size.raw) for one in bought])
    if not due:
        return 0
    kind = OptionKind.CALL if due > 0 else OptionKind.PUT
    left = min(abs(due), sum([one.raw for one in standing if one.kind is kind]))
    if any(isinstance(move, TiltInventory) for move in decision.moves):
        left = min(max(left + due_beside(kind, _gained(stages, policy)), 0), left)
    value = left / 10**policy.base.decimals * protected_price(view, policy)
    return due_beside(kind, left) if value >= policy.gates.min_move_quote else 0


def _gained(stages: Sequence[StageRecord], policy: Policy) -> int:
    """Base that swaps brought, or below 0 took, raw units."""
    swaps = [one.outcome for one in stages if one.kind is StageKind.SWAP and isinstance(one.outcome, Done)]
    return sum([delta.raw for swap in swaps for delta in swap.deltas if delta.token.address == policy.base.address])

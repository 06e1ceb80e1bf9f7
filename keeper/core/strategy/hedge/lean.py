"""Keeping the lean of everything within its band: by the fees that are owed, by what lies idle, or by an option.

Each way is priced by what a token of delta that it takes out costs; the cheapest that reaches far enough is taken, one at a
time, and only by a keeper that has nothing else to do. What the ladder does for itself is not steered: only putting idle funds
and fees to work waits while it would lead out of the band.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from keeper.core.model.decision import BuyProtection, Decision, Reason, TiltInventory, Veto
from keeper.core.model.hedge import Against
from keeper.core.model.ladder import LayerKind, Position
from keeper.core.model.option import HedgeWant, OptionKind
from keeper.core.model.plan import Collect, Done, StageKind
from keeper.core.model.policy import Policy
from keeper.core.model.record import StageRecord
from keeper.core.model.token import Token, TokenAmount
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.quant.black_scholes import greeks, option_price
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.strategy import gates
from keeper.core.strategy.benefit import sale_expense
from keeper.core.strategy.gas import step_gas
from keeper.core.strategy.hedge.bias import Balance, balance, option_lean, option_worth
from keeper.core.strategy.hedge.needs import Need, needs, reference_volatility, want_of
from keeper.core.strategy.hedge.offers import Offer, offers_for
from keeper.core.strategy.hedge.proposal import Left, budget_vetoes, left_to_spend
from keeper.core.strategy.hedge.synthetic import most
from keeper.core.strategy.valuation import idle_raw, raw_to_quote, spare_raw, wei_to_quote

LEAN = "lean"
AIM = 0.9
"""Part of the band, from the target, that an excess is taken back to: from its end the next small move would lead out."""
_REACHES = 1 - 1e-6
"""Part of the excess from which a way counts as taking all of it: amounts are rounded down."""


class Way(NamedTuple):
    """One way to take delta out."""

    move: TiltInventory | BuyProtection
    takes: float
    """Of the excess, tokens of the base, > 0."""
    cost: float
    """Tokens of the quote; of an option what it costs beyond its worth by the model, which may be below 0."""
    gas_wei: int


class Steering(NamedTuple):
    """What is done about the lean in a cycle."""

    move: TiltInventory | BuyProtection | None = None
    reasons: tuple[Reason, ...] = ()
    vetoes: tuple[Veto, ...] = ()


def steer(view: MarketView, policy: Policy, leaning: Balance | None, total_quote: float, closed: tuple[Veto, ...]) -> Steering:
    """The cheapest way back into the band; nothing within it, and nothing without one.

    Args:
        view: of the cycle, with what options are offered.
        policy: the rules.
        leaning: of the whole, with its band.
        total_quote: value of everything that may be placed, tokens of the quote.
        closed: gates that refuse every move of this cycle.
    """
    if leaning is None or not leaning.is_outside:
        return Steering()
    unit = f"of the value of everything, delta in {policy.base.symbol} times the price"
    reason = Reason(trigger=LEAN, layer=None, found=leaning.share, limit=leaning.edge, unit=unit)
    excess = leaning.excess(AIM)
    ways = ways_back(view, policy, leaning, total_quote)
    if not ways:
        unit = f"{policy.base.symbol} that fees, wallet and options on offer could take out"
        return Steering(
            reasons=(reason,), vetoes=(*closed, Veto(gate="lean_way", layer=None, found=0.0, limit=abs(excess), unit=unit))
        )
    best = cheapest(ways, abs(excess))
    vetoes = (*closed, *_vetoes(best, view, policy, leaning))
    return Steering(move=None if vetoes else best.move, reasons=(reason,), vetoes=vetoes)


def ways_back(view: MarketView, policy: Policy, leaning: Balance, total_quote: float) -> tuple[Way, ...]:
    """Every way that takes something out of the excess and leads no farther off on the other side."""
    excess = leaning.excess(AIM)
    sold = policy.base if excess > 0 else policy.quote
    wanted_raw = _raw(sold, abs(excess) * (1.0 if excess > 0 else leaning.price))
    found = (
        _by_fees(view, policy, sold, wanted_raw, leaning.price),
        _by_wallet(view, policy, sold, wanted_raw, leaning.price, total_quote),
        *_by_options(view, policy, leaning, total_quote),
    )
    return tuple([way for way in found if way is not None])


def cheapest(ways: Sequence[Way], excess: float) -> Way:
    """Of those that take all of the excess the one whose tokens cost least; where none does, of those that take most."""
    reaching = [way for way in ways if way.takes >= excess * _REACHES]
    if reaching:
        return min(reaching, key=lambda way: way.cost / way.takes)
    return max(ways, key=lambda way: (way.takes, -way.cost))


def undone(
    leaning: Balance | None,
    view: MarketView,
    policy: Policy,
    kind: LayerKind,
    parts: Iterable[tuple[Position, float]],
    collected: Sequence[Position] = (),
) -> Veto | None:
    """Refuses to put value to work that leaves the lean outside of its band, unless it comes nearer.

    Only a swap changes the lean: what is placed is held as before. What wallet and collected fees lack is bought.

    Args:
        leaning: of the whole; None where it is not steered.
        view: of the cycle.
        policy: the rules.
        kind: layer that it is done for.
        parts: where value goes, tokens of the quote, in the ratio that the position holds now.
        collected: positions whose fees it is paid from, too.
    """
    if leaning is None:
        return None
    need_base = need_quote = 0.0
    for position, value in parts:
        base_part = _base_part(position, policy, leaning.price)
        need_base += value * base_part / leaning.price
        need_quote += value * (1 - base_part)
    lacks_base = max(need_base - _spare(view, policy, policy.base, collected), 0.0)
    lacks_quote = max(need_quote - _spare(view, policy, policy.quote, collected), 0.0)
    after = leaning.after(lacks_base - lacks_quote / leaning.price)
    if not after.is_outside or abs(after.share - after.target) < abs(leaning.share - leaning.target):
        return None
    unit = f"of the value of everything in {policy.base.symbol} then"
    return Veto(gate=LEAN, layer=kind, found=after.share, limit=after.edge, unit=unit)


def steering_quotes(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> tuple[HedgeWant, ...]:
    """What to ask the venues for to steer with: the nearest need of the side that turns the lean, where it could be acted on.

    What its tier lacks at most; where it lacks nothing, more than it wants.
    """
    volatility = reference_volatility(readings)
    leaning = balance(view, policy, volatility) if policy.hedge.tiers else None
    if leaning is None or not leaning.is_outside or gates.lean_cooldown(view, policy) is not None:
        return ()
    excess = abs(leaning.excess(AIM))
    if gates.min_value(None, excess * leaning.price, policy) is not None:
        return ()
    left = left_to_spend(view, policy, leaning.value)
    for need in _turning(view, policy, leaning):
        terms = {
            "spot": leaning.price,
            "strike": need.strike,
            "years": (need.tier.tenor_from_s + need.tier.tenor_to_s) / 2 / SECONDS_A_YEAR,
            "volatility": leaning.volatility,
        }
        delta, each = abs(greeks(need.kind, **terms).delta), option_price(need.kind, **terms)
        if delta > 0 and each > 0:
            size = min(excess / delta, min(left) / each, need.gap or math.inf)
            want = want_of(need, view, policy, size)
            return () if want is None else (want,)
    return ()


def is_steered(decision: Decision, stages: Sequence[StageRecord]) -> bool:
    """Whether a cycle that acted on the lean has really done so."""
    acted = {StageKind.SWAP, StageKind.PROTECT}
    return any(one.trigger == LEAN for one in decision.reasons) and any(
        stage.kind in acted and isinstance(stage.outcome, Done) for stage in stages
    )


def _by_fees(view: MarketView, policy: Policy, sold: Token, wanted_raw: int, price: float) -> Way | None:
    """Fees of the side in excess are collected and sold, where they are worth the gas of it; the largest first."""
    gas_wei = step_gas(Collect) * view.gas.price_wei
    least = wei_to_quote(policy, price, gas_wei)
    owed = sorted(((_owed(one, policy, sold), one.token_id) for one in view.ladder.positions), reverse=True)
    raw, token_ids = -_reserve_lacking(view, policy, sold), []
    for fees, token_id in owed:
        if raw >= wanted_raw or fees <= 0 or _worth(sold, fees, policy, price) <= least:
            break
        raw += fees
        token_ids.append(token_id)
    return _sale(view, policy, TokenAmount(token=sold, raw=min(raw, wanted_raw)), tuple(token_ids), price)


def _by_wallet(view: MarketView, policy: Policy, sold: Token, wanted_raw: int, price: float, total_quote: float) -> Way | None:
    """Idle funds of the side in excess are sold: base beyond what is kept for gas, quote beyond what is kept for premiums."""
    raw = min(idle_raw(view, policy, sold, total_quote), wanted_raw)
    return _sale(view, policy, TokenAmount(token=sold, raw=raw), (), price)


def _sale(view: MarketView, policy: Policy, sold: TokenAmount, token_ids: tuple[int, ...], price: float) -> Way | None:
    if sold.raw <= 0:
        return None
    worth = _worth(sold.token, sold.raw, policy, price)
    expense = sale_expense(view, policy, len(token_ids), worth, price)
    move = TiltInventory(sold=sold, token_ids=token_ids)
    return Way(move=move, takes=worth / price, cost=expense.total_quote, gas_wei=expense.gas_wei)


def _by_options(view: MarketView, policy: Policy, leaning: Balance, total_quote: float) -> Iterator[Way]:
    """Sound offers for a tier's need of the side that turns the lean, within budget and funds."""
    left = left_to_spend(view, policy, total_quote)
    for need in _turning(view, policy, leaning) if view.protection.quotes else ():
        for offer in offers_for(need, view, policy, leaning.volatility):
            way = _by_option(need, offer, view, policy, leaning, left) if offer.sound else None
            if way is not None:
                yield way


def _by_option(need: Need, offer: Offer, view: MarketView, policy: Policy, leaning: Balance, left: Left) -> Way | None:
    quote, max_cost = offer.quote, most(offer.quote, policy)
    delta = option_lean(quote.contract, quote.size.raw, view, policy, leaning.volatility).delta
    turns = delta * leaning.excess(AIM) < 0
    after = leaning.after(delta)
    is_nearer = abs(after.share - after.target) < abs(leaning.share - leaning.target)
    if not (turns and is_nearer) or budget_vetoes(need, max_cost.raw / 10**max_cost.token.decimals, policy, left, bound=False):
        return None
    return Way(
        move=BuyProtection(tier=need.tier.name, quote=quote, max_cost=max_cost),
        takes=min(abs(delta), abs(leaning.excess(AIM))),
        cost=offer.cost - option_worth(quote.contract, quote.size.raw, view, policy, leaning.volatility),
        gas_wei=(quote.gas_open + quote.gas_close) * view.gas.price_wei,
    )


def _turning(view: MarketView, policy: Policy, leaning: Balance) -> list[Need]:
    """Needs whose options turn the lean: puts where it is too long; calls where it is too short, and only against holding."""
    kind = OptionKind.PUT if leaning.share > leaning.target else OptionKind.CALL
    if kind is OptionKind.CALL and policy.hedge.against is not Against.HOLDING:
        return []
    return [need for need in needs(view, policy) if need.kind is kind]


def _vetoes(best: Way, view: MarketView, policy: Policy, leaning: Balance) -> tuple[Veto, ...]:
    value = best.takes * leaning.price
    found = (
        gates.twap(view, policy, policy.execution.swap_pools, None),
        gates.lean_cooldown(view, policy),
        gates.min_value(None, value, policy),
        gates.gas_per_day(view, policy, None, wei=best.gas_wei),
        _cost(best, policy, leaning),
    )
    return tuple([veto for veto in found if veto is not None])


def _cost(best: Way, policy: Policy, leaning: Balance) -> Veto | None:
    """What a usual move of the price over the horizon does to the delta that goes must be worth a multiple of the cost."""
    risk = best.takes * leaning.price * leaning.volatility * math.sqrt(policy.ladder.horizon_s / SECONDS_A_YEAR)
    limit = policy.gates.cost_multiple * best.cost
    if risk > limit:
        return None
    return Veto(gate="lean_cost", layer=None, found=risk, limit=limit, unit=f"{policy.quote.symbol} at risk over the horizon")


def _owed(position: Position, policy: Policy, token: Token) -> int:
    return position.fees0 if policy.pool(position.pool).token0.address == token.address else position.fees1


def _reserve_lacking(view: MarketView, policy: Policy, token: Token) -> int:
    """Wei that what comes in fills up first, where the token stands for native currency."""
    if policy.wrapped_native is None or policy.wrapped_native.address != token.address:
        return 0
    return max(policy.execution.native_reserve_wei - view.wallet.native_wei, 0)


def _base_part(position: Position, policy: Policy, price: float) -> float:
    """Part of a position's value that is base."""
    base_is_0 = policy.pool(position.pool).token0.address == policy.base.address
    held = (position.amount0, 0) if base_is_0 else (0, position.amount1)
    whole = raw_to_quote(policy, price, position.amount0, position.amount1)
    return raw_to_quote(policy, price, *held) / whole if whole > 0 else 0.0


def _spare(view: MarketView, policy: Policy, token: Token, collected: Sequence[Position]) -> float:
    """In the wallet and owed to those positions, tokens."""
    owed = sum([_owed(position, policy, token) for position in collected])
    spare: float = (spare_raw(view, policy, token) + owed) / 10**token.decimals
    return spare


def _worth(token: Token, raw: int, policy: Policy, price: float) -> float:
    """Tokens of the quote."""
    tokens: float = raw / 10**token.decimals
    return tokens * (price if token.address == policy.base.address else 1.0)


def _raw(token: Token, tokens: float) -> int:
    """Rounded **down**."""
    return int(tokens * 10**token.decimals)

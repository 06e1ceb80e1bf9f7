"""Protection's part of a decision: duties first, then what awake tiers lack, within budget, funds and gas."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keeper.core.model.decision import BuyProtection, EndProtection, ProtectionMove, Reason, TiltInventory, Veto
from keeper.core.model.option import CloseHow, NoQuoteReason, OptionKind, OptionPosition, OptionQuote, PositionState
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.quant.protection_score import PriceVerdict
from keeper.core.strategy.caution import Caution
from keeper.core.strategy.hedge import beside, funding, synthetic
from keeper.core.strategy.hedge.budget import budget, funds
from keeper.core.strategy.hedge.deadline import gas_to_end, is_due, worth_of
from keeper.core.strategy.hedge.needs import Need, capped, most_for, needs, reach, reference_volatility
from keeper.core.strategy.hedge.offers import Offer, fitting
from keeper.core.strategy.hedge.parity import breaches
from keeper.core.strategy.hedge.wake import awake_before_quotes, cheap_reason, mandate, walked_part
from keeper.core.strategy.valuation import protected_price

DUE = "hedge_due"
"""A held option must be exercised, or can be redeemed."""
PARITY = "hedge_parity"
GAP = "hedge_gap"
"""An awake tier covers less than it wants."""
_BPS = 10_000
_HOUR_S = 3_600


class Protection(NamedTuple):
    """What is done about options in a cycle."""

    moves: tuple[ProtectionMove, ...] = ()
    reasons: tuple[Reason, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    awake: tuple[str, ...] = ()
    """Names of the tiers that are awake."""
    spent_quote: float = 0.0
    """Most that the purchase may cost, in tokens of the quote."""
    uncovered: bool = False
    """Whether a tier is awake, lacks cover and cannot get it."""
    sale: TiltInventory | None = None
    """Beside an option in place of the other kind, bought now or before, or of base to pay for the next purchase."""

    @property
    def has_bought(self) -> bool:
        """Whether a purchase is among the moves."""
        return any(isinstance(move, BuyProtection) for move in self.moves)


class Left(NamedTuple):
    """What purchases may still take, in tokens of the quote."""

    of_fees: float
    of_capital: float
    funds: float


def propose(
    view: MarketView,
    readings: Sequence[SignalReading],
    policy: Policy,
    careful: Caution,
    capital_quote: float,
    closed: tuple[Veto, ...],
) -> Protection:
    """What to end and what to buy: at most one option a cycle, for the tier that is covered least, the nearest first.

    A purchase takes two transactions with their confirmations, quotes do not wait, and two tiers may have been quoted the same
    series. A tier that the mandate wakes is not held to the share of fees, only to the ceiling of capital.

    Args:
        view: with what is held and what is offered.
        readings: of the cycle.
        policy: the rules.
        careful: what score and calendar ask for.
        capital_quote: value of everything, tokens of the quote.
        closed: gates that refuse every purchase of this cycle; what is due is done all the same.
    """
    done = _with_rest(_duties(view, policy), view, policy, closed)
    volatility = reference_volatility(readings)
    if not policy.hedge.tiers or volatility is None:
        return done
    price = protected_price(view, policy)
    over = mandate(view, policy, volatility, price)
    walked = walked_part(view, policy, price)
    waking = {tier.name: awake_before_quotes(tier, view, policy, careful, walked) for tier in policy.hedge.tiers}
    if over is None and not any(waking.values()) and not view.protection.quotes:
        return done
    left = left_to_spend(view, policy, capital_quote)
    found = needs(view, policy)
    lacking: list[tuple[Need, tuple[Reason, ...]]] = []
    for need in found if over is None else capped(found, view, policy, volatility):
        reasons = _present((*waking[need.tier.name], _cheap(need, view, policy, volatility), over))
        if reasons:
            done = done._replace(awake=tuple(dict.fromkeys((*done.awake, need.tier.name))))
            lacking += [(need, reasons)] * (need.gap > 0)
    spendable = left.of_capital if over is not None else min(left.of_capital, left.of_fees)
    if lacking and not closed and done.sale is None:
        most = math.fsum(most_for(need, view, policy, volatility) for need, _ in lacking)
        done = _funded(done, lacking[0][1], funding.raised(most, view, policy, spendable, left.funds))
    for need, reasons in sorted(lacking, key=lambda one: one[0].held / one[0].size):
        if closed:
            done = done._replace(reasons=(*done.reasons, *reasons), vetoes=(*done.vetoes, *closed))
        elif not done.has_bought and done.sale is None:
            part = reach(need, view, policy, volatility, min(spendable, left.funds), len(lacking))
            ways = synthetic.ways_to(need, view, policy, volatility, left.funds)
            done = _fill(need, ways, view, policy, done, left, reasons, part=part, bound=over is not None)
    return done._replace(reasons=(*done.reasons, *_parity(view, policy)))


def left_to_spend(view: MarketView, policy: Policy, capital_quote: float) -> Left:
    """Budget and funds before this cycle's purchase."""
    return Left(*budget(view, policy, capital_quote), funds(view, policy))


def sale_first(protection: Protection) -> tuple[Veto, ...]:
    """The ladder waits a cycle while inventory is sold for an option: it is weighed anew from what is left."""
    if protection.sale is None:
        return ()
    sold = protection.sale.sold
    return (_veto("hedge_sale", sold.raw / 10**sold.token.decimals, 0.0, f"{sold.token.symbol} sold first, for an option"),)


def _with_rest(done: Protection, view: MarketView, policy: Policy, closed: tuple[Veto, ...]) -> Protection:
    sale, reasons, vetoes = beside.rest(view, policy, closed)
    return done._replace(sale=sale, reasons=(*done.reasons, *reasons), vetoes=(*done.vetoes, *vetoes))


def _parity(view: MarketView, policy: Policy) -> tuple[Reason, ...]:
    """The largest breach, told whether or not it is acted on: the other way needs as much of the base, or its price, idle."""
    for breach in breaches(view, policy)[:1]:
        unit = f"{policy.quote.symbol} a {policy.base.symbol} dearer than its synthetic: {breach.kind} at {breach.strike:f}"
        return (Reason(trigger=PARITY, layer=None, found=breach.saving, limit=0.0, unit=unit),)
    return ()


def _duties(view: MarketView, policy: Policy) -> Protection:
    moves, reasons = [], []
    for position in view.protection.positions:
        due = _duty(position, view, policy)
        if due is not None:
            how, reason = due
            moves.append(EndProtection(position=position, how=how, min_out=least_out(position, how, policy)))
            reasons.append(reason)
    return Protection(moves=tuple(moves), reasons=tuple(reasons))


def _duty(position: OptionPosition, view: MarketView, policy: Policy) -> tuple[CloseHow, Reason] | None:
    """Exercise before the deadline, redeem what has settled, see to a price at expiry; none of it for less than its gas."""
    how = None if position.waits else _way_out(position, view, policy)
    if how is None:
        return None
    pays = position.intrinsic if position.state is PositionState.AWAITING_PRICE else position.claimable
    worth, gas_quote = worth_of(pays, view, policy), gas_to_end(position, view, policy)
    if worth <= gas_quote:
        return None
    unit = f"{policy.quote.symbol} {position.contract.venue} pays for {position.id}"
    return how, Reason(trigger=DUE, layer=None, found=worth, limit=gas_quote, unit=unit)


def _way_out(position: OptionPosition, view: MarketView, policy: Policy) -> CloseHow | None:
    match position.state:
        case PositionState.REDEEMABLE:
            return CloseHow.REDEEM
        case PositionState.AWAITING_PRICE:
            # it can be written, and by us: where that fails all the same it is tried again in an hour
            last_s = view.memory.last_cycle_s
            return CloseHow.REDEEM if last_s is None or last_s // _HOUR_S != view.now_s // _HOUR_S else None
        case PositionState.ITM_EXERCISABLE if position.act_before_s is not None:
            return CloseHow.EXERCISE if is_due(position.act_before_s, view, policy) else None
        case _:
            return None


def least_out(position: OptionPosition, how: CloseHow, policy: Policy) -> TokenAmount:
    """What it brings now less the slippage, rounded **up**; a sale must bring what the option is worth by its payoff, too."""
    pays, payoff = position.claimable, position.intrinsic
    if how is CloseHow.SELL and payoff.token.address == pays.token.address and payoff.raw > pays.raw:
        pays = payoff
    kept = pays.raw * (_BPS - policy.hedge.slippage_bps)
    return TokenAmount(token=pays.token, raw=-(-kept // _BPS))


def _cheap(need: Need, view: MarketView, policy: Policy, forecast: float) -> Reason | None:
    quotes = fitting(need, view, policy)
    implied = [quote.implied_volatility for quote in quotes if quote.implied_volatility is not None]
    return cheap_reason(need.tier, view, policy, float(min(implied)), forecast) if implied else None


def _funded(
    done: Protection, reasons: tuple[Reason, ...], paying: tuple[TiltInventory, Reason, tuple[Veto, ...]] | None
) -> Protection:
    """With the sale that pays for premiums, where one is due and nothing refuses it."""
    if paying is None:
        return done
    sale, why, refused = paying
    done = done._replace(reasons=(*done.reasons, why), vetoes=(*done.vetoes, *refused))
    return done if refused else done._replace(reasons=(*done.reasons, *reasons), sale=sale)


def _fill(
    need: Need,
    ways: tuple[tuple[Offer, ...], tuple[synthetic.Synthetic, ...]],
    view: MarketView,
    policy: Policy,
    so_far: Protection,
    left: Left,
    reasons: tuple[Reason, ...],
    *,
    part: float,
    bound: bool,
) -> Protection:
    """What is bought for a need, or why nothing is; ``part`` of it can be paid, a ``bound`` one is due whatever that is."""
    offers, made = ways
    gap = Reason(
        trigger=GAP, layer=None, found=need.held, limit=need.size, unit=f"{policy.base.symbol} covered by {need.tier.name}"
    )
    said = so_far._replace(reasons=(*so_far.reasons, *reasons, gap))
    small = () if bound else _too_little(need, policy, part)
    sound = [offer for offer in offers if offer.sound]
    if not sound:
        short = () if offers else budget_vetoes(need, 0.0, policy, left, bound=bound) or small
        vetoes = short or (_refused(need, offers, view),)
        return said._replace(vetoes=(*said.vetoes, *vetoes), uncovered=said.uncovered or bound or not short)
    best = sound[0]
    max_cost = synthetic.most(best.quote, policy)
    cost = max_cost.raw / 10**max_cost.token.decimals
    score = _veto("hedge_score", best.score, policy.hedge.dear, f"{policy.quote.symbol} a unit of expected loss paid")
    vetoes = (*((score,) if score.found > score.limit else ()), *budget_vetoes(need, cost, policy, left, bound=bound), *small)
    if vetoes:
        return said._replace(vetoes=(*said.vetoes, *vetoes), uncovered=said.uncovered or bound)
    one = synthetic.taken(made, best)
    if one is None:
        return _bought(said, need, best.quote, policy)
    direct = [offer.quote.cost for offer in sound if synthetic.taken(made, offer) is None]
    why = synthetic.told(one, direct[0].raw / 10 ** direct[0].token.decimals if direct else None, policy)
    return _bought(said._replace(reasons=(*said.reasons, why), sale=one.beside), need, one.bought, policy, need.kind)


def _too_little(need: Need, policy: Policy, part: float) -> tuple[Veto, ...]:
    """Many small options cost more gas and care than they cover: fees and funds are left to grow."""
    if part >= policy.hedge.least_part:
        return ()
    return (_veto("hedge_small", part, policy.hedge.least_part, f"of what {need.tier.name} lacks can be paid"),)


def _bought(
    said: Protection, need: Need, quote: OptionQuote, policy: Policy, stands_for: OptionKind | None = None
) -> Protection:
    max_cost = synthetic.most(quote, policy)
    move = BuyProtection(tier=need.tier.name, quote=quote, max_cost=max_cost, stands_for=stands_for)
    return said._replace(moves=(*said.moves, move), spent_quote=max_cost.raw / 10**max_cost.token.decimals)


def budget_vetoes(need: Need, cost: float, policy: Policy, left: Left, *, bound: bool) -> tuple[Veto, ...]:
    """What does not reach for a cost; a cost of 0 is refused by what is used up."""
    symbol, name = policy.quote.symbol, need.tier.name
    found = [
        _veto("hedge_capital", cost, left.of_capital, f"{symbol} left of the year's ceiling, {name}"),
        _veto("hedge_funds", cost, left.funds, f"{symbol} in the wallet, {name}"),
    ]
    if not bound:
        found.append(_veto("hedge_fees", cost, left.of_fees, f"{symbol} left of the share of fees, {name}"))
    return tuple([veto for veto in found if veto.found > veto.limit or veto.limit <= 0])


def _veto(gate: str, found: float, limit: float, unit: str) -> Veto:
    return Veto(gate=gate, layer=None, found=found if math.isfinite(found) else 1e9, limit=limit, unit=unit)


def _refused(need: Need, offers: tuple[Offer, ...], view: MarketView) -> Veto:
    """Why none of the quotes is taken, or why there is none."""
    if offers:
        verdicts = {offer.verdict for offer in offers}
        for gate, verdict in (("hedge_dear", PriceVerdict.DEAR), ("hedge_suspicious", PriceVerdict.SUSPICIOUS)):
            if verdicts == {verdict}:
                return _veto(gate, float(len(offers)), 0.0, f"quotes refused by price, {need.tier.name}")
        return _veto("hedge_unsound", float(len(offers)), 0.0, f"quotes that cannot be believed, {need.tier.name}")
    why = sorted({f"{absent.venue} {NoQuoteReason(absent.reason).value}" for absent in view.protection.absent})
    return _veto("hedge_no_quote", float(len(why)), 0.0, f"{', '.join(why) or 'nothing on sale fits'}, {need.tier.name}")


def _present(reasons: Iterable[Reason | None]) -> tuple[Reason, ...]:
    return tuple([reason for reason in reasons if reason is not None])

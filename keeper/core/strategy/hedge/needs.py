"""What the hedge ladder wants to hold: a strike and a size for every tier, and which quotes are worth asking for.

A tier covers the base that the ladder buys on the way down to the tier's strike and that no nearer tier covers; held together
the tiers replicate the loss below the nearest strike. Against holding, only what is bought beyond what was held counts, and
calls mirror it above. Ref: Carr & Madan 1998; :mod:`keeper.core.quant.replication`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from keeper.core.model.hedge import Against, Anchor, TierPolicy
from keeper.core.model.ladder import LayerKind
from keeper.core.model.option import HedgeWant, OptionKind, OptionPosition
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView, Quality, SignalReading, find_reading
from keeper.core.quant.black_scholes import option_price
from keeper.core.quant.break_even import break_even_against_cash, break_evens_against_holding
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.lvr import lvr_rate
from keeper.core.quant.replication import Band, ladder_delta, ladder_value
from keeper.core.quant.tail import PutOffer, Sizing, price_quantile, size_puts
from keeper.core.signals import names
from keeper.core.strategy.caution import caution
from keeper.core.strategy.hedge.budget import budget, funds
from keeper.core.strategy.hedge.exposure import band_of, bands, vanillas
from keeper.core.strategy.hedge.standing import LIVE, parts
from keeper.core.strategy.hedge.wake import awake_before_quotes, mandate, walked_part
from keeper.core.strategy.valuation import fees_quote, idle_raw, protected_price, spare_raw, worth

STRIKE_REACH = 0.08
"""A contract fits a need when its strike lies within this fraction of the wanted one."""
COVERED = 0.8
"""A tier that holds this part of what it wants is left alone: sizes wobble with the price."""
_BPS = 10_000
_LOT = 0.001
"""Tokens of the base: finer than any venue's own."""
_LAYERS = {
    Anchor.CORE_EDGE: LayerKind.CORE,
    Anchor.SECONDARY_EDGE: LayerKind.SECONDARY,
    Anchor.INSURANCE_EDGE: LayerKind.INSURANCE,
}


class Need(NamedTuple):
    """What one side of a tier wants."""

    tier: TierPolicy
    kind: OptionKind
    strike: float
    """Tokens of the quote."""
    size: float
    """Tokens of the base."""
    held: float
    """Of the size, what held options cover."""

    @property
    def gap(self) -> float:
        """What is still to be bought; 0 when enough is covered."""
        return 0.0 if self.held >= COVERED * self.size else self.size - self.held


def needs(view: MarketView, policy: Policy) -> tuple[Need, ...]:
    """Every tier's wants, the near tier first and puts before calls; none without a ladder."""
    return _needs(_Seen(view, policy))


class _Seen:
    """All that needs depend on, alike where the objects are the same: a cycle asks before the quotes come, and with them."""

    __slots__ = ("policy", "view")

    def __init__(self, view: MarketView, policy: Policy) -> None:
        self.view, self.policy = view, policy

    def __hash__(self) -> int:
        return hash((id(self.view.ladder), id(self.policy)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Seen):
            return NotImplemented
        ours, theirs = self.view, other.view
        return (
            ours.ladder is theirs.ladder
            and ours.pools is theirs.pools
            and ours.protection.positions is theirs.protection.positions
            and ours.memory.hedge.stand_ins is theirs.memory.hedge.stand_ins
            and ours.now_s == theirs.now_s
            and self.policy is other.policy
        )


@lru_cache(maxsize=2)
def _needs(seen: _Seen) -> tuple[Need, ...]:
    view, policy = seen.view, seen.policy
    ladder = bands(view, policy)
    if not ladder or not policy.hedge.tiers:
        return ()
    price = protected_price(view, policy)
    found = [*_side(view, policy, ladder, price, OptionKind.PUT)]
    if policy.hedge.against is Against.HOLDING:
        found += _side(view, policy, ladder, price, OptionKind.CALL)
    return _with_held(found, view, policy)


def capped(found: tuple[Need, ...], view: MarketView, policy: Policy, volatility: float) -> tuple[Need, ...]:
    """The needs with the nearest put that can do it raised to what keeps the loss within the mandate.

    The others stay as they are, and so do all when no put can: a cap may be out of reach, or paid for with what it saves.
    Premiums are the model's at the reference volatility and the middle of the tier's tenor; a purchase is judged by its quote.

    Args:
        found: by :func:`needs`.
        view: of the cycle.
        policy: with a mandate.
        volatility: reference per year, > 0.
    """
    for place, need in enumerate(found):
        if need.kind is not OptionKind.PUT:
            continue
        quantity = _quantity(need, view, policy, volatility)
        if quantity is not None:
            raised = need._replace(size=max(need.size, need.held + quantity))
            return (*found[:place], raised, *found[place + 1 :])
    return found


def _quantity(need: Need, view: MarketView, policy: Policy, volatility: float) -> float | None:
    """Puts of that need to be bought on top of what is held; None when they cannot keep the cap."""
    hedge, price, ladder = policy.hedge, protected_price(view, policy), bands(view, policy)
    premium = premium_each(need, view, policy, volatility)
    floor = price_quantile(price=price, quantile=hedge.quantile, volatility=volatility, years=hedge.horizon_s / SECONDS_A_YEAR)
    sized = size_puts(
        ladder,
        PutOffer(strike=need.strike, premium=premium, lot=_LOT),
        entry=price,
        accrued=fees_quote(policy, price, view.ladder.positions),
        floor=floor,
        cap=hedge.loss_cap * ladder_value(ladder, price),
        options=vanillas(view),
    )
    return sized.quantity if isinstance(sized, Sizing) else None


def wanted_quotes(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> tuple[HedgeWant, ...]:
    """What to ask the venues for: gaps of tiers that are awake or that a cheap quote may wake, as far as the budget reaches.

    Cheap quotes are looked for once in every ``quote_every_s``.
    """
    hedge, volatility = policy.hedge, reference_volatility(readings)
    if not hedge.tiers or volatility is None:
        return ()
    price = protected_price(view, policy)
    careful, walked = caution(readings, policy), walked_part(view, policy, price)
    is_mandate = mandate(view, policy, volatility, price) is not None
    names_asked = {
        tier.name
        for tier in hedge.tiers
        if is_mandate or _looks_for_cheap(tier, view, policy) or awake_before_quotes(tier, view, policy, careful, walked)
    }
    if not names_asked:
        return ()
    found = needs(view, policy)
    wanted = capped(found, view, policy, volatility) if is_mandate else found
    gaps = [need for need in wanted if need.tier.name in names_asked and need.gap > 0]
    if not gaps:
        return ()
    left = budget(view, policy, worth(view, policy).total)
    spendable = min(left.of_capital, funds(view, policy), math.inf if is_mandate else left.of_fees)
    least = 0.0 if is_mandate else hedge.least_part
    parts = [(need, reach(need, view, policy, volatility, spendable, len(gaps))) for need in gaps]
    asked = [want_of(need, view, policy, need.gap * part) for need, part in parts if part >= least]
    return tuple([want for want in asked if want is not None])


def _looks_for_cheap(tier: TierPolicy, view: MarketView, policy: Policy) -> bool:
    every_s, last_s = policy.hedge.quote_every_s, view.memory.last_cycle_s
    return tier.wake.cheap is not None and (last_s is None or last_s // every_s != view.now_s // every_s)


def reference_volatility(readings: Sequence[SignalReading]) -> float | None:
    """What the market asks for volatility, per year: implied by options elsewhere where that is good, else the forecast."""
    for name in (names.VOLATILITY_OUTSIDE, names.VOLATILITY_FORECAST):
        reading = find_reading(readings, name)
        if reading.quality is Quality.GOOD and reading.value is not None and reading.value > 0:
            return reading.value
    return None


def _side(view: MarketView, policy: Policy, ladder: Sequence[Band], price: float, kind: OptionKind) -> list[Need]:
    against = policy.hedge.against
    now = ladder_delta(ladder, price)
    done = now if against is Against.HOLDING else 0.0
    found = []
    for tier in policy.hedge.tiers:
        strike = _strike(view, policy, ladder, price, tier, kind)
        if strike is None:
            continue
        there = ladder_delta(ladder, strike)
        # puts: base that is bought on the way down; calls: base that is sold on the way up
        reached = there if kind is OptionKind.PUT else 2 * now - there
        size = tier.share * max(reached - done, 0.0)
        done = max(done, reached)
        if size > 0:
            found.append(Need(tier, kind, strike, size, 0.0))
    return found


def _strike(
    view: MarketView, policy: Policy, ladder: Sequence[Band], price: float, tier: TierPolicy, kind: OptionKind
) -> float | None:
    """Where a tier's options should begin to pay, out of the money; None when its anchor is nowhere, or in the money."""
    found: float | None
    if tier.anchor is Anchor.BREAK_EVEN:
        found = _break_even(view, policy, ladder, price, kind)
    else:
        layer = view.ladder.layer(_LAYERS[tier.anchor])
        live = () if layer is None else [band_of(position, policy) for position in layer.positions if position.liquidity > 0]
        if not live:
            return None
        found = min(band.lower for band in live) if kind is OptionKind.PUT else max(band.upper for band in live)
    if found is None:
        return None
    is_outside = found < price if kind is OptionKind.PUT else found > price
    return found if is_outside else None


def _break_even(view: MarketView, policy: Policy, ladder: Sequence[Band], price: float, kind: OptionKind) -> float | None:
    """With the fees that are owed and those that a fair pool would pay over the horizon at its usual volatility."""
    hedge = policy.hedge
    years = hedge.horizon_s / SECONDS_A_YEAR
    volatility = policy.regimes.usual_volatility
    fair = math.fsum(
        lvr_rate(liquidity=band.liquidity, sqrt_price=math.sqrt(price), volatility=volatility) * years
        for band in ladder
        if band.lower <= price < band.upper
    )
    fees = fees_quote(policy, price, view.ladder.positions) + fair
    if hedge.against is Against.CASH:
        return break_even_against_cash(ladder, entry=price, fees=fees) if kind is OptionKind.PUT else None
    ends = break_evens_against_holding(ladder, entry=price, fees=fees)
    return ends.lower if kind is OptionKind.PUT else ends.upper


def _with_held(found: Sequence[Need], view: MarketView, policy: Policy) -> tuple[Need, ...]:
    """The needs with every held option counted for one of the kind that it stands for.

    That is the one whose strike is nearest. What it does not want counts for others whose strike the option fits: it may have
    been bought for them, and would be bought for them again and again otherwise. What nobody wants stays with the nearest.
    """
    held = [0.0] * len(found)
    known: dict[tuple[bool, Decimal], list[int]] = {}
    for kind, leg, size in parts(protecting(view, policy), view.memory.hedge.stand_ins):
        key = kind is OptionKind.PUT, leg.strike
        if key not in known:
            known[key] = _counted_for(found, kind, float(leg.strike))
        left = size
        for place in known[key]:
            counted = min(left, max(found[place].size - held[place], 0.0))
            held[place] += counted
            left -= counted
        if left > 0 and known[key]:
            held[known[key][0]] += left
    return tuple([need._replace(held=covered) for need, covered in zip(found, held, strict=True)])


def _counted_for(found: Sequence[Need], kind: OptionKind, strike: float) -> list[int]:
    """Places of the needs of a kind: the one of the nearest strike, the first of those alike, then others that it fits."""
    places = [place for place, need in enumerate(found) if need.kind is kind]
    places.sort(key=lambda place: abs(math.log(found[place].strike / strike)))
    return [*places[:1], *[place for place in places[1:] if fits_strike(found[place], strike)]]


def fits_strike(need: Need, strike: float) -> bool:
    """Whether an option of that strike, tokens of the quote, is near enough to what a need wants."""
    return abs(strike / need.strike - 1) <= STRIKE_REACH


def protecting(view: MarketView, policy: Policy) -> list[OptionPosition]:
    """Held options that still protect: they can pay, and end after the time up to which options are replaced."""
    rolled_s = view.now_s + policy.hedge.roll_before_s
    live = [position for position in view.protection.positions if position.state in LIVE]
    return [one for one in live if one.contract.expiry_s is None or one.contract.expiry_s > rolled_s]


def premium_each(need: Need, view: MarketView, policy: Policy, volatility: float) -> float:
    """Premium of a token of the base by the model, at the middle of the tier's tenor, tokens of the quote.

    Args:
        need: what is wanted.
        view: of the cycle.
        policy: the rules.
        volatility: reference per year, > 0.
    """
    years = (need.tier.tenor_from_s + need.tier.tenor_to_s) / 2 / SECONDS_A_YEAR
    spot = protected_price(view, policy)
    return option_price(need.kind, spot=spot, strike=need.strike, years=years, volatility=volatility)


def most_for(need: Need, view: MarketView, policy: Policy, volatility: float) -> float:
    """Most that the whole gap may cost, as dear as is accepted and with the slippage, tokens of the quote.

    Arguments as of :func:`premium_each`.
    """
    return need.gap * premium_each(need, view, policy, volatility) * _accepted(policy)


def reach(need: Need, view: MarketView, policy: Policy, volatility: float, spendable: float, lacking: int) -> float:
    """Part of a gap that is bought at once, 0 to 1: what is spendable is spread over all that is lacking.

    A quote is for a size, and only what it then costs may be refused: so much is asked for as could be paid, were it dear.

    Args:
        need: with a gap.
        view: of the cycle.
        policy: the rules.
        volatility: reference per year, > 0.
        spendable: tokens of the quote, >= 0.
        lacking: how many needs have a gap that is to be filled now, >= 1.
    """
    cost = need.gap * premium_each(need, view, policy, volatility) * max(lacking, _accepted(policy))
    return min(spendable / cost, 1.0) if cost > 0 else 1.0


def _accepted(policy: Policy) -> float:
    """Most that a quote may cost over the model's price."""
    return policy.hedge.dear * (1 + policy.hedge.slippage_bps / _BPS)


def want_of(need: Need, view: MarketView, policy: Policy, size: float) -> HedgeWant | None:
    """What to ask the venues for, for so much of a need (tokens of the base); None when that is nothing.

    The other kind too, where it could be made into this one.
    """
    raw = math.floor(size * 10**policy.base.decimals)
    if raw <= 0:
        return None
    tier, strike, reach = need.tier, Decimal(need.strike), Decimal(STRIKE_REACH)
    return HedgeWant(
        kinds=tuple(OptionKind) if _can_be_made(need.kind, raw, view, policy) else (need.kind,),
        strike_from=strike * (1 - reach),
        strike_to=strike * (1 + reach),
        expiry_from_s=view.now_s + tier.tenor_from_s,
        expiry_to_s=view.now_s + tier.tenor_to_s,
        size=TokenAmount(token=policy.base, raw=raw),
    )


def _can_be_made(kind: OptionKind, raw: int, view: MarketView, policy: Policy) -> bool:
    """Whether the other kind and a trade of so much of the base could come to this one: base, or its price, lies idle."""
    if view.memory.hedge.beside_raw:
        return False
    if kind is OptionKind.PUT:
        return spare_raw(view, policy, policy.base) >= raw
    price_raw: float = raw / 10**policy.base.decimals * protected_price(view, policy) * 10**policy.quote.decimals
    return idle_raw(view, policy, policy.quote, worth(view, policy).total) >= price_raw

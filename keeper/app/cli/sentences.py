"""Decisions in plain words, numbers included."""

from __future__ import annotations

from keeper.app.cli import phrases, words
from keeper.core.model.decision import (
    BuyProtection,
    CloseLayer,
    CompoundLayer,
    Decision,
    EndProtection,
    ExitAll,
    Move,
    OpenLayer,
    Reason,
    ShiftLayer,
    TiltInventory,
    Veto,
)
from keeper.core.model.option import CloseHow, OptionPosition, OptionQuote
from keeper.core.model.plan import (
    Burn,
    CloseOption,
    Collect,
    Decrease,
    Increase,
    Mint,
    OpenOption,
    OptionStep,
    Step,
    Swap,
    Unwrap,
    Wrap,
)
from keeper.core.model.policy import Policy
from keeper.core.signals.prices import price_at_tick

_WAYS = {
    CloseHow.EXERCISE: "exercise",
    CloseHow.REDEEM: "redeem",
    CloseHow.SELL: "sell",
    CloseHow.CASH: "close in cash",
    CloseHow.PHYSICAL: "close by delivery",
    CloseHow.RELEASE: "clear away",
}


def decision(decided: Decision) -> str:
    """What was decided and why, in one sentence."""
    # what holds for several tiers is told once
    reasons = "; ".join(dict.fromkeys(reason(one) for one in decided.reasons))
    if decided.moves:
        moves = ", ".join(move(one) for one in decided.moves)
        return f"Act: {moves}" + (f", because {reasons}" if reasons else "")
    if decided.vetoes:
        vetoes = "; ".join(veto(one) for one in decided.vetoes)
        return f"Hold: {reasons or 'nothing fired'}, but refused: {vetoes}"
    return f"Hold: {reasons}" if reasons else "Hold: no trigger fired"


def not_bought(decided: Decision) -> str:
    """Why an order for protection came to nothing."""
    vetoes = "; ".join(veto(one) for one in decided.vetoes)
    return f"nothing was bought: {vetoes or 'the tier wants nothing, or holds enough'}"


def reason(fired: Reason) -> str:
    """A trigger with its numbers."""
    return phrases.phrase(phrases.REASONS, fired.trigger, fired.layer, fired.found, fired.limit, fired.unit)


def veto(refused: Veto) -> str:
    """A gate with its numbers."""
    layer = None if refused.layer is None else f"{refused.layer}:"
    return phrases.phrase(phrases.VETOES, refused.gate, layer, refused.found, refused.limit, refused.unit)


def move(wanted: Move) -> str:
    """A move by its name and layer, or by its option."""
    match wanted:
        case OpenLayer():
            return f"open {wanted.target.kind}"
        case ShiftLayer():
            return f"shift {wanted.target.kind}"
        case CloseLayer():
            return f"close {wanted.layer}"
        case CompoundLayer():
            return f"compound {wanted.layer}"
        case ExitAll():
            return f"exit {len(wanted.token_ids)} positions"
        case BuyProtection():
            instead = f", in place of a {wanted.stands_for}" if wanted.stands_for is not None else ""
            return f"buy {option(wanted.quote)} for the {wanted.tier} tier{instead}"
        case EndProtection():
            return f"{_WAYS[wanted.how]} {option(wanted.position)}"
        case TiltInventory():
            whence = f", fees of {len(wanted.token_ids)} positions among it" if wanted.token_ids else ""
            return f"sell {words.amount(wanted.sold.token, wanted.sold.raw)}{whence}"


def step(taken: Step, policy: Policy) -> str:
    """A step with its amounts in tokens and its range in prices."""
    match taken:
        case Decrease():
            return f"decrease #{taken.token_id} by {taken.liquidity:,} of liquidity"
        case Collect():
            return f"collect everything owed to #{taken.token_id}"
        case Burn():
            return f"burn #{taken.token_id}"
        case Swap():
            pool = policy.pool(taken.pool)
            sold, bought = (pool.token0, pool.token1) if taken.zero_for_one else (pool.token1, pool.token0)
            least = words.amount(bought, taken.amount_out_min)
            return f"swap {words.amount(sold, taken.amount_in)} for at least {least} in the {fee(pool.fee_pips)} pool"
        case Mint():
            pool = policy.pool(taken.pool)
            most = f"{words.amount(pool.token0, taken.amount0)} and {words.amount(pool.token1, taken.amount1)}"
            return f"mint {taken.layer} {price_range(policy, taken.range.lower, taken.range.upper)} with up to {most}"
        case Increase():
            pool = policy.pool(taken.pool)
            most = f"{words.amount(pool.token0, taken.amount0)} and {words.amount(pool.token1, taken.amount1)}"
            return f"increase #{taken.token_id} with up to {most}"
        case Wrap() | Unwrap():
            return f"{taken.kind} {words.ether(taken.amount_wei)}"
        case OpenOption() | CloseOption():
            return _option_step(taken)


def _option_step(taken: OptionStep) -> str:
    if isinstance(taken, OpenOption):
        most = words.amount(taken.max_cost.token, taken.max_cost.raw)
        return f"buy {option(taken.quote)} for at most {most}"
    least = words.amount(taken.min_out.token, taken.min_out.raw)
    return f"{_WAYS[taken.how]} {option(taken.position)} for at least {least}"


def option(one: OptionQuote | OptionPosition) -> str:
    """How much of what, until when and where."""
    terms = one.contract
    legs = " and ".join(f"{leg.kind} at {leg.strike:,.2f} {terms.quote.symbol}" for leg in terms.legs)
    until = "perpetual" if terms.expiry_s is None else f"until {words.utc(terms.expiry_s)}"
    return f"{words.amount(one.size.token, one.size.raw)} of a {legs}, {until}, at {terms.venue}"


def fee(fee_pips: int) -> str:
    """A pool's fee as a percentage."""
    return f"{fee_pips / 10_000:g} %"


def edges(policy: Policy, lower_tick: int, upper_tick: int) -> tuple[float, float]:
    """Lower and upper price of a range, in tokens of the quote: where the base is token1, ticks rise as its price falls."""
    ends = (price_at_tick(policy, lower_tick), price_at_tick(policy, upper_tick))
    return min(ends), max(ends)


def price_range(policy: Policy, lower_tick: int, upper_tick: int) -> str:
    """A range in prices of the base."""
    low, high = edges(policy, lower_tick, upper_tick)
    return f"{low:,.2f} to {high:,.2f} {policy.quote.symbol}"

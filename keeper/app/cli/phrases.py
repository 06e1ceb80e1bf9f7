"""Triggers and gates in words; the numbers beside them are those of the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.app.cli import words

Phrase = Callable[[float, float, str], str]
"""From what was found, its limit and its unit."""


def _tier(unit: str) -> str:
    """The tier that a reason is of: its unit begins with the name."""
    return unit.partition(":")[0]


REASONS: Mapping[str, Phrase] = {
    "missing": lambda _found, limit, _: f"is not held, wanted at {limit:.0%} of all",
    "unwanted": lambda found, _limit, __: f"is not wanted in this regime, held at {found:.0%} of all",
    "shape": lambda found, limit, _: f"has {found:.0f} of {limit:.0f} positions in its pool",
    "outside": lambda found, limit, _: f"has been left by the price for {words.duration(found)}, past {words.duration(limit)}",
    "drift": lambda found, limit, _: f"is {found:.0%} of the way to its edge, past {limit:.0%} for long enough",
    "wider": lambda found, limit, _: f"should be {found:.2f} times as wide, past {limit:.2f}",
    "narrower": lambda found, limit, _: f"should be {found:.2f} times as wide, below {limit:.2f}",
    "regime": lambda found, limit, _: f"holds {found:.0%} of all, the new regime wants {limit:.0%}",
    "nesting": lambda found, limit, _: f"is {found:,.0f} ticks off the layer inside it, past {limit:,.0f}",
    "fees": lambda found, limit, unit: f"is owed {found:,.2f} {unit}, worth putting back from {limit:,.2f}",
    "idle": lambda found, limit, unit: f"can take {found:,.2f} {unit} more that lies idle, worth it from {limit:,.2f}",
    "steady": lambda found, limit, _: f"is {found:.0%} of the way to its edge, acts at {limit:.0%}",
    "volatility": lambda found, limit, _: (
        f"volatility is {found:.0%} a year where {limit:.0%} is usual" if found else "volatility is not known yet"
    ),
    "event": lambda found, limit, _: f"should be {found:.2f} times as wide ahead of a scheduled event, past {limit:.2f}",
    "event_over": lambda found, limit, _: f"should be {found:.2f} times as wide now that the event is over, below {limit:.2f}",
    "protect": lambda found, limit, unit: f"protection should be quoted: {found:.2f} {unit}, from {limit:.2f}",
    "score": lambda found, limit, _: f"stress score is {found:+.2f}, counts from {limit:+.2f}",
    "exit": lambda found, _limit, __: f"a person asked for the way out of {found:.0f} positions",
    "hedge_walked": lambda found, limit, unit: (
        f"tier {_tier(unit)}: the price has gone {found:.0%} of the way to the ladder's end, wakes at {limit:.0%}"
    ),
    "hedge_score": lambda found, limit, unit: f"tier {unit} is {found:+.2f}, wakes at {limit:+.2f}",
    "hedge_event": lambda found, _limit, unit: f"tier {_tier(unit)}: {found:.2f} times the variance is scheduled",
    "hedge_cheap": lambda found, limit, unit: f"tier {unit} by {found:.0%}, wakes at {limit:.0%}",
    "hedge_mandate": lambda found, limit, unit: f"{found:,.2f} {unit}, the mandate allows {limit:,.2f}",
    "hedge_gap": lambda found, limit, unit: f"{found:,.4f} of {limit:,.4f} {unit}",
    "hedge_parity": lambda found, _limit, unit: f"{found:,.2f} {unit}",
    "hedge_due": lambda found, _limit, unit: f"an option is due: {found:,.2f} {unit}",
    "hedge_synthetic": lambda found, limit, unit: (
        f"{found:,.2f} {unit}" + (f", which itself costs {limit:,.2f}" if limit else ", of which none is sold")
    ),
    "hedge_funding": lambda found, limit, unit: f"{found:,.2f} of {limit:,.2f} {unit}",
    "hedge_beside": lambda found, _limit, unit: f"{found:,.4f} {unit}",
    "lean": lambda found, limit, unit: f"the lean is {found:.1%} {unit}, past {limit:.1%}",
    "hedge_ordered": lambda _found, _limit, _unit: "a person ordered it",
}

VETOES: Mapping[str, Phrase] = {
    "data_quality": lambda _found, _limit, _unit: "the forecast of volatility cannot be relied on yet",
    "price_min": lambda found, limit, unit: f"the price {found:,.2f} {unit} is below the sane band from {limit:,.2f}",
    "price_max": lambda found, limit, unit: f"the price {found:,.2f} {unit} is above the sane band to {limit:,.2f}",
    "base_fee": lambda found, limit, _: f"the base fee {words.gwei(int(found))} is above {words.gwei(int(limit))}",
    "twap_missing": lambda _found, limit, _: f"the pool's history is shorter than {words.duration(limit)}",
    "twap_deviation": lambda found, limit, _: f"spot is {found:,.0f} ticks from the average, more than {limit:,.0f}",
    "cooldown": lambda found, limit, _: f"placed {words.duration(found)} ago, rests for {words.duration(limit)}",
    "shifts_per_day": lambda found, limit, _: f"{found:.0f} shifts in 24 h, of {limit:.0f}",
    "min_value": lambda found, limit, unit: f"{found:,.2f} {unit} is less than the {limit:,.2f} worth moving",
    "gas_per_day": lambda found, limit, _: f"{words.ether(int(found))} of gas in 24 h, more than {words.ether(int(limit))}",
    "cost": lambda found, limit, unit: f"would earn {found:,.2f} {unit}, less than the {limit:,.2f} that its cost asks for",
    "unchanged": lambda _found, _limit, _unit: "it lies there already",
    "hedge_fees": lambda found, limit, unit: f"protection costs {found:,.2f}, of {limit:,.2f} {unit}",
    "hedge_capital": lambda found, limit, unit: f"protection costs {found:,.2f}, of {limit:,.2f} {unit}",
    "hedge_funds": lambda found, limit, unit: f"protection costs {found:,.2f}, of {limit:,.2f} {unit}",
    "hedge_score": lambda found, limit, unit: f"protection costs {found:,.2f} {unit}, at most {limit:,.2f}",
    "hedge_dear": lambda found, _limit, unit: f"{found:.0f} {unit}: dearer than the model by more than is allowed",
    "hedge_suspicious": lambda found, _limit, unit: f"{found:.0f} {unit}: so cheap that they are stale or will not be paid",
    "hedge_unsound": lambda found, _limit, unit: f"{found:.0f} {unit}",
    "hedge_no_quote": lambda _found, _limit, unit: f"nobody offers protection: {unit}",
    "hedge_small": lambda found, limit, unit: f"{found:.1%} {unit}, less than the {limit:.0%} that are bought at once",
    "hedge_sale": lambda found, _limit, unit: f"waits while {found:,.4f} {unit}",
    "lean": lambda found, limit, unit: f"would leave the lean at {found:.1%} {unit}, past {limit:.1%}",
    "lean_cooldown": lambda found, limit, _: (
        f"the lean was steered {words.duration(found)} ago, rests for {words.duration(limit)}"
    ),
    "lean_cost": lambda found, limit, unit: (
        f"steering saves {found:,.2f} {unit}, less than the {limit:,.2f} asked for its cost"
    ),
    "lean_way": lambda _found, limit, unit: f"there is nothing of the {limit:,.4f} {unit}",
    "uncovered": lambda _found, _limit, _unit: "an awake tier has not the cover that it wants, so nothing is placed",
}


def phrase(phrases: Mapping[str, Phrase], name: str, layer: str | None, found: float, limit: float, unit: str) -> str:
    """One trigger or gate as a clause; a name without words of its own is told with its bare numbers."""
    if name not in phrases:
        told = f"{name.replace('_', ' ')}: {words.number(found)} against {words.number(limit)} {unit}".rstrip()
    else:
        told = phrases[name](found, limit, unit)
    return f"{layer} {told}" if layer is not None else told

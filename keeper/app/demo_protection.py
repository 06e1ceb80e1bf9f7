"""What protection came to in a run of the demo: when tiers woke, what was bought, what it paid."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.app.cli import sentences
from keeper.core.ledger.accounts import Books, done_of
from keeper.core.ledger.marks import Marks, option_quote
from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import CloseHow, OptionPosition, OptionQuote
from keeper.core.model.plan import CloseOption, Done, OpenOption
from keeper.core.model.record import CycleRecord
from keeper.core.strategy.caution import caution
from keeper.core.strategy.hedge.needs import reference_volatility
from keeper.core.strategy.hedge.wake import awake_before_quotes, mandate, walked_part
from keeper.core.strategy.valuation import protected_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """A tier that was asleep in the cycle before."""

    at_s: int
    """Chain time."""
    tier: str
    price: float
    """Of the base, time-weighted."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """A purchase."""

    at_s: int
    tier: str
    strike: float
    expiry_s: int
    size: float
    """Tokens of the base."""
    price: float
    """Of the base, time-weighted, in the cycle that bought."""
    premium_raw: int
    """Raw units of the quote, as its receipt tells."""
    implied_volatility: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A redemption, an exercise or a sale that brought something."""

    at_s: int
    how: str
    strike: float
    expiry_s: int
    size: float
    payoff_raw: int
    """Raw units of the quote, as its receipt tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An option that is still held."""

    strike: float
    expiry_s: int
    size: float
    state: str
    brings_quote: float
    """By a sale now, or by its payoff once expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionTold:
    """What it all came to, in tokens of the quote unless said otherwise."""

    woke: tuple[Woke, ...]
    bought: tuple[Bought, ...]
    ended: tuple[Ended, ...]
    held: tuple[Held, ...]
    ladder_quote: float
    """Change of value since the start without premiums, payoffs and the gas of options: what the ladder alone did."""
    premium_quote: float
    payoff_quote: float
    gas_quote: float
    """Of buying and ending options."""
    held_quote: float
    """What is still held would bring."""
    net_quote: float
    """Payoffs and what is held, less premiums and gas; negative where protection cost more than it paid."""
    together_quote: float
    """Ladder and protection."""


class Diary:
    """Reads cycles as they end."""

    def __init__(self) -> None:
        self._awake: frozenset[str] = frozenset()
        self._woke: list[Woke] = []
        self._bought: list[Bought] = []
        self._ended: list[Ended] = []

    def note(self, record: CycleRecord) -> None:
        """Take one cycle down."""
        price = protected_price(record.view, record.policy)
        self._woke += [
            Woke(at_s=record.view.now_s, tier=tier, price=price, why=_why(tier, record, price))
            for tier in record.decision.awake
            if tier not in self._awake
        ]
        self._awake = frozenset(record.decision.awake)
        tiers = (move.tier for move in record.decision.moves if isinstance(move, BuyProtection))
        for stage, done in done_of(record):
            match stage.option:
                case OpenOption(quote=quote):
                    self._bought.append(_purchase(record, next(tiers), quote, -_quote_raw(record, done), price))
                case CloseOption(position=position, how=how):
                    self._close(record, position, how, _quote_raw(record, done))

    def _close(self, record: CycleRecord, position: OptionPosition, how: CloseHow, raw: int) -> None:
        if not raw:  # a price at expiry that was set pays nothing yet
            return
        strike, expiry_s, size = _terms(position)
        self._ended.append(
            Ended(at_s=record.view.now_s, how=how.value, strike=strike, expiry_s=expiry_s, size=size, payoff_raw=raw)
        )

    def told(self, books: Books, marks: Marks, last: CycleRecord) -> ProtectionTold:
        """Sum up.

        Args:
            books: after the last cycle.
            marks: likewise.
            last: the last cycle.
        """
        cost = marks.premium_quote + marks.protection_gas_quote
        change = marks.value_quote - books.opening_quote
        return ProtectionTold(
            woke=tuple(self._woke),
            bought=tuple(self._bought),
            ended=tuple(self._ended),
            held=tuple(_held(position, last) for position in last.view.protection.positions),
            ladder_quote=change + cost - marks.payoff_quote,
            premium_quote=marks.premium_quote,
            payoff_quote=marks.payoff_quote,
            gas_quote=marks.protection_gas_quote,
            held_quote=marks.options_quote,
            net_quote=marks.protection_quote,
            together_quote=change + marks.options_quote,
        )


def _why(name: str, record: CycleRecord, price: float) -> str:
    """What woke the tier, in plain words; a decision gives reasons only for a tier that lacks something."""
    view, policy = record.view, record.policy
    tier, volatility = policy.hedge.tier(name), reference_volatility(record.readings)
    over = None if volatility is None else mandate(view, policy, volatility, price)
    careful, walked = caution(record.readings, policy), walked_part(view, policy, price)
    own = [] if tier is None else [*awake_before_quotes(tier, view, policy, careful, walked)]
    own += [reason for reason in record.decision.reasons if reason.unit.startswith(f"{name}:")]
    reasons = own if over is None else [over, *own]
    return sentences.reason(reasons[0]) if reasons else ""


def _purchase(record: CycleRecord, tier: str, quote: OptionQuote, raw: int, price: float) -> Bought:
    strike, expiry_s, size = _terms(quote)
    return Bought(
        at_s=record.view.now_s,
        tier=tier,
        strike=strike,
        expiry_s=expiry_s,
        size=size,
        price=price,
        premium_raw=raw,
        implied_volatility=None if quote.implied_volatility is None else float(quote.implied_volatility),
    )


def _held(position: OptionPosition, record: CycleRecord) -> Held:
    strike, expiry_s, size = _terms(position)
    brings = option_quote(position, record.policy, protected_price(record.view, record.policy))
    return Held(strike=strike, expiry_s=expiry_s, size=size, state=position.state.value, brings_quote=brings)


def _terms(option: OptionQuote | OptionPosition) -> tuple[float, int, float]:
    """Strike, expiry and size of an option of one leg that expires: no others are sold in the demo."""
    (leg,) = option.contract.legs
    return float(leg.strike), option.contract.expiry_s or 0, option.size.raw / 10**option.size.token.decimals


def _quote_raw(record: CycleRecord, done: Done) -> int:
    return sum(delta.raw for delta in done.deltas if delta.token.address == record.policy.quote.address)

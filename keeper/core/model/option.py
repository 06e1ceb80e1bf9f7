"""Options: what can be bought, what it would cost, and what is held."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.core.model.token import Token, TokenAmount


class OptionKind(StrEnum):
    """Which way a leg pays."""

    PUT = "put"
    """When the price falls below the strike."""
    CALL = "call"
    """When the price rises above the strike."""

    @property
    def other(self) -> OptionKind:
        """A put of a call, and a call of a put."""
        return OptionKind.CALL if self is OptionKind.PUT else OptionKind.PUT


class Style(StrEnum):
    """When an option may be exercised."""

    AMERICAN = "american"
    """Until expiry."""
    EUROPEAN = "european"
    """At expiry."""
    PERPETUAL = "perpetual"
    """There is no expiry."""


class Settlement(StrEnum):
    """What an exercise pays."""

    CASH = "cash"
    PHYSICAL = "physical"
    EITHER = "either"


class Exercise(StrEnum):
    """Who must do what for a payoff to arrive."""

    AUTO = "auto"
    """It is settled at expiry and can be redeemed at any time after."""
    HOLDER = "holder"
    """The holder closes it; there is no time limit."""
    HOLDER_BEFORE_EXPIRY = "holder_before_expiry"
    """The holder exercises it before expiry, or it is worthless."""


class CostModel(StrEnum):
    """How an option is paid for."""

    UPFRONT = "upfront"
    """Once, when it is bought: nothing more can be lost."""
    STREAMED = "streamed"
    """While it is held, by the time that the price spends in its range."""


class QuoteBasis(StrEnum):
    """How far a quote can be relied on."""

    FIRM = "firm"
    """A seller's signed order or a contract's own price at the block."""
    AMM = "amm"
    """The output of a pool at the block: it moves with other trades."""
    MODEL = "model"
    """Computed by us."""


class NoQuoteReason(StrEnum):
    """Why nothing is offered; a normal answer."""

    NO_SERIES = "no_series"
    """No contract of the wanted kind exists."""
    NO_LIQUIDITY = "no_liquidity"
    """A contract exists and nobody sells it, or not so many."""
    OUT_OF_TENOR = "out_of_tenor"
    LIMIT = "limit"
    """The venue's own cap of what it sells, or ours of how many quotes are looked at."""
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    """The venue does not answer, or not as its interface says."""
    UNSOUND = "unsound"
    """It is for sale, and the payoff is not covered or the price is not to be believed."""


class PositionState(StrEnum):
    """What can be done with a held option now."""

    OPEN = "open"
    ITM_EXERCISABLE = "itm_exercisable"
    """Exercising it now would pay."""
    AWAITING_PRICE = "awaiting_price"
    """It has expired and the price at expiry is not final."""
    REDEEMABLE = "redeemable"
    """It has expired in the money and waits to be redeemed."""
    EXPIRED_WORTHLESS = "expired_worthless"
    FORCE_EXERCISED = "force_exercised"
    """Somebody else closed it for a fee."""
    CLOSED = "closed"


class CloseHow(StrEnum):
    """How a held option is ended."""

    EXERCISE = "exercise"
    """Take the payoff that it has now."""
    REDEEM = "redeem"
    """Take the payoff that it had at expiry."""
    SELL = "sell"
    """Hand it on for what the market gives."""
    CASH = "cash"
    """Close a perpetual one against the quote token."""
    PHYSICAL = "physical"
    """Close a perpetual one by delivering the base token."""
    RELEASE = "release"
    """Clear an option that expired worthless away; pays nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One direction of a contract, per unit of the base token."""

    kind: OptionKind
    strike: Decimal
    """Price of the base in tokens of the quote, > 0."""
    ratio: Decimal = Decimal(1)
    """Units of the base that the leg covers per unit of the contract, > 0."""
    range_factor: Decimal = Decimal(1)
    """Upper end over strike of the range within which the payoff bends, >= 1; 1 is a kink at the strike.

    A perpetual leg made of liquidity in ``[strike / factor, strike * factor]`` pays what holding differs from that liquidity.
    """

    def payoff(self, price: Decimal) -> Decimal:
        """What the leg pays at ``price`` (quote per base, >= 0), tokens of the quote per unit of the contract; never negative.

        Ref: v3 whitepaper section 6.2 for a leg with a range, whose liquidity holds one unit of the base at its lower end.
        """
        held = self._liquidity_value(price)
        if self.kind is OptionKind.PUT:
            return self.ratio * max(self.strike - held, Decimal(0))
        return self.ratio * max(price - held, Decimal(0))

    def _liquidity_value(self, price: Decimal) -> Decimal:
        """Of one unit of liquidity that is all base (one unit) below its range and all quote (the strike) above."""
        lower, upper = self.strike / self.range_factor, self.strike * self.range_factor
        if price <= lower:
            return price
        if price >= upper:
            return self.strike
        root, low, high = price.sqrt(), lower.sqrt(), upper.sqrt()
        liquidity = low * high / (high - low)
        return liquidity * (2 * root - low - price / high)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionContract:
    """What a venue sells: identity and terms."""

    venue: str
    chain_id: int
    base: Token
    quote: Token
    legs: tuple[Leg, ...]
    expiry_s: int | None
    """Chain time at which it ends; None for a perpetual one."""
    style: Style
    settlement: Settlement
    settle_asset: Token
    exercise: Exercise
    lot_raw: int
    """Smallest step of its size, raw units of the base, > 0."""
    native: tuple[str, ...]
    """What the venue itself calls it; only its adapter reads this."""

    def payoff(self, price: Decimal) -> Decimal:
        """What one unit of the base pays when it ends at ``price``, in tokens of the quote."""
        return sum((leg.payoff(price) for leg in self.legs), Decimal(0))

    def lots(self, size_raw: int) -> int:
        """A size rounded **up** to whole lots, raw units of the base: protection never falls short by rounding."""
        return -(-size_raw // self.lot_raw) * self.lot_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionQuote:
    """What so much of a contract would cost at a block."""

    contract: OptionContract
    size: TokenAmount
    """Of the base; whole lots."""
    upfront: TokenAmount
    """Premium that is paid at once, rounded up."""
    fee: TokenAmount
    """What the venue takes on top, rounded up."""
    collateral: tuple[TokenAmount, ...]
    """Locked while it is held, and returned."""
    carry_per_day: TokenAmount
    """Expected streamed cost of a day; an estimate, 0 where everything is paid at once."""
    cost_model: CostModel
    max_loss: TokenAmount | None
    """Most that can be lost by holding it; None when the venue sets no bound."""
    available: TokenAmount
    """How much of the base could be bought now."""
    payable_cap: TokenAmount | None
    """Most that the venue could pay out now; None when every option is fully collateralised."""
    basis: QuoteBasis
    block: int
    valid_until_s: int
    """Chain time after which it must be asked for anew."""
    implied_volatility: Decimal | None
    """Of the premium, per year; None where none reproduces it."""
    gas_open: int
    """Gas that buying takes, allowances included."""
    gas_close: int
    native: tuple[str, ...] = ()
    """What the venue needs to fill it (an order, a fee tier); only its adapter reads this."""

    @property
    def cost(self) -> TokenAmount:
        """Premium and fee."""
        return self.upfront + self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class NoQuote:
    """Nothing is offered."""

    venue: str
    reason: NoQuoteReason
    note: str
    """For people: what was asked and what came back."""
    contract: OptionContract | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionPosition:
    """A held option as the chain has it at the view's block."""

    contract: OptionContract
    owner: str
    id: str
    """The venue's own, as text: a token id, an address. ``"0"`` is an id."""
    size: TokenAmount
    """Of the base."""
    opened_cost: TokenAmount | None
    """What was paid for it; None where the chain does not tell."""
    accrued_cost: TokenAmount
    """Streamed so far and not yet paid."""
    intrinsic: TokenAmount
    """What it would pay at the venue's own price now, rounded down."""
    claimable: TokenAmount
    """What could be taken out in this block, rounded down."""
    state: PositionState
    act_before_s: int | None
    """Chain time after which its payoff is lost; None when nothing is lost by waiting."""
    waits: bool = False
    """Whether nothing can be done about it in this block: ending it would be refused."""
    gas_close: int = 400_000
    """Gas that ending it takes, allowances included; rather too much where the venue does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCaps:
    """What a venue can and cannot do."""

    venue: str
    chain_id: int
    kinds: tuple[OptionKind, ...]
    style: Style
    settlement: Settlement
    exercise: Exercise
    cost_model: CostModel
    closes_early: tuple[CloseHow, ...]
    """Ways out before expiry."""
    min_tenor_s: int | None
    """None for perpetual contracts."""
    max_tenor_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionMarket:
    """The market that protection is wanted in, at the view's block."""

    base: Token
    quote: Token
    price: Decimal
    """Protected price of the base in tokens of the quote."""
    now_s: int
    block: int
    reference_volatility: Decimal | None
    """What the market asks for volatility, per year: implied where it is told, else the forecast; None without either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeWant:
    """Which contracts are worth a quote."""

    kinds: tuple[OptionKind, ...]
    strike_from: Decimal
    """Lowest strike, tokens of the quote."""
    strike_to: Decimal
    expiry_from_s: int
    """Earliest expiry, chain time."""
    expiry_to_s: int
    size: TokenAmount
    """Of the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionView:
    """Everything that a cycle knows of options: part of its view."""

    positions: tuple[OptionPosition, ...]
    quotes: tuple[OptionQuote, ...]
    absent: tuple[NoQuote, ...]
    """What was asked for and is not offered."""


NO_PROTECTION = ProtectionView(positions=(), quotes=(), absent=())
"""Nothing is held and nothing was asked."""

"""A venue that exists on paper only: model prices on the market's own implied volatility, a spread, a size limit.

Dry runs, paper trading and backtests buy here. What is bought settles by itself at the price of the first look at or after its
expiry; what expired worthless is shown for a day, and then cleared away. It claims no counterparty, no queue and no jump of its
prices: it says what options would have cost, not that they could have been had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from keeper.adapters.options.parts import largest, parts_of
from keeper.adapters.options.words import in_words, unmet
from keeper.core.model.errors import Refused
from keeper.core.model.option import (
    CloseHow,
    CostModel,
    Exercise,
    HedgeWant,
    Leg,
    NoQuote,
    NoQuoteReason,
    OptionContract,
    OptionKind,
    OptionMarket,
    OptionPosition,
    OptionQuote,
    PositionState,
    ProtectionView,
    QuoteBasis,
    Settlement,
    Style,
    VenueCaps,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount
from keeper.core.quant.black_scholes import option_price
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.ports.options import NotYet, VenuePlan

NAME = "paper"
DAY_S = 86_400
CLEARED_S = DAY_S
"""After its expiry what is worthless is no longer shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRules:
    """How the venue prices."""

    markup: Decimal = Decimal("1.1")
    """Volatility asked over the market's reference."""
    spread: Decimal = Decimal("0.02")
    """Premium on top, as a fraction."""
    max_size: Decimal = Decimal(500)
    """Most of the base in one purchase, tokens."""
    strike_step: Decimal = Decimal("0.01")
    """Strikes lie on powers of 1 plus this."""
    tenors_s: tuple[int, ...] = (7 * DAY_S, 14 * DAY_S, 30 * DAY_S, 60 * DAY_S)
    expiry_hour_s: int = 8 * 3_600
    """Second of the UTC day at which options expire."""
    gas_open: int = 411_000
    gas_close: int = 120_000


@dataclass(slots=True)
class _Held:
    contract: OptionContract
    size: TokenAmount
    cost: TokenAmount
    settled: TokenAmount | None = None
    """What it pays, once it has expired."""
    shown: OptionPosition | None = None
    """As it was last told, and will be until it pays something else."""


class PaperWorth(NamedTuple):
    """What is held, in tokens of the quote."""

    model: float
    """By the model, without markup and spread; what has expired at what it pays."""
    intrinsic: float
    """If everything ended at this price."""
    number: int
    """Options that have not expired, or wait to be redeemed."""


NOTHING_HELD = PaperWorth(0.0, 0.0, 0)


@dataclass(slots=True)
class PaperVenue:
    """Quotes and holds paper options of one pair for one account.

    Args:
        chain_id: of the pair.
        base: token.
        quote: token.
        rules: of its prices.
    """

    chain_id: int
    base: Token
    quote_token: Token
    rules: PaperRules = field(default_factory=PaperRules)
    _market: OptionMarket | None = None
    _held: dict[str, _Held] = field(default_factory=dict)
    _bought: int = 0

    @property
    def name(self) -> str:
        """See the port."""
        return NAME

    def capabilities(self) -> VenueCaps:
        """See the port."""
        return VenueCaps(
            venue=NAME,
            chain_id=self.chain_id,
            kinds=(OptionKind.PUT, OptionKind.CALL),
            style=Style.EUROPEAN,
            settlement=Settlement.CASH,
            exercise=Exercise.AUTO,
            cost_model=CostModel.UPFRONT,
            closes_early=(),
            min_tenor_s=min(self.rules.tenors_s),
            max_tenor_s=max(self.rules.tenors_s),
        )

    def contracts(self, market: OptionMarket, want: HedgeWant) -> Sequence[OptionContract]:
        """The strike next to the middle of what is wanted, for every tenor that fits; none that is not wanted. Asks nothing."""
        self._market = market
        strike = self._strike((want.strike_from + want.strike_to) / 2)
        if not want.strike_from <= strike <= want.strike_to:
            return []
        expiries = self._expiries(market, want)
        return [self._contract(kind, strike, expiry_s) for kind in want.kinds for expiry_s in expiries]

    def quote(self, contract: OptionContract, size: TokenAmount) -> OptionQuote | NoQuote:
        """The model's price at the market that was shown last, rounded **up** to a raw unit."""
        market = self._market
        if market is None or market.reference_volatility is None:
            return self._none(NoQuoteReason.NO_LIQUIDITY, "no volatility to price by", contract)
        available = int(self.rules.max_size * 10**self.base.decimals)
        if size.raw > available:
            return self._none(NoQuoteReason.LIMIT, f"at most {self.rules.max_size} {self.base.symbol} at once", contract)
        if contract.expiry_s is None or contract.expiry_s <= market.now_s:
            return self._none(NoQuoteReason.OUT_OF_TENOR, "it has expired", contract)
        volatility = market.reference_volatility * self.rules.markup
        model = self._model(contract, float(market.price), market.now_s, float(volatility))
        each = Decimal(model) * (1 + self.rules.spread)
        premium = self._raw(each * size.raw / 10**self.base.decimals, up=True)
        nothing = TokenAmount(token=self.quote_token, raw=0)
        return OptionQuote(
            contract=contract,
            size=size,
            upfront=TokenAmount(token=self.quote_token, raw=premium),
            fee=nothing,
            collateral=(),
            carry_per_day=nothing,
            cost_model=CostModel.UPFRONT,
            max_loss=TokenAmount(token=self.quote_token, raw=premium),
            available=TokenAmount(token=self.base, raw=available),
            payable_cap=None,
            basis=QuoteBasis.MODEL,
            block=market.block,
            valid_until_s=market.now_s + 600,
            implied_volatility=volatility,
            gas_open=self.rules.gas_open,
            gas_close=self.rules.gas_close,
        )

    def plan_open(self, quote: OptionQuote, max_cost: TokenAmount) -> VenuePlan:
        """Nothing to call: whoever carries it out tells the venue by :meth:`buy`."""
        self._check(quote, max_cost)
        return VenuePlan(calls=())

    def positions(self, owner: str) -> Sequence[OptionPosition]:
        """What has been bought, at the market that was shown last."""
        market = self._market
        return [] if market is None else [self._position(id_, held, owner, market) for id_, held in self._held.items()]

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        """Nothing to call: whoever carries it out tells the venue by :meth:`end`."""
        held = self._held.get(position.id)
        if held is None or how not in {CloseHow.REDEEM, CloseHow.RELEASE}:
            raise Refused(f"{NAME} does not hold {position.id}, or does not end options by {how}")
        self._must_be_quote(min_out)
        if held.settled is None:
            return NotYet(why="it has not expired", not_before_s=held.contract.expiry_s)
        if held.settled.raw < min_out.raw:
            raise Refused(f"it pays {in_words(held.settled)}, at least {in_words(min_out)} are wanted")
        if how is CloseHow.RELEASE and held.settled.raw:
            raise Refused(f"releasing pays nothing, and it would pay {in_words(held.settled)}")
        return VenuePlan(calls=())

    def buy(self, quote: OptionQuote, max_cost: TokenAmount) -> TokenAmount:
        """Hold what was quoted; returns what it cost.

        Raises:
            Refused: it costs more, or is not this venue's.
        """
        self._check(quote, max_cost)
        self._held[str(self._bought)] = _Held(quote.contract, quote.size, quote.cost)
        self._bought += 1
        return quote.cost

    def end(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> TokenAmount:
        """Let go of an option that has expired; returns what it pays.

        Raises:
            Refused: as :meth:`plan_close`, or it has not expired.
        """
        plan = self.plan_close(position, how, min_out)
        if isinstance(plan, NotYet):
            raise Refused(plan.why)
        settled = self._held.pop(position.id).settled
        assert settled is not None
        return settled

    def held(self, market: OptionMarket, owner: str, _block: BlockRef) -> ProtectionView:
        """As a desk of this venue alone: what is held, settled where it has expired."""
        self._market = market
        for id_, held in tuple(self._held.items()):
            expiry_s = held.contract.expiry_s
            assert expiry_s is not None
            if held.settled is None and market.now_s >= expiry_s:
                held.settled, held.shown = self._amount(self._pays_raw(held, market)), None
            if held.settled is not None and not held.settled.raw and market.now_s >= expiry_s + CLEARED_S:
                del self._held[id_]
        return ProtectionView(positions=tuple(self.positions(owner)), quotes=(), absent=())

    def offers(self, market: OptionMarket, wants: Sequence[HedgeWant], _block: BlockRef) -> ProtectionView:
        """As a desk of this venue alone: a quote for every contract that fits a want, of a part where the whole is too much."""
        quotes: list[OptionQuote] = []
        absent: list[NoQuote] = []
        for want in wants:
            contracts = self.contracts(market, want)
            if not contracts:
                reason = NoQuoteReason.NO_SERIES if self._expiries(market, want) else NoQuoteReason.OUT_OF_TENOR
                absent.append(unmet(NAME, market, want, reason))
            for contract in contracts:
                found = largest(self.quote(contract, part) for part in parts_of(contract, want.size))
                if isinstance(found, NoQuote):
                    absent.append(found)
                else:
                    quotes.append(found)
        return ProtectionView(positions=(), quotes=tuple(quotes), absent=tuple(absent))

    def worth(self, *, price: float, now_s: int, volatility: float | None) -> PaperWorth:
        """Of what is held; without a volatility the model's value is the intrinsic one, below which it never lies.

        Args:
            price: of the base, tokens of the quote, > 0.
            now_s: chain time.
            volatility: reference per year.
        """
        if not self._held:
            return NOTHING_HELD
        counted = [held for held in self._held.values() if held.settled is None or held.settled.raw]
        alike: dict[tuple[str, ...], tuple[OptionContract, int]] = {}
        settled_raw = 0
        for held in counted:
            if held.settled is not None:
                settled_raw += held.settled.raw
            else:
                contract = held.contract
                alike[contract.native] = contract, held.size.raw + alike.get(contract.native, (contract, 0))[1]
        model = intrinsic = settled_raw / 10**self.quote_token.decimals
        for contract, size_raw in alike.values():
            (leg,), size = contract.legs, size_raw / 10**self.base.decimals
            pays = size * max((1 if leg.kind is OptionKind.CALL else -1) * (price - float(leg.strike)), 0.0)
            intrinsic += pays
            model += max(size * self._model(contract, price, now_s, volatility or 0.0), pays)
        return PaperWorth(model, intrinsic, len(counted))

    def _check(self, quote: OptionQuote, max_cost: TokenAmount) -> None:
        if quote.contract.venue != NAME:
            raise Refused(f"a quote of {quote.contract.venue} at {NAME}")
        self._must_be_quote(max_cost)
        if quote.cost.raw > max_cost.raw:
            raise Refused(f"it costs {in_words(quote.cost)}, at most {in_words(max_cost)} may be paid")

    def _must_be_quote(self, amount: TokenAmount) -> None:
        if amount.token.address != self.quote_token.address:
            raise Refused(f"{NAME} counts in {self.quote_token.symbol}, not in {amount.token.symbol}")

    def _contract(self, kind: OptionKind, strike: Decimal, expiry_s: int) -> OptionContract:
        return OptionContract(
            venue=NAME,
            chain_id=self.chain_id,
            base=self.base,
            quote=self.quote_token,
            legs=(Leg(kind=kind, strike=strike),),
            expiry_s=expiry_s,
            style=Style.EUROPEAN,
            settlement=Settlement.CASH,
            settle_asset=self.quote_token,
            exercise=Exercise.AUTO,
            lot_raw=max(10**self.base.decimals // 1000, 1),
            native=(f"{kind.value} {strike} {expiry_s}",),
        )

    def _expiries(self, market: OptionMarket, want: HedgeWant) -> list[int]:
        """Of the tenors that fit, earliest first."""
        found = {self._expiry_s(market.now_s + tenor_s) for tenor_s in self.rules.tenors_s}
        return sorted(one for one in found if want.expiry_from_s <= one <= want.expiry_to_s)

    def _expiry_s(self, wanted_s: int) -> int:
        """The first expiry at or after a time."""
        days = -(-(wanted_s - self.rules.expiry_hour_s) // DAY_S)
        return days * DAY_S + self.rules.expiry_hour_s

    def _strike(self, wanted: Decimal) -> Decimal:
        steps = (wanted.ln() / (1 + self.rules.strike_step).ln()).to_integral_value(ROUND_HALF_EVEN)
        exact = (1 + self.rules.strike_step) ** int(steps)
        return exact.quantize(Decimal(1).scaleb(exact.adjusted() - 5), ROUND_HALF_EVEN)

    @staticmethod
    def _model(contract: OptionContract, price: float, now_s: int, volatility: float) -> float:
        """Of one token of the base; past the expiry what it pays."""
        assert contract.expiry_s is not None
        (leg,) = contract.legs
        years = max(contract.expiry_s - now_s, 0) / SECONDS_A_YEAR
        return option_price(leg.kind, spot=price, strike=float(leg.strike), years=years, volatility=volatility)

    def _pays_raw(self, held: _Held, market: OptionMarket) -> int:
        """What it would pay now, or pays since it has settled."""
        if held.settled is not None:
            return held.settled.raw
        (leg,) = held.contract.legs
        if market.price >= leg.strike if leg.kind is OptionKind.PUT else market.price <= leg.strike:
            return 0
        return self._raw(held.contract.payoff(market.price) * held.size.raw / 10**self.base.decimals, up=False)

    def _position(self, id_: str, held: _Held, owner: str, market: OptionMarket) -> OptionPosition:
        pays_raw = self._pays_raw(held, market)
        if held.shown is not None and held.shown.intrinsic.raw == pays_raw and held.shown.owner == owner:
            return held.shown
        nothing = self._amount(0)
        if held.settled is None:
            state = PositionState.OPEN
        else:
            state = PositionState.REDEEMABLE if held.settled.raw else PositionState.EXPIRED_WORTHLESS
        held.shown = OptionPosition(
            contract=held.contract,
            owner=owner,
            id=id_,
            size=held.size,
            opened_cost=held.cost,
            accrued_cost=nothing,
            intrinsic=self._amount(pays_raw),
            claimable=held.settled or nothing,
            state=state,
            act_before_s=None,
        )
        return held.shown

    def _amount(self, raw: int) -> TokenAmount:
        return TokenAmount(token=self.quote_token, raw=raw)

    def _raw(self, tokens: Decimal, *, up: bool) -> int:
        scaled = tokens.scaleb(self.quote_token.decimals)
        return int(scaled.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))

    def _none(self, reason: NoQuoteReason, note: str, contract: OptionContract | None) -> NoQuote:
        return NoQuote(venue=NAME, reason=reason, note=note, contract=contract)

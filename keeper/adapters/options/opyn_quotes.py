"""What Opyn offers, judged: which series fit a want, what they cost at their sources, and why nothing is offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.adapters.evm.multicall import ContractRead, read_of
from keeper.adapters.options.opyn_holding import GAS_REDEEM
from keeper.adapters.options.opyn_interface import (
    OTOKEN_DECIMALS,
    PRICE_ONE,
    VENUE,
    Modules,
    Series,
    VenueSilent,
    answer,
)
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.adapters.options.opyn_series import SeriesBook, Survey
from keeper.adapters.options.opyn_settlement import IS_WHITELISTED, Settler
from keeper.adapters.options.opyn_soundness import Soundness
from keeper.adapters.options.opyn_supply import Offer, OtokenSource, Wanted
from keeper.adapters.options.parts import largest, parts_of
from keeper.adapters.options.reading import Reading
from keeper.adapters.options.words import tokens, unmet
from keeper.core.model.option import (
    CostModel,
    HedgeWant,
    NoQuote,
    NoQuoteReason,
    OptionContract,
    OptionKind,
    OptionMarket,
    OptionQuote,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.core.quant.black_scholes import implied_volatility

_YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One open question for a quote."""

    contract: OptionContract
    wanted: Wanted
    sound: Soundness


@dataclass(frozen=True, slots=True, kw_only=True)
class OpynQuotes:
    """The readings that end in contracts and quotes; each takes the rounds of the book's survey, and no more."""

    rules: OpynRules
    book: SeriesBook
    settler: Settler
    sources: Sequence[OtokenSource]

    def discovering(self, market: OptionMarket, want: HedgeWant, block: BlockRef) -> Reading[tuple[OptionContract, ...]]:
        """Listed series that fit, nearest strike first, of one strike the nearest expiry first.

        Raises:
            VenueSilent: the venue does not answer.
        """

        def listing(modules: Modules, series: Sequence[Series]) -> list[ContractRead]:
            return [_listed(modules, one) for one in series if _fits(one, market, want)]

        survey = yield from self.book.surveying(listing, block)
        return self._found(survey, market, want)

    def _found(self, survey: Survey, market: OptionMarket, want: HedgeWant) -> tuple[OptionContract, ...]:
        fitting = [one for one in survey.series if _fits(one, market, want)]
        listed = [one for one in fitting if answer(survey.answers, _listed(survey.modules, one))[0]]
        listed.sort(key=lambda one: (abs(Decimal(one.strike_e8) / PRICE_ONE - market.price), one.expiry_s))
        return tuple(self._contract(one) for one in listed)

    def _contract(self, series: Series) -> OptionContract:
        return series.contract(self.rules.chain_id, self.rules.base, self.rules.quote)

    def quoting(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> Reading[OptionQuote | NoQuote]:
        """The cheapest of what the sources ask."""
        asked = self._asking(contract, size, block)
        if isinstance(asked, NoQuote):
            return asked

        def reads(modules: Modules, series: Sequence[Series]) -> list[ContractRead]:
            return self._reads(asked, modules) if any(one.otoken == asked.wanted.otoken for one in series) else []

        try:
            survey = yield from self.book.surveying(reads, block)
        except VenueSilent as error:
            return self._none(NoQuoteReason.UNREACHABLE, str(error), contract)
        return self._judged(block, asked, survey)

    def offering(
        self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef
    ) -> Reading[tuple[OptionQuote | NoQuote, ...]]:
        """Quotes of every listed series that fits a want, and the wants that none fits.

        In whole lots of the wanted size, or of the largest of its :func:`parts <parts_of>` that somebody sells. What a series
        costs is asked together with whether it is listed.

        Raises:
            VenueSilent: the venue does not answer.
        """

        def reads(modules: Modules, series: Sequence[Series]) -> list[ContractRead]:
            fitting = [(one, want) for want in wants for one in series if _fits(one, market, want)]
            contracts = [(self._contract(one), want.size) for one, want in fitting]
            asked = [self._asking(contract, part, block) for contract, size in contracts for part in parts_of(contract, size)]
            costs = [read for one in asked if isinstance(one, _Asked) for read in self._reads(one, modules)]
            return [*(_listed(modules, one) for one, _ in fitting), *costs]

        survey = yield from self.book.surveying(reads, block)
        found = [self._found(survey, market, want) for want in wants]
        asked = ((contract, want.size) for want, fitting in zip(wants, found, strict=True) for contract in fitting)
        quotes = [self._largest(contract, size, block, survey) for contract, size in dict.fromkeys(asked)]
        absent = [unmet(VENUE, market, want) for want, fitting in zip(wants, found, strict=True) if not fitting]
        return (*dict.fromkeys(quotes), *absent)

    def _largest(self, contract: OptionContract, size: TokenAmount, block: BlockRef, survey: Survey) -> OptionQuote | NoQuote:
        asked = [self._asking(contract, part, block) for part in parts_of(contract, size)]
        return largest([one if isinstance(one, NoQuote) else self._judged(block, one, survey) for one in asked])

    def _asking(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> _Asked | NoQuote:
        rules = self.rules
        if contract.venue != VENUE or contract.chain_id != rules.chain_id or contract.expiry_s is None:
            return self._none(NoQuoteReason.NO_SERIES, f"{contract.native} is of {contract.venue}", contract)
        tenor_s = contract.expiry_s - block.timestamp_s
        if not rules.min_tenor_s <= tenor_s <= rules.max_tenor_s:
            limits = f"{rules.min_tenor_s} to {rules.max_tenor_s} s are bought"
            return self._none(NoQuoteReason.OUT_OF_TENOR, f"it expires in {tenor_s} s, {limits}", contract)
        if size.raw <= 0:
            raise ValueError(f"nothing is to be bought: {size.raw}")
        amount_e8 = contract.lots(size.raw) // contract.lot_raw
        wanted = Wanted(otoken=contract.native[0], amount_e8=amount_e8, now_s=block.timestamp_s)
        return _Asked(
            contract=contract, wanted=wanted, sound=Soundness(rules=rules, wanted=wanted, covered=contract.settle_asset)
        )

    def _reads(self, asked: _Asked, modules: Modules) -> list[ContractRead]:
        supply = [read for source in self.sources for read in source.reads(asked.wanted)]
        return [*asked.sound.reads(modules), *self.settler.live_reads(modules), *supply]

    def _judged(self, block: BlockRef, asked: _Asked, survey: Survey) -> OptionQuote | NoQuote:
        contract, modules, answers = asked.contract, survey.modules, survey.answers
        series = next((one for one in survey.series if one.otoken == asked.wanted.otoken), None)
        if series is None:
            return self._none(NoQuoteReason.NO_SERIES, f"the factory has no such series {asked.wanted.otoken}", contract)
        try:
            fault = asked.sound.fault(modules, series, answers)
        except VenueSilent as error:
            return self._none(NoQuoteReason.UNREACHABLE, str(error), contract)
        if fault:
            return self._none(*fault, contract)
        found = [one for source in self.sources for one in source.offers(asked.wanted, answers)]
        offers = [one for one in found if isinstance(one, Offer)]
        if not offers:
            notes = "; ".join(one for one in found if isinstance(one, str))
            return self._none(NoQuoteReason.NO_LIQUIDITY, notes or "nobody sells it", contract)
        best = min(offers, key=lambda offer: (offer.cost_raw, -offer.amount_e8))
        prices = self.settler.live_prices(modules, answers)
        if dear := self._too_dear(series, best, prices):
            return self._none(NoQuoteReason.UNSOUND, dear, contract)
        return self._quoted(block, contract, series, best, prices, asked.sound.held(modules, answers))

    def _too_dear(self, series: Series, offer: Offer, prices: tuple[int, int]) -> str | None:
        """A put never pays more than its strike, and a call never more than the base itself."""
        base_e8, quote_e8 = prices
        most_e8 = series.strike_e8 if series.is_put or not base_e8 or not quote_e8 else base_e8 * PRICE_ONE // quote_e8
        most_raw = most_e8 * offer.amount_e8 * 10**self.rules.quote.decimals // 10 ** (2 * OTOKEN_DECIMALS)
        if offer.cost_raw < most_raw:
            return None
        costs, most = (tokens(self.rules.quote, raw) for raw in (offer.cost_raw, most_raw))
        return f"it costs {costs} and is never worth more than {most}"

    def _quoted(
        self, head: BlockRef, contract: OptionContract, series: Series, offer: Offer, prices: tuple[int, int], held_raw: int
    ) -> OptionQuote:
        quote, base = self.rules.quote, self.rules.base
        nothing = TokenAmount(token=quote, raw=0)
        cost = TokenAmount(token=quote, raw=offer.cost_raw)
        return OptionQuote(
            contract=contract,
            size=TokenAmount(token=base, raw=offer.amount_e8 * contract.lot_raw),
            upfront=cost,
            fee=nothing,
            collateral=(),
            carry_per_day=nothing,
            cost_model=CostModel.UPFRONT,
            max_loss=cost,
            available=TokenAmount(token=base, raw=offer.available_e8 * contract.lot_raw),
            payable_cap=TokenAmount(token=contract.settle_asset, raw=held_raw),
            basis=offer.basis,
            block=head.number,
            valid_until_s=offer.valid_until_s,
            implied_volatility=_implied(series, offer, prices, quote.decimals, series.expiry_s - head.timestamp_s),
            gas_open=offer.gas,
            gas_close=GAS_REDEEM,
            native=offer.native,
        )

    def _none(self, reason: NoQuoteReason, note: str, contract: OptionContract | None) -> NoQuote:
        return NoQuote(venue=VENUE, reason=reason, note=note, contract=contract)


def _listed(modules: Modules, series: Series) -> ContractRead:
    return read_of(modules.whitelist, IS_WHITELISTED, series.otoken, may_fail=True)


def _fits(series: Series, market: OptionMarket, want: HedgeWant) -> bool:
    kind = OptionKind.PUT if series.is_put else OptionKind.CALL
    return (
        kind in want.kinds
        and want.strike_from <= Decimal(series.strike_e8) / PRICE_ONE <= want.strike_to
        and want.expiry_from_s <= series.expiry_s <= want.expiry_to_s
        and series.expiry_s > market.now_s
    )


def _implied(series: Series, offer: Offer, prices: tuple[int, int], decimals: int, tenor_s: int) -> Decimal | None:
    """Volatility per year at which the offer is Black-Scholes' price at the oracle's spot; None where none is."""
    base_e8, quote_e8 = prices
    if not base_e8 or not quote_e8:
        return None
    found = implied_volatility(
        OptionKind.PUT if series.is_put else OptionKind.CALL,
        offer.cost_raw / 10**decimals / (offer.amount_e8 / 10**OTOKEN_DECIMALS),
        spot=base_e8 / quote_e8,
        strike=series.strike_e8 / PRICE_ONE,
        years=tenor_s / _YEAR_S,
    )
    return None if found is None else Decimal(f"{found:.6f}")

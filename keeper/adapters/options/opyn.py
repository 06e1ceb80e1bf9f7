"""Opyn Gamma: European options on ether that are tokens, bought from whoever sells them and redeemed from the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.adapters.evm.multicall import ContractRead, read_of
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.airswap import GivenOrders, OrderBook
from keeper.adapters.options.opyn_holding import GAS_REDEEM, Holdings
from keeper.adapters.options.opyn_interface import (
    OTOKEN_DECIMALS,
    PRICE_ONE,
    VENUE,
    Modules,
    Series,
    VenueSilent,
    answer,
)
from keeper.adapters.options.opyn_orders import SignedOrders
from keeper.adapters.options.opyn_pool import UniswapPool
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.adapters.options.opyn_series import SeriesBook, Survey
from keeper.adapters.options.opyn_settlement import IS_WHITELISTED, Settler
from keeper.adapters.options.opyn_soundness import Soundness
from keeper.adapters.options.opyn_supply import Offer, OtokenSource, Wanted
from keeper.adapters.options.reading import Reading, T, run_now
from keeper.adapters.options.words import in_words, tokens, unmet
from keeper.core.model.errors import Refused
from keeper.core.model.option import (
    CloseHow,
    CostModel,
    Exercise,
    HedgeWant,
    NoQuote,
    NoQuoteReason,
    OptionContract,
    OptionKind,
    OptionMarket,
    OptionPosition,
    OptionQuote,
    Settlement,
    Style,
    VenueCaps,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.core.quant.black_scholes import implied_volatility
from keeper.ports.options import NotYet, VenuePlan

PARTS = (1, 3, 10)
"""What a size is divided by where nobody sells all of it."""
_YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One open question for a quote."""

    contract: OptionContract
    wanted: Wanted
    sound: Soundness


class Opyn:
    """An option venue (:class:`keeper.ports.options.OptionVenue`).

    Its questions are readings (:meth:`discovering`, :meth:`quoting`, :meth:`holding`) that whoever serves several venues runs
    side by side; the port's own methods run one at the newest block. What it remembers between them does not change on the
    chain, or is compared with it every time.

    Args:
        rules: addresses and limits.
        rpc: the node.
        orders: market makers' signed orders; none when not given.
    """

    def __init__(self, rules: OpynRules, rpc: Rpc, orders: OrderBook | None = None) -> None:
        self._rules = rules
        self._rpc = rpc
        self._book = SeriesBook(rules.address_book, rules.base, rules.quote)
        self._settler = Settler(base=rules.base, quote=rules.quote)
        self._pool = UniswapPool(
            factory=rules.factory,
            quoter=rules.quoter,
            router=rules.router,
            quote=rules.quote,
            wallet=rules.wallet,
            fees=rules.pool_fees,
            valid_s=rules.quote_valid_s,
            depth_impact_bps=rules.depth_impact_bps,
        )
        signed = SignedOrders(
            swap_contract=rules.swap_erc20,
            book=orders or GivenOrders(),
            quote=rules.quote,
            wallet=rules.wallet,
            margin_s=rules.order_margin_s,
            excess_bps=rules.order_excess_bps,
        )
        self._sources: tuple[OtokenSource, ...] = (self._pool, signed)
        self._holdings = Holdings(
            chain_id=rules.chain_id,
            base=rules.base,
            quote=rules.quote,
            book=self._book,
            settler=self._settler,
            pool=self._pool,
            watch_s=rules.watch_s,
            sale_valid_s=rules.quote_valid_s,
        )

    @property
    def name(self) -> str:
        """See the port."""
        return VENUE

    def capabilities(self) -> VenueCaps:
        """European puts and calls, settled in cash, redeemable for ever; before expiry they can only be sold."""
        return VenueCaps(
            venue=VENUE,
            chain_id=self._rules.chain_id,
            kinds=(OptionKind.PUT, OptionKind.CALL),
            style=Style.EUROPEAN,
            settlement=Settlement.CASH,
            exercise=Exercise.AUTO,
            cost_model=CostModel.UPFRONT,
            closes_early=(CloseHow.SELL,),
            min_tenor_s=self._rules.min_tenor_s,
            max_tenor_s=self._rules.max_tenor_s,
        )

    def contracts(self, market: OptionMarket, want: HedgeWant) -> Sequence[OptionContract]:
        """Listed series that fit, nearest strike first, of one strike the nearest expiry first.

        Raises:
            Transient: the node or the venue does not answer.
        """
        return self._now(lambda _: self.discovering(market, want))

    def quote(self, contract: OptionContract, size: TokenAmount) -> OptionQuote | NoQuote:
        """The cheapest of what pools and signed orders ask; of an order's own size where an order is the cheapest.

        Raises:
            Transient: the node does not answer; a venue that does not is a :class:`NoQuote`.
        """
        return self._now(lambda block: self.quoting(contract, size, block))

    def positions(self, owner: str) -> Sequence[OptionPosition]:
        """Every oToken of base against quote that ``owner`` holds, nearest expiry first.

        Raises:
            Transient: the node or the venue does not answer.
        """
        return self._now(lambda block: self.holding(owner, block))

    def discovering(self, market: OptionMarket, want: HedgeWant) -> Reading[tuple[OptionContract, ...]]:
        """The reading of :meth:`contracts`, one round while no series is new.

        Raises:
            VenueSilent: the venue does not answer.
        """
        (found,) = yield from self._discovering(market, [want])
        return found

    def _discovering(self, market: OptionMarket, wants: Sequence[HedgeWant]) -> Reading[list[tuple[OptionContract, ...]]]:
        rules = self._rules

        def listing(modules: Modules, series: Sequence[Series]) -> list[ContractRead]:
            return [_listed(modules, one) for one in series if any(_fits(one, market, want) for want in wants)]

        survey = yield from self._book.surveying(listing)
        found: list[tuple[OptionContract, ...]] = []
        for want in wants:
            fitting = [one for one in survey.series if _fits(one, market, want)]
            listed = [one for one in fitting if answer(survey.answers, _listed(survey.modules, one))[0]]
            listed.sort(key=lambda one: (abs(Decimal(one.strike_e8) / PRICE_ONE - market.price), one.expiry_s))
            found.append(tuple(one.contract(rules.chain_id, rules.base, rules.quote) for one in listed))
        return found

    def quoting(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> Reading[OptionQuote | NoQuote]:
        """The reading of :meth:`quote`, one round."""
        (quote,) = yield from self._quoting([(contract, size)], block)
        return quote

    def offering(
        self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef
    ) -> Reading[tuple[OptionQuote | NoQuote, ...]]:
        """Quotes of every series that fits a want, and the wants that none fits; two rounds while no series is new.

        In whole lots of the wanted size, or of the largest of :data:`PARTS` that somebody sells.

        Raises:
            VenueSilent: the venue does not answer.
        """
        found = yield from self._discovering(market, wants)
        asked = [(contract, want.size) for want, fitting in zip(wants, found, strict=True) for contract in fitting]
        absent = [unmet(VENUE, market, want) for want, fitting in zip(wants, found, strict=True) if not fitting]
        sizes = [(contract, part) for contract, size in dict.fromkeys(asked) for part in _parts(size)]
        answers = yield from self._quoting(sizes, block)
        quotes = [_largest(answers[at : at + len(PARTS)]) for at in range(0, len(answers), len(PARTS))]
        return (*dict.fromkeys(quotes), *absent)

    def _quoting(
        self, asked: Sequence[tuple[OptionContract, TokenAmount]], block: BlockRef
    ) -> Reading[list[OptionQuote | NoQuote]]:
        asking = [self._asking(contract, size, block) for contract, size in asked]
        open_questions = [one for one in asking if isinstance(one, _Asked)]

        def reads(modules: Modules, series: Sequence[Series]) -> list[ContractRead]:
            known = {one.otoken for one in series}
            return [read for one in open_questions if one.wanted.otoken in known for read in self._reads(one, modules)]

        if not open_questions:
            return [one for one in asking if isinstance(one, NoQuote)]
        try:
            survey = yield from self._book.surveying(reads)
        except VenueSilent as error:
            note = str(error)
            return [self._none(NoQuoteReason.UNREACHABLE, note, contract) for contract, _ in asked]
        return [one if isinstance(one, NoQuote) else self._judged(block, one, survey) for one in asking]

    def _asking(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> _Asked | NoQuote:
        rules = self._rules
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
        supply = [read for source in self._sources for read in source.reads(asked.wanted)]
        return [*asked.sound.reads(modules), *self._settler.live_reads(modules), *supply]

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
        found = [one for source in self._sources for one in source.offers(asked.wanted, answers)]
        offers = [one for one in found if isinstance(one, Offer)]
        if not offers:
            notes = "; ".join(one for one in found if isinstance(one, str))
            return self._none(NoQuoteReason.NO_LIQUIDITY, notes or "nobody sells it", contract)
        best = min(offers, key=lambda offer: (offer.cost_raw, -offer.amount_e8))
        prices = self._settler.live_prices(modules, answers)
        if dear := self._too_dear(series, best, prices):
            return self._none(NoQuoteReason.UNSOUND, dear, contract)
        return self._quoted(block, contract, series, best, prices, asked.sound.held(modules, answers))

    def _too_dear(self, series: Series, offer: Offer, prices: tuple[int, int]) -> str | None:
        """A put never pays more than its strike, and a call never more than the base itself."""
        base_e8, quote_e8 = prices
        most_e8 = series.strike_e8 if series.is_put or not base_e8 or not quote_e8 else base_e8 * PRICE_ONE // quote_e8
        most_raw = most_e8 * offer.amount_e8 * 10**self._rules.quote.decimals // 10 ** (2 * OTOKEN_DECIMALS)
        if offer.cost_raw < most_raw:
            return None
        costs, most = (tokens(self._rules.quote, raw) for raw in (offer.cost_raw, most_raw))
        return f"it costs {costs} and is never worth more than {most}"

    def _quoted(
        self, head: BlockRef, contract: OptionContract, series: Series, offer: Offer, prices: tuple[int, int], held_raw: int
    ) -> OptionQuote:
        quote, base = self._rules.quote, self._rules.base
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

    def plan_open(self, quote: OptionQuote, max_cost: TokenAmount) -> VenuePlan:
        """One purchase, with the allowance that it takes at most.

        Raises:
            Refused: the quote costs more, or is not this venue's.
        """
        if quote.contract.venue != VENUE or max_cost.token.address != self._rules.quote.address:
            raise Refused(f"not a quote of {VENUE} paid in {self._rules.quote.symbol}")
        if quote.cost.raw > max_cost.raw:
            raise Refused(f"{in_words(quote.cost)} are asked, at most {in_words(max_cost)} are to be paid")
        source = next((one for one in self._sources if one.name == quote.native[0]), None)
        if source is None:
            raise Refused(f"nobody sells by {quote.native[0]}")
        amount_e8 = quote.size.raw // quote.contract.lot_raw
        otoken = quote.contract.native[0]
        return VenuePlan(calls=(source.purchase(otoken, amount_e8, quote.native, max_cost.raw, quote.valid_until_s),))

    def holding(self, owner: str, block: BlockRef) -> Reading[tuple[OptionPosition, ...]]:
        """The reading of :meth:`positions`: one round when nothing is held, two when something is, more to set a price.

        Raises:
            VenueSilent: the venue does not answer.
        """
        return self._holdings.holding(block, owner)

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        """Sell before expiry; redeem after; and where the price at expiry waits to be set, set it, which pays nothing yet.

        Raises:
            Refused: the venue does not know this way, or the position pays less.
        """
        return self._holdings.plan_close(position, how, min_out)

    def _now(self, reading: Callable[[BlockRef], Reading[T]]) -> T:
        return run_now(self._rpc, self._rules.multicall, reading)


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


def _parts(size: TokenAmount) -> list[TokenAmount]:
    """The size and its parts, each rounded **up** to a raw unit."""
    return [TokenAmount(token=size.token, raw=-(-size.raw // part)) for part in PARTS]


def _largest(found: Sequence[OptionQuote | NoQuote]) -> OptionQuote | NoQuote:
    """The first quote, or else why the whole size is not sold."""
    return next((one for one in found if isinstance(one, OptionQuote)), found[0])

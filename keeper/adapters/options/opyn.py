"""Opyn Gamma: European options on ether that are tokens, bought from whoever sells them and redeemed from the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.airswap import GivenOrders, OrderBook
from keeper.adapters.options.opyn_holding import Holdings
from keeper.adapters.options.opyn_interface import VENUE
from keeper.adapters.options.opyn_orders import SignedOrders
from keeper.adapters.options.opyn_pool import UniswapPool
from keeper.adapters.options.opyn_quotes import OpynQuotes
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.adapters.options.opyn_series import SeriesBook
from keeper.adapters.options.opyn_settlement import Settler
from keeper.adapters.options.opyn_supply import OtokenSource
from keeper.adapters.options.reading import Reading, T, run_now
from keeper.adapters.options.words import in_words
from keeper.core.model.errors import Refused
from keeper.core.model.option import (
    CloseHow,
    CostModel,
    Exercise,
    HedgeWant,
    NoQuote,
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
from keeper.ports.options import NotYet, VenuePlan


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
        self._book = SeriesBook(
            rules.address_book, rules.base, rules.quote, factory=rules.otoken_factory, first_block=rules.first_block
        )
        settler = Settler(base=rules.base, quote=rules.quote)
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
        self._quotes = OpynQuotes(rules=rules, book=self._book, settler=settler, sources=self._sources)
        self._holdings = Holdings(
            chain_id=rules.chain_id,
            base=rules.base,
            quote=rules.quote,
            book=self._book,
            settler=settler,
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
        return self._now(lambda block: self.discovering(market, want, block))

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

    def discovering(self, market: OptionMarket, want: HedgeWant, block: BlockRef) -> Reading[tuple[OptionContract, ...]]:
        """The reading of :meth:`contracts`, rounds as :class:`~keeper.adapters.options.opyn_series.SeriesBook` says.

        Raises:
            VenueSilent: the venue does not answer.
        """
        return self._quotes.discovering(market, want, block)

    def quoting(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> Reading[OptionQuote | NoQuote]:
        """The reading of :meth:`quote`, in as many rounds."""
        return self._quotes.quoting(contract, size, block)

    def offering(
        self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef
    ) -> Reading[tuple[OptionQuote | NoQuote, ...]]:
        """Quotes of every series that fits a want, and the wants that none fits: one round, two with new series among them.

        More where the node does not tell of new ones by logs, and in a process that knows nothing yet.

        Raises:
            VenueSilent: the venue does not answer.
        """
        return self._quotes.offering(market, wants, block)

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
        """The reading of :meth:`positions`: a round, one more for what is held, one more for new series, more to set a price.

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

"""Panoptic v2: perpetual puts and calls that are ranges of sellers' liquidity in the ladder's own Uniswap pool.

Nothing is paid for but a small fee at the purchase; the cost streams while the price stands in the range, and what it comes to
nobody knows beforehand. Collateral is locked, no loss is the most, and others may force an exercise for a fee.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from keeper.adapters.evm.rpc import BadReply, Call, Rpc
from keeper.adapters.options.panoptic_chunks import Chunk, contract_of
from keeper.adapters.options.panoptic_holding import Holdings, long_leg
from keeper.adapters.options.panoptic_logs import account_calls, account_of
from keeper.adapters.options.panoptic_plans import Closing, Opening, closing_calls, opening_calls, release_calls
from keeper.adapters.options.panoptic_quotes import Declined, Judge, QuoteReads, Scene, chunk_of, fitting
from keeper.adapters.options.panoptic_reads import ChunkReads, Home, legs_read, told
from keeper.adapters.options.panoptic_site import Site
from keeper.adapters.options.panoptic_terms import VENUE, PanopticMarket, PanopticRules
from keeper.adapters.options.reading import Ask, Reading, run_now
from keeper.adapters.options.words import in_words, unmet
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
    PositionState,
    Settlement,
    Style,
    VenueCaps,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.ports.options import NotYet, VenuePlan

T = TypeVar("T")
_OVER = (PositionState.FORCE_EXERCISED, PositionState.CLOSED)


class Panoptic:
    """The venue, for one pool; it reads and encodes.

    Its readings take two rounds, one more the first time unless the settings say where the pool stands, and are at a block
    that the caller knows; the port's methods run one of them at the newest block. What it remembers between them is compared
    with the chain every time, or only says where to look. Of two purchases that were quoted together the second is refused by
    the venue: a purchase names all the options that the account holds after it, so it is to be quoted anew.

    Args:
        market: where it stands.
        rules: limits.
        rpc: the node.
        holder: EIP-55 address that buys and deposits.
    """

    def __init__(self, market: PanopticMarket, rules: PanopticRules, rpc: Rpc, *, holder: str) -> None:
        self._market = market
        self._rules = rules
        self._rpc = rpc
        self._holder = holder
        self._holdings = Holdings(market, rules)
        self._site = Site(market)

    @property
    def name(self) -> str:
        """See the port."""
        return VENUE

    def capabilities(self) -> VenueCaps:
        """See the port."""
        return VenueCaps(
            venue=VENUE,
            chain_id=self._market.chain_id,
            kinds=(OptionKind.PUT, OptionKind.CALL),
            style=Style.PERPETUAL,
            settlement=Settlement.EITHER,
            exercise=Exercise.HOLDER,
            cost_model=CostModel.STREAMED,
            closes_early=(CloseHow.CASH, CloseHow.PHYSICAL),
            min_tenor_s=None,
            max_tenor_s=None,
        )

    def contracts(self, market: OptionMarket, want: HedgeWant) -> Sequence[OptionContract]:
        """See the port: ranges with sellers, wholly out of the money and off the ladder's own prices."""
        return self._now(lambda block: self.discovering(market, want, block))

    def quote(self, contract: OptionContract, size: TokenAmount) -> OptionQuote | NoQuote:
        """See the port; its premium is the venue's fee, and its cost a day is reckoned from the fees of the last day."""
        return self._now(lambda block: self.quoting(contract, size, block))

    def positions(self, owner: str) -> Sequence[OptionPosition]:
        """See the port: options of one long leg.

        What others ended is reported for a while; and the last one that the owner ended, while what was deposited for it can
        be released.
        """
        return self._now(lambda block: self.holding(owner, block))

    def discovering(self, market: OptionMarket, want: HedgeWant, block: BlockRef) -> Reading[tuple[OptionContract, ...]]:
        """The reading of :meth:`contracts`."""
        if not self._serves(market):
            return ()
        try:
            home, chunks = yield from self._sold(block)
        except Declined:
            return ()
        found = fitting(chunks, self._market, self._rules, market, want)
        if not found:
            return ()
        reads = {chunk: ChunkReads(home, chunk) for chunk in found}
        answers = (yield Ask(reads=[one.data for one in reads.values()])).answers
        return tuple(contract_of(chunk, self._market) for chunk, one in reads.items() if one.depth(answers).net > 0)

    def quoting(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> Reading[OptionQuote | NoQuote]:
        """The reading of :meth:`quote`."""
        try:
            chunk = chunk_of(contract, self._market)
            scene, _ = yield from self._scene(self._holder, block)
        except Declined as declined:
            return declined.no_quote(contract)
        (quote,) = yield from self._quoting(scene, [(chunk, contract, size)])
        return quote

    def offering(
        self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef
    ) -> Reading[tuple[OptionQuote | NoQuote, ...]]:
        """Quotes of every range that fits a want, of its size in whole lots, and the wants that none fits."""
        if not self._serves(market):
            return ()
        try:
            scene, chunks = yield from self._scene(self._holder, block, sellers=True)
        except Declined as declined:
            return (declined.no_quote(None),)
        asked: dict[tuple[Chunk, int], tuple[Chunk, OptionContract, TokenAmount]] = {}
        absent: list[NoQuote] = []
        for want in wants:
            found = fitting(chunks, self._market, self._rules, market, want)
            for chunk in found:
                contract = contract_of(chunk, self._market)
                size = TokenAmount(token=want.size.token, raw=contract.lots(want.size.raw))
                asked[chunk, size.raw] = chunk, contract, size
            if not found:
                absent.append(unmet(VENUE, market, want))
        if not asked:
            return tuple(absent)
        quotes = yield from self._quoting(scene, list(asked.values()))
        return (*quotes, *absent)

    def _quoting(
        self, scene: Scene, asked: Sequence[tuple[Chunk, OptionContract, TokenAmount]]
    ) -> Reading[list[OptionQuote | NoQuote]]:
        reads = QuoteReads(self._market, scene, list(dict.fromkeys(chunk for chunk, _, _ in asked)))
        past = scene.block.number - self._rules.lookback_blocks
        others = [reads.growth.call_at(past)] if past >= 0 else []
        replies = yield Ask(reads=reads.all, others=others)
        before = reads.growth.answered(replies.others[0]) if others else None
        judge = Judge(market=self._market, rules=self._rules, scene=scene, reads=reads, answers=replies.answers, past=before)
        return [judge.quote(contract, chunk, size) for chunk, contract, size in asked]

    def holding(self, owner: str, block: BlockRef) -> Reading[tuple[OptionPosition, ...]]:
        """The reading of :meth:`positions`, one round when nothing is or lately was held.

        Raises:
            Transient: the node does not tell the logs, or they and the venue contradict one another.
        """
        try:
            scene, _ = yield from self._scene(owner, block)
        except Declined:
            return ()
        return (yield from self._holdings.holding(scene))

    def _scene(self, owner: str, block: BlockRef, *, sellers: bool = False) -> Reading[tuple[Scene, tuple[Chunk, ...]]]:
        """The venue and an account's options; and with ``sellers`` the ranges that were ever sold.

        Raises:
            Declined: Panoptic has no pool there.
            BadReply: the logs and the count of legs contradict one another.
        """
        first = self._market.first_block

        def others(pool: str) -> list[Call]:
            return [*account_calls(pool, owner, first, block), *([self._site.sellers.call(pool, block)] if sellers else [])]

        home, replies = yield from self._site.reading(lambda pool: [legs_read(pool, owner)], others)
        account = account_of(replies.others[:2], home.pool, owner)
        (legs,) = told(replies.answers, legs_read(home.pool, owner))
        if legs != account.legs:
            raise BadReply(f"{legs} legs are held, the logs since block {first} tell of {account.legs}")
        chunks = self._site.sellers.learn(replies.others[2], home, block) if sellers else ()
        return Scene(home=home, block=block, holder=owner, account=account), chunks

    def _sold(self, block: BlockRef) -> Reading[tuple[Home, tuple[Chunk, ...]]]:
        home, replies = yield from self._site.reading(lambda _: [], lambda pool: [self._site.sellers.call(pool, block)])
        return home, self._site.sellers.learn(replies.others[0], home, block)

    def plan_open(self, quote: OptionQuote, max_cost: TokenAmount) -> VenuePlan:
        """See the port: deposits of what is missing, then the purchase.

        What is left of ``max_cost`` beyond the quoted cost is how far into its range the price may have moved: what is bought
        is then worth as much more.
        """
        chunk = self._ours(quote.contract)
        if max_cost.token.address != self._market.quote.address:
            raise Refused(f"costs are in {self._market.quote.symbol}, not in {max_cost.token.symbol}")
        if quote.cost.raw > max_cost.raw:
            raise Refused(f"the cost is {in_words(quote.cost)}, at most {in_words(max_cost)} may be paid")
        calls = opening_calls(
            Opening.from_native(quote.native),
            self._market,
            chunk,
            self._holder,
            spare_raw=max_cost.raw - quote.cost.raw,
            drift=self._rules.drift_ticks,
        )
        return VenuePlan(calls=tuple(calls))

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        """See the port; the ticks that the close is held to leave at least ``min_out``, as far as a price decides it.

        In cash it is not closed without more deposited of both tokens than is owed. By delivery, what is to be delivered is
        deposited first. Releasing takes out what lies in the vaults once no option is open.
        """
        chunk = self._ours(position.contract)
        if min_out.token.address != self._market.quote.address:
            raise Refused(f"payoffs are counted in {self._market.quote.symbol}, not in {min_out.token.symbol}")
        closing = Closing.from_native(position.contract.native[3:])
        if how is CloseHow.RELEASE:
            return self._release(position, closing, min_out)
        if how not in self.capabilities().closes_early:
            raise Refused(f"{VENUE} does not end options by {how}")
        if position.state in _OVER:
            raise Refused(f"option {position.id} is {position.state}: it pays nothing any more")
        if how is CloseHow.CASH and closing.blocked:
            return NotYet(why=f"it cannot be closed in cash: {closing.blocked}", not_before_s=None)
        pays = position.claimable.raw if how is CloseHow.CASH else position.intrinsic.raw - position.accrued_cost.raw
        if max(pays, 0) < min_out.raw:
            would = in_words(self._market.dollars(max(pays, 0)))
            raise Refused(f"option {position.id} would pay {would}, {in_words(min_out)} are wanted")
        leg = long_leg(int(position.id), self._market)
        if leg is None or leg[0] != chunk:
            raise Refused(f"option {position.id} is not of the range {chunk.native}")
        calls = closing_calls(
            closing,
            self._market,
            chunk,
            int(position.id),
            chunk.liquidity(position.size.raw, self._market.base_index),
            position.owner,
            least=min_out.raw,
            drift=self._rules.drift_ticks,
            how=how,
        )
        return VenuePlan(calls=tuple(calls))

    def _release(self, position: OptionPosition, closing: Closing, min_out: TokenAmount) -> VenuePlan | NotYet:
        if min_out.raw > 0:
            raise Refused(f"releasing pays nothing but what was deposited, {in_words(min_out)} are wanted")
        if position.state not in _OVER:
            return NotYet(why="it is open", not_before_s=None)
        calls = release_calls(closing, self._market, position.owner)
        if not calls:
            why = "other options are open" if closing.others else "nothing is deposited that could be taken out"
            return NotYet(why=why, not_before_s=None)
        return VenuePlan(calls=tuple(calls))

    def _ours(self, contract: OptionContract) -> Chunk:
        try:
            return chunk_of(contract, self._market)
        except Declined as declined:
            raise Refused(declined.note) from None

    def _serves(self, market: OptionMarket) -> bool:
        return (self._market.base.address, self._market.quote.address) == (market.base.address, market.quote.address)

    def _now(self, reading: Callable[[BlockRef], Reading[T]]) -> T:
        return run_now(self._rpc, self._market.multicall, reading)

"""Hegic Herge: American puts settled in dollars, bought from a treasury and exercised by their holder before they expire.

What it lacks is made up for here. A purchase has no price limit: the allowance is one, and is exactly what may be spent. The
strike is the feed's price in the block of the purchase times a scale that no function tells: the scale is configured, and
compared with what the strategy pays. A payoff is not reserved: it is compared with what the treasury could pay. The contract
says that a payoff is available after the option has expired: the clock decides here.

Options are ERC-721 tokens without enumeration: ids come from the transfers to their owner, and must be as many as the balance.
An option that has been exercised or released is not held any more, though its token stays. Options of strategies that are not
configured are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from keeper.adapters.evm.multicall import Answers
from keeper.adapters.evm.rpc import BadReply, Rpc
from keeper.adapters.options import hegic_reads as reads
from keeper.adapters.options.hegic_quotes import GAS_CLOSE, HegicQuotes
from keeper.adapters.options.hegic_terms import HergeGuards, HergeMarket, Reserves
from keeper.adapters.options.parts import largest, parts_of
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
from keeper.ports.options import Allowance, NotYet, VenueCall, VenuePlan

NAME = "hegic"
_BUY = reads.TREASURY.function("buy")
_PAY_OFF = reads.TREASURY.function("payOff")
_UNLOCK = reads.TREASURY.function("unlock")

T = TypeVar("T")


class Hegic:
    """The venue, for one pair; it reads and encodes.

    Its readings take one round (discovering, quoting) or two (offering, holding) and are at a block that the caller knows; the
    port's methods run one of them at the newest block.

    Args:
        market: where it stands.
        rpc: the node.
        holder: EIP-55 address that options are bought for.
        guards: what is not bought though it is for sale.
    """

    def __init__(self, market: HergeMarket, rpc: Rpc, *, holder: str, guards: HergeGuards | None = None) -> None:
        self._market = market
        self._rpc = rpc
        self._holder = holder
        self._guards = guards or HergeGuards()
        self._strategies = {one.address: one for one in market.strategies}
        self._shared = reads.SharedReads(market)
        self._quotes = HegicQuotes(market, self._guards, venue=NAME)
        self._homes: dict[int, str] = {}
        """Strategies of options seen before, asked first; the chain is compared every time."""
        self._searches: dict[str, reads.Search] = {}
        """Owner -> where the search for their options goes on."""

    @property
    def name(self) -> str:
        """See the port."""
        return NAME

    def capabilities(self) -> VenueCaps:
        """See the port."""
        return VenueCaps(
            venue=NAME,
            chain_id=self._market.chain_id,
            kinds=tuple(dict.fromkeys(one.kind for one in self._market.strategies)),
            style=Style.AMERICAN,
            settlement=Settlement.CASH,
            exercise=Exercise.HOLDER_BEFORE_EXPIRY,
            cost_model=CostModel.UPFRONT,
            closes_early=(CloseHow.EXERCISE,),
            min_tenor_s=min(one.min_period_s for one in self._market.strategies),
            max_tenor_s=max(one.max_period_s for one in self._market.strategies),
        )

    def contracts(self, market: OptionMarket, want: HedgeWant) -> Sequence[OptionContract]:
        """See the port: of every strategy on sale the shortest period that ends in the wanted time.

        Strike and expiry are those of a purchase in the block that was read: both move with it.
        """
        return self._now(lambda _: self.discovering(market, want))

    def quote(self, contract: OptionContract, size: TokenAmount) -> OptionQuote | NoQuote:
        """See the port; the quote's contract has the strike and the expiry of a purchase in its own block."""
        return self._now(lambda block: self.quoting(contract, size, block))

    def positions(self, owner: str) -> Sequence[OptionPosition]:
        """See the port."""
        return self._now(lambda block: self.holding(owner, block))

    def discovering(self, market: OptionMarket, want: HedgeWant) -> Reading[tuple[OptionContract, ...]]:
        """The reading of :meth:`contracts`, one round; periods count from the market's time."""
        if not self._quotes.serves(market):
            return ()
        replies = yield Ask(reads=self._quotes.discovery_reads)
        return self._quotes.contracts(market, want, replies.answers)

    def quoting(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> Reading[OptionQuote | NoQuote]:
        """The reading of :meth:`quote`, one round."""
        (quote,) = yield from self._quoting([(contract, size)], block)
        return quote

    def offering(
        self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef
    ) -> Reading[tuple[OptionQuote | NoQuote, ...]]:
        """Quotes of every contract that fits a want, and the wants that none fits; two rounds.

        In whole lots of the wanted size, or of the largest of its :func:`parts <parts_of>` that fits all bounds: a strategy's
        limit, the treasury's free reserves, our guards. The most that is for sale would fit better, but is not known before the
        answers that tell what it costs would have to come: it would take a third round, or a premium taken for proportional,
        which a price list need not be that the admin may change.
        """
        if not self._quotes.serves(market):
            return ()
        replies = yield Ask(reads=self._quotes.discovery_reads)
        found = [self._quotes.contracts(market, want, replies.answers) for want in wants]
        wanted = dict.fromkeys(
            (contract, want.size) for want, fitting in zip(wants, found, strict=True) for contract in fitting
        )
        parts = [(contract, parts_of(contract, size)) for contract, size in wanted]
        asked = list(dict.fromkeys((contract, part) for contract, sizes in parts for part in sizes))
        answered = yield from self._quoting(asked, block)
        quotes = dict(zip(asked, answered, strict=True))
        best = [largest([quotes[contract, part] for part in sizes]) for contract, sizes in parts]
        absent = [unmet(NAME, market, want) for want, fitting in zip(wants, found, strict=True) if not fitting]
        return (*dict.fromkeys(best), *absent)

    def _quoting(
        self, asked: Sequence[tuple[OptionContract, TokenAmount]], block: BlockRef
    ) -> Reading[list[OptionQuote | NoQuote]]:
        asks = [self._quotes.ask(contract, size, block) for contract, size in asked]
        if not any(ask.reads for ask in asks):
            return [self._quotes.unknown(contract) for contract, _ in asked]
        probes = {contract.native[0]: call for (contract, _), ask in zip(asked, asks, strict=True) for call in ask.others}
        replies = yield Ask(reads=[read for ask in asks for read in ask.reads], others=list(probes.values()))
        outcomes = dict(zip(probes, replies.others, strict=True))
        return [self._quotes.quote(contract, size, block, replies.answers, outcomes) for contract, size in asked]

    def holding(self, owner: str, block: BlockRef) -> Reading[tuple[OptionPosition, ...]]:
        """The reading of :meth:`positions`, two rounds, one when nothing is held.

        Raises:
            Transient: the node does not tell the transfers, or they and the balance contradict one another.
        """
        count_read = reads.count_read(self._market, owner)
        search = self._searches.get(owner, reads.Search(since_block=self._market.first_block))
        replies = yield Ask(reads=[count_read], others=reads.held_calls(self._market, owner, search, block))
        (count,) = reads.told(replies.answers, count_read)
        if count == 0:
            self._searches[owner] = reads.searched(block, ())
            return ()
        ids = sorted({*search.ids, *reads.ids_given(replies.others[0], self._market, owner)})
        by_id = {id_: reads.IdReads(self._market, id_, self._homes_of(id_)) for id_ in ids}
        wanted = [*self._shared.reserves, *(read for one in by_id.values() for read in one.all)]
        answers = (yield Ask(reads=wanted)).answers
        owned = self._owned(owner, count, search, by_id, answers)
        self._searches[owner] = reads.searched(block, owned)
        reserves = self._shared.reserves_of(answers)
        found = ((id_, self._held(id_, one, answers)) for id_, one in owned.items())
        return tuple(
            self._position(owner, id_, held, reserves, block.timestamp_s)
            for id_, held in found
            if held is not None and held.is_locked
        )

    def _owned(
        self, owner: str, count: int, search: reads.Search, by_id: Mapping[int, reads.IdReads], answers: Answers
    ) -> dict[int, reads.IdReads]:
        """Those that the owner has; where they are not as many as the balance says the next search begins anew."""
        self._searches.pop(owner, None)
        owned = {id_: one for id_, one in by_id.items() if one.owner(answers) == owner}
        if len(owned) != count:
            raise BadReply(
                f"{count} options are held, the transfers since block {search.since_block} tell of {len(owned)}: if it "
                "stays so, set chain.venues.hegic.first_block to an earlier block"
            )
        return owned

    def _homes_of(self, id_: int) -> Sequence[str]:
        home = self._homes.get(id_)
        return tuple(self._strategies) if home is None else (home,)

    def _held(self, id_: int, one: reads.IdReads, answers: Answers) -> reads.Held | None:
        held = one.held(answers)
        if held is not None:
            self._homes[id_] = held.strategy
        elif self._homes.pop(id_, None) is not None:
            raise BadReply(f"option {id_} is of another strategy than before")
        return held

    def _position(self, owner: str, id_: int, held: reads.Held, reserves: Reserves, now_s: int) -> OptionPosition:
        strategy = self._strategies[held.strategy]
        expired = held.expiry_s <= now_s
        intrinsic = 0 if expired else held.payoff
        # All or nothing: a payoff past what the treasury can pay reverts as a whole.
        covered = intrinsic <= reserves.without(locked=held.reserve, premium=held.premium).cap
        state = PositionState.ITM_EXERCISABLE if intrinsic > 0 else PositionState.OPEN
        return OptionPosition(
            contract=self._quotes.contract(strategy, held.stored, held.expiry_s, (strategy.address,)),
            owner=owner,
            id=str(id_),
            size=TokenAmount(token=self._market.base, raw=held.amount),
            opened_cost=self._dollars(held.premium),
            accrued_cost=self._dollars(0),
            intrinsic=self._dollars(intrinsic),
            claimable=self._dollars(intrinsic if covered else 0),
            state=PositionState.EXPIRED_WORTHLESS if expired else state,
            act_before_s=None if expired else held.expiry_s - self._guards.act_margin_s,
            gas_close=GAS_CLOSE,
        )

    def plan_open(self, quote: OptionQuote, max_cost: TokenAmount) -> VenuePlan:
        """See the port: one call, with an allowance of exactly ``max_cost``, which is the price limit."""
        self._must_be_ours(quote.contract)
        if max_cost.token.address != self._market.quote.address:
            raise Refused(f"premiums are paid in {self._market.quote.symbol}, not in {max_cost.token.symbol}")
        if quote.cost.raw > max_cost.raw:
            raise Refused(f"the premium is {in_words(quote.cost)}, at most {in_words(max_cost)} may be paid")
        strategy, period_s = quote.contract.native
        call = VenueCall(
            to=self._market.treasury,
            value_wei=0,
            data=_BUY.call_data(strategy, self._holder, quote.size.raw, int(period_s), []),
            label=f"buy {_strategy_label(quote)} for at most {in_words(max_cost)}",
            allowances=(Allowance(token=max_cost.token, spender=self._market.treasury, amount=max_cost.raw),),
        )
        return VenuePlan(calls=(call,))

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        """See the port. The payoff is that of the block of the exercise: no contract holds it to ``min_out``."""
        self._must_be_ours(position.contract)
        if min_out.token.address != self._market.quote.address:
            raise Refused(f"payoffs are paid in {self._market.quote.symbol}, not in {min_out.token.symbol}")
        if how is CloseHow.EXERCISE:
            return self._exercise(position, min_out)
        if how is CloseHow.RELEASE:
            return self._release(position, min_out)
        raise Refused(f"{NAME} does not end options by {how}")

    def _exercise(self, position: OptionPosition, min_out: TokenAmount) -> VenuePlan | NotYet:
        if position.state is PositionState.OPEN:
            return NotYet(why="it would pay nothing now", not_before_s=None)
        if position.state is not PositionState.ITM_EXERCISABLE:
            raise Refused(f"option {position.id} is {position.state}: it pays nothing any more")
        if position.claimable.raw < min_out.raw:
            raise Refused(
                f"option {position.id} is worth {in_words(position.intrinsic)}, "
                f"{in_words(position.claimable)} of it can be paid now, {in_words(min_out)} are wanted"
            )
        return self._plan(_PAY_OFF.call_data(int(position.id), position.owner), f"exercise option {position.id}")

    def _release(self, position: OptionPosition, min_out: TokenAmount) -> VenuePlan | NotYet:
        if min_out.raw > 0:
            raise Refused(f"releasing option {position.id} pays nothing, {in_words(min_out)} are wanted")
        if position.state is not PositionState.EXPIRED_WORTHLESS:
            expiry_s = position.contract.expiry_s
            return NotYet(why="it has not expired", not_before_s=None if expiry_s is None else expiry_s + 1)
        return self._plan(_UNLOCK.call_data(int(position.id)), f"release option {position.id}")

    def _plan(self, data: str, label: str) -> VenuePlan:
        return VenuePlan(calls=(VenueCall(to=self._market.treasury, value_wei=0, data=data, label=label),))

    def _must_be_ours(self, contract: OptionContract) -> None:
        if (contract.venue, contract.chain_id) != (NAME, self._market.chain_id):
            raise Refused(f"a contract of {contract.venue} on chain {contract.chain_id}")

    def _dollars(self, raw: int) -> TokenAmount:
        return TokenAmount(token=self._market.quote, raw=raw)

    def _now(self, reading: Callable[[BlockRef], Reading[T]]) -> T:
        return run_now(self._rpc, self._market.multicall, reading)


def _strategy_label(quote: OptionQuote) -> str:
    (leg,) = quote.contract.legs
    return f"a {leg.kind} on {in_words(quote.size)} at {leg.strike:f}"

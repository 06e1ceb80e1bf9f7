"""Where Panoptic's pool stands and who sold there, as far as it is known; each reading compares it with the block's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.adapters.evm.multicall import ContractRead
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.adapters.options.panoptic_logs import SellersBook
from keeper.adapters.options.panoptic_quotes import Declined
from keeper.adapters.options.panoptic_reads import Home, HomeReads
from keeper.adapters.options.panoptic_terms import PanopticMarket
from keeper.adapters.options.reading import Ask, Reading, Replies
from keeper.core.model.option import NoQuoteReason

PoolReads = Callable[[str], list[ContractRead]]
PoolCalls = Callable[[str], list[Call]]


class Site:
    """The pool, and the ranges that were ever sold in it.

    Args:
        market: where it is looked for.
    """

    def __init__(self, market: PanopticMarket) -> None:
        self._market = market
        self._lookup = HomeReads(market)
        self._home: Home | None = None
        self.sellers = self._new_sellers()

    def reading(self, reads: PoolReads, others: PoolCalls) -> Reading[tuple[Home, Replies]]:
        """One round at the pool, whose address is asked for again each time; two when it is not known yet.

        Raises:
            Declined: there is none.
            BadReply: it is another one than before, or does not answer.
        """
        if (known := self._home) is not None:
            replies = yield self._ask(known.pool, [], reads, others)
            if self._lookup.pool_of(replies.answers) != known.pool:
                self._home, self.sellers = None, self._new_sellers()
                raise BadReply("the factory names another pool than before")
            return known, replies
        pool, replies = yield from self._first(reads, others)
        self._home = self._lookup.home_of(pool, replies.answers)
        return self._home, replies

    def _first(self, reads: PoolReads, others: PoolCalls) -> Reading[tuple[str, Replies]]:
        """The first round at the pool: where the settings say that it stands, or a round later where the factory does."""
        expected = self._market.deployed
        if expected is None:
            replies = yield Ask(reads=[self._lookup.lookup])
        else:
            replies = yield self._ask(expected, self._lookup.terms(expected), reads, others)
        pool = self._lookup.pool_of(replies.answers)
        if pool is None:
            note = f"no pool over {self._market.uniswap.address} under this risk engine"
            raise Declined(NoQuoteReason.NO_SERIES, note)
        if pool != expected:
            replies = yield self._ask(pool, self._lookup.terms(pool), reads, others)
        return pool, replies

    def _ask(self, pool: str, terms: Sequence[ContractRead], reads: PoolReads, others: PoolCalls) -> Ask:
        return Ask(reads=[self._lookup.lookup, *terms, *reads(pool)], others=others(pool))

    def _new_sellers(self) -> SellersBook:
        return SellersBook(first_block=self._market.first_block, spacing=self._market.uniswap.tick_spacing)

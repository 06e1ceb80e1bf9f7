"""From expiry to payout: prices at expiry, who may set them, and what a held oToken comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from keeper.adapters.evm.abi import contract, revert_reason
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.evm.rpc import Call, RpcRefused
from keeper.adapters.options.opyn_interface import Modules, Series, answer, payout_raw, push_call
from keeper.adapters.options.reading import Ask, Reading
from keeper.adapters.options.words import tokens
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token
from keeper.ports.options import NotYet, VenueCall

_CONTROLLER = contract("GammaController")
_GET_PAYOUT = _CONTROLLER.function("getPayout")
FULLY_PAUSED = _CONTROLLER.function("systemFullyPaused")
PARTIALLY_PAUSED = _CONTROLLER.function("systemPartiallyPaused")
IS_WHITELISTED = contract("GammaWhitelist").function("isWhitelistedOtoken")
BALANCE_OF = contract("ERC20").function("balanceOf")
_ORACLE = contract("GammaOracle")
GET_PRICE = _ORACLE.function("getPrice")
_EXPIRY_PRICE = _ORACLE.function("getExpiryPrice")
_GET_PRICER = _ORACLE.function("getPricer")
_LOCKING = _ORACLE.function("getPricerLockingPeriod")
_AGGREGATOR = contract("GammaPricer").function("aggregator")
_LATEST = contract("EACAggregatorProxy").function("latestRoundData")
_ROUND = contract("EACAggregatorProxy").function("getRoundData")
_PAYOUT_GAS = 120_000
_PRICE_GAS = 40_000
_ROUND_GAS = 40_000
_PROBES = 32
"""Rounds of a feed that are asked for at once."""
_PHASE_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What it takes to set an expiry's price."""

    pricer: str
    round_id: int
    """First Chainlink round since the expiry."""
    price_e8: int
    """Dollars per token in that round, 1e-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a held, expired oToken comes to at a block."""

    payout: int | None
    """Raw units of the collateral; None while the price is not final."""
    expected: int
    """The same at the prices that are set, or about to be, or else the present ones; rounded **down**, 0 without any."""
    push: Push | None = None
    """How its price is set, where the sender may and it pays."""
    wait: NotYet | None = None
    """Why the payout cannot be taken now, where nothing can be done about it."""


class _Reads(NamedTuple):
    """What a settlement needs to know first."""

    payout: ContractRead
    base_price: ContractRead
    """At expiry, as the next one."""
    quote_price: ContractRead
    paused: ContractRead
    listed: ContractRead
    covered: ContractRead
    """The margin pool's collateral."""
    base_pricer: ContractRead
    quote_pricer: ContractRead
    base_now: ContractRead
    """By the oracle, as the next one."""
    quote_now: ContractRead


def _final(reads: _Reads, answers: Answers, payout: int, collateral: Token) -> Settlement:
    blocked: str | None = None
    if answer(answers, reads.paused)[0]:
        blocked = "the system is fully paused"
    elif not answer(answers, reads.listed)[0]:
        blocked = "the series was struck off the whitelist"
    elif (held := answer(answers, reads.covered)[0]) < payout:
        blocked = f"the margin pool holds {tokens(collateral, held)}, {tokens(collateral, payout)} are due"
    wait = NotYet(why=blocked, not_before_s=None) if blocked else None
    return Settlement(payout=payout, expected=payout, wait=wait)


@dataclass(slots=True, kw_only=True)
class Settler:
    """Reads settlements; remembers rounds of feeds that were found, as long as the chain takes them."""

    base: Token
    quote: Token
    _rounds: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """Feed and expiry -> first round since, and its answer."""

    def reads(self, modules: Modules, series: Series, amount_e8: int) -> _Reads:
        """The first round of a settlement."""
        oracle, expiry = modules.oracle, series.expiry_s
        collateral = self._collateral(series).address
        base_now, quote_now = self.live_reads(modules)
        return _Reads(
            payout=read_of(modules.controller, _GET_PAYOUT, series.otoken, amount_e8, may_fail=True, gas=_PAYOUT_GAS),
            base_price=read_of(oracle, _EXPIRY_PRICE, self.base.address, expiry, may_fail=True, gas=_PRICE_GAS),
            quote_price=read_of(oracle, _EXPIRY_PRICE, self.quote.address, expiry, may_fail=True, gas=_PRICE_GAS),
            paused=read_of(modules.controller, FULLY_PAUSED, may_fail=True),
            listed=read_of(modules.whitelist, IS_WHITELISTED, series.otoken, may_fail=True),
            covered=read_of(collateral, BALANCE_OF, modules.margin_pool, may_fail=True, gas=_PRICE_GAS),
            base_pricer=read_of(oracle, _GET_PRICER, self.base.address, may_fail=True),
            quote_pricer=read_of(oracle, _GET_PRICER, self.quote.address, may_fail=True),
            base_now=base_now,
            quote_now=quote_now,
        )

    def _collateral(self, series: Series) -> Token:
        return self.quote if series.is_put else self.base

    def settling(
        self, head: BlockRef, modules: Modules, series: Series, amount_e8: int, answers: Answers, owner: str
    ) -> Reading[Settlement]:
        """What it comes to; asks further only while a price is not set: that of the base, then that of the quote.

        Args:
            head: the block.
            modules: as of it.
            series: expired.
            amount_e8: held.
            answers: to :meth:`reads`.
            owner: who would send a transaction that sets the price.

        Raises:
            VenueSilent: the venue's contracts do not answer.
        """
        reads = self.reads(modules, series, amount_e8)
        base_e8, base_final = answer(answers, reads.base_price)
        quote_e8, quote_final = answer(answers, reads.quote_price)
        payout = answers[reads.payout]
        if base_final and quote_final and not isinstance(payout, Reverted):
            return _final(reads, answers, int(payout[0]), self._collateral(series))
        push: Push | None = None
        wait: NotYet | None = NotYet(why="a price at expiry may still be disputed", not_before_s=None)
        if not base_e8:
            push, wait = yield from self._pushing(head, modules, series, answer(answers, reads.base_pricer)[0], owner)
            base_e8 = push.price_e8 if push else 0
        elif not quote_e8:
            push, wait = yield from self._pushing(head, modules, series, answer(answers, reads.quote_pricer)[0], owner)
            quote_e8 = push.price_e8 if push else 0
        live_base_e8, live_quote_e8 = self.live_prices(modules, answers)
        expected = self._payout(series, amount_e8, base_e8 or live_base_e8, quote_e8 or live_quote_e8)
        if push and not expected:
            push, wait = None, NotYet(why="the price at expiry is not set, and at it nothing would be paid", not_before_s=None)
        return Settlement(payout=None, expected=expected, push=push, wait=wait)

    def _payout(self, series: Series, amount_e8: int, base_e8: int, quote_e8: int) -> int:
        if base_e8 <= 0 or quote_e8 <= 0:
            return 0
        decimals = self._collateral(series).decimals
        return payout_raw(series, amount_e8, base_e8=base_e8, quote_e8=quote_e8, decimals=decimals)

    def live_reads(self, modules: Modules) -> tuple[ContractRead, ContractRead]:
        """The oracle's present prices of base and quote."""
        base, quote = (
            read_of(modules.oracle, GET_PRICE, token.address, may_fail=True, gas=_ROUND_GAS)
            for token in (self.base, self.quote)
        )
        return base, quote

    def live_prices(self, modules: Modules, answers: Answers) -> tuple[int, int]:
        """Dollars per base and per quote token now, 1e-8, by the venue's oracle; 0 where it does not tell."""
        base, quote = (answers[read] for read in self.live_reads(modules))
        return 0 if isinstance(base, Reverted) else int(base[0]), 0 if isinstance(quote, Reverted) else int(quote[0])

    def intrinsic(self, modules: Modules, series: Series, amount_e8: int, answers: Answers) -> int:
        """What oTokens would pay at the oracle's present prices, raw units of the collateral, rounded **down**."""
        return self._payout(series, amount_e8, *self.live_prices(modules, answers))

    def _pushing(
        self, head: BlockRef, modules: Modules, series: Series, pricer: str, owner: str
    ) -> Reading[tuple[Push | None, NotYet | None]]:
        locking = read_of(modules.oracle, _LOCKING, pricer, may_fail=True)
        aggregator = read_of(pricer, _AGGREGATOR, may_fail=True)
        replies = yield Ask(reads=(locking, aggregator))
        locked_until_s = series.expiry_s + int(answer(replies.answers, locking)[0])
        if head.timestamp_s <= locked_until_s:
            return None, NotYet(why="the locking period after expiry is not over", not_before_s=locked_until_s + 1)
        fed_by = replies.answers[aggregator]
        if isinstance(fed_by, Reverted):
            return None, NotYet(why="the price at expiry is not set, and its pricer is not a Chainlink one", not_before_s=None)
        first = yield from self._first_round(str(fed_by[0]), series.expiry_s)
        if first is None:
            return None, NotYet(why="its feed has no round since expiry", not_before_s=None)
        round_id, price_e8 = first
        call = push_call(pricer, series.expiry_s, round_id)
        replies = yield Ask(others=(_trial(call, owner, head),))
        if isinstance(refusal := replies.others[0], RpcRefused):
            self._rounds.pop((str(fed_by[0]), series.expiry_s), None)  # it may be of a block that is no more
            why = revert_reason(refusal.data) if refusal.data else refusal.message
            return None, NotYet(why=f"the price at expiry is not set, and we may not: {why}", not_before_s=None)
        return Push(pricer=pricer, round_id=round_id, price_e8=price_e8), None

    def _first_round(self, feed: str, since_s: int) -> Reading[tuple[int, int] | None]:
        """The first round of a feed not older than ``since_s``, with its answer; None when there is none.

        Sought in the feed's present phase, the newest rounds first.
        """
        if known := self._rounds.get((feed, since_s)):
            return known
        latest = read_of(feed, _LATEST, may_fail=True, gas=_ROUND_GAS)
        replies = yield Ask(reads=(latest,))
        recent, price, _, updated_s, _ = answer(replies.answers, latest)
        if updated_s < since_s:
            return None
        old = recent >> _PHASE_BITS << _PHASE_BITS
        probes = range(recent - 1, max(old, recent - 1 - _PROBES), -1)
        while recent - old > 1:
            reads = {probe: read_of(feed, _ROUND, probe, may_fail=True, gas=_ROUND_GAS) for probe in probes}
            replies = yield Ask(reads=list(reads.values()))
            for probe, read in reads.items():
                found = replies.answers[read]
                if isinstance(found, Reverted) or found[3] < since_s:
                    old = probe
                    break
                recent, price = probe, found[1]
            step = max((recent - old) // (_PROBES + 1), 1)
            probes = range(recent - step, old, -step)[:_PROBES]
        self._rounds[feed, since_s] = recent, price
        return recent, price


def _trial(call: VenueCall, owner: str, head: BlockRef) -> Call:
    pin = {"blockHash": head.hash, "requireCanonical": True}
    return "eth_call", [{"from": owner, "to": call.to, "data": call.data}, pin]

"""What Herge offers, judged: which contracts fit a want, what they cost, and why nothing is offered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from keeper.adapters.evm.multicall import Answers, ContractRead
from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.adapters.options import hegic_reads as reads
from keeper.adapters.options.hegic_terms import (
    BPS,
    FEED_DECIMALS,
    SCALE_UNIT,
    HergeGuards,
    HergeMarket,
    HergeStrategy,
    put_payoff,
)
from keeper.adapters.options.reading import Ask
from keeper.adapters.options.words import in_words, tokens
from keeper.core.model.errors import Reorged, Transient
from keeper.core.model.option import (
    CostModel,
    Exercise,
    HedgeWant,
    NoQuote,
    NoQuoteReason,
    OptionContract,
    OptionMarket,
    OptionQuote,
    QuoteBasis,
    Settlement,
    Style,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.core.quant.black_scholes import implied_volatility
from keeper.core.quant.checks import SECONDS_A_YEAR

GAS_OPEN = 510_000
"""Approve 46,400, buy 420,800, take the rest of the allowance back 26,500, on the double; the real one's buy took 411,000."""
GAS_CLOSE = 120_000
"""What the real payOff took; 105,000 on the double."""
_LOTS_A_TOKEN = 10_000
"""Smaller sizes would be priced in a few raw dollars, where rounding down makes them free."""


class _Declined(Exception):
    """Why there is no quote."""

    def __init__(self, reason: NoQuoteReason, note: str) -> None:
        self.reason = reason
        self.note = note
        super().__init__(note)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A purchase that is asked about."""

    contract: OptionContract
    strategy: HergeStrategy
    period_s: int
    size: TokenAmount
    block: BlockRef


class HegicQuotes:
    """Contracts and quotes of a market from what its contracts answer.

    Args:
        market: where it stands.
        guards: what is not bought though it is for sale.
        venue: name in contracts and refusals.
    """

    def __init__(self, market: HergeMarket, guards: HergeGuards, *, venue: str) -> None:
        self._market = market
        self._guards = guards
        self._venue = venue
        self._strategies = {one.address: one for one in market.strategies}
        self._terms = {one.address: reads.term_reads(market, one) for one in market.strategies}
        self._shared = reads.SharedReads(market)
        self._verified: set[str] = set()
        """Strategies whose scale has been compared: it is part of their code and does not change."""

    def serves(self, market: OptionMarket) -> bool:
        """Whether that is the pair: the same base, and settled in the same quote."""
        pair = self._market.base.address, self._market.quote.address
        return pair == (market.base.address, market.quote.address)

    @property
    def discovery_reads(self) -> Sequence[ContractRead]:
        """What :meth:`contracts` wants to know."""
        return [*self._shared.feed, *(read for terms in self._terms.values() for read in terms.all)]

    def contracts(self, market: OptionMarket, want: HedgeWant, answers: Answers) -> tuple[OptionContract, ...]:
        """What fits, nearest strike first, then by expiry.

        Raises:
            BadReply: the treasury or the feed does not answer.
        """
        spot = self._shared.round_of(answers).spot
        found = list(self._fitting(market, want, spot, answers))
        return tuple(sorted(found, key=lambda one: (abs(one.legs[0].strike - market.price), one.expiry_s)))

    def _fitting(self, market: OptionMarket, want: HedgeWant, spot: int, answers: Answers) -> Iterator[OptionContract]:
        for strategy in self._market.strategies:
            terms = self._terms[strategy.address]
            if strategy.kind not in want.kinds or not terms.is_accepted(answers):
                continue
            try:
                shortest, longest = terms.periods(answers)
            except BadReply:  # a strategy that does not answer is not for sale; the others may be
                continue
            period_s = max(strategy.min_period_s, shortest, want.expiry_from_s - market.now_s)
            if period_s > min(strategy.max_period_s, longest, want.expiry_to_s - market.now_s):
                continue
            native = strategy.address, str(period_s)
            contract = self.contract(strategy, spot, market.now_s + period_s, native)
            if want.strike_from <= contract.legs[0].strike <= want.strike_to:
                yield contract

    def contract(self, strategy: HergeStrategy, stored: int, expiry_s: int, native: tuple[str, ...]) -> OptionContract:
        """The option of a strategy whose stored strike is ``stored`` (1e-8)."""
        return OptionContract(
            venue=self._venue,
            chain_id=self._market.chain_id,
            base=self._market.base,
            quote=self._market.quote,
            legs=(strategy.leg(stored),),
            expiry_s=expiry_s,
            style=Style.AMERICAN,
            settlement=Settlement.CASH,
            settle_asset=self._market.quote,
            exercise=Exercise.HOLDER_BEFORE_EXPIRY,
            lot_raw=max(10**self._market.base.decimals // _LOTS_A_TOKEN, 1),
            native=native,
        )

    def ask(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> Ask:
        """What :meth:`quote` wants to know; nothing of a contract that is not one of ours."""
        asked = self._asked(contract, size, block)
        if asked is None:
            return Ask()
        strategy = asked.strategy
        wanted = [
            *self._shared.feed,
            *self._shared.reserves,
            *self._terms[strategy.address].all,
            reads.price_read(strategy, size.raw, asked.period_s),
            reads.available_read(strategy, asked.period_s),
        ]
        verified = strategy.address in self._verified
        return Ask(reads=wanted, others=() if verified else (reads.probe_call(self._market, strategy, block),))

    def quote(
        self,
        contract: OptionContract,
        size: TokenAmount,
        block: BlockRef,
        answers: Answers,
        probes: Mapping[str, Any | RpcRefused],
    ) -> OptionQuote | NoQuote:
        """The quote, from the replies to :meth:`ask`, those of its other calls by the address of the strategy.

        Raises:
            Reorged: the block is gone.
        """
        asked = self._asked(contract, size, block)
        if asked is None:
            return self.unknown(contract)
        try:
            return self._judged(asked, answers, probes)
        except _Declined as declined:
            return NoQuote(venue=self._venue, reason=declined.reason, note=declined.note, contract=contract)
        except Reorged:
            raise
        except Transient as error:
            return NoQuote(venue=self._venue, reason=NoQuoteReason.UNREACHABLE, note=str(error), contract=contract)

    def unknown(self, contract: OptionContract) -> NoQuote:
        """Of a contract that is none of ours."""
        note = f"no configured strategy {'/'.join(contract.native)} at {self._venue}"
        return NoQuote(venue=self._venue, reason=NoQuoteReason.NO_SERIES, note=note, contract=contract)

    def _asked(self, contract: OptionContract, size: TokenAmount, block: BlockRef) -> _Asked | None:
        if contract.venue != self._venue or len(contract.native) != 2 or contract.native[0] not in self._strategies:
            return None
        strategy = self._strategies[contract.native[0]]
        return _Asked(contract=contract, strategy=strategy, period_s=int(contract.native[1]), size=size, block=block)

    def _judged(self, asked: _Asked, answers: Answers, probes: Mapping[str, Any | RpcRefused]) -> OptionQuote:
        strategy, size = asked.strategy, asked.size.raw
        self._must_be_sold(asked, answers)
        last = self._shared.round_of(answers)
        if (age_s := asked.block.timestamp_s - last.updated_s) > self._guards.max_feed_age_s:
            raise _Declined(NoQuoteReason.UNSOUND, f"the strike would be of a price that is {age_s} s old")
        self._must_have_its_scale(strategy, last.spot, probes)
        reserve, premium = reads.told(answers, reads.price_read(strategy, size, asked.period_s))
        reserves = self._shared.reserves_of(answers)
        (listed,) = reads.told(answers, reads.available_read(strategy, asked.period_s))
        # The strategy counts the reserve alone; the treasury sells where reserve and premium are both free.
        available = min(listed, max(reserves.free, 0) * size // max(reserve + premium, 1))
        if size > available:
            raise _Declined(
                NoQuoteReason.LIMIT, f"{tokens(self._market.base, available)} of {in_words(asked.size)} are for sale"
            )
        if premium == 0:
            raise _Declined(NoQuoteReason.UNSOUND, "it costs nothing")
        self._must_be_covered(strategy, size, last.spot, reserves.cap)
        return self._offer(asked, last.spot, premium, available, reserves.cap)

    def _must_be_sold(self, asked: _Asked, answers: Answers) -> None:
        terms = self._terms[asked.strategy.address]
        if not terms.is_accepted(answers):
            raise _Declined(NoQuoteReason.NO_SERIES, f"the treasury does not sell {asked.strategy.address}")
        shortest, longest = terms.periods(answers)
        if not shortest <= asked.period_s <= longest:
            raise _Declined(NoQuoteReason.OUT_OF_TENOR, f"{asked.period_s} s; it sells {shortest} to {longest} s")
        if terms.is_closed(answers):
            raise _Declined(NoQuoteReason.PAUSED, "its admin has set the limit of sales to 0")

    def _must_have_its_scale(self, strategy: HergeStrategy, spot: int, probes: Mapping[str, Any | RpcRefused]) -> None:
        if strategy.address in self._verified:
            return
        found = reads.probed(probes[strategy.address], strategy)
        unit = 10**self._market.base.decimals
        expected = put_payoff(strategy, self._market, amount=unit, stored=reads.PROBE_STRIKE, spot=spot)
        if found != expected:
            per_dollar = Decimal(10**FEED_DECIMALS) / 10**self._market.quote.decimals
            seems = (found * per_dollar + spot) * SCALE_UNIT / reads.PROBE_STRIKE
            note = f"it pays as if its scale were {seems:.0f} of {SCALE_UNIT}, configured is {strategy.scale}"
            raise _Declined(NoQuoteReason.UNSOUND, f"{note}: scale, decimals or feed are not what the settings say")
        self._verified.add(strategy.address)

    def _must_be_covered(self, strategy: HergeStrategy, size: int, spot: int, cap: int) -> None:
        fallen = spot * (BPS - self._guards.stress_fall_bps) // BPS
        payoff = put_payoff(strategy, self._market, amount=size, stored=spot, spot=fallen)
        allowed = cap * self._guards.most_of_cap_bps // BPS
        if payoff > allowed:
            pays, payable, relied_on = (tokens(self._market.quote, raw) for raw in (payoff, cap, allowed))
            fall = f"{self._guards.stress_fall_bps / 100:g} %"
            note = f"it pays {pays} after a fall of {fall}, {payable} can be paid out, {relied_on} are relied on"
            raise _Declined(NoQuoteReason.UNSOUND, note)

    def _offer(self, asked: _Asked, spot: int, premium: int, available: int, cap: int) -> OptionQuote:
        now_s = asked.block.timestamp_s
        leg = asked.strategy.leg(spot)
        nothing = self._dollars(0)
        return OptionQuote(
            contract=replace(asked.contract, legs=(leg,), expiry_s=now_s + asked.period_s),
            size=asked.size,
            upfront=self._dollars(premium),
            fee=nothing,
            collateral=(),
            carry_per_day=nothing,
            cost_model=CostModel.UPFRONT,
            max_loss=self._dollars(premium),
            available=TokenAmount(token=self._market.base, raw=available),
            payable_cap=self._dollars(cap),
            basis=QuoteBasis.FIRM,
            block=asked.block.number,
            valid_until_s=now_s + self._guards.valid_s,
            implied_volatility=self._volatility(asked, leg.strike, spot, premium),
            gas_open=GAS_OPEN,
            gas_close=GAS_CLOSE,
        )

    def _volatility(self, asked: _Asked, strike: Decimal, spot: int, premium: int) -> Decimal | None:
        each = premium * 10.0 ** (self._market.base.decimals - self._market.quote.decimals) / asked.size.raw
        found = implied_volatility(
            asked.strategy.kind,
            each,
            spot=spot / 10**FEED_DECIMALS,
            strike=float(strike),
            years=asked.period_s / SECONDS_A_YEAR,
        )
        return None if found is None else Decimal(f"{found:.6f}")

    def _dollars(self, raw: int) -> TokenAmount:
        return TokenAmount(token=self._market.quote, raw=raw)

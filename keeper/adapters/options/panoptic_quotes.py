"""What Panoptic offers, judged: which ranges fit a want, what holding one would cost, and why nothing is offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.adapters.evm.multicall import Answers, ContractRead
from keeper.adapters.evm.rpc import BadReply
from keeper.adapters.options.panoptic_chunks import (
    RATIOS,
    Chunk,
    contract_of,
    kind_of,
    leg_of,
    prices_of,
    to_quote,
)
from keeper.adapters.options.panoptic_cost import Depth, per_day, reckoned_growth, share_up, streamia
from keeper.adapters.options.panoptic_logs import Account
from keeper.adapters.options.panoptic_plans import GAS_CLOSE, GAS_OPEN, Opening
from keeper.adapters.options.panoptic_reads import AccountReads, ChunkReads, EngineReads, GrowthReads, Home
from keeper.adapters.options.panoptic_terms import BPS, VENUE, PanopticMarket, PanopticRules
from keeper.adapters.options.words import in_words, tokens
from keeper.core.model.option import (
    CostModel,
    HedgeWant,
    NoQuote,
    NoQuoteReason,
    OptionContract,
    OptionMarket,
    OptionQuote,
    QuoteBasis,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.core.v3math.reverts import ArithmeticRevertError

SAFE_MODE_SELLS = 2
"""Above it nothing can be opened."""


class Declined(Exception):
    """Why there is no quote."""

    def __init__(self, reason: NoQuoteReason, note: str) -> None:
        self.reason = reason
        self.note = note
        super().__init__(note)

    def no_quote(self, contract: OptionContract | None) -> NoQuote:
        """As the port says it."""
        return NoQuote(venue=VENUE, reason=self.reason, note=self.note, contract=contract)


def chunk_of(contract: OptionContract, market: PanopticMarket) -> Chunk:
    """The range of a contract.

    Raises:
        Declined: it is none of this venue's.
    """
    foreign = Declined(NoQuoteReason.NO_SERIES, f"{'/'.join(contract.native)} of {contract.venue} is no range of this venue")
    if (contract.venue, contract.chain_id) != (VENUE, market.chain_id):
        raise foreign
    try:
        return Chunk.from_native(contract.native)
    except ValueError:
        raise foreign from None


def fitting(
    chunks: Sequence[Chunk], market: PanopticMarket, rules: PanopticRules, view: OptionMarket, want: HedgeWant
) -> list[Chunk]:
    """Ranges of the wanted kinds and strikes that lie wholly out of the money and off the ladder, nearest strike first."""
    found = []
    for chunk in chunks:
        lower, upper = prices_of(chunk, market)
        leg = leg_of(chunk, market)
        away = upper < view.price if chunk.token_type != market.base_index else lower > view.price
        wanted = leg.kind in want.kinds and want.strike_from <= leg.strike <= want.strike_to
        if wanted and away and not _overlaps(chunk, market, rules):
            found.append((abs(leg.strike - view.price), chunk))
    return [chunk for _, chunk in sorted(found)]


def _overlaps(chunk: Chunk, market: PanopticMarket, rules: PanopticRules) -> bool:
    if rules.avoid is None:
        return False
    lower, upper = prices_of(chunk, market)
    return lower < rules.avoid[1] and rules.avoid[0] < upper


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known of the account and the venue before a quote is asked for."""

    home: Home
    block: BlockRef
    holder: str
    account: Account


class QuoteReads:
    """Everything that quotes of some ranges want to know, in one round."""

    def __init__(self, market: PanopticMarket, scene: Scene, chunks: Sequence[Chunk]) -> None:
        self.engine = EngineReads(market, scene.home.pool)
        self.growth = GrowthReads(market, chunks)
        self.account = AccountReads(scene.home, scene.holder, scene.account.ids)
        self.chunks = {chunk: ChunkReads(scene.home, chunk) for chunk in chunks}

    @property
    def all(self) -> list[ContractRead]:
        """Every one."""
        depths = [one.data for one in self.chunks.values()]
        return [*self.engine.all, *self.growth.all, *self.account.all, *depths]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Quotes from what was read.

    Raises:
        BadReply: by its methods, when the venue does not answer.
    """

    market: PanopticMarket
    rules: PanopticRules
    scene: Scene
    reads: QuoteReads
    answers: Answers
    past: Answers | None
    """Fee growth some blocks ago; None when the node does not have it."""

    def quote(self, contract: OptionContract, chunk: Chunk, size: TokenAmount) -> OptionQuote | NoQuote:
        """A quote of so much of a range, or why there is none."""
        try:
            return self._offer(contract, chunk, size)
        except Declined as declined:
            return declined.no_quote(contract)
        except BadReply as error:
            return Declined(NoQuoteReason.UNREACHABLE, str(error)).no_quote(contract)

    def _offer(self, contract: OptionContract, chunk: Chunk, size: TokenAmount) -> OptionQuote:
        market, rules, base = self.market, self.rules, self.market.base_index
        if (mode := self.reads.engine.safe_mode(self.answers)) > SAFE_MODE_SELLS:
            raise Declined(NoQuoteReason.PAUSED, f"the pool is in safe mode {mode}")
        self._must_have_their_decimals()
        sqrt_price, tick = self.reads.growth.price(self.answers)
        self._must_be_a_wing(chunk, tick)
        liquidity = self._liquidity(chunk, size)
        depth = self.reads.chunks[chunk].depth(self.answers)
        buyable = self._lots(contract, chunk.size(depth.buyable(rules.max_spread), base))
        if size.raw > buyable:
            raise Declined(NoQuoteReason.NO_LIQUIDITY, f"{tokens(market.base, buyable)} of {in_words(size)} may be bought")
        notional = chunk.notional(liquidity)
        fee_bps = self.reads.engine.notional_fee_bps(self.answers)
        fee = share_up(notional, rules.notional_fee_bps if fee_bps is None else fee_bps, BPS)
        collateral = self._collateral(chunk, notional)
        return OptionQuote(
            contract=contract_of(chunk, market),
            size=size,
            upfront=market.dollars(self._quote_of(chunk.token_type, fee, sqrt_price)),
            fee=market.dollars(0),
            collateral=tuple(TokenAmount(token=market.token(token), raw=collateral[token]) for token in (0, 1)),
            carry_per_day=market.dollars(self._carry(chunk, liquidity, depth.after(liquidity), sqrt_price)),
            cost_model=CostModel.STREAMED,
            max_loss=None,
            available=TokenAmount(token=market.base, raw=buyable),
            payable_cap=None,
            basis=QuoteBasis.MODEL,
            block=self.scene.block.number,
            valid_until_s=self.scene.block.timestamp_s + rules.valid_s,
            implied_volatility=None,
            gas_open=GAS_OPEN,
            gas_close=GAS_CLOSE,
            native=self._opening(chunk, size.raw, liquidity, tick, collateral, fee).to_native(),
        )

    def _must_have_their_decimals(self) -> None:
        for index, found in enumerate(self.scene.home.decimals):
            token = self.market.token(index)
            if found != token.decimals:
                note = f"{token.symbol} has {found} decimals, configured are {token.decimals}"
                raise Declined(NoQuoteReason.UNSOUND, note)

    def _must_be_a_wing(self, chunk: Chunk, tick: int) -> None:
        away = tick < chunk.lower if chunk.token_type == 0 else tick >= chunk.upper
        if not away:
            raise Declined(NoQuoteReason.UNSOUND, f"the price, tick {tick}, stands within or past its range")
        if _overlaps(chunk, self.market, self.rules):
            raise Declined(NoQuoteReason.UNSOUND, "its range overlaps the ladder's own, and would cost more than that earns")

    def _liquidity(self, chunk: Chunk, size: TokenAmount) -> int:
        try:
            return chunk.liquidity(size.raw, self.market.base_index)
        except ArithmeticRevertError:
            raise Declined(NoQuoteReason.LIMIT, f"{in_words(size)} are more than the venue can count") from None

    def _lots(self, contract: OptionContract, raw: int) -> int:
        return raw // contract.lot_raw * contract.lot_raw

    def _carry(self, chunk: Chunk, liquidity: int, depth: Depth, sqrt_price: int) -> int:
        """Streamed cost of a day, with this purchase removed too, raw units of the quote, rounded **up**."""
        if self.past is None:
            note = f"the node does not tell the fee growth of {self.rules.lookback_blocks} blocks ago"
            raise Declined(NoQuoteReason.UNREACHABLE, note)
        now = self.reads.growth.growth(chunk, self.answers)
        before = self.reads.growth.growth(chunk, self.past)
        if now.at_s <= before.at_s:
            raise Declined(NoQuoteReason.UNREACHABLE, "no time has passed since the blocks that fee growth is compared with")
        total = 0
        for token in (0, 1):
            growth = reckoned_growth(before, now, token, least_share_bps=self.rules.least_share_bps)
            day = per_day(streamia(growth, liquidity, depth, self.rules.vegoid) + 1, now.at_s - before.at_s)
            total += self._quote_of(token, day, sqrt_price)
        return total

    def _quote_of(self, token: int, raw: int, sqrt_price: int) -> int:
        if token != self.market.base_index:
            return raw
        return to_quote(raw, sqrt_price, self.market.base_index, round_up=True)

    def _collateral(self, chunk: Chunk, notional: int) -> tuple[int, int]:
        """What is to be deposited for it, by token: its own token's share of the notional, and some of both."""
        told = self.reads.engine.collateral_bps(self.answers)
        bps = self.rules.collateral_bps if told is None else told
        held = share_up(notional, bps * (BPS + self.rules.collateral_margin_bps), BPS * BPS)
        dust = self._dust()
        return dust[0] + (held if chunk.token_type == 0 else 0), dust[1] + (held if chunk.token_type == 1 else 0)

    def _dust(self) -> tuple[int, int]:
        rules = self.rules
        both = rules.dust_quote_raw, rules.dust_base_raw
        return both if self.market.base_index else (both[1], both[0])

    def _opening(
        self, chunk: Chunk, size_raw: int, liquidity: int, tick: int, collateral: tuple[int, int], fee: int
    ) -> Opening:
        scene, account = self.scene, self.reads.account
        assets, held = account.assets(self.answers), account.held(self.answers)
        needed = [collateral[token] + held.required[token] + held.owed[token] for token in (0, 1)]
        needed[chunk.token_type] += fee
        token_id, ratio = self._free_id(chunk, size_raw)
        return Opening(
            pool=scene.home.pool,
            tracker0=scene.home.trackers[0],
            tracker1=scene.home.trackers[1],
            deposit0=max(needed[0] - assets[0], 0),
            deposit1=max(needed[1] - assets[1], 0),
            token_id=token_id,
            size=size_raw // ratio,
            liquidity=liquidity,
            tick=tick,
            max_spread=self.rules.max_spread,
            held=scene.account.ids,
        )

    def _free_id(self, chunk: Chunk, size_raw: int) -> tuple[int, int]:
        """An id of the range that is not held, and its ratio."""
        market, home = self.market, self.scene.home
        for ratio in RATIOS:
            id_ = chunk.token_id(home.pool_id, market.base_index, market.uniswap.tick_spacing, ratio)
            if size_raw % ratio == 0 and id_ not in self.scene.account.ids:
                return id_, ratio
        raise Declined(NoQuoteReason.LIMIT, f"{kind_of(chunk, market)}s of this range are held under every id that there is")

"""What somebody holds of Opyn's oTokens, and how it is ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.adapters.evm.multicall import Answers, ContractRead, read_of
from keeper.adapters.options.opyn_interface import VENUE, Modules, Series, answer, otoken_at, push_call, redeem_call
from keeper.adapters.options.opyn_pool import UniswapPool
from keeper.adapters.options.opyn_series import SeriesBook
from keeper.adapters.options.opyn_settlement import BALANCE_OF, Settlement, Settler
from keeper.adapters.options.reading import Ask, Reading
from keeper.adapters.options.words import in_words
from keeper.core.model.errors import Refused
from keeper.core.model.option import CloseHow, OptionPosition, PositionState
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount
from keeper.ports.options import NotYet, VenuePlan

GAS_REDEEM = 190_000
"""158,000 with the venue's own contracts (rounded up), 121,000 on the local chain."""
_GAS_PUSH = 135_000
_GAS_SALE = 190_000
"""Measured on the local chain, rounded up; a sale with its allowance."""
_BALANCE_GAS = 40_000


_SELL = "sell"
_KEEP = "keep"
_REDEEM = "redeem"
_PUSH = "push"
_WAIT = "wait"
"""Ways out of a position as the block had it, written into its contract's ``native`` after the oToken: for sale (tier of the
pool, deadline), for sale nowhere, to be redeemed (controller), its price to be set (pricer, round), to be waited for (why,
until when)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Positions of one venue, and the plans that end them."""

    chain_id: int
    base: Token
    quote: Token
    book: SeriesBook
    settler: Settler
    pool: UniswapPool
    watch_s: int
    """How long after its expiry a series is still looked at, seconds."""
    sale_valid_s: int
    """Deadline of a sale, seconds after the block that quoted it."""

    def holding(self, head: BlockRef, owner: str) -> Reading[tuple[OptionPosition, ...]]:
        """Every oToken that ``owner`` holds, nearest expiry first.

        Raises:
            VenueSilent: the venue does not answer.
        """

        def balances(_: Modules, series: Sequence[Series]) -> list[ContractRead]:
            return [self._balance(one, owner) for one in series if one.expiry_s + self.watch_s > head.timestamp_s]

        survey = yield from self.book.surveying(balances, head)
        watched = [one for one in survey.series if self._balance(one, owner) in survey.answers]
        amounts = {one: int(answer(survey.answers, self._balance(one, owner))[0]) for one in watched}
        held = sorted((one for one in watched if amounts[one]), key=lambda one: one.expiry_s)
        if not held:
            return ()
        reads = [read for one in held for read in self._reads(survey.modules, one, amounts[one], head)]
        answers = (yield Ask(reads=reads)).answers
        positions: list[OptionPosition] = []
        for one in held:
            amount = amounts[one]
            if one.expiry_s > head.timestamp_s:
                positions.append(self._open(head, owner, survey.modules, one, amount, answers))
            else:
                settlement = yield from self.settler.settling(head, survey.modules, one, amount, answers, owner)
                positions.append(self._expired(owner, survey.modules, one, amount, settlement))
        return tuple(positions)

    def _balance(self, series: Series, owner: str) -> ContractRead:
        return read_of(series.otoken, BALANCE_OF, owner, may_fail=True, gas=_BALANCE_GAS)

    def _reads(self, modules: Modules, series: Series, amount_e8: int, head: BlockRef) -> Sequence[ContractRead]:
        if series.expiry_s <= head.timestamp_s:
            return self.settler.reads(modules, series, amount_e8)
        return [*self.settler.live_reads(modules), *self.pool.sale_reads(series.otoken, amount_e8).values()]

    def _open(
        self, head: BlockRef, owner: str, modules: Modules, series: Series, amount_e8: int, answers: Answers
    ) -> OptionPosition:
        sale = self.pool.best_sale(series.otoken, amount_e8, answers)
        return self._position(
            owner,
            series,
            amount_e8,
            state=PositionState.OPEN,
            intrinsic_raw=self.settler.intrinsic(modules, series, amount_e8, answers),
            claimable=TokenAmount(token=self.quote, raw=sale[1] if sale else 0),
            gas_close=_GAS_SALE,
            way_out=(_SELL, str(sale[0]), str(head.timestamp_s + self.sale_valid_s)) if sale else (_KEEP,),
        )

    def _expired(self, owner: str, modules: Modules, series: Series, amount_e8: int, settlement: Settlement) -> OptionPosition:
        if settlement.payout is None:
            state = PositionState.AWAITING_PRICE
        else:
            state = PositionState.REDEEMABLE if settlement.payout else PositionState.EXPIRED_WORTHLESS
        way_out: tuple[str, ...] = (_REDEEM, modules.controller)
        if push := settlement.push:
            way_out = (_PUSH, push.pricer, str(push.round_id))
        elif wait := settlement.wait:
            way_out = (_WAIT, wait.why, "" if wait.not_before_s is None else str(wait.not_before_s))
        takeable = 0 if settlement.wait or settlement.payout is None else settlement.payout
        return self._position(
            owner,
            series,
            amount_e8,
            state=state,
            intrinsic_raw=settlement.expected,
            claimable=TokenAmount(token=self.quote if series.is_put else self.base, raw=takeable),
            gas_close=GAS_REDEEM + (_GAS_PUSH if settlement.push else 0),
            way_out=way_out,
            waits=settlement.wait is not None,
        )

    def _position(
        self,
        owner: str,
        series: Series,
        amount_e8: int,
        *,
        state: PositionState,
        intrinsic_raw: int,
        claimable: TokenAmount,
        gas_close: int,
        way_out: tuple[str, ...],
        waits: bool = False,
    ) -> OptionPosition:
        contract = series.contract(self.chain_id, self.base, self.quote)
        contract = replace(contract, native=(*contract.native, *way_out))
        return OptionPosition(
            contract=contract,
            owner=owner,
            id=series.otoken,
            size=TokenAmount(token=self.base, raw=amount_e8 * contract.lot_raw),
            opened_cost=None,
            accrued_cost=TokenAmount(token=self.quote, raw=0),
            intrinsic=TokenAmount(token=contract.settle_asset, raw=intrinsic_raw),
            claimable=claimable,
            state=state,
            act_before_s=None,
            waits=waits,
            gas_close=gas_close,
        )

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        """How to end a position, by the ways out that its reading found.

        Raises:
            Refused: the venue does not know this way, or the position pays less.
        """
        contract = position.contract
        if contract.venue != VENUE or len(contract.native) < 2:
            raise Refused(f"{position.id} is no position at {VENUE}")
        worthless = position.state is PositionState.EXPIRED_WORTHLESS
        if how is CloseHow.SELL and position.state is PositionState.OPEN:
            return self._sell(position, min_out)
        if how is CloseHow.REDEEM or (how is CloseHow.RELEASE and worthless):
            return self._redeem(position, min_out)
        raise Refused(f"{VENUE} does not know {how} of what is {position.state}")

    def _sell(self, position: OptionPosition, min_out: TokenAmount) -> VenuePlan | NotYet:
        _, way, *details = position.contract.native
        if way == _KEEP:
            return NotYet(why="no pool takes it", not_before_s=None)
        _enough(position, min_out)
        fee, until_s = details
        sale = self.pool.sale(
            otoken_at(position.id),
            _amount_e8(position),
            int(fee),
            receiver=position.owner,
            min_out_raw=min_out.raw,
            until_s=int(until_s),
        )
        return VenuePlan(calls=(sale,))

    def _redeem(self, position: OptionPosition, min_out: TokenAmount) -> VenuePlan | NotYet:
        """What expired worthless is redeemed for nothing, which burns it; a price that is set pays nothing either."""
        _, way, *details = position.contract.native
        if way in {_SELL, _KEEP}:
            return NotYet(why="it has not expired", not_before_s=position.contract.expiry_s)
        if way == _WAIT:
            why, not_before_s = details
            return NotYet(why=why, not_before_s=int(not_before_s) if not_before_s else None)
        if way == _PUSH:
            pricer, round_id = details
            assert position.contract.expiry_s is not None
            return VenuePlan(calls=(push_call(pricer, position.contract.expiry_s, int(round_id)),))
        _enough(position, min_out)
        (controller,) = details
        return VenuePlan(calls=(redeem_call(controller, position.id, position.owner, _amount_e8(position)),))


def _amount_e8(position: OptionPosition) -> int:
    return position.size.raw // position.contract.lot_raw


def _enough(position: OptionPosition, min_out: TokenAmount) -> None:
    claimable = position.claimable
    if claimable.token.address != min_out.token.address or claimable.raw < min_out.raw:
        raise Refused(f"it brings {in_words(claimable)}, {in_words(min_out)} are wanted")

"""What an account holds at Panoptic: read with its owed cost, its payoff now, and whether it could be closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keeper.adapters.evm.multicall import Answers
from keeper.adapters.evm.rpc import RpcRefused
from keeper.adapters.options.panoptic_chunks import Chunk, contract_of, to_quote
from keeper.adapters.options.panoptic_errors import refusal
from keeper.adapters.options.panoptic_logs import Ended
from keeper.adapters.options.panoptic_plans import GAS_CLOSE, Closing, dispatch_data, net_of, owed_with_fee
from keeper.adapters.options.panoptic_quotes import Scene
from keeper.adapters.options.panoptic_reads import AccountReads, EngineReads, GrowthReads, trial
from keeper.adapters.options.panoptic_terms import MAX_SPREAD, PanopticMarket, PanopticRules
from keeper.adapters.options.panoptic_token_id import decode_token_id
from keeper.adapters.options.reading import Ask, Reading
from keeper.adapters.options.words import tokens
from keeper.core.model.option import OptionPosition, PositionState
from keeper.core.model.token import TokenAmount
from keeper.core.v3math.units import MAX_TICK, MIN_TICK

_ANY_PRICE = MAX_TICK + 1, MIN_TICK - 1, MAX_SPREAD
"""Limits of a trial close in cash."""


def long_leg(id_: int, market: PanopticMarket) -> tuple[Chunk, int] | None:
    """Range and ratio of a position that is one long leg, sized in the base; None of any other."""
    legs = decode_token_id(id_).legs
    if len(legs) != 1 or not legs[0].is_long or legs[0].width == 0 or legs[0].asset != market.base_index:
        return None
    return Chunk.of_leg(legs[0], market.uniswap.tick_spacing), legs[0].ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the second round brought."""

    answers: Answers
    trials: dict[int, object]
    """Id -> outcome of closing it in cash."""
    sqrt_price: int
    tick: int
    fee_bps: int
    """On streamed cost, when an option ends."""


class Holdings:
    """Positions of an account, from its logs and one round more.

    Positions of several legs, short ones and loans are left out: the account's owner made them himself. They stay in the lists
    that the venue wants to see.
    """

    def __init__(self, market: PanopticMarket, rules: PanopticRules) -> None:
        self._market = market
        self._rules = rules

    def holding(self, scene: Scene) -> Reading[tuple[OptionPosition, ...]]:
        """One round; none when nothing is or lately was held.

        Raises:
            BadReply: the venue does not answer.
        """
        market, ids = self._market, scene.account.ids
        since = scene.block.number - self._rules.watch_blocks
        ended = [one for one in scene.account.ended if one.block >= since and long_leg(one.id, market) is not None]
        if not ids and not ended:
            return ()
        prices, engine = GrowthReads(market, ()), EngineReads(market, scene.home.pool)
        account = AccountReads(scene.home, scene.holder, ids)
        tried = [id_ for id_ in ids if long_leg(id_, market) is not None]
        others = [trial(scene.home.pool, scene.holder, _trial_data(id_, ids), scene.block.hash) for id_ in tried]
        replies = yield Ask(reads=[*prices.all, *engine.all, *account.all], others=others)
        sqrt_price, tick = prices.price(replies.answers)
        fee = engine.premium_fee_bps(replies.answers)
        found = _Found(
            answers=replies.answers,
            trials=dict(zip(tried, replies.others, strict=True)),
            sqrt_price=sqrt_price,
            tick=tick,
            fee_bps=self._rules.premium_fee_bps if fee is None else fee,
        )
        return (*self._open(scene, account, found), *self._over(scene, account, found, ended))

    def _open(self, scene: Scene, account: AccountReads, found: _Found) -> Iterator[OptionPosition]:
        held = account.held(found.answers)
        assets = account.assets(found.answers)
        for place, id_ in enumerate(scene.account.ids):
            if (leg := long_leg(id_, self._market)) is None:
                continue
            premia = held.premia[place]
            owed = owed_with_fee(-premia[0], found.fee_bps), owed_with_fee(-premia[1], found.fee_bps)
            blocked = self._blocked(found.trials[id_], assets, owed)
            others = tuple(one for one in scene.account.ids if one != id_)
            closing = self._closing(scene, found.tick, others, assets=assets, owed=owed, blocked=blocked)
            yield self._position(scene, id_, leg, held.sizes[place], closing, premia, found.sqrt_price)

    def _blocked(self, outcome: object, assets: tuple[int, int], owed: tuple[int, int]) -> str:
        for token in (0, 1):
            if assets[token] <= owed[token]:
                deposited, due = (tokens(self._market.token(token), raw) for raw in (assets[token], owed[token]))
                return f"{deposited} are deposited, more than the {due} that are owed are needed"
        return refusal(outcome) if isinstance(outcome, RpcRefused) else ""

    def _position(
        self,
        scene: Scene,
        id_: int,
        leg: tuple[Chunk, int],
        size: int,
        closing: Closing,
        premia: tuple[int, int],
        sqrt_price: int,
    ) -> OptionPosition:
        market, (chunk, ratio) = self._market, leg
        base = market.base_index
        liquidity = chunk.liquidity(size * ratio, base)
        streamed = max(-premia[1 - base], 0) + to_quote(max(-premia[base], 0), sqrt_price, base, round_up=True)
        intrinsic = chunk.payoff(liquidity, sqrt_price, base)
        claimable = 0 if closing.blocked else max(net_of(closing, market, chunk, liquidity, sqrt_price), 0)
        return OptionPosition(
            contract=contract_of(chunk, market, closing.to_native()),
            owner=scene.holder,
            id=str(id_),
            size=TokenAmount(token=market.base, raw=size * ratio),
            opened_cost=None,
            accrued_cost=market.dollars(streamed),
            intrinsic=market.dollars(intrinsic),
            claimable=market.dollars(claimable),
            state=PositionState.ITM_EXERCISABLE if claimable > 0 else PositionState.OPEN,
            act_before_s=None,
            gas_close=GAS_CLOSE,
        )

    def _over(self, scene: Scene, account: AccountReads, found: _Found, ended: list[Ended]) -> Iterator[OptionPosition]:
        """What others ended lately; and the last one that the owner ended while his deposit is still there."""
        withdrawable = (0, 0) if scene.account.ids else account.withdrawable(found.answers)
        own = [one for one in ended if not one.by_others]
        shown = [one for one in ended if one.by_others]
        if any(withdrawable) and own:
            shown.append(own[-1])
        for one in shown:
            leg = long_leg(one.id, self._market)
            assert leg is not None
            chunk, ratio = leg
            assets = account.assets(found.answers)
            closing = self._closing(scene, found.tick, scene.account.ids, assets=assets, withdrawable=withdrawable)
            nothing = self._market.dollars(0)
            yield OptionPosition(
                contract=contract_of(chunk, self._market, closing.to_native()),
                owner=scene.holder,
                id=str(one.id),
                size=TokenAmount(token=self._market.base, raw=one.size * ratio),
                opened_cost=None,
                accrued_cost=nothing,
                intrinsic=nothing,
                claimable=nothing,
                state=PositionState.FORCE_EXERCISED if one.by_others else PositionState.CLOSED,
                act_before_s=None,
                gas_close=GAS_CLOSE,
            )

    def _closing(
        self,
        scene: Scene,
        tick: int,
        others: tuple[int, ...],
        *,
        assets: tuple[int, int],
        owed: tuple[int, int] = (0, 0),
        withdrawable: tuple[int, int] = (0, 0),
        blocked: str = "",
    ) -> Closing:
        home = scene.home
        return Closing(
            pool=home.pool,
            tracker0=home.trackers[0],
            tracker1=home.trackers[1],
            tick=tick,
            assets0=assets[0],
            assets1=assets[1],
            owed0=owed[0],
            owed1=owed[1],
            withdrawable0=withdrawable[0],
            withdrawable1=withdrawable[1],
            blocked=blocked,
            others=others,
        )


def _trial_data(id_: int, ids: tuple[int, ...]) -> str:
    return dispatch_data(id_=id_, final_ids=[one for one in ids if one != id_], size=0, limits=_ANY_PRICE)

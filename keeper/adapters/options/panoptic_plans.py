"""How a range is bought and given back: deposits, one dispatch, and the ticks between which it may be mined.

A dispatch of an id that is not held opens it, of one that is held and with another size closes it. Limits of ticks are open
intervals; told in falling order they make the venue swap in the pool, so that the result is in one token. The list of all the
account's options after the call must be right, or nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Self

from keeper.adapters.options.panoptic_chunks import Chunk, to_quote
from keeper.adapters.options.panoptic_reads import POOL, TRACKER
from keeper.adapters.options.panoptic_terms import BPS, MAX_SPREAD, PanopticMarket
from keeper.adapters.options.words import tokens
from keeper.core.model.option import CloseHow
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity_delta
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import FEE_PIPS_ONE
from keeper.ports.options import Allowance, VenueCall

_DISPATCH = POOL.function("dispatch")
_DEPOSIT = TRACKER.function("deposit")
_WITHDRAW = TRACKER.function("withdraw")
_NO_BUILDER = 0
GAS_OPEN = 900_000
"""A purchase took 450,000 on the real bytecode; rather too much for two deposits, approved and taken back."""
GAS_CLOSE = 435_000
"""What closing took at most on the real bytecode."""
_LIST = ","


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a purchase needs besides its contract; a quote carries it as text."""

    pool: str
    tracker0: str
    tracker1: str
    deposit0: int
    """Raw units that are missing in the vault of token 0."""
    deposit1: int
    token_id: int
    size: int
    """As the venue counts it, before the ratio."""
    liquidity: int
    tick: int
    """Of the pool when it was quoted."""
    max_spread: int
    held: tuple[int, ...]
    """Ids of the account's options, which stay."""

    def to_native(self) -> tuple[str, ...]:
        """As text."""
        *plain, held = astuple(self)
        return (*(str(part) for part in plain), _joined(held))

    @classmethod
    def from_native(cls, native: Sequence[str]) -> Self:
        """What :meth:`to_native` was made of.

        Raises:
            ValueError: it was not.
        """
        pool, tracker0, tracker1, deposit0, deposit1, token_id, size, liquidity, tick, max_spread, held = native
        return cls(
            pool=pool,
            tracker0=tracker0,
            tracker1=tracker1,
            deposit0=int(deposit0),
            deposit1=int(deposit1),
            token_id=int(token_id),
            size=int(size),
            liquidity=int(liquidity),
            tick=int(tick),
            max_spread=int(max_spread),
            held=_split(held),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What ending an option needs besides its terms; a held option's contract carries it as text."""

    pool: str
    tracker0: str
    tracker1: str
    tick: int
    """Of the pool when it was read."""
    assets0: int
    """Deposited in the vault of token 0."""
    assets1: int
    owed0: int
    """Streamed by this option and not paid yet, with the fee on it, rounded **up**."""
    owed1: int
    withdrawable0: int
    withdrawable1: int
    blocked: str
    """Why a close in cash would fail; empty when it would not."""
    others: tuple[int, ...]
    """Ids of the account's other options, which stay."""

    def to_native(self) -> tuple[str, ...]:
        """As text."""
        *plain, others = astuple(self)
        return (*(str(part) for part in plain), _joined(others))

    @classmethod
    def from_native(cls, native: Sequence[str]) -> Self:
        """What :meth:`to_native` was made of.

        Raises:
            ValueError: it was not.
        """
        pool, tracker0, tracker1, *numbers, blocked, others = native
        tick, assets0, assets1, owed0, owed1, withdrawable0, withdrawable1 = (int(number) for number in numbers)
        return cls(
            pool=pool,
            tracker0=tracker0,
            tracker1=tracker1,
            tick=tick,
            assets0=assets0,
            assets1=assets1,
            owed0=owed0,
            owed1=owed1,
            withdrawable0=withdrawable0,
            withdrawable1=withdrawable1,
            blocked=blocked,
            others=_split(others),
        )


def _joined(ids: Sequence[int]) -> str:
    return _LIST.join(str(id_) for id_ in ids)


def _split(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(_LIST) if part)


def dispatch_data(*, id_: int, final_ids: Sequence[int], size: int, limits: tuple[int, int, int]) -> str:
    """Call data of a dispatch of one option; ``size`` 0 closes it, ``limits`` are two ticks and the most spread."""
    return _DISPATCH.call_data([id_], list(final_ids), [size], [limits], False, _NO_BUILDER)


def opening_calls(
    opening: Opening, market: PanopticMarket, chunk: Chunk, owner: str, *, spare_raw: int, drift: int
) -> list[VenueCall]:
    """Deposits of what is missing, then the purchase.

    Args:
        opening: from the quote.
        market: where.
        chunk: what is bought.
        owner: who buys and deposits.
        spare_raw: what more than the quoted cost may be paid, raw units of the quote: so far into the range the price may be.
        drift: ticks that the price may have moved either way.
    """
    deposits = [
        _deposit(tracker, market, token, amount, owner)
        for token, (tracker, amount) in enumerate(((opening.tracker0, opening.deposit0), (opening.tracker1, opening.deposit1)))
        if amount > 0
    ]

    def affordable(tick: int) -> bool:
        return chunk.payoff(opening.liquidity, _worst(tick, chunk, into=True), market.base_index) <= spare_raw

    low, high = _between(opening.tick, drift, chunk, affordable, into=True)
    data = dispatch_data(
        id_=opening.token_id,
        final_ids=(*opening.held, opening.token_id),
        size=opening.size,
        limits=(low, high, opening.max_spread),
    )
    return [*deposits, VenueCall(to=opening.pool, value_wei=0, data=data, label=f"buy option {opening.token_id:#x}")]


def closing_calls(
    closing: Closing,
    market: PanopticMarket,
    chunk: Chunk,
    id_: int,
    liquidity: int,
    owner: str,
    *,
    least: int,
    drift: int,
    how: CloseHow,
) -> list[VenueCall]:
    """The close, after a deposit of what a physical one delivers.

    Args:
        closing: from the held option.
        market: where.
        chunk: its range.
        id_: its token id.
        liquidity: of it.
        owner: who holds it.
        least: what it must pay net, raw units of the quote: the price must be so far in its favour.
        drift: ticks that the price may have moved either way.
        how: CASH swaps in the pool, PHYSICAL delivers the other token.
    """
    swapped = how is CloseHow.CASH

    def enough(tick: int) -> bool:
        at = _worst(tick, chunk, into=False)
        return least == 0 or net_of(closing, market, chunk, liquidity, at, swapped=swapped) >= least

    low, high = _between(closing.tick, drift, chunk, enough, into=False)
    calls: list[VenueCall] = []
    limits = high, low, MAX_SPREAD
    if how is CloseHow.PHYSICAL:
        limits = low, high, MAX_SPREAD
        calls = _delivery(closing, market, chunk, liquidity, owner, far=high if chunk.token_type == 0 else low)
    data = dispatch_data(id_=id_, final_ids=closing.others, size=0, limits=limits)
    return [*calls, VenueCall(to=closing.pool, value_wei=0, data=data, label=f"close option {id_:#x}, {how}")]


def net_of(
    closing: Closing, market: PanopticMarket, chunk: Chunk, liquidity: int, sqrt_price_x96: int, *, swapped: bool = True
) -> int:
    """What a close would come to at a price, raw units of the quote, rounded **down**; below 0 when it costs.

    Payoff less what is owed; and in cash less the pool's fee on the swap for what goes back into the range. The swap's own
    effect on the price is not in it: that is what the limits of ticks are for.
    """
    base = market.base_index
    owed = closing.owed1 if base else closing.owed0
    other = closing.owed0 if base else closing.owed1
    fee = 0
    if swapped:
        bought = to_quote(chunk.base_inside(liquidity, sqrt_price_x96, base), sqrt_price_x96, base, round_up=True)
        fee = -(-bought * market.uniswap.fee_pips // (FEE_PIPS_ONE - market.uniswap.fee_pips))
    streamed = other + to_quote(owed, sqrt_price_x96, base, round_up=True)
    return chunk.payoff(liquidity, sqrt_price_x96, base) - streamed - fee


def release_calls(closing: Closing, market: PanopticMarket, owner: str) -> list[VenueCall]:
    """Take out of the vaults what can be taken out."""
    vaults = (closing.tracker0, closing.withdrawable0), (closing.tracker1, closing.withdrawable1)
    return [
        VenueCall(
            to=tracker,
            value_wei=0,
            data=_WITHDRAW.call_data(amount, owner, owner),
            label=f"withdraw {tokens(market.token(token), amount)}",
        )
        for token, (tracker, amount) in enumerate(vaults)
        if amount > 0
    ]


def owed_with_fee(owed_raw: int, premium_fee_bps: int) -> int:
    """What is streamed and the fee on it, rounded **up**; nothing when it is the account that is owed."""
    return max(-(-owed_raw * (BPS + premium_fee_bps) // BPS), 0)


def _deposit(tracker: str, market: PanopticMarket, token: int, amount: int, owner: str) -> VenueCall:
    asset = market.token(token)
    return VenueCall(
        to=tracker,
        value_wei=0,
        data=_DEPOSIT.call_data(amount, owner),
        label=f"deposit {tokens(asset, amount)}",
        allowances=(Allowance(token=asset, spender=tracker, amount=amount),),
    )


def _delivery(
    closing: Closing, market: PanopticMarket, chunk: Chunk, liquidity: int, owner: str, *, far: int
) -> list[VenueCall]:
    """The deposit of what is delivered at the farthest price that the limits allow, as far as it is not there."""
    token = 1 - chunk.token_type
    needed = get_amounts_for_liquidity_delta(get_sqrt_ratio_at_tick(far), *chunk.ends, liquidity)[token]
    needed += closing.owed1 if token else closing.owed0
    missing = needed - (closing.assets1 if token else closing.assets0)
    tracker = closing.tracker1 if token else closing.tracker0
    return [_deposit(tracker, market, token, missing, owner)] if missing > 0 else []


def _worst(tick: int, chunk: Chunk, *, into: bool) -> int:
    """Of the prices of a tick the one at its end farther into the range, or farther out of it."""
    return get_sqrt_ratio_at_tick(tick + 1 if into == (chunk.token_type == 0) else tick)


def _between(tick: int, drift: int, chunk: Chunk, holds: Callable[[int], bool], *, into: bool) -> tuple[int, int]:
    """The open interval of ticks within ``drift`` of ``tick`` and as far into the range, or out of it, as something holds.

    What holds must hold from ``tick`` on up to some tick and not beyond; where it does not hold at ``tick``, none is left.
    """
    step = 1 if into == (chunk.token_type == 0) else -1
    good, bad = -1, drift + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if holds(tick + step * middle):
            good = middle
        else:
            bad = middle
    ends = tick - step * (drift + 1), tick + step * (good + 1)
    return min(ends), max(ends)

"""Coarse tapes, where only prices or bars of a pool are known. Every one says of itself that it is coarse.

A bar becomes one block: the liquidity of the bar as one position over the full range, a swap to the closing price, and the fees
of the rest of its volume, all paid at once to whatever is in range at the close. What happened within the bar is lost: a range
that the price left and came back to earns as if it had stayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from keeper.adapters.history.series import outside_columns
from keeper.core.model.bar import MINUTE_S, PriceBar
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.sqrt_price_math import get_amount0_delta, get_amount1_delta
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_math import get_tick_at_sqrt_ratio
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_INT256, MAX_TICK, Q96
from keeper.simulation.held import held_tape
from keeper.simulation.playing import play
from keeper.simulation.tape import Event, FeeEvent, HeldTape, LiquidityEvent, SwapEvent, Tape, TapeBlock, TapeError, TapeStart

USUAL_BLOCK_S = 12
"""Seconds a block, to number blocks that are made up."""


class CoarseBar(NamedTuple):
    """All that is left of a stretch of time."""

    end_s: int
    close_x96: int
    liquidity: int
    """In range, > 0."""
    fee0: int
    """Raw token0 that all swaps paid, the protocol's share included."""
    fee1: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAt:
    """A price at a time."""

    time_s: int
    sqrt_price_x96: int


def price_at(key: PoolKey, time_s: int, price: float, *, base: Token) -> PriceAt:
    """A price of the pool from one of a market outside.

    Args:
        key: the pool.
        time_s: Unix time at which it was so.
        price: of one ``base``, in the other token, human units, > 0.
        base: one of the pool's tokens.

    Raises:
        ValueError: the price is not above zero and finite, or the token is not the pool's.
    """
    if not 0 < price < math.inf or base not in {key.token0, key.token1}:
        raise ValueError(f"{price} is no price of {base.symbol} in the pool {key.token0.symbol}/{key.token1.symbol}")
    ratio = (price if base == key.token0 else 1 / price) * 10.0 ** (key.token1.decimals - key.token0.decimals)
    return PriceAt(time_s=time_s, sqrt_price_x96=int(math.sqrt(ratio) * Q96))


def prices_of_series(folder: Path, width_s: int, key: PoolKey, *, base: Token) -> list[PriceAt]:
    """Closing prices of an imported series of a market outside, as prices of the pool; see :func:`price_at`.

    Raises:
        ConfigError: there are no such bars.
    """
    columns = outside_columns(folder, width_s)
    pairs = zip(columns["start_s"].tolist(), columns["close"].tolist(), strict=True)
    return [price_at(key, start_s + width_s, close, base=base) for start_s, close in pairs]


def coarse_tape(
    key: PoolKey, chain_id: int, bars: Iterable[CoarseBar], *, described: str, block_s: int = USUAL_BLOCK_S
) -> HeldTape:
    """A tape of bars, from the end of the first on.

    Args:
        key: the pool.
        chain_id: of its chain.
        bars: oldest first; one that is not there is a time in which nothing happened.
        described: where they are from.
        block_s: seconds a block of the chain, > 0.

    Raises:
        TapeError: there are fewer than two bars, they are not in order, or one has no liquidity.
    """
    given = list(bars)
    _check(given)
    first = given[0]
    start = TapeStart(
        block=(first.end_s - 1) // block_s,
        timestamp_s=first.end_s - 1,
        pool=_full_range(key, first.close_x96, first.liquidity),
    )
    blocks = [
        TapeBlock((bar.end_s - 1) // block_s, bar.end_s - 1, events)
        for before, bar in pairwise(given)
        if (events := tuple(_events(key, before, bar)))
    ]
    return held_tape(
        key, chain_id, start, blocks, end_s=given[-1].end_s, described=f"COARSE, no swap is a recorded one: {described}"
    )


def _check(bars: Sequence[CoarseBar]) -> None:
    if len(bars) < 2:
        raise TapeError([f"a coarse tape needs two bars, {len(bars)} were given"])
    problems = [
        f"the bar that ends at Unix time {bar.end_s} follows one that ends at {before.end_s}: bars must be in order, each once"
        for before, bar in pairwise(bars)
        if bar.end_s <= before.end_s
    ]
    problems += [f"the bar that ends at Unix time {bar.end_s} has no liquidity" for bar in bars if bar.liquidity <= 0]
    if problems:
        raise TapeError(problems[:20])


def _edge(key: PoolKey) -> int:
    return MAX_TICK // key.tick_spacing * key.tick_spacing


def _full_range(key: PoolKey, sqrt_price_x96: int, liquidity: int) -> PoolSnapshot:
    edge = _edge(key)
    return PoolSnapshot(
        fee_pips=key.fee_pips,
        tick_spacing=key.tick_spacing,
        sqrt_price_x96=sqrt_price_x96,
        tick=get_tick_at_sqrt_ratio(sqrt_price_x96),
        liquidity=liquidity,
        fee_growth_global0_x128=0,
        fee_growth_global1_x128=0,
        ticks={
            -edge: TickInfo(liquidity_gross=liquidity, liquidity_net=liquidity),
            edge: TickInfo(liquidity_gross=liquidity, liquidity_net=-liquidity),
        },
    )


def _events(key: PoolKey, before: CoarseBar, bar: CoarseBar) -> Iterator[Event]:
    if change := bar.liquidity - before.liquidity:
        yield LiquidityEvent(-_edge(key), _edge(key), change)
    paid0, paid1 = 0, 0
    if bar.close_x96 != before.close_x96:
        yield SwapEvent(bar.close_x96 < before.close_x96, MAX_INT256, bar.close_x96, bar.close_x96)
        paid0, paid1 = _fees_to(before.close_x96, bar.close_x96, bar.liquidity, key.fee_pips)
    rest = FeeEvent(max(bar.fee0 - paid0, 0), max(bar.fee1 - paid1, 0))
    if any(rest):
        yield rest


def _fees_to(before_x96: int, after_x96: int, liquidity: int, fee_pips: int) -> tuple[int, int]:
    """Fees of a swap from one price to another, raw token0 and token1; rounded **up**, once for all its steps."""
    if after_x96 < before_x96:
        return _fee_of_net(get_amount0_delta(after_x96, before_x96, liquidity, round_up=True), fee_pips), 0
    return 0, _fee_of_net(get_amount1_delta(before_x96, after_x96, liquidity, round_up=True), fee_pips)


def _fee_of_net(amount: int, fee_pips: int) -> int:
    return -(-amount * fee_pips // (FEE_PIPS_ONE - fee_pips))


def of_minutes(bars: Iterable[tuple[PriceBar, int]], fee_pips: int) -> Iterator[CoarseBar]:
    """Bars with volume and liquidity, as coarse ones.

    Args:
        bars: each with the liquidity in range at its end.
        fee_pips: of the pool.

    Raises:
        TapeError: a bar does not tell which way its volume went.
    """
    for bar, liquidity in bars:
        if bar.net0 is None or bar.net1 is None:
            raise TapeError([f"the bar of Unix time {bar.start_s} does not tell which way its volume went"])
        # What came in and what went out are told together, and what came in less what went out.
        fees = [
            (volume + net) // 2 * fee_pips // FEE_PIPS_ONE for volume, net in ((bar.volume0, bar.net0), (bar.volume1, bar.net1))
        ]
        yield CoarseBar(bar.end_s, bar.close_x96, liquidity, *fees)


def coarsened(tape: Tape, *, width_s: int = MINUTE_S) -> HeldTape:
    """What a tape would be if only bars of ``width_s`` were left of it: how good coarse tapes are can be measured so."""
    described = f"bars of {width_s} s made of a tape ({tape.described})"
    return coarse_tape(tape.key, tape.chain_id, _bars_of(tape, width_s), described=described)


def _bars_of(tape: Tape, width_s: int) -> Iterator[CoarseBar]:
    pool = ExactPool.restore(tape.start.pool)
    fees = [0, 0]

    def closed(end_s: int) -> CoarseBar:
        bar = CoarseBar(end_s, pool.sqrt_price_x96, pool.liquidity, fees[0], fees[1])
        fees[:] = 0, 0
        return bar

    end_s = (tape.start.timestamp_s + 1) // width_s * width_s
    if end_s > tape.start.timestamp_s:
        yield closed(end_s)
    for block in tape.blocks():
        while block.timestamp_s >= end_s + width_s:
            end_s += width_s
            yield closed(end_s)
        for event in block.events:
            _add_fees(fees, event, play(pool, event), tape.key.fee_pips)
    while end_s < tape.end_s:
        end_s += width_s
        yield closed(end_s)


def _add_fees(fees: list[int], event: Event, amounts: tuple[int, int], fee_pips: int) -> None:
    if isinstance(event, LiquidityEvent):
        return
    for token, amount in enumerate(amounts):
        if amount > 0:
            fees[token] += amount if isinstance(event, FeeEvent) else amount * fee_pips // FEE_PIPS_ONE


def priced_tape(
    key: PoolKey,
    chain_id: int,
    prices: Sequence[PriceAt],
    *,
    liquidity: int,
    implied_over_realised: float = 1.0,
    described: str,
    block_s: int = USUAL_BLOCK_S,
) -> HeldTape:
    """A tape of prices alone: liquidity is a stated constant, and fees are those of a stated pool-implied volatility.

    For a return ``r`` full-range liquidity loses ``L sqrt(P) r^2 / 4`` to arbitrage (Milionis et al. 2022, example 3); its fees
    are that times the square of ``implied_over_realised``, half of them in each token: at 1 they are fair, and no edge can come
    of them. What the swap to the price pays by itself counts towards them.

    Args:
        key: the pool.
        chain_id: of its chain.
        prices: oldest first, at least two.
        liquidity: in range at all times, > 0.
        implied_over_realised: volatility at which fees and loss would be equal, over that of these prices; >= 0.
        described: where the prices are from.
        block_s: seconds a block of the chain, > 0.

    Raises:
        TapeError: as :func:`coarse_tape`.
    """
    return coarse_tape(
        key,
        chain_id,
        _priced(prices, liquidity, implied_over_realised, key.fee_pips),
        described=(
            f"{described}; no liquidity and no volume is known: liquidity is {liquidity} at all times, and fees are those of an"
            f" implied volatility of {implied_over_realised:g} times the realised one"
        ),
        block_s=block_s,
    )


def _priced(prices: Sequence[PriceAt], liquidity: int, ratio: float, fee_pips: int) -> Iterator[CoarseBar]:
    # An hour that hardly moves pays more for its swap than its share: what was paid too much is kept back from later hours.
    owed1 = 0.0
    before_x96 = prices[0].sqrt_price_x96 if prices else 0
    for one in prices:
        after_x96 = one.sqrt_price_x96
        move = after_x96 / before_x96 - 1
        root = after_x96 / Q96
        # A return is twice the move of the square root of the price.
        owed1 += liquidity * root * ratio**2 * move**2
        swap0, swap1 = _fees_to(before_x96, after_x96, liquidity, fee_pips)
        swap_value1 = swap0 * root**2 + swap1
        rest1 = max(owed1 - swap_value1, 0.0)
        owed1 -= swap_value1 + rest1
        yield CoarseBar(one.time_s, after_x96, liquidity, swap0 + int(rest1 / 2 / root**2), swap1 + int(rest1 / 2))
        before_x96 = after_x96

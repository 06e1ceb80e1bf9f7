"""Our own side of the comparison; seconds are of the processor, preparation apart."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import starmap

from keeper.app.settings import load, to_policy
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.liquidity_amounts import max_liquidity_for_amounts
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_SQRT_RATIO, MAX_UINT128, MIN_SQRT_RATIO
from keeper.simulation.frictions import BaseFees
from keeper.simulation.market import SimMarket
from keeper.simulation.playing import play
from keeper.simulation.presence import Presence
from keeper.simulation.runner import Setting, Simulation
from keeper.simulation.sim_pool import OURS, SimPool
from keeper.simulation.tape import LiquidityEvent, SwapEvent, Tape
from tests.bench.peers_day import Held

MINUTE_S = 60
TWAP_S = 1_800
GWEI = 10**9
PLENTY = 2**200
"""In place of an amount without limit, which nothing could be added to."""
Step = tuple[int, int, int, int, int]
"""Price, target, liquidity, amount, fee: arguments of a swap step."""


def market_of(tape: Tape, presence: Presence) -> tuple[SimMarket, SimPool]:
    """A simulated chain of one pool."""
    market = SimMarket((tape,), presence=presence, twap_window_s=TWAP_S)
    return market, market.pools[tape.key.address]


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """Positions that were held from the first block to the last."""

    seconds: float
    owed: tuple[tuple[int, int], ...]
    """Of each, raw token0 and token1."""
    end_x96: int


def static(tape: Tape, held: Sequence[Held], presence: Presence) -> Static:
    """Hold positions in a pool in which they are really minted."""
    market, pool = market_of(tape, presence)
    for one in held:
        pool.change(OURS, one.lower, one.upper, one.liquidity)
    start_s = time.process_time()
    market.advance_to_s(tape.end_s)
    seconds = time.process_time() - start_s
    owed = []
    for one in held:
        pool.pool.burn(OURS, one.lower, one.upper, 0)
        entry = pool.pool.position(OURS, one.lower, one.upper)
        owed.append((entry.tokens_owed0, entry.tokens_owed1))
    return Static(seconds=seconds, owed=tuple(owed), end_x96=pool.pool.sqrt_price_x96)


class Recentred:
    """The rival's simple policy in our exact pool: layers around the price, put anew around it when it has left the first.

    Args:
        tape: the market, played with its prices kept.
        half_widths: of the layers, ticks; each gets an equal part of either token.
        balances: raw token0 and token1 to begin with.
    """

    def __init__(self, tape: Tape, half_widths: Sequence[int], balances: tuple[int, int]) -> None:
        self.market, self.pool = market_of(tape, Presence.PRICE_KEPT)
        self.end_s, self.half_widths = tape.end_s, half_widths
        self.balances = list(balances)
        self.ranges: list[tuple[int, int, int]] = []
        self.moves = -1

    def run(self) -> float:
        """Judge the price every minute; seconds."""
        start_s = time.process_time()
        minute_s = self.market.start_s // MINUTE_S * MINUTE_S + MINUTE_S
        for now_s in range(minute_s, self.end_s, MINUTE_S):
            self.market.advance_to_s(now_s)
            if not self.ranges or not self.ranges[0][0] <= self.pool.pool.tick < self.ranges[0][1]:
                self._move()
        self.market.advance_to_s(self.end_s)
        self._withdraw()
        return time.process_time() - start_s

    def _move(self) -> None:
        self.moves += 1
        self._withdraw()
        self._even()
        spacing = self.pool.pool.tick_spacing
        centre = self.pool.pool.tick // spacing * spacing
        for left, half in zip(range(len(self.half_widths), 0, -1), self.half_widths, strict=True):
            lower, upper = centre - half, centre + half
            liquidity = max_liquidity_for_amounts(
                self.pool.pool.sqrt_price_x96,
                get_sqrt_ratio_at_tick(lower),
                get_sqrt_ratio_at_tick(upper),
                *(balance // left for balance in self.balances),
            )
            self._pay(self.pool.change(OURS, lower, upper, liquidity))
            self.ranges.append((lower, upper, liquidity))

    def _withdraw(self) -> None:
        for lower, upper, liquidity in self.ranges:
            self.pool.pool.burn(OURS, lower, upper, liquidity)
            paid0, paid1 = self.pool.pool.collect(OURS, lower, upper, MAX_UINT128, MAX_UINT128)
            self._pay((-paid0, -paid1))
        self.ranges.clear()

    def _even(self) -> None:
        """Swap until either token is about half of the value, the fee and our own impact paid to the pool."""
        square = self.pool.pool.sqrt_price_x96**2
        too_much0 = (self.balances[0] - (self.balances[1] << 192) // square) // 2
        falls = too_much0 > 0
        amount = too_much0 if falls else -too_much0 * square >> 192
        if amount:
            limit = MIN_SQRT_RATIO + 1 if falls else MAX_SQRT_RATIO - 1
            swap = SwapRequest(zero_for_one=falls, amount_specified=amount, sqrt_price_limit_x96=limit)
            self._pay(self.pool.trade(self.market.block, swap))

    def _pay(self, amounts: tuple[int, int]) -> None:
        for token, amount in enumerate(amounts):
            self.balances[token] -= amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole backtest."""

    seconds: float
    cycles: int
    acted: int
    swaps: int


def whole(tape: Tape) -> Whole:
    """The keeper as shipped over a tape: engine, signals, strategy, plans, costs and journal, a cycle every five minutes."""
    policy = replace(to_policy(load(environ={}).settings), pools=(tape.key,), signal_pool=tape.key.address)
    start_s = time.process_time()
    run = Simulation((tape,), policy, Setting(), BaseFees.constant(GWEI))
    run.run()
    seconds = time.process_time() - start_s
    assert not run.trouble
    return Whole(seconds=seconds, cycles=run.journal.cycles, acted=len(run.journal.acted), swaps=run.market.swaps)


def steps_of(tape: Tape) -> list[Step]:
    """The first step of every swap of a tape: up to the next tick of the start that liquidity ends at."""
    pool, ticks, found = ExactPool.restore(tape.start.pool), sorted(tape.start.pool.ticks), []
    for block in tape.blocks():
        for event in block.events:
            if isinstance(event, SwapEvent):
                place = bisect_right(ticks, pool.tick)
                if event.zero_for_one:
                    target = max(event.sqrt_price_limit_x96, get_sqrt_ratio_at_tick(ticks[place - 1]))
                else:
                    target = min(event.sqrt_price_limit_x96, get_sqrt_ratio_at_tick(ticks[place]))
                amount = min(event.amount_specified, PLENTY)
                found.append((pool.sqrt_price_x96, target, pool.liquidity, amount, pool.fee_pips))
            play(pool, event)
    return found


def step(inputs: Sequence[Step], salt: int) -> tuple[float, int]:
    """Seconds of all steps, every amount moved by ``salt``, and the sum of all results."""
    asked = [(now, target, liquidity, amount + salt, fee) for now, target, liquidity, amount, fee in inputs]
    start_s = time.process_time()
    found = list(starmap(compute_swap_step, asked))
    return time.process_time() - start_s, sum(map(sum, found))


def replay(tape: Tape) -> float:
    """Seconds of an exact pool over a tape."""
    pool, events = ExactPool.restore(tape.start.pool), [event for block in tape.blocks() for event in block.events]
    start_s = time.process_time()
    for event in events:
        play(pool, event)
    return time.process_time() - start_s


def matched(tape: Tape) -> int:
    """Swaps of a tape after which an exact pool stands at the recorded price."""
    pool, count = ExactPool.restore(tape.start.pool), 0
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
            count += isinstance(event, SwapEvent) and pool.sqrt_price_x96 == event.sqrt_price_after_x96
    return count


def script_of(tape: Tape) -> dict[str, object]:
    """A tape as a rival's pool can replay it: positions that make its ticks, requests, and the price after every swap."""
    requests, prices = [], []
    for block in tape.blocks():
        for event in block.events:
            if isinstance(event, SwapEvent):
                amount, limit = str(event.amount_specified), str(event.sqrt_price_limit_x96)
                requests.append({"kind": "swap", "zero_for_one": event.zero_for_one, "amount": amount, "limit": limit})
                prices.append(str(event.sqrt_price_after_x96))
            elif isinstance(event, LiquidityEvent):
                lower, upper, delta = event
                requests.append({"kind": "liquidity", "lower": lower, "upper": upper, "delta": str(delta)})
    start, behind = tape.start.pool, positions_behind(tape.start.pool, burned_before(tape))
    return {
        "fee": start.fee_pips,
        "spacing": start.tick_spacing,
        "sqrt_price_x96": str(start.sqrt_price_x96),
        "positions": [[lower, upper, str(liquidity)] for lower, upper, liquidity in behind],
        "requests": requests,
        "prices": prices,
    }


def burned_before(tape: Tape) -> dict[tuple[int, int], int]:
    """Least liquidity, by range, that must have been there at the start for the tape's burns to be possible."""
    balance: dict[tuple[int, int], int] = {}
    least: dict[tuple[int, int], int] = {}
    for block in tape.blocks():
        for event in block.events:
            if isinstance(event, LiquidityEvent):
                where = event.tick_lower, event.tick_upper
                balance[where] = balance.get(where, 0) + event.liquidity_delta
                least[where] = min(least.get(where, 0), balance[where])
    return {where: -low for where, low in least.items() if low}


def positions_behind(start: PoolSnapshot, known: dict[tuple[int, int], int]) -> list[tuple[int, int, int]]:
    """Positions that would make a pool's ticks, gross and net, those that are known among them; whose they are is not known."""
    found = [(lower, upper, liquidity) for (lower, upper), liquidity in known.items()]
    opened: deque[tuple[int, int]] = deque()
    for tick, info in sorted(start.ticks.items()):
        opening = (info.liquidity_gross + info.liquidity_net) // 2
        closing = (info.liquidity_gross - info.liquidity_net) // 2
        opening -= sum(liquidity for (lower, _), liquidity in known.items() if lower == tick)
        closing -= sum(liquidity for (_, upper), liquidity in known.items() if upper == tick)
        while closing:
            lower, liquidity = opened.popleft()
            part = min(liquidity, closing)
            found.append((lower, tick, part))
            closing -= part
            if liquidity > part:
                opened.appendleft((lower, liquidity - part))
        if opening:
            opened.append((tick, opening))
    return found

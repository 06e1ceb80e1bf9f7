"""How deep a pool must have been, told from its swaps alone.

Between two neighbouring ticks of the spacing the liquidity is one number. A swap that ends there records it; one that begins
and ends there shows it by how far an amount moved the price; and one that passes through shows it by the amount that is left
once the other intervals have taken theirs. Mints and burns since the beginning are taken off, so that all of them speak of the
liquidity at the beginning, and can be held against one another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.sqrt_price_math import get_amount0_delta, get_amount1_delta
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_SQRT_RATIO, MAX_UINT128, MIN_SQRT_RATIO, Q96

_NEIGHBOURS = 3


class Moved(NamedTuple):
    """A swap, with the price that it began at."""

    amount0: int
    amount1: int
    before_x96: int
    tick_before: int
    after_x96: int
    tick_after: int
    liquidity: int | None
    """In range after it; None where it is not recorded."""

    @property
    def received(self) -> int:
        """What the trader got, raw units of the token that went out."""
        return -self.amount1 if self.after_x96 < self.before_x96 else -self.amount0


class _Passed(NamedTuple):
    """A swap that crossed ticks, and what was minted less burned by then in each interval of its way."""

    swap: Moved
    way: dict[int, int]


class Depth(NamedTuple):
    """Liquidity at the beginning, by interval: that of [n * spacing, (n + 1) * spacing) under n."""

    base: dict[int, int]
    """Every interval that the price was in or passed."""
    contradicted: int
    """Swaps that speak of another liquidity than most do."""
    solved: int
    """Intervals that no swap ended in."""


class DepthFinder:
    """Gathers what swaps tell, as they and the mints and burns between them happen.

    Args:
        fee_pips: of the pool.
        tick_spacing: of the pool.
    """

    def __init__(self, fee_pips: int, tick_spacing: int) -> None:
        self._fee_pips = fee_pips
        self._spacing = tick_spacing
        self._changes: dict[tuple[int, int], int] = defaultdict(int)
        self._said: dict[int, list[frozenset[int]]] = defaultdict(list)
        self._passed: list[_Passed] = []

    def changed(self, tick_lower: int, tick_upper: int, liquidity_delta: int) -> None:
        """Somebody minted, or burned."""
        self._changes[tick_lower // self._spacing, tick_upper // self._spacing] += liquidity_delta

    def swapped(self, swap: Moved) -> None:
        """Somebody swapped."""
        first, last = swap.tick_before // self._spacing, swap.tick_after // self._spacing
        told = liquidities_of_step(swap, self._fee_pips) if swap.liquidity is None and first == last else {swap.liquidity}
        change = self._change(last)
        if possible := frozenset(one - change for one in told if one is not None):
            self._said[last].append(possible)
        if first != last:
            way = range(min(first, last), max(first, last) + 1)
            self._passed.append(_Passed(swap, {place: self._change(place) for place in way}))

    def _change(self, place: int) -> int:
        return sum(delta for (lower, upper), delta in self._changes.items() if lower <= place < upper)

    def found(self) -> Depth:
        """What they tell together: where swaps differ, what most of them say."""
        votes = {place: Counter(one for possible in said for one in sorted(possible)) for place, said in self._said.items()}
        base = {place: count.most_common(1)[0][0] for place, count in votes.items()}
        contradicted = sum(base[place] not in possible for place, said in self._said.items() for possible in said)
        ended_in = len(base)
        while left := [one for one in self._passed if not base.keys() >= one.way.keys()]:
            # The fewer intervals a swap leaves open, and the more digits its output has, the more exactly it tells them.
            swap, way = min(left, key=lambda one: (len(one.way.keys() - base.keys()), -one.swap.received))
            missing = [place for place in way if place not in base]
            base |= dict.fromkeys(missing, self._solve(swap, way, base, missing))
        return Depth(base, contradicted, len(base) - ended_in)

    def _solve(self, swap: Moved, way: dict[int, int], base: dict[int, int], missing: Sequence[int]) -> int:
        """The liquidity, one for all of ``missing``, that leaves just the output that the other intervals do not give."""
        falls = swap.after_x96 < swap.before_x96
        left = swap.received
        delta = get_amount1_delta if falls else get_amount0_delta
        unit = 0
        for place, change in way.items():
            low, high = _bounds(place, self._spacing, swap)
            if place in missing:
                # What a large liquidity would give, so that the quotient keeps its digits.
                unit += delta(low, high, MAX_UINT128, round_up=False)
                left -= delta(low, high, change, round_up=False) if change >= 0 else -delta(low, high, -change, round_up=False)
            else:
                left -= delta(low, high, max(base[place] + change, 0), round_up=False)
        return max(left, 0) * MAX_UINT128 // unit if unit else 0


def _bounds(place: int, spacing: int, swap: Moved) -> tuple[int, int]:
    """The part of an interval that a swap passed, as sqrt prices."""
    low, high = sorted((swap.before_x96, swap.after_x96))
    bottom, top = (int(get_sqrt_ratio_at_tick(tick)) for tick in (place * spacing, (place + 1) * spacing))
    return min(max(bottom, low), high), max(min(top, high), low)


def liquidities_of_step(swap: Moved, fee_pips: int) -> set[int]:
    """The liquidities at which a swap without a crossing does just what it did.

    The price after an exact input or output is a rounded quotient by the liquidity, and has so many more digits than it that
    only one gives it: one for either kind of request, since an output that was asked for can look like an input. A swap that
    stopped at a price limit tells its liquidity by its amounts only, too coarsely to be taken for exact: there is none then.
    """
    found = set[int]()
    far_x96 = MIN_SQRT_RATIO + 1 if swap.after_x96 < swap.before_x96 else MAX_SQRT_RATIO - 1
    for candidate, remaining in _candidates(swap, fee_pips):
        try:
            after_x96, paid, received, fee = compute_swap_step(swap.before_x96, far_x96, candidate, remaining, fee_pips)
        except RevertError:
            continue
        moved = (paid + fee, -received) if after_x96 < swap.before_x96 else (-received, paid + fee)
        if (after_x96, *moved) == (swap.after_x96, swap.amount0, swap.amount1):
            found.add(candidate)
    return found


def _candidates(swap: Moved, fee_pips: int) -> Iterator[tuple[int, int]]:
    """Liquidities near those that an exact input, or an exact output, would need; each with the amount asked for."""
    distance_x96 = abs(swap.after_x96 - swap.before_x96)
    falls = swap.after_x96 < swap.before_x96
    paid, received = (swap.amount0, -swap.amount1) if falls else (swap.amount1, -swap.amount0)
    if not distance_x96 or paid <= 0 or received <= 0:
        return
    less_fee = paid * (FEE_PIPS_ONE - fee_pips) // FEE_PIPS_ONE

    def of_token0(amount: int) -> int:
        return (amount * swap.before_x96 * swap.after_x96 // distance_x96) >> 96

    def of_token1(amount: int) -> int:
        return amount * Q96 // distance_x96

    by_input, by_output = (of_token0, of_token1) if falls else (of_token1, of_token0)
    for centre, remaining in ((by_input(less_fee), paid), (by_output(received), -received)):
        yield from ((liquidity, remaining) for liquidity in _around(centre) if 0 < liquidity <= MAX_UINT128)


def _around(centre: int) -> Iterable[int]:
    return (centre + offset for offset in sorted(range(-_NEIGHBOURS, _NEIGHBOURS + 1), key=abs))

"""The initialised ticks around a pool's price, a word of the bitmap at a time. Ref: ``TickLens.sol``, ``TickBitmap.sol``."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, read_of, values
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.pool import PoolKey, TickNet
from keeper.core.v3math.units import MAX_TICK, MIN_TICK

REACH_TICKS = 1_000
"""How far the map that is handed on reaches to either side of the price: a move of 10 %, past which no swap of ours may go.

A crowded pool has 200 ticks in it at spacing 10, some 10 kB of a view's 20 kB.
"""
MARGIN_TICKS = 250
"""Read beyond the reach, so that a price that moved since the last cycle still finds its map in the same request."""

_WORD_TICKS = 256
_FULL_WORD_GAS = 3_500_000
"""256 initialised ticks of four cold slots each."""
_TICKS_IN_WORD = contract("TickLens").function("getPopulatedTicksInWord")


def words_around(tick: int, reach: int, tick_spacing: int) -> range:
    """Keys of the bitmap's words that hold the ticks within ``reach`` of ``tick``, both ends included."""
    first = max(tick - reach, MIN_TICK) // tick_spacing
    last = min(tick + reach, MAX_TICK) // tick_spacing
    return range(first // _WORD_TICKS, last // _WORD_TICKS + 1)


def word_read(tick_lens: str, key: PoolKey, word: int) -> ContractRead:
    """The read of one word."""
    return read_of(tick_lens, _TICKS_IN_WORD, key.address, word, gas=_FULL_WORD_GAS)


def ticks_of_word(answers: Answers, read: ContractRead, key: PoolKey, word: int) -> tuple[TickNet, ...]:
    """The word's initialised ticks, ascending.

    Raises:
        BadReply: a tick is off the spacing, outside the word, twice there, or without liquidity.
    """
    (populated,) = values(answers, read)
    span = _WORD_TICKS * key.tick_spacing
    ticks: dict[int, TickNet] = {}
    for tick, net, gross in populated:
        if tick % key.tick_spacing or tick // span != word or tick in ticks or gross < abs(net) or not gross:
            raise BadReply(f"tick {tick} of pool {key.address} cannot be in word {word}")
        ticks[tick] = TickNet(tick=tick, liquidity_net=net)
    return tuple(ticks[tick] for tick in sorted(ticks))


def trimmed(words: Iterable[tuple[TickNet, ...]], tick: int) -> tuple[tuple[TickNet, ...], int, int]:
    """Ticks within ``REACH_TICKS`` of ``tick``, and the bounds ``[lower, upper)`` between which they are all there are.

    Args:
        words: at least the words around ``tick``, ascending.
        tick: of the pool.
    """
    lower = max(tick - REACH_TICKS, MIN_TICK)
    upper = min(tick + REACH_TICKS, MAX_TICK) + 1
    return tuple(one for word in words for one in word if lower <= one.tick < upper), lower, upper

"""Which ticks are initialised, 256 to a word, and the next one to step to. Ref: ``TickBitmap.sol``, ``BitMath.sol``.

A swap stops at the end of every word even if no tick there is initialised. Each stop rounds the amounts once more, so the
words are part of the price: a list of initialised ticks alone does not reproduce the chain to the wei.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping

from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.units import Tick


def compress(tick: int, tick_spacing: int) -> int:
    """Index of the spacing interval that holds ``tick``, rounded **down** (towards negative infinity).

    Ref: ``TickBitmap.sol`` nextInitializedTickWithinOneWord, first lines.
    """
    return tick // tick_spacing


def position(compressed: int) -> tuple[int, int]:
    """Key of the word, and bit within it (0 to 255), of a compressed tick.

    Ref: ``TickBitmap.sol`` position.
    """
    return compressed >> 8, compressed & 0xFF


def flip_tick(words: MutableMapping[int, int], tick: int, tick_spacing: int) -> None:
    """Turn the bit of ``tick`` over, in place; an empty word is dropped.

    Raises:
        RevertError: the tick does not lie on the spacing.

    Ref: ``TickBitmap.sol`` flipTick.
    """
    if tick % tick_spacing:
        raise RevertError(f"tick {tick} does not lie on spacing {tick_spacing}")
    key, bit = position(tick // tick_spacing)
    word = words.get(key, 0) ^ (1 << bit)
    if word:
        words[key] = word
    else:
        del words[key]


def words_of(ticks: Iterable[int], tick_spacing: int) -> dict[int, int]:
    """The bitmap in which exactly these ticks are set; each tick at most once.

    Raises:
        RevertError: a tick does not lie on the spacing.

    Ref: ``TickBitmap.sol`` flipTick.
    """
    words: dict[int, int] = {}
    for tick in ticks:
        flip_tick(words, tick, tick_spacing)
    return words


def next_initialized_tick_within_one_word(
    words: Mapping[int, int], tick: int, tick_spacing: int, *, lte: bool
) -> tuple[Tick, bool]:
    """Next initialised tick in the word, or the word's last tick in that direction.

    Args:
        words: bitmap by word key.
        tick: where the search starts.
        tick_spacing: in ticks, > 0.
        lte: search downwards, ``tick`` included; else upwards, ``tick`` excluded.

    Returns:
        The tick, at most 256 spacings away and possibly beyond MIN_TICK or MAX_TICK, and whether it is initialised.

    Ref: ``TickBitmap.sol`` nextInitializedTickWithinOneWord; ``BitMath.sol`` by ``int.bit_length``.
    """
    if lte:
        compressed = tick // tick_spacing
        bit = compressed & 0xFF
        masked = words.get(compressed >> 8, 0) & ((2 << bit) - 1)
        if masked:
            return Tick((compressed - bit + masked.bit_length() - 1) * tick_spacing), True
        return Tick((compressed - bit) * tick_spacing), False
    compressed = tick // tick_spacing + 1
    bit = compressed & 0xFF
    masked = words.get(compressed >> 8, 0) >> bit
    if masked:
        return Tick((compressed + (masked & -masked).bit_length() - 1) * tick_spacing), True
    return Tick((compressed - bit + 0xFF) * tick_spacing), False

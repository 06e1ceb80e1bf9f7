"""Where nobody sells a size whole, the largest of a few parts of it that somebody sells.

Parts are known before anything is asked, so that what each costs is asked together with all else and is told by whoever sells
it: no price is taken for proportional to its size. There are few, and no small ones: many small options cost more gas and care
than they cover.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from keeper.core.model.option import NoQuote, OptionContract, OptionQuote
from keeper.core.model.token import TokenAmount

PARTS = (1, 3, 10)
"""What a size is divided by."""


def parts_of(contract: OptionContract, size: TokenAmount) -> tuple[TokenAmount, ...]:
    """The size and its parts, each rounded **up** to whole lots; the largest first, and none twice."""
    sizes = [contract.lots(-(-size.raw // part)) for part in PARTS]
    return tuple(replace(size, raw=raw) for raw in dict.fromkeys(sizes))


def largest(found: Iterable[OptionQuote | NoQuote]) -> OptionQuote | NoQuote:
    """Of what is answered to :func:`parts_of`, in its order, the first quote, or else why the whole size is not sold.

    No more answers are taken than that needs.
    """
    answers = iter(found)
    whole = next(answers)
    if isinstance(whole, OptionQuote):
        return whole
    return next((one for one in answers if isinstance(one, OptionQuote)), whole)

"""Which series Opyn has: its address book at every block, its factory's list as far as it has grown since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.options.opyn_interface import (
    DAY_S,
    EXPIRY_OFFSET_S,
    OTOKEN_DECIMALS,
    Modules,
    Series,
    answer,
    module_reads,
    modules_of,
)
from keeper.adapters.options.reading import Ask, Reading
from keeper.core.model.token import Token

_LENGTH = contract("GammaFactory").function("getOtokensLength")
_OTOKENS = contract("GammaFactory").function("otokens")
_DETAILS = contract("GammaOtoken").function("getOtokenDetails")
_DECIMALS = contract("ERC20").function("decimals")
_DETAILS_GAS = 35_000

Extra = Callable[[Modules, Sequence[Series]], Sequence[ContractRead]]
"""What else to read, given the modules and series as far as they are known; asked again when these turn out to be others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The venue at a block."""

    modules: Modules
    series: Sequence[Series]
    answers: Answers
    """To the extra reads, and to the book's own."""


class SeriesBook:
    """What has been learnt of the venue: facts that the chain does not change, each checked against the block's own.

    A reading takes one round while nothing is new, three when a series is, and up to five in a process that knows nothing yet.
    An index past the end of the factory's list is never asked for: in Solidity 0.6 it takes all gas of the request with it.

    Args:
        address_book: of the venue.
        base: underlying of the series that count.
        quote: in what their strikes are.
    """

    def __init__(self, address_book: str, base: Token, quote: Token) -> None:
        self._module_reads = module_reads(address_book)
        self._base = base
        self._quote = quote
        self._modules: Modules | None = None
        self._listed: dict[int, Series | None] = {}

    @property
    def series(self) -> tuple[Series, ...]:
        """All series of base against quote that are known, expired ones too, oldest first."""
        return tuple(one for one in self._listed.values() if one is not None)

    def surveying(self, extra: Extra) -> Reading[Survey]:
        """Bring the book up to the block, and read ``extra`` on the way.

        Raises:
            VenueSilent: the venue does not answer.
        """
        answers: dict[ContractRead, tuple[Any, ...] | Reverted] = {}
        while missing := [read for read in self._wanted(extra) if read not in answers]:
            replies = yield Ask(reads=missing)
            answers.update((read, replies.answers[read]) for read in missing)
            self._adopt(modules_of(self._module_reads, answers))
            yield from self._learning(answers)
        assert self._modules is not None
        return Survey(modules=self._modules, series=self.series, answers=answers)

    def _wanted(self, extra: Extra) -> list[ContractRead]:
        if self._modules is None:
            return list(self._module_reads)
        return [*self._module_reads, self._length_read(self._modules), *extra(self._modules, self.series)]

    def _length_read(self, modules: Modules) -> ContractRead:
        return read_of(modules.factory, _LENGTH, may_fail=True)

    def _adopt(self, modules: Modules) -> None:
        if self._modules is None or self._modules.factory != modules.factory:
            self._listed = {}
        self._modules = modules

    def _learning(self, answers: Answers) -> Reading[None]:
        assert self._modules is not None
        factory = self._modules.factory
        if (length_read := self._length_read(self._modules)) not in answers:
            return
        length = int(answer(answers, length_read)[0])
        if length < len(self._listed):  # the chain was reorganised
            self._listed = {}
        reads = {
            index: read_of(factory, _OTOKENS, index, may_fail=True) for index in range(length) if index not in self._listed
        }
        if not reads:
            return
        replies = yield Ask(reads=list(reads.values()))
        otokens = {index: str(answer(replies.answers, read)[0]) for index, read in reads.items()}
        details = {
            index: (
                read_of(otoken, _DETAILS, may_fail=True, gas=_DETAILS_GAS),
                read_of(otoken, _DECIMALS, may_fail=True),
            )
            for index, otoken in otokens.items()
        }
        replies = yield Ask(reads=[read for two in details.values() for read in two])
        for index, (terms, decimals) in details.items():
            self._listed[index] = self._series(
                otokens[index], answer(replies.answers, terms), int(answer(replies.answers, decimals)[0])
            )

    def _series(self, otoken: str, details: tuple[Any, ...], decimals: int) -> Series | None:
        """The series, if it is one of base against quote, covered by what it pays out, with the units that all of them have."""
        collateral, underlying, strike, strike_e8, expiry_s, is_put = details
        covered = self._quote if is_put else self._base
        if (underlying, strike, collateral) != (self._base.address, self._quote.address, covered.address):
            return None
        if decimals != OTOKEN_DECIMALS or strike_e8 <= 0 or expiry_s % DAY_S != EXPIRY_OFFSET_S:
            return None
        return Series(otoken=otoken, strike_e8=strike_e8, expiry_s=expiry_s, is_put=is_put)

"""Which series Opyn has: its address book at every block, its factory's list as far as it has grown since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.evm.rpc import Call
from keeper.adapters.options.opyn_interface import Modules, Series, answer, module_reads, modules_of
from keeper.adapters.options.opyn_listing import (
    OVERLAP_BLOCKS,
    Listing,
    Pair,
    at_the_end,
    created,
    created_call,
    own_reads,
)
from keeper.adapters.options.reading import Ask, Reading
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token

_LENGTH = contract("GammaFactory").function("getOtokensLength")
_OTOKENS = contract("GammaFactory").function("otokens")

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

    A reading takes one round while nothing is new, and two when series are: the first brings the list's length together with
    the logs of what was created lately, the second the entries themselves, their oTokens' own terms, and what else is to be
    read of them. Logs only say where to look: what is not so in the list, or not so by the oToken's own terms, is found out in
    the second round and read in further ones. So is what the logs do not tell, since the node leaves some out or refuses the
    search, and the whole list in a process that knows nothing yet: the entries take a round, their terms one, the rest one.

    What is remembered is read anew where the list is shorter than it was, or where the logs of the last :data:`OVERLAP_BLOCKS`
    blocks tell of others than are remembered: the chain was reorganised. Of a node that tells no logs a list that was changed
    and is no shorter is not noticed; a series that is no more is not on the whitelist then, and a new one in its place stays
    unknown until the next start.

    An index past the end of the factory's list is never asked for: in Solidity 0.6 it takes all gas of the request with it.

    Args:
        address_book: of the venue.
        base: underlying of the series that count.
        quote: in what their strikes are.
        factory: where the factory probably stands; the address book is asked in the same round.
        first_block: from which on logs tell of the whole list; None for not searching them before the first look.
    """

    def __init__(
        self, address_book: str, base: Token, quote: Token, *, factory: str | None = None, first_block: int | None = None
    ) -> None:
        self._module_reads = module_reads(address_book)
        self._pair = Pair(base=base, quote=quote)
        self._modules: Modules | None = None
        self._factory = factory
        self._first_block = first_block
        self._seen_to: int | None = None
        """Block up to which the list is known."""
        self._listed: list[Listing] = []

    @property
    def series(self) -> tuple[Series, ...]:
        """All series of base against quote that are known, expired ones too, oldest first."""
        return _series_of(self._listed)

    def surveying(self, extra: Extra, block: BlockRef) -> Reading[Survey]:
        """Bring the book up to the block, and read ``extra`` on the way.

        Raises:
            VenueSilent: the venue does not answer.
        """
        answers: dict[ContractRead, tuple[Any, ...] | Reverted] = {}
        announced: dict[str, tuple[Listing, ...]] = {}
        """Factory -> what its logs tell."""
        while missing := [read for read in self._wanted(extra, answers, announced) if read not in answers]:
            asked_of = self._factory
            calls = [] if asked_of is None or asked_of in announced else self._log_calls(asked_of, block)
            replies = yield Ask(reads=missing, others=calls)
            answers.update((read, replies.answers[read]) for read in missing)
            if asked_of is not None and calls:
                announced[asked_of] = created(replies.others[0], asked_of, self._pair)
            self._adopt(modules_of(self._module_reads, answers))
            self._learn(answers, announced)
        assert self._modules is not None
        self._seen_to = block.number
        return Survey(modules=self._modules, series=self.series, answers=answers)

    def _wanted(self, extra: Extra, answers: Answers, announced: Mapping[str, tuple[Listing, ...]]) -> Sequence[ContractRead]:
        if self._factory is None:
            return self._module_reads
        length = self._length(answers)
        places = {} if length is None else at_the_end(announced.get(self._factory, ()), length)
        new = range(len(self._listed), length or 0)
        expected = [places[index] for index in new if index in places]
        asked = [] if self._modules is None else extra(self._modules, (*self.series, *_series_of(expected)))
        entries = [read for index in new for read in self._entry_reads(index, places.get(index), answers)]
        return [*self._module_reads, self._length_read(self._factory), *asked, *entries]

    def _entry_reads(self, index: int, expected: Listing | None, answers: Answers) -> Sequence[ContractRead]:
        """The entry, and the own terms of the oToken that it is, or else of the one that it should be."""
        entry = self._entry_read(index)
        if entry in answers:
            return own_reads(str(answer(answers, entry)[0]))
        return [entry] if expected is None else [entry, *own_reads(expected.otoken)]

    def _length_read(self, factory: str) -> ContractRead:
        return read_of(factory, _LENGTH, may_fail=True)

    def _entry_read(self, index: int) -> ContractRead:
        assert self._factory is not None
        return read_of(self._factory, _OTOKENS, index, may_fail=True)

    def _length(self, answers: Answers) -> int | None:
        """Of the list; None while it is not known."""
        if self._factory is None or (read := self._length_read(self._factory)) not in answers:
            return None
        return int(answer(answers, read)[0])

    def _log_calls(self, factory: str, block: BlockRef) -> list[Call]:
        since = self._first_block
        if self._seen_to is not None:
            since = max(min(self._seen_to, block.number) - OVERLAP_BLOCKS, since or 0)
        return [] if since is None or since > block.number else [created_call(factory, since, block.number)]

    def _adopt(self, modules: Modules) -> None:
        if self._factory != modules.factory:
            self._factory, self._listed, self._seen_to = modules.factory, [], None
        self._modules = modules

    def _learn(self, answers: Answers, announced: Mapping[str, tuple[Listing, ...]]) -> None:
        """Take over the entries that are answered for, as far as none before them is missing."""
        length = self._length(answers)
        if self._factory is None or length is None:
            return
        if length < len(self._listed):
            self._listed = []
        self._compare(at_the_end(announced.get(self._factory, ()), length))
        for index in range(len(self._listed), length):
            entry = self._entry_read(index)
            otoken = str(answer(answers, entry)[0]) if entry in answers else None
            if otoken is None or not all(read in answers for read in own_reads(otoken)):
                return
            self._listed.append(self._pair.told(otoken, answers))

    def _compare(self, places: Mapping[int, Listing]) -> None:
        """Forget what logs tell otherwise, and what follows it: it is read again, or taken over from what this reading read."""
        known = (index for index in places if index < len(self._listed))
        if (first := min((index for index in known if self._listed[index] != places[index]), default=None)) is not None:
            del self._listed[first:]


def _series_of(listings: Iterable[Listing]) -> tuple[Series, ...]:
    return tuple(one.series for one in listings if one.series is not None)

"""Whatever logs tell and the node keeps back, the book ends with the list as it is; and it never asks for what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import ContractRead
from keeper.adapters.evm.rpc import RpcRefused
from keeper.adapters.options.opyn_interface import Series
from keeper.adapters.options.opyn_series import SeriesBook, Survey
from keeper.adapters.options.reading import Ask, Replies
from keeper.core.model.pool import BlockRef
from tests.pairs import USDC, WETH

BOOK, FACTORY, OTHER = (to_checksum_address(f"0x{number:040x}") for number in (1, 2, 3))
MODULES = {
    "getController": 4,
    "getOtokenFactory": 2,
    "getWhitelist": 5,
    "getMarginPool": 6,
    "getOracle": 7,
}
EXPIRY_S = 1_760_515_200
BLOCKS_A_CYCLE = 10
MOST_ROUNDS = 4
CREATED = contract("GammaFactory").event("OtokenCreated")
Terms = tuple[str, str, str, int, int, bool]
"""As ``getOtokenDetails`` tells them."""


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    is_put = draw(st.booleans())
    collateral = USDC if is_put else WETH
    underlying = draw(st.sampled_from([WETH, WETH, WETH, USDC]))
    return collateral.address, underlying.address, USDC.address, draw(st.integers(1, 10**6)), EXPIRY_S, is_put


def address_of(one: Terms) -> str:
    """Made of the terms, as the real factory makes it."""
    return str(to_checksum_address(keccak(encode(["address", "address", "address", "uint256", "uint256", "bool"], one))[12:]))


@dataclass
class Factory:
    """Answers for a list of series, and refuses what is past its end."""

    listed: list[Terms] = field(default_factory=list)
    made_at: list[int] = field(default_factory=list)

    def add(self, many: Sequence[Terms], number: int) -> None:
        for one in many:
            if one not in self.listed:
                self.listed.append(one)
                self.made_at.append(number)

    def drop(self, many: int) -> None:
        kept = max(len(self.listed) - many, 0)
        del self.listed[kept:], self.made_at[kept:]

    @property
    def series(self) -> tuple[Series, ...]:
        return tuple(
            Series(otoken=address_of(one), strike_e8=one[3], expiry_s=one[4], is_put=one[5])
            for one in self.listed
            if one[1] == WETH.address
        )

    def answer(self, read: ContractRead) -> tuple[Any, ...]:
        name = read.function.signature.partition("(")[0]
        if read.target == BOOK:
            return (to_checksum_address(f"0x{MODULES[name]:040x}"),)
        if name == "getOtokensLength":
            return (len(self.listed) if read.target == FACTORY else 10**6,)
        if name == "otokens":
            (index,) = read.function.decode_arguments(read.data)
            assert read.target == FACTORY, "the list of another factory is read"
            assert index < len(self.listed), "an index past the end"
            return (address_of(self.listed[index]),)
        if name == "decimals":
            return (8,)
        return next((one for one in self.listed if address_of(one) == read.target), (USDC.address,) * 3 + (1, 1, True))

    def logs(self, since: int, to: int) -> list[dict[str, Any]]:
        return [
            log_of(one, number, place)
            for place, (one, number) in enumerate(zip(self.listed, self.made_at, strict=True))
            if since <= number <= to
        ]


def log_of(one: Terms, number: int, place: int) -> dict[str, Any]:
    collateral, underlying, strike, strike_e8, expiry_s, is_put = one
    body = ["address", "address", "uint256", "uint256", "bool"]
    return {
        "address": FACTORY,
        "topics": [
            CREATED.topic0,
            *("0x" + address[2:].lower().rjust(64, "0") for address in (underlying, strike, collateral)),
        ],
        "data": "0x" + encode(body, [address_of(one), OTHER, strike_e8, expiry_s, is_put]).hex(),
        "blockNumber": hex(number),
        "logIndex": hex(place),
    }


@st.composite
def spoilt(draw: st.DrawFn, logs: list[dict[str, Any]], strangers: Sequence[Terms]) -> Any:
    """What a node makes of them."""
    how = draw(st.sampled_from(["refused", "some", "others", "nonsense"]))
    if how == "refused":
        return RpcRefused(-32005, "too many blocks")
    if how == "nonsense":
        return draw(st.sampled_from([None, "0x", [{}], [None], [log | {"data": "0x"} for log in logs] or [{}]]))
    kept = [log for log in logs if draw(st.booleans())]
    if how == "others":
        kept += [log_of(one, 1, 1_000 + place) for place, one in enumerate(strangers)]
    return kept


def surveyed(book: SeriesBook, factory: Factory, number: int, told: Any) -> tuple[Survey, int]:
    """The survey, and its rounds; every series known is asked something of."""
    block = BlockRef(number=number, hash="0x" + "11" * 32, timestamp_s=number)
    balance = contract("ERC20").function("decimals")

    def extra(_: Any, series: Sequence[Series]) -> list[ContractRead]:
        return [ContractRead(target=one.otoken, data=one.otoken.encode(), function=balance) for one in series]

    reading, rounds = book.surveying(extra, block), 1
    ask: Ask = next(reading)
    while True:
        others = [told(int(call[1][0]["fromBlock"], 16), int(call[1][0]["toBlock"], 16)) for call in ask.others]
        assert len(others) <= 1
        answers = {read: factory.answer(read) for read in ask.reads}
        try:
            ask = reading.send(Replies(answers=answers, others=others))
        except StopIteration as end:
            return end.value, rounds
        rounds += 1


def complete(book: SeriesBook, factory: Factory, survey: Survey) -> bool:
    asked = {read.target for read in survey.answers if read.data == read.target.encode()}
    return survey.series == book.series == factory.series and asked >= {one.otoken for one in factory.series}


@given(st.lists(st.tuples(st.lists(terms(), max_size=3), st.integers(0, 2)), min_size=1, max_size=5), st.booleans())
def test_with_every_log_new_and_replaced_series_take_two_rounds(cycles: list[tuple[list[Terms], int]], told: bool) -> None:
    book = SeriesBook(BOOK, WETH, USDC, factory=FACTORY, first_block=0 if told else None)
    factory, most = Factory(), 2 if told else MOST_ROUNDS
    for place, (new, dropped) in enumerate(cycles):
        before = len(factory.listed)
        factory.drop(dropped)
        number = BLOCKS_A_CYCLE * (place + 1)
        factory.add(new, number)
        shorter = len(factory.listed) < before
        survey, rounds = surveyed(book, factory, number, factory.logs)
        assert complete(book, factory, survey)
        assert rounds <= (MOST_ROUNDS if shorter else most)
        most = 2
        assert surveyed(book, factory, number, factory.logs)[1] == 1


@given(st.data(), st.lists(terms(), min_size=1, max_size=4), st.lists(terms(), max_size=3))
def test_with_logs_spoilt_the_same_series_are_found(data: st.DataObject, old: list[Terms], strangers: list[Terms]) -> None:
    factory = Factory()
    factory.add(old, 1)
    hint = data.draw(st.sampled_from([None, FACTORY, OTHER]))
    book = SeriesBook(BOOK, WETH, USDC, factory=hint, first_block=data.draw(st.sampled_from([None, 0])))

    def told(since: int, to: int) -> Any:
        return data.draw(spoilt(factory.logs(since, to), strangers))

    for number in (1, 2):
        survey, rounds = surveyed(book, factory, number, told)
        assert complete(book, factory, survey)
        assert rounds <= MOST_ROUNDS + (number == 1 and hint != FACTORY)
        factory.add(data.draw(st.lists(terms(), max_size=3)), number + 1)

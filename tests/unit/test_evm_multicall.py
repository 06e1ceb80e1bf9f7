"""Bundling: the hand-written encoding, the cuts, and what comes of the answers."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import (
    CHUNK_GAS,
    ContractRead,
    ReadReverted,
    Reverted,
    answers_of,
    chunked,
    encode_aggregate3,
    read_of,
)
from keeper.adapters.evm.rpc import BadReply

DECIMALS = contract("ERC20").function("decimals")
AGGREGATE3 = contract("Multicall3").function("aggregate3")
TOKEN = "0x" + "11" * 20
OTHER = "0x" + "22" * 20
REVERT = bytes.fromhex("08c379a0") + encode(["string"], ["OLD"])

reads = st.lists(
    st.builds(
        ContractRead,
        target=st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
        data=st.binary(max_size=100),
        function=st.just(DECIMALS),
        gas=st.integers(1, CHUNK_GAS + 1),
    ),
    max_size=12,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time is not what these tests are about, and the machine has other guests."""


def reply(*results: tuple[bool, bytes]) -> str:
    return "0x" + encode(["(bool,bytes)[]"], [results]).hex()


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


@unhurried
@given(reads)
def test_the_encoding_is_that_of_eth_abi(asked: list[ContractRead]) -> None:
    assert encode_aggregate3(asked) == AGGREGATE3.encode([(read.target, True, read.data) for read in asked])


@unhurried
@given(reads)
def test_chunks_hold_every_read_once_in_order_and_within_their_gas(asked: list[ContractRead]) -> None:
    chunks = list(chunked(asked))
    assert [read for chunk in chunks for read in chunk] == list(dict.fromkeys(asked))
    for chunk in chunks:
        assert chunk
        assert len(chunk) == 1 or sum(read.gas for read in chunk) <= CHUNK_GAS


def test_three_hundred_positions_fit_one_chunk() -> None:
    asked = [read_of(TOKEN, contract("ERC20").function("balanceOf"), hex(2**159 + i), gas=46_600) for i in range(300)]
    assert len(list(chunked(asked))) == 1


def test_answers_are_found_by_their_reads() -> None:
    first, second = read_of(TOKEN, DECIMALS), read_of(OTHER, DECIMALS, may_fail=True)
    answers = answers_of([first, second], reply((True, number(6)), (False, REVERT)))
    assert answers == {first: (6,), second: Reverted("OLD")}


def test_an_address_without_code_fails_a_read_that_may_fail() -> None:
    first, second = read_of(TOKEN, DECIMALS), read_of(OTHER, DECIMALS, may_fail=True)
    answers = answers_of([first, second], reply((True, number(6)), (True, b"")))
    assert answers[second] == Reverted("nothing returned")


def test_a_read_that_must_not_fail_names_itself() -> None:
    with pytest.raises(ReadReverted, match=rf"decimals\(\) at {TOKEN} reverted: OLD"):
        answers_of([read_of(TOKEN, DECIMALS)], reply((False, REVERT)))


@pytest.mark.parametrize(
    "outcome",
    [
        reply(),
        reply((True, number(6)), (True, number(6))),
        reply((True, b"")),
        reply((True, number(256))),
        reply((True, number(6)))[:-2],
        reply((True, number(6))) + "00",
        "0x",
        5,
        {},
    ],
)
def test_answers_that_do_not_match_the_reads_are_refused(outcome: object) -> None:
    with pytest.raises(BadReply):
        answers_of([read_of(TOKEN, DECIMALS)], outcome)

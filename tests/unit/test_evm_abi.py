"""Strict decoding: what was encoded comes back, and nothing else is taken for a value."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract, revert_reason
from keeper.adapters.evm.abi_types import AbiType, decode_whole, parse_type, tuple_of
from keeper.adapters.evm.rpc import BadReply

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time is not what these tests are about, and the machine has other guests."""

WORDS = {
    "uint8": st.integers(0, 2**8 - 1),
    "uint128": st.integers(0, 2**128 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int24": st.integers(-(2**23), 2**23 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20).map(to_checksum_address),
    "bytes4": st.binary(min_size=4, max_size=4),
    "bytes32": st.binary(min_size=32, max_size=32),
}
TAILS = {"string": st.text(max_size=40), "bytes": st.binary(max_size=70)}

Typed = tuple[dict[str, Any], st.SearchStrategy[Any]]


def simple(kinds: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Typed]:
    return st.sampled_from([({"type": name, "name": ""}, values) for name, values in kinds.items()])


def array(inner: Typed) -> Typed:
    return {**inner[0], "type": inner[0]["type"] + "[]"}, st.lists(inner[1], max_size=4).map(tuple)


def fixed_array(inner: Typed) -> Typed:
    return {**inner[0], "type": inner[0]["type"] + "[3]"}, st.tuples(inner[1], inner[1], inner[1])


def struct(inner: list[Typed]) -> Typed:
    document = {"type": "tuple", "name": "", "components": [part for part, _ in inner]}
    return document, st.tuples(*(values for _, values in inner))


def typed(leaves: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Typed]:
    return st.recursive(
        simple(leaves),
        lambda inner: st.one_of(inner.map(array), inner.map(fixed_array), st.lists(inner, min_size=1, max_size=4).map(struct)),
        max_leaves=6,
    )


@st.composite
def encoded(draw: st.DrawFn, *, leaves: dict[str, st.SearchStrategy[Any]]) -> tuple[AbiType, tuple[Any, ...], bytes]:
    members = draw(st.lists(typed(leaves), min_size=1, max_size=4))
    kinds = [parse_type(document) for document, _ in members]
    values = tuple(draw(strategy) for _, strategy in members)
    return tuple_of(kinds), values, encode([kind.name for kind in kinds], values)


def names(kind: AbiType) -> list[str]:
    """Names of a tuple's members; they hold commas of their own, so the parentheses are followed."""
    parts, depth, at = [], 0, 1
    for place, letter in enumerate(kind.name):
        depth += (letter == "(") - (letter == ")")
        if (letter == "," and depth == 1) or (letter == ")" and depth == 0):
            parts.append(kind.name[at:place])
            at = place + 1
    return parts


@unhurried
@given(encoded(leaves=WORDS | TAILS))
def test_what_was_encoded_comes_back(case: tuple[AbiType, tuple[Any, ...], bytes]) -> None:
    kind, values, data = case
    assert decode_whole(kind, data) == values


@unhurried
@given(encoded(leaves=WORDS | TAILS), st.integers(1, 64), st.binary(min_size=1, max_size=40))
def test_missing_and_spare_bytes_are_refused(case: tuple[AbiType, tuple[Any, ...], bytes], missing: int, spare: bytes) -> None:
    kind, _, data = case
    with pytest.raises(BadReply):
        decode_whole(kind, data[: max(len(data) - missing, 0)])
    with pytest.raises(BadReply):
        decode_whole(kind, data + spare)


@unhurried
@given(encoded(leaves=WORDS), st.data())
def test_a_changed_byte_is_another_value_or_no_value(case: tuple[AbiType, tuple[Any, ...], bytes], data: st.DataObject) -> None:
    kind, values, encoding = case
    place = data.draw(st.integers(0, len(encoding) - 1))
    changed = bytearray(encoding)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_whole(kind, bytes(changed))
    except BadReply:
        return
    assert found != values
    assert encode(names(kind), found) == bytes(changed)


@unhurried
@given(st.binary(max_size=400))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    kind = tuple_of(
        [parse_type({"type": "tuple[]", "components": [{"type": "bool"}, {"type": "bytes"}]}), parse_type({"type": "string"})]
    )
    try:
        decode_whole(kind, data)
    except BadReply:
        return
    pytest.fail("noise was taken for a value")


def test_an_array_longer_than_the_data_is_refused_before_it_is_walked() -> None:
    data = encode(["uint256", "uint256"], [32, 2**255])
    with pytest.raises(BadReply, match="does not fit"):
        contract("NonfungiblePositionManager").function("multicall").decode(data)


@pytest.mark.parametrize("kind", ["uint256[0]", "uint256[100]", "function", "fixed128x18"])
def test_types_that_no_contract_of_ours_uses_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        parse_type({"type": kind})


def test_a_call_reads_back_and_another_function_s_does_not() -> None:
    erc20 = contract("ERC20")
    data = erc20.function("transfer").call_data("0x" + "11" * 20, 7)
    assert erc20.function("transfer").decode_arguments(data) == ("0x" + "11" * 20, 7)
    with pytest.raises(BadReply, match="not a call of approve"):
        erc20.function("approve").decode_arguments(data)


TRANSFER = contract("ERC20").event("Transfer")
LOG = {
    "topics": [TRANSFER.topic0, "0x" + "00" * 12 + "11" * 20, "0x" + "00" * 12 + "22" * 20],
    "data": "0x" + (5).to_bytes(32, "big").hex(),
}


def test_an_event_is_told_by_its_names() -> None:
    assert TRANSFER.is_in(LOG)
    assert TRANSFER.decode(LOG) == {"from": "0x" + "11" * 20, "to": "0x" + "22" * 20, "value": 5}


@pytest.mark.parametrize(
    "change",
    [
        {"topics": None},
        {"topics": []},
        {"topics": LOG["topics"][:2]},
        {"topics": [*LOG["topics"], LOG["topics"][0]]},
        {"topics": [contract("ERC20").event("Approval").topic0, *LOG["topics"][1:]]},
        {"topics": [LOG["topics"][0], "0x" + "ff" * 32, LOG["topics"][2]]},
        {"data": "0x"},
        {"data": None},
        {"data": LOG["data"] + "00" * 32},
    ],
)
def test_a_log_of_something_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        TRANSFER.decode({**LOG, **change})


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("0x08c379a0" + encode(["string"], ["Too little received"]).hex(), "Too little received"),
        ("0x4e487b71" + encode(["uint256"], [0x11]).hex(), "panic 0x11"),
        ("0xdeadbeef" + "00" * 32, "error 0xdeadbeef"),
        ("0x", "no reason"),
        (None, "no reason"),
        ("0x08c379a0" + "00" * 3, "no reason"),
        (b"", "no reason"),
    ],
)
def test_a_revert_tells_its_reason(returned: object, reason: str) -> None:
    assert revert_reason(returned) == reason

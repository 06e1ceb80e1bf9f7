"""Values of replies: null, mistyped and cut ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.core.model.errors import Reorged, Transient
from keeper.core.model.pool import BlockRef

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time is not what these tests are about, and the machine has other guests."""

HASH = "0x" + "ab" * 32
HEADER = {"number": "0x10", "hash": HASH, "timestamp": "0x20"}
NEVER = [None, True, False, 0, 1, 1.5, [], {}, "", "0x", "1", "0xg", " 0x1", "0x1 ", "0x1\n", "-0x1", b"0x1"]


@unhurried
@given(st.integers(0, 2**256 - 1))
def test_a_quantity_is_read_exactly(value: int) -> None:
    assert checked.quantity(hex(value), "x") == value


@pytest.mark.parametrize("value", [*NEVER, "0x" + "f" * 65])
def test_what_is_no_quantity_is_refused(value: object) -> None:
    with pytest.raises(BadReply, match="balance: a hex quantity was expected"):
        checked.quantity(value, "balance")


@unhurried
@given(st.binary())
def test_data_is_read_exactly(value: bytes) -> None:
    assert checked.data("0x" + value.hex(), "x") == value


@pytest.mark.parametrize("value", [value for value in NEVER if value != "0x"] + ["0x123", "0x 12", "0x12 34", "12"])
def test_what_is_no_data_is_refused(value: object) -> None:
    with pytest.raises(BadReply):
        checked.data(value, "x")


@pytest.mark.parametrize(("check", "size"), [(checked.hash32, 32), (checked.address, 20)])
def test_hashes_and_addresses_have_their_length(check: Callable[[object, str], str], size: int) -> None:
    assert check("0x" + "AB" * size, "x").lower() == "0x" + "ab" * size
    for value in [*NEVER, "0x" + "ab" * (size - 1), "0x" + "ab" * (size + 1), "0x" + "zz" * size]:
        with pytest.raises(BadReply):
            check(value, "x")


def test_an_address_gets_its_checksum() -> None:
    assert checked.address("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "x") == "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"


def test_a_header_is_a_block() -> None:
    assert checked.block(HEADER, "block") == BlockRef(number=16, hash=HASH, timestamp_s=32)


@pytest.mark.parametrize("header", [None, [], "0x10", *({**HEADER, field: None} for field in HEADER), {**HEADER, "number": 16}])
def test_half_a_header_is_refused(header: object) -> None:
    with pytest.raises(BadReply):
        checked.block(header, "block")


@pytest.mark.parametrize(("check", "good"), [(checked.mapping, {}), (checked.sequence, [])])
def test_containers_are_what_they_should_be(check: Callable[[object, str], Any], good: object) -> None:
    assert check(good, "x") == good
    for value in (None, "x", 1, () if good == [] else []):
        with pytest.raises(BadReply):
            check(value, "x")


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (None, Reorged),
        (RpcRefused(-32001, "Resource not found"), Reorged),
        (RpcRefused(-32000, "header not found"), Reorged),
        (RpcRefused(-32000, "hash 0xab is not currently canonical"), Reorged),
        (RpcRefused(-32005, "limit exceeded"), checked.ReadRefused),
        (RpcRefused(3, "execution reverted"), checked.ReadRefused),
    ],
)
def test_a_pinned_read_that_fails_tells_a_reorg_from_a_refusal(outcome: object, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        checked.pinned(outcome, "x")
    assert type(raised.value) is error
    assert isinstance(raised.value, Transient)


def test_long_values_are_shortened_in_errors() -> None:
    with pytest.raises(BadReply) as raised:
        checked.quantity("z" * 1000, "x")
    assert len(str(raised.value)) < 120

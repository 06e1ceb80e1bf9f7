"""Logs become rows exactly, and logs that cannot be are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.evm.pool_events import events_of, must_lie_in
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef
from tests.event_rows import POOL
from tests.pool_logs import ANOTHER, SOMEONE, TOPIC0, log, swap_log

ALL = tuple(EventKind)

amounts = st.integers(-(2**255), 2**255 - 1)
ticks = st.integers(-887_272, 887_272)


def one(entry: dict[str, Any]) -> EventRow:
    rows, hashes = events_of([entry], POOL, ALL, 0, 10)
    assert hashes == {7: entry["blockHash"]}
    assert rows[0][:6] == (7, 107, f"0x{9:064x}", 2, 3, entry_kind(entry))
    return rows[0]


def entry_kind(entry: dict[str, Any]) -> EventKind:
    return next(kind for kind, topic in TOPIC0.items() if topic == entry["topics"][0])


@given(amounts, amounts, st.integers(0, 2**160 - 1), st.integers(0, 2**128 - 1), ticks)
def test_a_swap_is_read_as_the_general_decoder_reads_it(amount0: int, amount1: int, price: int, depth: int, tick: int) -> None:
    entry = log(EventKind.SWAP, (), (amount0, amount1, price, depth, tick))
    values = contract("UniswapV3Pool").event("Swap").decode(entry)
    row = one(entry)
    assert (row.amount0, row.amount1, row.tick) == (values["amount0"], values["amount1"], values["tick"])
    assert (row.sqrt_price_x96, row.liquidity) == (values["sqrtPriceX96"], values["liquidity"])
    assert (row.sender, row.recipient) == (values["sender"].lower(), values["recipient"].lower())
    assert row.owner is row.tick_lower is row.tick_upper is row.liquidity_delta is None


@given(ticks, ticks, st.integers(0, 2**128 - 1), st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_mints_and_burns_carry_their_sign(lower: int, upper: int, amount: int, amount0: int, amount1: int) -> None:
    minted = one(log(EventKind.MINT, (lower, upper), (ANOTHER, amount, amount0, amount1)))
    burned = one(log(EventKind.BURN, (lower, upper), (amount, amount0, amount1)))
    for row, sign, sender in ((minted, 1, ANOTHER), (burned, -1, None)):
        assert (row.owner, row.sender, row.tick_lower, row.tick_upper) == (SOMEONE, sender, lower, upper)
        assert (row.liquidity_delta, row.amount0, row.amount1) == (sign * amount, amount0, amount1)


def test_a_collect_tells_who_received() -> None:
    row = one(log(EventKind.COLLECT, (-20, 30), (ANOTHER, 7, 8)))
    assert (row.owner, row.recipient, row.amount0, row.amount1, row.liquidity_delta) == (SOMEONE, ANOTHER, 7, 8, None)


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_a_flash_loan_tells_what_was_paid_for_it(paid0: int, paid1: int) -> None:
    row = one(log(EventKind.FLASH, (), (10**30, 0, paid0, paid1)))
    assert (row.sender, row.recipient, row.amount0, row.amount1) == (SOMEONE, ANOTHER, paid0, paid1)
    assert row.owner is row.tick is row.tick_lower is row.liquidity_delta is None


def test_a_new_share_of_the_protocol_tells_its_denominators() -> None:
    row = one(log(EventKind.FEE_PROTOCOL, (), (0, 0, 4, 10)))
    assert (row.amount0, row.amount1) == (4, 10)
    assert row.sender is row.recipient is row.owner is row.sqrt_price_x96 is None
    with pytest.raises(BadReply, match="8 bits"):
        one(log(EventKind.FEE_PROTOCOL, (), (0, 0, 4, 10), data="0x" + "00" * 64 + "ff" * 64))


@pytest.mark.parametrize(
    ("change", "words_of_error"),
    [
        ({"address": "0x" + "11" * 20}, "for pool"),
        ({"blockNumber": "0xb"}, "a log of block 11"),
        ({"topics": ["0x" + "aa" * 32]}, "another event"),
        ({"topics": []}, "another event"),
        ({"data": "0x" + "00" * 159}, "159 bytes"),
        ({"data": "0x"}, "0 bytes"),
        ({"data": "0x" + "00" * 64 + "ff" * 32 + "00" * 64}, "160 bits"),
        ({"data": "0x" + "00" * 128 + "7f" + "00" * 31}, "24 bits"),
        ({"data": None}, "hex bytes"),
        ({"transactionHash": "0x12"}, "32-byte hash"),
        ({"logIndex": None}, "index of a log"),
        ({"blockTimestamp": "later"}, "time of a log"),
    ],
)
def test_a_log_that_cannot_be_is_refused(change: dict[str, Any], words_of_error: str) -> None:
    with pytest.raises(BadReply, match=words_of_error):
        events_of([swap_log(**change)], POOL, ALL, 0, 10)


def test_logs_that_left_the_chain_are_a_reorganisation() -> None:
    with pytest.raises(Reorged, match="removed"):
        events_of([swap_log(removed=True)], POOL, ALL, 0, 10)
    with pytest.raises(Reorged, match="two different blocks"):
        events_of([swap_log(), swap_log(logIndex="0x4", blockHash=f"0x{8:064x}")], POOL, ALL, 0, 10)


def test_blocks_of_logs_are_those_whose_headers_are_known() -> None:
    hashes = {number: f"0x{number:064x}" for number in (3, 4)}
    there = {number: BlockRef(number=number, hash=f"0x{number:064x}", timestamp_s=1) for number in (2, 3)}
    must_lie_in(hashes, there)
    with pytest.raises(Reorged, match="block 4"):
        must_lie_in(hashes, there | {4: BlockRef(number=4, hash="0x" + "ee" * 32, timestamp_s=1)})

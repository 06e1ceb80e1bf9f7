"""A download takes the logs of every kind in any order, each once, and dates them."""

from __future__ import annotations

import pytest

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.evm.pool_events import logs_call
from keeper.adapters.evm.rpc import BadReply
from keeper.adapters.history.download import Span, missing_spans
from keeper.adapters.history.event_logs import rows_of, timed
from keeper.adapters.history.manifest import Manifest
from keeper.adapters.history.rows import ALL_KINDS
from tests.event_rows import POOL, covered, swap
from tests.pool_logs import TOPIC0, swap_log


def test_one_request_asks_for_every_event() -> None:
    method, (query,) = logs_call(POOL, ALL_KINDS, 5, 20)
    assert (method, query["fromBlock"], query["toBlock"]) == ("eth_getLogs", "0x5", "0x14")
    assert query["topics"] == [[TOPIC0[kind] for kind in EventKind]]


def test_a_log_that_is_given_twice_counts_once_and_order_is_that_of_the_chain() -> None:
    later, first = swap_log(logIndex="0x9"), swap_log()
    rows, _ = rows_of([later, first, later], POOL, ALL_KINDS, 0, 10)
    assert [row.log_index for row in rows] == [3, 9]


def test_two_different_logs_of_one_place_are_refused() -> None:
    with pytest.raises(BadReply, match="two different logs 3 of block 7"):
        rows_of([swap_log(), swap_log(transactionIndex="0x8")], POOL, ALL_KINDS, 0, 10)


def test_times_come_from_the_headers_where_the_logs_carry_none() -> None:
    rows = [swap(1, timestamp_s=None), swap(2, timestamp_s=130), swap(2, 1, timestamp_s=None)]
    assert [row.timestamp_s for row in timed(rows, {1: 120, 2: 130})] == [120, 130, 130]


@pytest.mark.parametrize(
    ("rows", "times"),
    [
        ([swap(1, timestamp_s=120), swap(2, timestamp_s=119)], {}),
        ([swap(1, timestamp_s=120), swap(1, 1, timestamp_s=121)], {}),
        ([swap(1, timestamp_s=120)], {1: 121}),
    ],
    ids=["backward", "within a block", "against the header"],
)
def test_times_that_cannot_be_are_refused(rows: list[EventRow], times: dict[int, int]) -> None:
    with pytest.raises(BadReply, match="cannot be"):
        timed(rows, times)


def test_each_stretch_is_asked_for_the_kinds_that_it_lacks() -> None:
    """A store of before there were more kinds of events is asked only for those."""
    four, rest = ALL_KINDS[:4], ALL_KINDS[4:]
    manifest = Manifest(chain_id=1, pool=POOL)
    assert missing_spans(manifest, 3, 50) == [Span(3, 50, ALL_KINDS)]
    manifest = manifest.with_coverage(covered(10, 20, four)).with_coverage(covered(15, 30, rest))
    assert missing_spans(manifest, 3, 50) == [
        Span(3, 9, ALL_KINDS),
        Span(10, 14, rest),
        Span(21, 30, four),
        Span(31, 50, ALL_KINDS),
    ]
    assert missing_spans(manifest, 16, 18) == []
    assert missing_spans(manifest.with_coverage(covered(0, 60)), 3, 50) == []

"""A Chainlink answer is believed when everything about its round is right, and told as missing otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.multicall import Answers, answers_of
from keeper.adapters.prices.chainlink import ChainlinkFeed, ChainlinkFeeds
from keeper.core.model.bar import Quote
from keeper.core.model.pool import BlockRef
from tests.pairs import NOW_S

HEAD = BlockRef(number=1, hash="0x" + "11" * 32, timestamp_s=NOW_S)
FEED = ChainlinkFeed(
    name="chainlink_eth_usd",
    address="0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    decimals=8,
    heartbeat_s=3_900,
    min_value=100.0,
    max_value=50_000.0,
)
UPTIME = "0xFdB631F5EE196F0ed6FAa767959853A9F217697D"
ON_L2 = replace(FEED, sequencer=UPTIME, grace_s=3_600)
ROUND = (18446744073709551617, 412_345_678_901, NOW_S - 62, NOW_S - 60, 18446744073709551617)
UP = (18446744073709551617, 0, NOW_S - 86_400, NOW_S - 86_400, 18446744073709551617)
REVERTED = None
NO_CODE = b""


def returned(kinds: list[str], values: Any) -> tuple[bool, bytes]:
    if values is REVERTED:
        return False, bytes.fromhex("08c379a0") + encode(["string"], ["No data present"])
    return True, values if isinstance(values, bytes) else encode(kinds, values)


def answered(feeds: ChainlinkFeeds, told: dict[tuple[str, str], Any]) -> Answers:
    """The answers of one multicall, from what each address says to ``decimals`` and ``latestRoundData``."""
    reads = feeds.reads({})
    results = []
    for read in reads:
        name = read.function.signature.partition("(")[0]
        kinds = ["uint8"] if name == "decimals" else ["uint80", "int256", "uint256", "uint256", "uint80"]
        results.append(returned(kinds, told[read.target, name]))
    return answers_of(reads, "0x" + encode(["(bool,bytes)[]"], [results]).hex())


def quote(latest: Any = ROUND, *, decimals: Any = (8,), feed: ChainlinkFeed = FEED, sequencer: Any = UP) -> Quote:
    feeds = ChainlinkFeeds([feed])
    told = {
        (feed.address, "decimals"): decimals,
        (feed.address, "latestRoundData"): latest,
        (UPTIME, "latestRoundData"): sequencer,
    }
    (found,) = feeds.quotes(answered(feeds, told), HEAD)
    return found


def round_with(**change: int) -> tuple[int, ...]:
    names = ("round_id", "answer", "started_s", "updated_s", "answered_in")
    return tuple((dict(zip(names, ROUND, strict=True)) | change).values())


def test_a_good_round_is_its_value_at_its_time() -> None:
    assert quote() == Quote(
        name="chainlink_eth_usd",
        value=4123.45678901,
        as_of_s=NOW_S - 60,
        source="chainlink 0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
        fault=None,
    )


def test_decimals_are_those_of_the_feed() -> None:
    feed = replace(FEED, decimals=18, min_value=0.5, max_value=2.0)
    found = quote(round_with(answer=999_900_000_000_000_000), decimals=(18,), feed=feed)
    assert found.value == pytest.approx(0.9999, rel=1e-15)


@pytest.mark.parametrize(
    ("latest", "decimals", "fault", "as_of_s"),
    [
        (REVERTED, (8,), "latestRoundData reverted: No data present", NOW_S),
        (NO_CODE, NO_CODE, "latestRoundData reverted: nothing returned", NOW_S),
        (ROUND, REVERTED, "decimals reverted", NOW_S - 60),
        (ROUND, (18,), "has 18 decimals, configured are 8", NOW_S - 60),
        (round_with(answer=0), (8,), "the answer is 0", NOW_S - 60),
        (round_with(answer=-1), (8,), "the answer is -1", NOW_S - 60),
        (round_with(answer=99_99999999), (8,), "100 is outside of 100 to 50000", NOW_S - 60),
        (round_with(answer=50_000_00000001), (8,), "50000 is outside", NOW_S - 60),
        (round_with(updated_s=0), (8,), "has no answer yet", NOW_S),
        (round_with(updated_s=NOW_S + 1), (8,), "1 s after the block", NOW_S),
        (round_with(updated_s=2**256 - 1), (8,), "after the block", NOW_S),
        (round_with(updated_s=NOW_S - 3_901), (8,), "3901 s old, 3900 s are believed", NOW_S - 3_901),
        (round_with(answered_in=ROUND[0] - 1), (8,), "carries the answer of round", NOW_S - 60),
    ],
)
def test_what_is_wrong_with_a_round_is_told_and_there_is_no_value(latest: Any, decimals: Any, fault: str, as_of_s: int) -> None:
    found = quote(latest, decimals=decimals)
    assert found.value is None
    assert found.fault is not None
    assert fault in found.fault
    assert found.as_of_s == as_of_s


@pytest.mark.parametrize(
    "latest",
    [
        round_with(updated_s=NOW_S - 3_900),
        round_with(updated_s=NOW_S),
        round_with(answer=100_00000000),
        round_with(answer=50_000_00000000),
    ],
)
def test_the_limits_themselves_are_believed(latest: tuple[int, ...]) -> None:
    assert quote(latest).fault is None


@pytest.mark.parametrize(
    ("sequencer", "fault"),
    [
        (REVERTED, "sequencer's feed reverted"),
        ((1, 1, NOW_S - 86_400, NOW_S, 1), "the sequencer is down: its feed answers 1"),
        ((1, 0, NOW_S - 3_599, NOW_S, 1), "up for 3599 s, 3600 s are waited"),
        ((1, 0, 0, NOW_S, 1), "up since 0"),
        ((1, 0, NOW_S + 5, NOW_S, 1), f"up since {NOW_S + 5}"),
    ],
)
def test_prices_behind_a_sequencer_wait_for_it(sequencer: Any, fault: str) -> None:
    found = quote(feed=ON_L2, sequencer=sequencer)
    assert found.value is None
    assert fault in (found.fault or "")
    assert quote(sequencer=sequencer).fault is None


def test_a_sequencer_that_is_up_long_enough_lets_prices_through() -> None:
    assert quote(feed=ON_L2, sequencer=(1, 0, NOW_S - 3_600, NOW_S, 1)).value == pytest.approx(4123.45678901, rel=1e-15)


words = st.one_of(st.integers(0, 2**256 - 1), st.integers(NOW_S - 8_000, NOW_S + 10))
answers = st.one_of(st.integers(-(2**255), 2**255 - 1), st.integers(-1, 60_000).map(lambda usd: usd * 10**8))
rounds = st.tuples(st.integers(1, 3), answers, words, words, st.integers(1, 3))


@given(rounds, rounds, st.sampled_from([8, 8, 8, 0, 18, 255]))
def test_a_value_is_told_only_when_all_is_right(latest: tuple[int, ...], sequencer: tuple[int, ...], decimals: int) -> None:
    found = quote(latest, decimals=(decimals,), feed=ON_L2, sequencer=sequencer)
    assert (found.value is None) == (found.fault is not None)
    assert 0 < found.as_of_s <= NOW_S
    if found.value is not None:
        assert decimals == 8
        assert found.value == latest[1] / 10**8
        assert 100 <= found.value <= 50_000
        assert found.as_of_s == latest[3] >= NOW_S - 3_900
        assert latest[4] >= latest[0]
        assert sequencer[1] == 0 < sequencer[2] <= NOW_S - 3_600


def test_feeds_keep_their_order_and_share_a_sequencer() -> None:
    other = replace(ON_L2, name="chainlink_usdc_usd", address="0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6", min_value=0.9)
    feeds = ChainlinkFeeds([other, ON_L2])
    assert len(feeds.reads({})) == 5
    told = {(one.address, "decimals"): (8,) for one in (other, ON_L2)}
    told |= {
        (other.address, "latestRoundData"): round_with(answer=99_990_000),
        (ON_L2.address, "latestRoundData"): REVERTED,
        (UPTIME, "latestRoundData"): UP,
    }
    found = feeds.quotes(answered(feeds, told), HEAD)
    assert [(one.name, one.value) for one in found] == [("chainlink_usdc_usd", 0.9999), ("chainlink_eth_usd", None)]


@pytest.mark.parametrize(
    "change",
    [{"heartbeat_s": 0}, {"grace_s": -1}, {"min_value": 0.0}, {"max_value": 100.0}, {"min_value": float("nan")}],
)
def test_limits_that_contradict_one_another_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="chainlink_eth_usd"):
        replace(FEED, **change)


def test_two_feeds_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="name of its own"):
        ChainlinkFeeds([FEED, FEED])

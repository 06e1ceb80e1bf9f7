"""Chainlink's own proxy, read through one block: what is believed of it, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.prices.chainlink import ChainlinkFeed, ChainlinkFeeds
from keeper.core.model.bar import Quote
from keeper.localchain.chainlink import ETH_USD, USDC_USD, LocalFeed, put_feed
from keeper.localchain.twin import BANKER, Twin
from tests.fork.readings import newest, read_at

pytestmark = pytest.mark.chain
HOUR_S = 3_600
UPTIME = "0xFdB631F5EE196F0ed6FAa767959853A9F217697D"
"""Where Arbitrum has its sequencer's feed."""
FEED = ChainlinkFeed(
    name="chainlink_eth_usd", address=ETH_USD, decimals=8, heartbeat_s=HOUR_S, min_value=100.0, max_value=50_000.0
)
ON_L2 = replace(FEED, sequencer=UPTIME, grace_s=HOUR_S)


@pytest.fixture
def feed(twin: Twin) -> LocalFeed:
    return put_feed(twin, ETH_USD, 4123.45)


def quotes(rpc: Rpc, *feeds: ChainlinkFeed) -> tuple[Quote, ...]:
    source, head = ChainlinkFeeds(feeds), newest(rpc)
    answers, requests = read_at(rpc, head, source)
    assert requests == 1
    return source.quotes(answers, head)


def fault(rpc: Rpc, feed: ChainlinkFeed = FEED) -> str:
    (quote,) = quotes(rpc, feed)
    assert quote.value is None
    assert quote.fault is not None
    return quote.fault


def value(rpc: Rpc, feed: ChainlinkFeed = FEED) -> float:
    (quote,) = quotes(rpc, feed)
    assert quote.fault is None
    assert quote.value is not None
    return quote.value


def test_a_new_round_is_told_as_of_its_block(twin: Twin, rpc: Rpc, feed: LocalFeed) -> None:
    feed.set_answer(3999.12345678)
    made_s = twin.chain.timestamp_s()
    for _ in range(3):
        twin.chain.mine()
    assert quotes(rpc, FEED) == (
        Quote(name=FEED.name, value=3999.12345678, as_of_s=made_s, source=f"chainlink {ETH_USD}", fault=None),
    )


def test_a_frozen_feed_is_believed_for_its_heartbeat_and_not_a_second_longer(twin: Twin, rpc: Rpc, feed: LocalFeed) -> None:
    feed.set_answer(4000.0)
    made_s = twin.chain.timestamp_s()
    twin.chain.mine(timestamp_s=made_s + HOUR_S)
    assert value(rpc) == pytest.approx(4000.0)
    twin.chain.mine(timestamp_s=made_s + HOUR_S + 1)
    assert fault(rpc) == "the round is 3601 s old, 3600 s are believed"
    feed.set_answer(4001.0)
    assert value(rpc) == pytest.approx(4001.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (99.99999999, "outside of 100 to 50000"),
        (50_000.00000001, "outside of 100 to 50000"),
        (0.0, "the answer is 0"),
        (-1.0, "the answer is -100000000"),
    ],
)
def test_an_answer_out_of_bounds_is_no_price(rpc: Rpc, feed: LocalFeed, answer: float, words: str) -> None:
    for bound in (100.0, 50_000.0):
        feed.set_answer(bound)
        assert value(rpc) == pytest.approx(bound)
    feed.set_answer(answer)
    assert words in fault(rpc)


def test_a_round_without_a_time_or_from_the_future_is_no_price(twin: Twin, rpc: Rpc, feed: LocalFeed) -> None:
    feed.set_answer(4000.0, updated_at_s=0)
    assert "has no answer yet" in fault(rpc)
    feed.set_answer(4000.0, updated_at_s=twin.chain.timestamp_s() + 1_000)
    assert "after the block" in fault(rpc)
    feed.set_answer(4000.0, updated_at_s=twin.chain.timestamp_s() - 60)
    assert value(rpc) == pytest.approx(4000.0)


def test_another_number_of_decimals_than_configured_is_no_price(rpc: Rpc, feed: LocalFeed) -> None:
    assert feed.decimals == 8
    assert "8 decimals, configured are 18" in fault(rpc, replace(FEED, decimals=18))


def test_a_proxy_over_nothing_reverts_and_an_address_without_code_says_nothing(twin: Twin, rpc: Rpc, feed: LocalFeed) -> None:
    assert "reverted" in fault(rpc, replace(FEED, address=USDC_USD))
    twin.chain.rpc.call("anvil_setCode", feed.aggregator, "0x")
    twin.chain.mine()
    assert "reverted" in fault(rpc)


def test_prices_behind_a_sequencer_wait_until_it_is_back_for_long_enough(twin: Twin, rpc: Rpc, feed: LocalFeed) -> None:
    uptime = put_feed(twin, UPTIME, 0, decimals=0)
    up_s = twin.chain.timestamp_s()
    assert "up for" in fault(rpc, ON_L2)
    twin.chain.mine(timestamp_s=up_s + 2 * HOUR_S)
    feed.set_answer(4000.0)
    assert value(rpc, ON_L2) == pytest.approx(4000.0)
    uptime.set_answer(1)
    assert fault(rpc, ON_L2) == "the sequencer is down: its feed answers 1"
    assert value(rpc) == pytest.approx(4000.0)
    uptime.set_answer(0)
    back_s = twin.chain.timestamp_s()
    twin.chain.mine(timestamp_s=back_s + HOUR_S - 13)
    feed.set_answer(4002.0)
    assert fault(rpc, ON_L2) == "the sequencer is up for 3599 s, 3600 s are waited"
    twin.chain.mine(timestamp_s=back_s + HOUR_S)
    assert value(rpc, ON_L2) == pytest.approx(4002.0)


def test_feeds_are_read_together_and_fail_alone(twin: Twin, rpc: Rpc, feed: LocalFeed) -> None:
    dollar = put_feed(twin, USDC_USD, 0.9998)
    both = (FEED, replace(FEED, name="chainlink_usdc_usd", address=dollar.address, min_value=0.5, max_value=2.0))
    assert [quote.value for quote in quotes(rpc, *both)] == [4123.45, 0.9998]
    feed.set_answer(0.0)
    assert [quote.value for quote in quotes(rpc, *both)] == [None, 0.9998]


def test_the_feed_stands_where_mainnet_has_it_with_its_owner(twin: Twin, feed: LocalFeed) -> None:
    code = twin.chain.rpc.call("eth_getCode", "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", "latest")
    assert len(code) > 5_000
    owner = twin.chain.rpc.call("eth_call", {"to": feed.address, "input": "0x8da5cb5b"}, "latest")
    assert int(owner, 16) == int(BANKER, 16)

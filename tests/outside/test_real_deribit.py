"""Deribit as it is today: only when asked for, since it takes the network and somebody else's patience."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from keeper.adapters.prices.deribit import Deribit, IndexPrice, VolatilityIndex

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(os.environ.get("KEEPER_TEST_OUTSIDE") != "1", reason="asks Deribit; set KEEPER_TEST_OUTSIDE=1"),
]


@pytest.fixture
def deribit() -> Iterator[Deribit]:
    items = [
        VolatilityIndex(name="dvol", currency="ETH"),
        VolatilityIndex(name="dvol_hours", currency="BTC", resolution_s=3_600, most_age_s=7_200),
        IndexPrice(name="eth", index="eth_usd", least=10.0, most=1_000_000.0),
    ]
    with closing(Deribit(items, timeout_s=15.0)) as source:
        yield source


def test_the_real_one_answers_as_its_documentation_says(deribit: Deribit) -> None:
    quotes = deribit.quotes(int(time.time()))
    assert [(quote.name, quote.fault) for quote in quotes] == [("dvol", None), ("dvol_hours", None), ("eth", None)]
    assert all(quote.value is not None for quote in quotes)


def test_the_real_one_has_a_ticker_of_the_perpetual(deribit: Deribit) -> None:
    ticker = deribit.instrument_ticker("ETH-PERPETUAL")
    assert ticker.bid is not None
    assert ticker.ask is not None
    assert ticker.bid < ticker.ask
    assert ticker.mark_iv is None

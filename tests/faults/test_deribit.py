"""Deribit's answers, right and wrong, over a real connection: a number that may be believed, or none and the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from keeper.adapters.prices.deribit import AHEAD_S, Deribit, IndexPrice, Unanswered, VolatilityIndex
from keeper.core.model.bar import Quote
from keeper.core.model.errors import ConfigError
from tests.fakes.deribit_server import AS_OF_S, DeribitServer, answering, recorded
from tests.fakes.rpc_server import Misbehaviour, Reply, cut, cut_off, dropped, instead, slow, status

DVOL = VolatilityIndex(name="deribit_dvol", currency="ETH")
INDEX = IndexPrice(name="deribit_eth_usd", index="eth_usd", least=100.0, most=100_000.0)
PUT = "ETH-26DEC25-4000-P"
PATIENCE_S = 0.3


@pytest.fixture
def server() -> Iterator[DeribitServer]:
    with DeribitServer() as running:
        yield running


@pytest.fixture
def deribit(server: DeribitServer) -> Iterator[Deribit]:
    with closing(Deribit([DVOL, INDEX], url=server.url)) as source:
        yield source


@pytest.fixture
def impatient(server: DeribitServer) -> Iterator[Deribit]:
    with closing(Deribit([DVOL, INDEX], url=server.url, timeout_s=PATIENCE_S)) as source:
        yield source


def test_each_item_is_told_with_the_time_that_it_is_of(server: DeribitServer, deribit: Deribit) -> None:
    assert deribit.quotes(AS_OF_S) == (
        Quote(name="deribit_dvol", value=0.6258, as_of_s=AS_OF_S - 4, source="deribit"),
        Quote(name="deribit_eth_usd", value=4132.87, as_of_s=AS_OF_S - 3, source="deribit"),
    )
    assert server.asked == [
        (
            "get_volatility_index_data",
            {
                "currency": "ETH",
                "resolution": "60",
                "start_timestamp": str((AS_OF_S - 600) * 1_000),
                "end_timestamp": str(AS_OF_S * 1_000),
            },
        ),
        ("get_index_price", {"index_name": "eth_usd"}),
    ]


def test_an_item_is_asked_for_no_more_often_than_it_says(server: DeribitServer, deribit: Deribit) -> None:
    told = [[quote.name for quote in deribit.quotes(AS_OF_S + late_s)] for late_s in (0, 0, 59, 60, 119, 120, 299, 300)]
    both, index = ["deribit_dvol", "deribit_eth_usd"], ["deribit_eth_usd"]
    assert told == [both, [], [], index, [], index, index, both[:1]]
    assert server.methods.count("get_volatility_index_data") == 2


def test_a_failure_is_not_asked_again_before_its_time_either(server: DeribitServer, deribit: Deribit) -> None:
    server.misbehave(status(500), status(500))
    assert [quote.value for quote in deribit.quotes(AS_OF_S)] == [None, None]
    assert deribit.quotes(AS_OF_S + 59) == ()
    assert [quote.value for quote in deribit.quotes(AS_OF_S + 60)] == [4132.87]


def test_time_that_goes_back_asks_anew(deribit: Deribit) -> None:
    assert len(deribit.quotes(AS_OF_S)) == 2
    assert len(deribit.quotes(AS_OF_S - 12)) == 2


def changed(name: str, *path: str | int, to: Any) -> Misbehaviour:
    document = recorded(name)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return answering(document)


def without(name: str, *path: str) -> Misbehaviour:
    document = recorded(name)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return answering(document)


VOLATILITY = "get_volatility_index_data"
PRICE = "get_index_price"
LAST = ("result", "data", 9)
AT_ALL = [
    pytest.param(status(429), "HTTP 429", id="too many requests"),
    pytest.param(answering(recorded("too_many_requests")), "code 10028", id="too many requests, in JSON"),
    pytest.param(status(500), "HTTP 500", id="error of the server"),
    pytest.param(status(302, location="http://127.0.0.1:1/"), "HTTP 302", id="sent elsewhere"),
    pytest.param(dropped, "did not answer", id="dropped"),
    pytest.param(cut_off, "did not answer", id="cut off"),
    pytest.param(cut, "not JSON", id="cut"),
    pytest.param(instead(b"<html>a page</html>"), "not JSON", id="a page"),
    pytest.param(instead(b""), "not JSON", id="nothing"),
    pytest.param(instead(b"[" * 100_000), "not JSON", id="nested without end"),
    pytest.param(instead(b"0" * 300_000), "more than", id="without end"),
    pytest.param(instead(b"null"), "no object", id="null"),
    pytest.param(instead(b"[]"), "no object", id="a list"),
    pytest.param(answering(recorded("error")), "code -32602", id="an error with status 200"),
    pytest.param(answering({"error": "bad"}), "code unknown", id="an error without code"),
]
OF_VOLATILITY = [
    pytest.param(without(VOLATILITY, "result"), "no result", id="no result"),
    pytest.param(changed(VOLATILITY, "result", to=[]), "no result", id="a list for a result"),
    pytest.param(without(VOLATILITY, "result", "data"), "no candles", id="no data"),
    pytest.param(changed(VOLATILITY, "result", "data", to=None), "no candles", id="null for data"),
    pytest.param(changed(VOLATILITY, "result", "data", to=[]), "no candles", id="empty data"),
    pytest.param(changed(VOLATILITY, *LAST, to=[1, 2, 3, 4]), "five numbers", id="a candle of four"),
    pytest.param(changed(VOLATILITY, *LAST, to={"close": 60}), "five numbers", id="a candle with names"),
    pytest.param(changed(VOLATILITY, *LAST, 4, to=None), "no number", id="null for the close"),
    pytest.param(changed(VOLATILITY, *LAST, 4, to="62.5"), "no number", id="text for the close"),
    pytest.param(changed(VOLATILITY, *LAST, 4, to=True), "no number", id="true for the close"),
    pytest.param(changed(VOLATILITY, *LAST, 4, to=math.nan), "not JSON", id="NaN for the close"),
    pytest.param(changed(VOLATILITY, *LAST, 4, to=math.inf), "not JSON", id="infinity for the close"),
    pytest.param(changed(VOLATILITY, *LAST, 2, to=10**400), "no number", id="no float is that large"),
    pytest.param(changed(VOLATILITY, *LAST, 4, to=99.0), "outside of its own range", id="close above high"),
    pytest.param(changed(VOLATILITY, *LAST, 1, to=0.0), "outside of its own range", id="open below low"),
    pytest.param(changed(VOLATILITY, *LAST, 0, to=AS_OF_S * 1_000 - 600_000), "out of order", id="out of order"),
    pytest.param(changed(VOLATILITY, *LAST, to=[AS_OF_S * 1_000, *[0.62] * 4]), "0.62 %", id="in another unit"),
    pytest.param(changed(VOLATILITY, *LAST, to=[AS_OF_S * 1_000, *[0.0] * 4]), "0.0 %", id="zero"),
    pytest.param(changed(VOLATILITY, *LAST, to=[AS_OF_S * 1_000, *[501.0] * 4]), "501.0 %", id="absurdly high"),
    pytest.param(changed(VOLATILITY, *LAST, to=[AS_OF_S * 1_000, *[-60.0] * 4]), "-60.0 %", id="below zero"),
    pytest.param(changed(VOLATILITY, "testnet", to=True), "real market", id="of the test net"),
    pytest.param(without(VOLATILITY, "testnet"), "real market", id="of an unknown net"),
    pytest.param(without(VOLATILITY, "usOut"), "no usOut", id="without its time"),
    pytest.param(changed(VOLATILITY, "usOut", to=(AS_OF_S - 901) * 10**6), "901 s old", id="old by its time"),
    pytest.param(
        changed(VOLATILITY, "result", "data", to=[[(AS_OF_S - 961) * 1_000, *[60.0] * 4]]), "901 s old", id="old by its candle"
    ),
]
OF_PRICE = [
    pytest.param(without(PRICE, "result", "index_price"), "no number for index_price", id="no price"),
    pytest.param(changed(PRICE, "result", "index_price", to=None), "no number", id="null"),
    pytest.param(changed(PRICE, "result", "index_price", to="4132.87"), "no number", id="text"),
    pytest.param(changed(PRICE, "result", "index_price", to=math.nan), "not JSON", id="NaN"),
    pytest.param(changed(PRICE, "result", "index_price", to=0), "has 0.0", id="zero"),
    pytest.param(changed(PRICE, "result", "index_price", to=-5.0), "has -5.0", id="below zero"),
    pytest.param(changed(PRICE, "result", "index_price", to=99.99), "99.99 is not within", id="too low"),
    pytest.param(changed(PRICE, "result", "index_price", to=100_000.01), "100000.01 is not within", id="too high"),
    pytest.param(changed(PRICE, "usOut", to=(AS_OF_S - 301) * 10**6), "301 s old", id="old"),
    pytest.param(changed(PRICE, "usOut", to=(AS_OF_S + AHEAD_S + 1) * 10**6), "601 s after", id="from the future"),
    pytest.param(changed(PRICE, "usOut", to=-1), "no usOut", id="before all time"),
    pytest.param(changed(PRICE, "usOut", to="1759320000000000"), "no usOut", id="text for a time"),
]


@pytest.mark.parametrize(("fault", "words"), [*AT_ALL, *OF_VOLATILITY])
def test_a_volatility_that_may_not_be_believed_has_no_value(
    server: DeribitServer, deribit: Deribit, fault: Misbehaviour, words: str
) -> None:
    server.misbehave(fault)
    volatility, price = deribit.quotes(AS_OF_S)
    must_tell(volatility, words)
    assert price.fault is None


@pytest.mark.parametrize(("fault", "words"), [*AT_ALL, *OF_PRICE])
def test_a_price_that_may_not_be_believed_has_no_value(
    server: DeribitServer, deribit: Deribit, fault: Misbehaviour, words: str
) -> None:
    server.misbehave(lambda body, respond: Reply(respond(body)), fault)
    volatility, price = deribit.quotes(AS_OF_S)
    must_tell(price, words)
    assert volatility.fault is None


def must_tell(quote: Quote, words: str) -> None:
    assert quote.value is None
    assert quote.fault is not None
    assert words in quote.fault
    assert "api/v2" not in quote.fault
    assert quote.as_of_s == AS_OF_S


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        (changed(PRICE, "result", "index_price", to=100), 100.0),
        (changed(PRICE, "result", "index_price", to=100_000.0), 100_000.0),
        (changed(PRICE, "usOut", to=(AS_OF_S - 300) * 10**6), 4132.87),
        (changed(PRICE, "usOut", to=(AS_OF_S + AHEAD_S) * 10**6), 4132.87),
    ],
)
def test_a_price_on_its_bounds_is_believed_and_never_younger_than_the_block(
    server: DeribitServer, deribit: Deribit, fault: Misbehaviour, value: float
) -> None:
    server.misbehave(lambda body, respond: Reply(respond(body)), fault)
    quote = deribit.quotes(AS_OF_S)[1]
    assert (quote.value, quote.fault) == (value, None)
    assert quote.as_of_s <= AS_OF_S


def test_a_candle_that_is_over_is_of_its_end(server: DeribitServer, deribit: Deribit) -> None:
    start_s = AS_OF_S - 180
    server.misbehave(changed(VOLATILITY, "result", "data", to=[[start_s * 1_000, 70, 71, 69, 70.5]]))
    volatility = deribit.quotes(AS_OF_S)[0]
    assert (volatility.value, volatility.as_of_s) == (0.705, start_s + 60)


def test_a_server_that_keeps_one_waiting_costs_no_more_than_the_time_that_was_given(
    server: DeribitServer, impatient: Deribit
) -> None:
    server.misbehave(slow(4 * PATIENCE_S), slow(4 * PATIENCE_S))
    quotes = impatient.quotes(AS_OF_S)
    # The second was not even asked for; it comes with the next call.
    assert [(quote.name, quote.value) for quote in quotes] == [("deribit_dvol", None)]
    assert "ReadTimeout" in str(quotes[0].fault)
    assert server.methods == ["get_volatility_index_data"]
    server._misbehaviours.clear()
    assert [quote.name for quote in impatient.quotes(AS_OF_S)] == ["deribit_eth_usd"]


def test_a_server_that_drips_is_given_up(server: DeribitServer, impatient: Deribit) -> None:
    server.byte_pause_s = PATIENCE_S / 20
    (quote,) = impatient.quotes(AS_OF_S)
    assert "took longer" in str(quote.fault)


def test_a_server_that_is_not_there_is_a_fault_of_each(server: DeribitServer) -> None:
    with closing(Deribit([DVOL, INDEX], url="http://127.0.0.1:1/api/v2")) as deribit:
        for quote in deribit.quotes(AS_OF_S):
            must_tell(quote, "did not answer: ConnectError")
    assert server.asked == []


def test_an_option_s_ticker_is_read_whole(deribit: Deribit) -> None:
    ticker = deribit.instrument_ticker(PUT)
    assert (ticker.instrument, ticker.state, ticker.as_of_s) == (PUT, "open", AS_OF_S - 2)
    assert (ticker.mark_iv, ticker.bid_iv, ticker.ask_iv) == pytest.approx((0.6618, 0.6553, 0.6689), abs=1e-12)
    assert (ticker.mark_price, ticker.bid, ticker.ask) == (0.041977, 0.0415, 0.0425)
    assert (ticker.underlying_price, ticker.index_price) == (4201.35, 4132.87)


def test_a_perpetual_has_no_volatility(deribit: Deribit) -> None:
    ticker = deribit.instrument_ticker("ETH-PERPETUAL")
    assert (ticker.mark_iv, ticker.bid_iv, ticker.ask_iv, ticker.underlying_price) == (None, None, None, None)
    assert (ticker.mark_price, ticker.bid, ticker.ask) == (4133.92, 4134.0, 4134.05)


@pytest.mark.parametrize(
    ("name", "value"), [("best_bid_price", 0.0), ("best_bid_price", None), ("bid_iv", 0.0), ("bid_iv", 0.4), ("bid_iv", 999.9)]
)
def test_a_side_of_the_book_that_nobody_means_is_none(
    server: DeribitServer, deribit: Deribit, name: str, value: float | None
) -> None:
    server.misbehave(changed("ticker_option", "result", name, to=value))
    ticker = deribit.instrument_ticker(PUT)
    assert (ticker.bid if name == "best_bid_price" else ticker.bid_iv) is None
    assert ticker.mark_iv == pytest.approx(0.6618)


@pytest.mark.parametrize(
    "fault",
    [
        *(case.values[0] for case in AT_ALL),
        answering(recorded("ticker_perpetual")),
        without("ticker_option", "result", "timestamp"),
        without("ticker_option", "result", "state"),
        changed("ticker_option", "result", "mark_price", to=0),
        changed("ticker_option", "result", "mark_price", to=None),
        changed("ticker_option", "result", "mark_iv", to=0.66),
        changed("ticker_option", "result", "mark_iv", to=math.nan),
        changed("ticker_option", "result", "best_ask_price", to=-1),
        changed("ticker_option", "result", "underlying_price", to="4201"),
    ],
)
def test_a_ticker_that_may_not_be_believed_is_none(server: DeribitServer, deribit: Deribit, fault: Misbehaviour) -> None:
    server.misbehave(fault)
    with pytest.raises(Unanswered):
        deribit.instrument_ticker(PUT)


def test_an_instrument_that_does_not_exist_is_unanswered(deribit: Deribit) -> None:
    with pytest.raises(Unanswered, match="HTTP 400"):
        deribit.instrument_ticker("ETH-1JAN00-1-P")


@pytest.mark.parametrize("url", ["http://example.org/api", "ftp://127.0.0.1/", "www.deribit.com", "", "http://"])
def test_an_address_that_others_could_listen_to_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        Deribit([DVOL], url=url)

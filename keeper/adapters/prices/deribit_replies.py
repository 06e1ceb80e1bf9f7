"""What Deribit's replies say, checked number by number. Ref: docs.deribit.com, JSON-RPC and the methods named below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic_core import from_json

LEAST_VOLATILITY = 0.05
MOST_VOLATILITY = 5.0
"""A fraction a year. Deribit tells percent: an answer in another unit falls outside."""

_ABSURD = 10**30
_MS = 1_000
_US = 1_000_000


class BadAnswer(Exception):
    """An answer came and may not be believed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply without an error."""

    result: Any
    sent_s: int
    """Unix time at which Deribit sent it, by its own clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """An instrument at one moment; prices in the unit that it is quoted in, volatilities as fractions a year."""

    instrument: str
    as_of_s: int
    state: str
    """``open``, ``closed`` or another of Deribit's words."""
    mark_price: float
    bid: float | None
    """Best one; None when nobody bids."""
    ask: float | None
    mark_iv: float | None
    """None for what is no option, as are the next three; those of the book also when nobody bids or asks in earnest."""
    bid_iv: float | None
    ask_iv: float | None
    underlying_price: float | None
    index_price: float


def answer_of(body: bytes) -> Answer:
    """The reply in ``body``.

    Raises:
        BadAnswer: no JSON-RPC reply, an error, one of the test net, or one without its time (``usOut``).
    """
    try:
        # NaN and infinity, which JSON does not have, are refused here.
        reply = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise BadAnswer("is not JSON") from None
    if not isinstance(reply, dict):
        raise BadAnswer("is no object")
    if (error := reply.get("error")) is not None:
        code = error.get("code") if isinstance(error, dict) else None
        raise BadAnswer(f"is an error, code {code if type(code) is int else 'unknown'}")
    if reply.get("testnet") is not False:
        raise BadAnswer("does not say that it is of the real market")
    return Answer(result=reply.get("result"), sent_s=_integer(reply, "usOut") // _US)


def volatility_of(answer: Answer, resolution_s: int) -> tuple[float, int]:
    """Close of the last candle of ``public/get_volatility_index_data`` as a fraction a year, and the time that it is of.

    A candle is named by its begin; one that is not over yet is of the moment at which it was sent.

    Raises:
        BadAnswer: malformed, empty, or out of bounds.
    """
    rows = _object(answer.result).get("data")
    if not isinstance(rows, list) or not rows:
        raise BadAnswer("has no candles")
    candles = [_candle(row) for row in rows]
    if any(later[0] <= earlier[0] for earlier, later in pairwise(candles)):
        raise BadAnswer("has candles out of order")
    start_s, close = candles[-1]
    return _volatility(close, "volatility"), min(start_s + resolution_s, answer.sent_s)


def _candle(row: object) -> tuple[int, float]:
    if not isinstance(row, list) or len(row) != 5:
        raise BadAnswer("has a candle that is not five numbers")
    start_ms, opening, high, low, close = (_number(value, "candle") for value in row)
    if not low <= min(opening, close) <= max(opening, close) <= high:
        raise BadAnswer("has a candle outside of its own range")
    return int(start_ms) // _MS, close


def index_price_of(answer: Answer) -> tuple[float, int]:
    """Price of ``public/get_index_price``, > 0, and the time at which it was sent: it carries none of its own.

    Raises:
        BadAnswer: malformed, or not above zero.
    """
    return _positive(_object(answer.result), "index_price"), answer.sent_s


def ticker_of(answer: Answer, instrument: str) -> Ticker:
    """Reply of ``public/ticker``.

    Raises:
        BadAnswer: malformed, of another instrument, or its marked volatility is out of bounds.
    """
    row = _object(answer.result)
    if row.get("instrument_name") != instrument:
        raise BadAnswer("is of another instrument")
    if not isinstance(state := row.get("state"), str):
        raise BadAnswer("has no state")
    mark_iv = _maybe(row, "mark_iv")
    return Ticker(
        instrument=instrument,
        as_of_s=_integer(row, "timestamp") // _MS,
        state=state,
        mark_price=_positive(row, "mark_price"),
        bid=_maybe(row, "best_bid_price"),
        ask=_maybe(row, "best_ask_price"),
        mark_iv=None if mark_iv is None else _volatility(mark_iv, "mark_iv"),
        bid_iv=_of_book(row, "bid_iv"),
        ask_iv=_of_book(row, "ask_iv"),
        underlying_price=_maybe(row, "underlying_price"),
        index_price=_positive(row, "index_price"),
    )


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadAnswer("has no result")
    return value


def _integer(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if type(value) is not int or value < 0:
        raise BadAnswer(f"has no {name}")
    return value


def _number(value: object, what: str) -> float:
    # In Python True is a number, and an integer may be too large for any float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _ABSURD:
        raise BadAnswer(f"has no number for {what}")
    return float(value)


def _positive(row: Mapping[str, Any], name: str) -> float:
    value = _number(row.get(name), name)
    if value <= 0:
        raise BadAnswer(f"has {value} for {name}")
    return value


def _maybe(row: Mapping[str, Any], name: str) -> float | None:
    """None for null, a missing name, and zero, which stands for nothing there."""
    if row.get(name) is None or row[name] == 0:
        return None
    return _positive(row, name)


def _of_book(row: Mapping[str, Any], name: str) -> float | None:
    """Volatility of a bid or an ask; None out of bounds too, since anybody may bid a cent or ask for the moon."""
    percent = _maybe(row, name)
    return percent / 100 if percent is not None and LEAST_VOLATILITY <= percent / 100 <= MOST_VOLATILITY else None


def _volatility(percent: float, name: str) -> float:
    fraction = percent / 100
    if not LEAST_VOLATILITY <= fraction <= MOST_VOLATILITY:
        raise BadAnswer(f"has {percent} % for {name}, not within {LEAST_VOLATILITY:.0%} to {MOST_VOLATILITY:.0%}")
    return fraction

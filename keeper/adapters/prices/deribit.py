"""Deribit's public market data over HTTP: its index of implied volatility, index prices and instrument tickers.

No account and no key. What comes is believed only when it is complete, recent and within bounds; what is not believed has no
value, and nothing stands in for it. Ref: docs.deribit.com, ``public/get_volatility_index_data``, ``public/get_index_price``,
``public/ticker``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from keeper.adapters.evm.rpc import endpoint_name
from keeper.adapters.prices.deribit_replies import (
    BadAnswer,
    Ticker,
    answer_of,
    index_price_of,
    ticker_of,
    volatility_of,
)
from keeper.core.model.bar import Quote
from keeper.core.model.errors import ConfigError, Transient

PUBLIC_URL = "https://www.deribit.com/api/v2"
SOURCE = "deribit"
AHEAD_S = 600
"""How much newer than the cycle's block an answer may be: blocks come late, and clocks differ."""
MOST_BYTES = 200_000
CANDLES = 10
"""Candles of volatility asked for, of which the last one counts."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Unanswered(Transient):
    """Deribit gave no answer that may be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityIndex:
    """The implied volatility of the next 30 days (DVOL); its quote is a fraction a year, 0.6 is 60 %."""

    name: str
    """Of the quote."""
    currency: Literal["BTC", "ETH"]
    resolution_s: Literal[60, 3_600] = 60
    every_s: int = 300
    """Shortest time between two questions, seconds of chain time."""
    most_age_s: int = 900
    """Oldest that an answer may be, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPrice:
    """A price that Deribit makes of those of several exchanges; its quote is in units of the index' second currency."""

    name: str
    """Of the quote."""
    index: str
    """As Deribit names it, ``eth_usd``."""
    least: float
    """A price outside of ``least`` to ``most`` is not believed."""
    most: float
    every_s: int = 60
    most_age_s: int = 300


Item = VolatilityIndex | IndexPrice


class Deribit:
    """A source of quotes, and of tickers by name; not thread-safe.

    Args:
        items: what :meth:`quotes` tells.
        url: of the API, up to and with its version.
        timeout_s: limit for one request, and for the time in which one call of :meth:`quotes` begins requests, seconds.

    Raises:
        ConfigError: the URL is neither https nor on this machine.
    """

    def __init__(self, items: Sequence[Item] = (), *, url: str = PUBLIC_URL, timeout_s: float = 3.0) -> None:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
        if not host or (scheme != "https" and (scheme != "http" or host not in _LOOPBACK)):
            raise ConfigError(["the URL of Deribit must be https, or http on this machine"])
        self.name = endpoint_name(url)
        self._items = tuple(items)
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._asked_s: dict[str, int] = {}
        self._http = httpx.Client(timeout=timeout_s, trust_env=host not in _LOOPBACK)

    def close(self) -> None:
        """Close the session."""
        self._http.close()

    def quotes(self, now_s: int) -> tuple[Quote, ...]:
        """As the port says: a quote for each item whose time has come; those that the time does not suffice for come next time.

        An answer that is newer than ``now_s`` counts as of then.
        """
        told: list[Quote] = []
        end = time.monotonic() + self._timeout_s
        for item in self._items:
            if not self._is_due(item, now_s) or time.monotonic() >= end:
                continue
            self._asked_s[item.name] = now_s
            try:
                value, as_of_s = self._volatility(item, now_s) if isinstance(item, VolatilityIndex) else self._price(item)
                _must_be_recent(as_of_s, now_s, item.most_age_s)
            except (Unanswered, BadAnswer) as fault:
                told.append(Quote(name=item.name, value=None, as_of_s=now_s, source=SOURCE, fault=str(fault)))
            else:
                told.append(Quote(name=item.name, value=value, as_of_s=min(as_of_s, now_s), source=SOURCE))
        return tuple(told)

    def instrument_ticker(self, name: str) -> Ticker:
        """Where an instrument stands now.

        Args:
            name: as Deribit has it, ``ETH-27MAR26-4000-P``.

        Raises:
            Unanswered: there is no answer, or none that may be believed; how old it is, is for the caller to judge.
        """
        try:
            return ticker_of(answer_of(self._get("public/ticker", {"instrument_name": name})), name)
        except BadAnswer as fault:
            raise Unanswered(f"{self.name}: ticker of {name}: {fault}") from None

    def _is_due(self, item: Item, now_s: int) -> bool:
        asked_s = self._asked_s.get(item.name)
        # Chain time may go back when blocks are replaced.
        return asked_s is None or not asked_s <= now_s < asked_s + item.every_s

    def _volatility(self, item: VolatilityIndex, now_s: int) -> tuple[float, int]:
        query = {
            "currency": item.currency,
            "resolution": item.resolution_s,
            "start_timestamp": (now_s - CANDLES * item.resolution_s) * 1_000,
            "end_timestamp": now_s * 1_000,
        }
        return volatility_of(answer_of(self._get("public/get_volatility_index_data", query)), item.resolution_s)

    def _price(self, item: IndexPrice) -> tuple[float, int]:
        price, as_of_s = index_price_of(answer_of(self._get("public/get_index_price", {"index_name": item.index})))
        if not item.least <= price <= item.most:
            raise BadAnswer(f"{price} is not within {item.least} to {item.most}")
        return price, as_of_s

    def _get(self, method: str, query: Mapping[str, Any]) -> bytes:
        try:
            with self._http.stream("GET", f"{self._url}/{method}", params=query) as response:
                return self._body(response)
        except httpx.HTTPError as error:
            raise Unanswered(f"{self.name} did not answer: {type(error).__name__}") from None

    def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != httpx.codes.OK:
            raise Unanswered(f"{self.name} answered HTTP {response.status_code}")
        # The client's own limit is for the wait between two parts: a reply that drips would never end.
        end = time.monotonic() + self._timeout_s
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise Unanswered(f"{self.name} answered more than {MOST_BYTES} bytes")
            if time.monotonic() > end:
                raise Unanswered(f"{self.name} took longer than {self._timeout_s} s")
        return bytes(body)


def _must_be_recent(as_of_s: int, now_s: int, most_age_s: int) -> None:
    if as_of_s < now_s - most_age_s:
        raise BadAnswer(f"is {now_s - as_of_s} s old, {most_age_s} s are allowed")
    if as_of_s > now_s + AHEAD_S:
        raise BadAnswer(f"is of {as_of_s - now_s} s after the block")

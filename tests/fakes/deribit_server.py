"""A real HTTP server that answers like Deribit's public API, from answers in its documented form, and errs when told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.rpc_server import LoopbackServer, Misbehaviour, Reply, send
from tests.pairs import NOW_S

ANSWERS = Path(__file__).parent / "deribit"
AS_OF_S = NOW_S
"""The moment at which the answers were made."""


def recorded(name: str) -> dict[str, Any]:
    """An answer as it stands in its file."""
    answer: dict[str, Any] = json.loads((ANSWERS / f"{name}.json").read_text(encoding="utf-8"))
    return answer


def answering(document: Any) -> Misbehaviour:
    """This document instead of the right one; NaN goes over the wire as such."""
    return lambda _body, _respond: Reply(json.dumps(document).encode())


class DeribitServer(LoopbackServer):
    """The server; a context manager.

    Args:
        sent_s: when answers say that they are sent, Unix seconds; as recorded when not given.
    """

    def __init__(self, *, sent_s: int | None = None) -> None:
        super().__init__(_handler(self._reply, lambda: self.byte_pause_s))
        self._sent_s = sent_s
        self.asked: list[tuple[str, dict[str, str]]] = []
        """Method and parameters of every request."""
        self.byte_pause_s = 0.0
        """Pause after every byte of a body."""

    @property
    def url(self) -> str:
        return super().url + "/api/v2"

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    def _reply(self, path: str) -> Reply:
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        method = parts.path.removeprefix("/api/v2/public/")
        self.asked.append((method, query))

        def respond(_body: bytes) -> bytes:
            sent = {} if self._sent_s is None else {"usOut": self._sent_s * 1_000_000}
            return json.dumps(_answer(method, query) | sent).encode()

        if self._misbehaviours:
            return self._misbehaviours.popleft()(b"", respond)
        body = respond(b"")
        return Reply(body, status=400 if "error" in json.loads(body) else 200)


def _answer(method: str, query: dict[str, str]) -> dict[str, Any]:
    if method != "ticker":
        return recorded(method)
    for name in ("ticker_option", "ticker_perpetual"):
        if (answer := recorded(name))["result"]["instrument_name"] == query["instrument_name"]:
            return answer
    return recorded("error")


def _handler(reply_to: Callable[[str], Reply], byte_pause_s: Callable[[], float]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            send(self, reply_to(self.path), byte_pause_s=byte_pause_s())

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler

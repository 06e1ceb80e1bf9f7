"""A JSON-RPC proxy that misbehaves on order, in a thread between the keeper and the node.

It also keeps the rules that public nodes have and the local node has not: a replacement must raise both fee fields by 10 %.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from keeper.adapters.tx.signer import decode_transaction

SEND = "eth_sendRawTransaction"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gets instead of the node's reply; no body closes the connection."""

    body: bytes | None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0


Reply = dict[str, Any]
Spoil = Callable[[Reply], Answer]
"""From the node's own reply (one with a null result when it was not asked) to what is answered."""


def drop(_: Reply) -> Answer:
    return Answer(body=None)


def late(seconds: float) -> Spoil:
    return lambda reply: Answer(body=json.dumps(reply).encode(), delay_s=seconds)


def truncated(reply: Reply) -> Answer:
    whole = json.dumps(reply).encode()
    return Answer(body=whole[: len(whole) // 2])


def html(_: Reply) -> Answer:
    return Answer(body=b"<html><body>Bad gateway</body></html>")


def empty(_: Reply) -> Answer:
    return Answer(body=b"")


def status(code: int, *headers: tuple[str, str]) -> Spoil:
    return lambda reply: Answer(body=json.dumps(reply).encode(), status=code, headers=headers)


def changed(**fields: Any) -> Spoil:
    return lambda reply: Answer(body=json.dumps({**reply, **fields}).encode())


def error(message: str, code: int = -32000) -> Spoil:
    return lambda reply: Answer(
        body=json.dumps({"jsonrpc": "2.0", "id": reply["id"], "error": {"code": code, "message": message}}).encode()
    )


@dataclass
class Rule:
    """When to misbehave, and how."""

    method: str
    spoil: Spoil
    forward: bool
    """Whether the node hears of it first."""
    times: int = 1
    """How many requests it spoils."""
    instead: Callable[[], object] | None = None
    """Done in place of, or after, the forwarding."""


@dataclass
class Proxy:
    """Its orders and what it saw."""

    upstream: str
    url: str = ""
    rules: list[Rule] = field(default_factory=list)
    raws: list[str] = field(default_factory=list)
    """Every raw transaction that the keeper handed out, in order."""
    on_raw: Callable[[str], None] = lambda _: None
    requests: int = 0
    _held: dict[int, tuple[int, int]] = field(default_factory=dict)

    def spoil(self, spoil: Spoil, *, forward: bool, method: str = SEND, times: int = 1, instead=None) -> None:
        self.rules.append(Rule(method=method, spoil=spoil, forward=forward, times=times, instead=instead))

    def answer(self, body: bytes, client: httpx.Client) -> Answer:
        self.requests += 1
        document = json.loads(body)
        entries = document if isinstance(document, list) else [document]
        for entry in entries:
            if entry["method"] == SEND:
                self.raws.append(entry["params"][0])
                self.on_raw(entry["params"][0])
        rule = next((r for r in self.rules if r.times and any(entry["method"] == r.method for entry in entries)), None)
        if rule is None:
            return self._forwarded(document, client)
        rule.times -= 1
        reply: Any = {"jsonrpc": "2.0", "id": entries[0]["id"], "result": None}
        if rule.forward:
            forwarded = json.loads(self._forwarded(document, client).body or b"null")
            reply = forwarded if isinstance(document, dict) else reply
        if rule.instead:
            rule.instead()
        if isinstance(document, list):
            return self._spoiled_batch(document, rule, client)
        return rule.spoil(reply)

    def _spoiled_batch(self, entries: list[Any], rule: Rule, client: httpx.Client) -> Answer:
        """Only the entry of the rule's method is spoiled, unless the whole answer is no JSON any more."""
        replies = json.loads(client.post(self.upstream, json=entries).content)
        by_id = {reply["id"]: reply for reply in replies}
        for entry in entries:
            if entry["method"] == rule.method:
                answer = rule.spoil(by_id[entry["id"]])
                try:
                    by_id[entry["id"]] = json.loads(answer.body or b"")
                except ValueError:
                    return answer
                if answer.status != httpx.codes.OK:
                    return answer
        return Answer(body=json.dumps(list(by_id.values())).encode())

    def _forwarded(self, document: Any, client: httpx.Client) -> Answer:
        if isinstance(document, dict) and document["method"] == SEND and (refusal := self._underpriced(document)):
            return error(refusal)(document)
        return Answer(body=client.post(self.upstream, json=document).content)

    def _underpriced(self, document: Any) -> str | None:
        offer = decode_transaction(document["params"][0])
        now = (offer.max_fee_wei, offer.tip_wei)
        held = self._held.get(offer.nonce)
        if held and held != now and any(10 * new < 11 * old for new, old in zip(now, held, strict=True)):
            return "replacement transaction underpriced"
        self._held[offer.nonce] = now
        return None


def _handler(proxy: Proxy, client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One segment an answer: two would wait 40 ms for an acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            answer = proxy.answer(self.rfile.read(int(self.headers["content-length"])), client)
            time.sleep(answer.delay_s)
            if answer.body is None:
                self.close_connection = True
                return
            with suppress(OSError):
                self.respond(answer, answer.body)

        def respond(self, answer: Answer, body: bytes) -> None:
            self.send_response(answer.status)
            for name, value in (("content-type", JSON), ("content-length", str(len(body))), *answer.headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # ruff: ignore[builtin-argument-shadowing] - the library's name
            pass

    return Handler


@contextmanager
def running_proxy(upstream: str) -> Generator[Proxy]:
    """A proxy in front of ``upstream``, on a port of its own; gone afterwards."""
    proxy = Proxy(upstream=upstream)
    with httpx.Client(timeout=30.0, trust_env=False, verify=False) as client:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, client))
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

"""A real HTTP server that speaks JSON-RPC and misbehaves when told to: alone with made-up answers, or before a real node."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

import httpx

Respond = Callable[[bytes], bytes]
"""From the body of a request to the body of the reply."""


@dataclass(frozen=True)
class Reply:
    """What goes over the wire; a body of None drops the connection without a word."""

    body: bytes | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0
    """Bytes promised by the length and never sent."""


Misbehaviour = Callable[[bytes, Respond], Reply]


class Refusal(Exception):
    """Raised by an answer to send a JSON-RPC error instead."""

    def __init__(self, code: object, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({"data": data} if data is not None else {})


def table(answers: Mapping[str, Any]) -> Respond:
    """Made-up answers by method: a value, or a function of the parameters; other methods are refused."""

    def entry(request: Mapping[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] not in answers:
            return head | {"error": {"code": -32601, "message": "the method does not exist"}}
        answer = answers[request["method"]]
        try:
            return head | {"result": answer(*request["params"]) if callable(answer) else answer}
        except Refusal as refusal:
            return head | {"error": refusal.error}

    return _entry_wise(entry)


def _entry_wise(entry: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Respond:
    def respond(body: bytes) -> bytes:
        request = json.loads(body)
        reply = [entry(one) for one in request] if isinstance(request, list) else entry(request)
        return json.dumps(reply).encode()

    return respond


class Forward:
    """Everything is asked of another node, over connections that are kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(timeout=60.0, trust_env=False)

    def __call__(self, body: bytes) -> bytes:
        return self._http.post(self._url, content=body, headers={"content-type": "application/json"}).content

    def close(self) -> None:
        self._http.close()


def tampered(method: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Misbehaviour:
    """Answers rightly, except that the entries of ``method`` are changed."""

    def misbehave(body: bytes, respond: Respond) -> Reply:
        request, reply = json.loads(body), json.loads(respond(body))
        requests = request if isinstance(request, list) else [request]
        ids = {one["id"] for one in requests if one["method"] == method}
        entries = [change(one) if one["id"] in ids else one for one in (reply if isinstance(reply, list) else [reply])]
        return Reply(json.dumps(entries if isinstance(reply, list) else entries[0]).encode())

    return misbehave


def result_is(value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change for :func:`tampered`: another result."""
    return lambda entry: {"jsonrpc": "2.0", "id": entry["id"], "result": value}


def status(code: int, **headers: str) -> Misbehaviour:
    """An HTTP status with a body that is no JSON."""
    return lambda _body, _respond: Reply(b"<html>no</html>", status=code, headers=headers)


def instead(body: bytes) -> Misbehaviour:
    """This body with status 200."""
    return lambda _body, _respond: Reply(body)


def edited(change: Callable[[Any], Any]) -> Misbehaviour:
    """The right reply, changed as a whole."""
    return lambda body, respond: Reply(json.dumps(change(json.loads(respond(body)))).encode())


def cut(body: bytes, respond: Respond) -> Reply:
    """The right reply without its last third, and a length that does not tell."""
    reply = respond(body)
    return Reply(reply[: len(reply) * 2 // 3])


def cut_off(body: bytes, respond: Respond) -> Reply:
    """The right reply, and the connection is closed before its end."""
    reply = respond(body)
    return Reply(reply[: len(reply) // 2], missing=len(reply) - len(reply) // 2)


def dropped(body: bytes, respond: Respond) -> Reply:
    """The request is carried out and the connection closed without a reply."""
    respond(body)
    return Reply(None)


def slow(seconds: float) -> Misbehaviour:
    """The right reply, late."""

    def misbehave(body: bytes, respond: Respond) -> Reply:
        reply = respond(body)
        time.sleep(seconds)
        return Reply(reply)

    return misbehave


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence: a client that has waited enough hangs up."""


def send(handler: BaseHTTPRequestHandler, reply: Reply, *, byte_pause_s: float = 0.0) -> None:
    """Put a reply on the wire, whole or, with a pause, byte by byte."""
    if reply.body is None:
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(reply.body) + reply.missing))
    handler.end_headers()
    for part in [reply.body[at : at + 1] for at in range(len(reply.body))] if byte_pause_s else [reply.body]:
        handler.wfile.write(part)
        handler.wfile.flush()
        time.sleep(byte_pause_s)
    handler.close_connection = handler.close_connection or reply.missing > 0


class LoopbackServer:
    """Serves on a port of this machine while its context lasts.

    Args:
        handler: of its requests.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._misbehaviours: deque[Misbehaviour] = deque()
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def misbehave(self, *misbehaviours: Misbehaviour) -> None:
        """Treat the next requests so, one each; after them it behaves again."""
        self._misbehaviours.extend(misbehaviours)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RpcServer(LoopbackServer):
    """The server; a context manager.

    Args:
        respond: how it answers when it behaves.
        delay_s: added before every reply.
    """

    def __init__(self, respond: Respond, *, delay_s: float = 0.0) -> None:
        super().__init__(self._handler())
        self.respond = respond
        self.delay_s = delay_s
        self.bodies: list[bytes] = []

    @property
    def calls(self) -> list[list[str]]:
        """The methods of every HTTP request so far."""
        bodies = [json.loads(body) for body in self.bodies]
        return [[one["method"] for one in (body if isinstance(body, list) else [body])] for body in bodies]

    def behave(self) -> None:
        """Forget what was still to come."""
        self._misbehaviours.clear()

    def _reply(self, body: bytes) -> Reply:
        self.bodies.append(body)
        time.sleep(self.delay_s)
        if self._misbehaviours:
            return self._misbehaviours.popleft()(body, self.respond)
        return Reply(self.respond(body))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                send(self, server._reply(self.rfile.read(int(self.headers["content-length"]))))

            def log_message(self, *_: object) -> None:
                """Silence."""

        return Handler

"""JSON-RPC over one HTTP session, every reply checked.

web3.py accepts a reply with a foreign id, hands ``null`` on as a value and repeats sends by default (facts measured in
``docs/adr/0002-own-rpc.md``). Here a malformed reply is an error, reads are retried a few times with a growing pause,
and a send is tried exactly once: its failure means *unknown*, never *not sent*.
"""

from __future__ import annotations

import functools
import itertools
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json

from keeper.core.model.errors import KeeperError, Transient

Call = tuple[str, Sequence[Any]]

FIRST_PAUSE_S = 0.2
TOO_MANY_REQUESTS = 429


class RpcUnreachable(Transient):
    """No usable HTTP answer came: connection, timeout, or a status that is not 200."""


class BadReply(Transient):
    """An answer came and is not valid JSON-RPC for what was asked."""


class AnotherBlock(BadReply):
    """The node answered from another block than the one that was named, as some do while blocks arrive."""


class RpcRefused(KeeperError):
    """The node understood and said no.

    Args:
        code: JSON-RPC error code.
        message: the node's words.
        data: revert data or other detail, as given.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(f"{message} (code {code})")


def endpoint_name(url: str) -> str:
    """Scheme, host and port of ``url``: all that a log or an error may show, since paths and queries carry API keys."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def without_keys(text: str, url: str) -> str:
    """Somebody else's words about ``url``, with no part of it that may be a key: :func:`endpoint_name` in its place."""
    parts = urlsplit(url)
    login, path = parts.netloc.rpartition("@")[0], parts._replace(scheme="", netloc="").geturl()
    for part, name in ((url, endpoint_name(url)), (login, "..."), (path, "/...")):
        if len(part) > 1:
            text = text.replace(part, name)
    return text


@functools.cache
def _certificates() -> ssl.SSLContext:
    # Reading the authorities takes tens of milliseconds: once a process, not once a client.
    return httpx.create_ssl_context()


class Rpc:
    """A client of one JSON-RPC endpoint; not thread-safe.

    Args:
        url: http or https address; never appears in an error beyond scheme, host and port.
        timeout_s: limit for one HTTP request, seconds.
        attempts: how often a read is tried in all, at least 1.
        pause: called with seconds between attempts.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 10.0, attempts: int = 4, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = endpoint_name(url)
        self.requests = 0
        self._url = url
        self._attempts = attempts
        self._pause = pause
        self._ids = itertools.count(1)
        loopback = urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
        self._http = httpx.Client(timeout=timeout_s, trust_env=not loopback, verify=_certificates())

    def close(self) -> None:
        """Close the session."""
        self._http.close()

    def call(self, method: str, *params: Any) -> Any:
        """Read one value.

        Raises:
            RpcUnreachable, BadReply: after the last attempt.
            RpcRefused: the node's own error; not retried.
        """
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Read several values in one HTTP request, in the order asked.

        Raises:
            RpcUnreachable, BadReply: after the last attempt.
            RpcRefused: the first entry that the node refused.
        """
        outcomes = self.batch_outcomes(calls)
        for outcome in outcomes:
            if isinstance(outcome, RpcRefused):
                raise outcome
        return outcomes

    def batch_outcomes(self, calls: Sequence[Call]) -> list[Any | RpcRefused]:
        """Like :meth:`batch`, with refusals as values in their places."""
        for attempt in range(1, self._attempts + 1):
            try:
                return self._post(calls)
            except Transient:
                if attempt == self._attempts:
                    raise
                self._pause(FIRST_PAUSE_S * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

    def send(self, method: str, *params: Any) -> Any:
        """Do something once; no repetition whatever happens.

        Raises:
            RpcUnreachable, BadReply: it may or may not have been done.
            RpcRefused: the node's own error.
        """
        outcome = self._post([(method, params)])[0]
        if isinstance(outcome, RpcRefused):
            raise outcome
        return outcome

    def _post(self, calls: Sequence[Call]) -> list[Any | RpcRefused]:
        if not calls:
            return []
        ids = [next(self._ids) for _ in calls]
        entries = [
            {"jsonrpc": "2.0", "id": id_, "method": method, "params": list(params)}
            for id_, (method, params) in zip(ids, calls, strict=True)
        ]
        replies = self._exchange(entries if len(entries) > 1 else entries[0])
        if len(entries) == 1:
            replies = [replies]
        if not isinstance(replies, list):
            # A node that cannot batch answers with one error object.
            raise BadReply(f"{self.name} answered a batch of {len(calls)} with {type(replies).__name__}")
        # In Python True equals 1 and 1.0 equals 1: an id counts only when it is an integer.
        by_id = {reply["id"]: reply for reply in replies if isinstance(reply, dict) and type(reply.get("id")) is int}
        if len(replies) != len(ids) or set(by_id) != set(ids):
            raise BadReply(f"{self.name} answered with ids that were not asked")
        return [self._outcome(by_id[id_], method) for id_, (method, _) in zip(ids, calls, strict=True)]

    def _exchange(self, body: object) -> Any:
        self.requests += 1
        try:
            response = self._http.post(self._url, json=body)
        except httpx.HTTPError as error:
            # The text of an httpx error may hold the URL with its key: only the kind is told.
            raise RpcUnreachable(f"{self.name} did not answer: {type(error).__name__}") from None
        if response.status_code != httpx.codes.OK:
            raise RpcUnreachable(f"{self.name} answered HTTP {response.status_code}")
        try:
            # The standard library's parser follows nesting on the C stack: with a raised recursion limit a hostile reply ends
            # the process. This one refuses past a depth of its own.
            return from_json(response.content, allow_inf_nan=False)
        except ValueError:
            raise BadReply(f"{self.name} answered {len(response.content)} bytes that are not JSON") from None

    def _outcome(self, reply: dict[str, Any], method: str) -> Any | RpcRefused:
        if (error := reply.get("error")) is not None:
            if not isinstance(error, dict) or not isinstance(error.get("message"), str):
                raise BadReply(f"{self.name} answered {method} with an error that has no message")
            code = error.get("code", 0)
            if type(code) is not int:
                raise BadReply(f"{self.name} answered {method} with an error whose code is no number")
            if code == TOO_MANY_REQUESTS:
                raise RpcUnreachable(f"{self.name} limits the rate of {method}")
            return RpcRefused(code, error["message"], error.get("data"))
        if "result" not in reply:
            raise BadReply(f"{self.name} answered {method} with neither result nor error")
        return reply["result"]

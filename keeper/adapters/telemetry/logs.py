"""Events as lines on stderr: JSON for machines, columns for a terminal, without secrets in either.

Everything that any library logs goes the same way, because a library's own words are where an API key in a URL gets out.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TextIO
from urllib.parse import urlsplit

import structlog
from structlog.typing import EventDict, Processor

REDACTED = "[redacted]"
LEVELS = {
    "deadline": logging.CRITICAL,
    "lost": logging.CRITICAL,
    "failed": logging.ERROR,
    "halted": logging.ERROR,
    "refused": logging.WARNING,
    "postponed": logging.WARNING,
}
"""Level by the verb of the event's name; everything else is information."""

_URL = re.compile(r"\b(?:https?|wss?)://[^\s'\"<>\\)\]}]+", re.IGNORECASE)
_KEYISH = re.compile(r"private|secret|passphrase|password|mnemonic|seed_?phrase|api_?key|(?:^|_)key$", re.IGNORECASE)
# A transaction hash looks like a private key: only the word before it tells them apart.
_KEY_IN_TEXT = re.compile(r"((?:key|secret|passphrase|mnemonic)\W{1,6})(?:0x)?[0-9a-f]{64}\b", re.IGNORECASE)
_SHORTEST_SECRET = 6
_SHORTEST_URL_PART = 12
_DEEPEST = 6


class Redactor:
    """Takes secrets out of what is about to be told.

    Args:
        secrets: texts that must never appear, such as the node's URL, a passphrase or a key; of a URL, every long part of its
            path and query counts by itself, and one that is nothing but scheme, host and port is none. Texts of fewer than six
            characters are left, since they would hide half of a line.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known: set[str] = set()
        for secret in secrets:
            if _URL.fullmatch(secret) and _host_only(secret) == secret.rstrip("/"):
                continue
            known |= {secret, *_url_parts(secret)}
            known |= {secret.removeprefix("0x")} if secret.startswith("0x") else set()
        self._known = sorted((text for text in known if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)

    def text(self, text: str) -> str:
        """``text`` without known secrets, keys, and URLs beyond scheme, host and port."""
        text = _URL.sub(lambda found: _host_only(found[0]), text)
        for secret in self._known:
            text = text.replace(secret, REDACTED)
        return _KEY_IN_TEXT.sub(rf"\1{REDACTED}", text)

    def value(self, value: object, *, depth: int = 0) -> Any:
        """``value`` as JSON knows it, cleaned; what is nested too deeply, or cannot be told, is named by its type."""
        match value:
            case None | bool() | int():
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case str():
                return self.text(value)
            case _ if depth >= _DEEPEST:
                return type(value).__name__
            case Mapping():
                return {
                    self.text(str(name)): REDACTED if _KEYISH.search(str(name)) else self.value(below, depth=depth + 1)
                    for name, below in value.items()
                }
            case list() | tuple() | set() | frozenset():
                return [self.value(below, depth=depth + 1) for below in value]
        try:
            return self.text(str(value))
        except Exception:  # ruff: ignore[blind-except] - telling an event must not end a cycle
            return type(value).__name__

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """The cleaned event, as a step of a structlog chain."""
        return {
            self.text(name): value if name.startswith("_") else REDACTED if _KEYISH.search(name) else self.value(value)
            for name, value in event.items()
        }


class LogTelemetry:
    """Tells events through :mod:`logging`; an event of a cycle binds the cycle's id until ``cycle.ended``."""

    def __init__(self, logger: logging.Logger) -> None:
        self._log = structlog.wrap_logger(
            logger,
            processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        self._cycle: object = None

    def event(self, name: str, **fields: object) -> None:
        """Tell one event, named ``noun.verb``."""
        noun, _, verb = name.partition(".")
        if noun == "cycle" and "cycle" in fields:
            self._cycle = fields["cycle"]
        if self._cycle is not None:
            fields.setdefault("cycle", self._cycle)
        self._log.log(LEVELS.get(verb, logging.INFO), name, **fields)
        if name == "cycle.ended":
            self._cycle = None


def configure(stream: TextIO, *, level: int = logging.INFO, secrets: Iterable[str] = ()) -> LogTelemetry:
    """Send every log of this process to ``stream``.

    Args:
        stream: a terminal gets columns, anything else gets one JSON object a line.
        level: least level of the keeper's own events; other libraries are heard from warnings on.
        secrets: see :class:`Redactor`.
    """
    redactor = Redactor(secrets)
    terminal = stream.isatty()
    last: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer(sort_keys=True, default=str)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=True),
            # The default formatter shows the local variables of every frame; this one shows the lines only.
            structlog.processors.format_exc_info,
            redactor,
            last,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    own = logging.getLogger("keeper")
    own.setLevel(level)
    # A handler that fails must not print the record, secrets and all, to stderr.
    logging.raiseExceptions = False
    return LogTelemetry(own)


def _host_only(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return REDACTED
    return f"{parts.scheme}://{parts.hostname}{port}"


def _url_parts(text: str) -> set[str]:
    if not _URL.fullmatch(text):
        return set()
    try:
        parts = urlsplit(text)
    except ValueError:
        return set()
    pieces = [*parts.path.split("/"), *re.split(r"[&=]", parts.query), parts.username or "", parts.password or ""]
    return {piece for piece in pieces if len(piece) >= _SHORTEST_URL_PART}

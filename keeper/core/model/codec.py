"""Canonical JSON of the model's types, the same on every machine: what the journal stores and what digests are taken of."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: object) -> str:
    """``value`` as JSON: sorted keys, no blanks; integers of any size stay exact, floats keep every bit."""
    # a sequence of a kind of its own is written as any other
    document = _adapter(cast("Any", type(value))).dump_python(value, mode="json", fallback=tuple)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode(kind: type[T], text: str) -> T:
    """The value of type ``kind`` that :func:`encode` wrote.

    Raises:
        pydantic.ValidationError: ``text`` is not such a document.
    """
    value: T = _adapter(cast("Any", kind)).validate_python(json.loads(text))
    return value


def digest(value: object) -> str:
    """Hex sha-256 of the canonical JSON of ``value``."""
    return digest_of(encode(value))


def digest_of(text: str) -> str:
    """Hex sha-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()

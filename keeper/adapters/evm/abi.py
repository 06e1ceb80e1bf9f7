"""Functions and events of the contracts in ``contracts_abi``: encoded by eth_abi, decoded strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from eth_abi.abi import encode as _encode
from eth_utils.crypto import keccak

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi_types import AbiType, decode_whole, parse_type, tuple_of
from keeper.adapters.evm.rpc import BadReply

_SELECTOR_SIZE = 4
_ERROR = keccak(text="Error(string)")[:_SELECTOR_SIZE]
_PANIC = keccak(text="Panic(uint256)")[:_SELECTOR_SIZE]
_STRING = tuple_of([parse_type({"type": "string"})])
_UINT256 = tuple_of([parse_type({"type": "uint256"})])


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of a contract."""

    signature: str
    """Canonical, as in ``transfer(address,uint256)``."""
    selector: bytes
    inputs: tuple[AbiType, ...]
    arguments: AbiType
    results: AbiType

    def encode(self, *arguments: Any) -> bytes:
        """Selector and arguments; tuples as tuples, addresses as hex, integers in their range.

        Raises:
            eth_abi.exceptions.EncodingError: an argument does not fit its type.
        """
        return self.selector + _encode([kind.name for kind in self.inputs], arguments)

    def call_data(self, *arguments: Any) -> str:
        """:meth:`encode` as hex with 0x: what a transaction or an ``eth_call`` carries."""
        return "0x" + self.encode(*arguments).hex()

    def decode(self, returned: bytes | str) -> tuple[Any, ...]:
        """What the function returned, one entry a result: int, bool, EIP-55 str, bytes, str, or tuples of these.

        Raises:
            BadReply: it is not exactly that.
        """
        return decode_whole(self.results, _raw(returned, self.signature))

    def decode_arguments(self, call_data: bytes | str) -> tuple[Any, ...]:
        """The arguments that :meth:`encode` wrote.

        Raises:
            BadReply: it is not a call of this function.
        """
        raw = _raw(call_data, self.signature)
        if raw[:_SELECTOR_SIZE] != self.selector:
            raise BadReply(f"not a call of {self.signature}")
        return decode_whole(self.arguments, raw[_SELECTOR_SIZE:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a contract."""

    signature: str
    topic0: str
    """0x-prefixed, lower case."""
    indexed: tuple[tuple[str, AbiType], ...]
    plain: tuple[str, ...]
    body: AbiType

    def is_in(self, log: Mapping[str, Any]) -> bool:
        """Whether a log's first topic is this event's; who emitted it is for the caller to compare."""
        topics = log.get("topics")
        return isinstance(topics, list) and bool(topics) and str(topics[0]).lower() == self.topic0

    def decode(self, log: Mapping[str, Any]) -> dict[str, Any]:
        """The event's values by their names.

        Raises:
            BadReply: the log is not one of this event.
        """
        topics = checked.sequence(log.get("topics"), f"topics of {self.signature}")
        words = [checked.hash32(topic, f"topic of {self.signature}") for topic in topics]
        if len(words) != len(self.indexed) + 1 or words[0] != self.topic0:
            raise BadReply(f"not a log of {self.signature}")
        values: dict[str, Any] = {}
        for (name, kind), word in zip(self.indexed, words[1:], strict=True):
            values[name], _ = kind.read(bytes.fromhex(word[2:]), 0)
        body = decode_whole(self.body, _raw(log.get("data"), self.signature))
        values.update(zip(self.plain, body, strict=True))
        return values


class Contract:
    """The interface of one contract, as its file tells it."""

    def __init__(self, name: str, document: list[Mapping[str, Any]]) -> None:
        self.name = name
        self._functions = [_function(entry) for entry in document if entry["type"] == "function"]
        self._events = {entry["name"]: _event(entry) for entry in document if entry["type"] == "event"}

    def function(self, name: str) -> Function:
        """The function of that name; one of several of the same name by its signature, ``multicall(uint256,bytes[])``.

        Raises:
            KeyError: there is none, or more than one.
        """
        found = [one for one in self._functions if name in {one.signature, one.signature.partition("(")[0]}]
        if len(found) != 1:
            raise KeyError(f"{self.name} has {len(found)} functions {name}")
        return found[0]

    def event(self, name: str) -> Event:
        """The event of that name.

        Raises:
            KeyError: there is none.
        """
        return self._events[name]


def _function(entry: Mapping[str, Any]) -> Function:
    inputs = tuple(parse_type(part) for part in entry["inputs"])
    arguments = tuple_of(inputs)
    signature = entry["name"] + arguments.name
    return Function(
        signature=signature,
        selector=keccak(text=signature)[:_SELECTOR_SIZE],
        inputs=inputs,
        arguments=arguments,
        results=tuple_of([parse_type(part) for part in entry["outputs"]]),
    )


def _event(entry: Mapping[str, Any]) -> Event:
    parts = [(part["name"], parse_type(part), part.get("indexed", False)) for part in entry["inputs"]]
    signature = entry["name"] + tuple_of([kind for _, kind, _ in parts]).name
    return Event(
        signature=signature,
        topic0="0x" + keccak(text=signature).hex(),
        indexed=tuple((name, kind) for name, kind, indexed in parts if indexed),
        plain=tuple(name for name, _, indexed in parts if not indexed),
        body=tuple_of([kind for _, kind, indexed in parts if not indexed]),
    )


@cache
def contract(name: str) -> Contract:
    """The interface in ``contracts_abi/<name>.json``.

    Raises:
        FileNotFoundError: there is none.
    """
    text = resources.files("keeper.contracts_abi").joinpath(f"{name}.json").read_text(encoding="utf-8")
    return Contract(name, json.loads(text))


def _raw(value: object, what: str) -> bytes:
    return value if isinstance(value, bytes) else checked.data(value, what)


def revert_reason(returned: object) -> str:
    """Why a call reverted, from its revert data (bytes, hex, or None), for people.

    The text of ``Error(string)``; ``panic 0x11`` for ``Panic(uint256)``; the selector of any other error;
    ``no reason`` when there is none.
    """
    try:
        raw = _raw(returned, "revert data")
        if raw[:_SELECTOR_SIZE] == _ERROR:
            return str(decode_whole(_STRING, raw[_SELECTOR_SIZE:])[0])
        if raw[:_SELECTOR_SIZE] == _PANIC:
            return f"panic {decode_whole(_UINT256, raw[_SELECTOR_SIZE:])[0]:#x}"
    except BadReply:
        return "no reason"
    return f"error 0x{raw[:_SELECTOR_SIZE].hex()}" if raw else "no reason"

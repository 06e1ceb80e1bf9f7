"""Kinds of settings: each knows its range and unit, so that every refusal can name both.

Money and ratios are decimals written as text; floats are refused, so neither ``nan`` nor ``1e400`` nor rounding gets in.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from eth_utils.address import is_checksum_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

OWN_ERROR = "keeper"
"""Type of the validation errors whose message is already fit to be shown."""

_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,18})?", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ZERO_ADDRESS = "0x" + "0" * 40
_DEAD_ADDRESS = "0x000000000000000000000000000000000000dEaD"

E = TypeVar("E", bound=StrEnum)


class Section(BaseModel):
    """A table of settings: complete, strict, unchangeable, without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


def _refuse(message: str) -> PydanticCustomError:
    # Braces of the message must not be read as placeholders of the template.
    return PydanticCustomError(OWN_ERROR, "{message}", {"message": message})  # ruff: ignore[missing-f-string-syntax] - pydantic's placeholder


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        # Anything else falls through to the rule of the field, which names range and unit.
        raise PydanticCustomError("decimal_text", "not a decimal")
    return Decimal(value)


def _path(value: object) -> object:
    if isinstance(value, str) and value:
        return Path(value).expanduser()
    return value


def _address(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
        raise _refuse("must be an address: 0x and 40 hex digits")
    if value in {_ZERO_ADDRESS, _DEAD_ADDRESS}:
        raise _refuse("is an address that nobody holds")
    if not is_checksum_address(value):
        raise _refuse("has a wrong EIP-55 checksum; copy it in mixed case from a block explorer")
    return value


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def check_rpc_url(url: str) -> str:
    """``url`` when it may be spoken to: https anywhere, http on this machine only, never with a user name, never link-local.

    Raises:
        PydanticCustomError: it may not; the message holds no part of the URL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _refuse("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise _refuse("must be an http or https URL with a host")
    if parts.username is not None or parts.password is not None:
        raise _refuse("must not carry a user name or password; use an endpoint with its key in the path")
    if host.startswith(("169.254.", "fe80:")):
        raise _refuse("names a link-local address, where cloud machines keep their credentials")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise _refuse("must be https unless it is on this machine (localhost, 127.0.0.1, ::1)")
    return url


def _rpc_url(value: object) -> object:
    if isinstance(value, str):
        return SecretStr(check_rpc_url(value))
    return value


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


DecimalText = Annotated[
    Decimal, BeforeValidator(_decimal), WithJsonSchema({"type": "string", "pattern": rf"^{_DECIMAL.pattern}$"})
]
"""A decimal written in quotes: at most 12 digits before and 18 after the point."""
Address = Annotated[str, BeforeValidator(_address), WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"})]
"""An EIP-55 address, neither zero nor a known burn address."""
FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
"""A path; ``~`` is the home directory, a relative one starts at the working directory."""
RpcUrl = Annotated[SecretStr, BeforeValidator(_rpc_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


def whole(low: int, high: int, unit: str, text: str, *, default: Any = ...) -> Any:
    """A whole number from ``low`` to ``high``, both included; required unless it has a default."""
    rule = f"a whole number from {low} to {high}" + (f" ({unit})" if unit else "")
    return Field(default=default, ge=low, le=high, description=text, json_schema_extra={"unit": unit, "must_be": rule})


def decimal(low: str, high: str, unit: str, text: str) -> Any:
    """A required decimal from ``low`` to ``high``, both included."""
    rule = f'a decimal in quotes, like "{low}", from {low} to {high}' + (f" ({unit})" if unit else "")
    return Field(ge=Decimal(low), le=Decimal(high), description=text, json_schema_extra={"unit": unit, "must_be": rule})


def named(text: str, *, default: Any = ..., must_be: str = "text in quotes", pattern: str | None = None) -> Any:
    """A text, a name or a choice."""
    return Field(default=default, description=text, pattern=pattern, json_schema_extra={"must_be": must_be})


def switch(text: str) -> Any:
    """A required true or false."""
    return Field(description=text, json_schema_extra={"must_be": "true or false, without quotes"})


def choice(kind: type[E]) -> BeforeValidator:
    """Lets the member of ``kind`` be written by its value."""

    def member(value: object) -> object:
        if isinstance(value, str) and value in set(kind):
            return kind(value)
        raise _refuse(f"must be one of {', '.join(kind)}")

    return BeforeValidator(member)

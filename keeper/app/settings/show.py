"""Settings made visible: each value with its source, differences, and the schema for editors. Secrets stay hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from keeper.app.settings.load import Loaded
from keeper.app.settings.problems import NOWHERE, field_at
from keeper.app.settings.schema import Settings
from keeper.core.model.errors import ConfigError

HIDDEN = "**********"

NOT_RELOADABLE = (
    "use.",
    "backtest.",
    "chain.id",
    "chain.name",
    "chain.local",
    "chain.wrapped_native",
    "chain.addresses.",
    "chain.tokens.",
    "chain.aave_pool",
    "chain.gas_info",
    "chain.feeds.",
    "chain.venues.",
    "outside.universe.",
    "outside.lending",
    "deribit.",
    "hedge.enabled",
    "hedge.venues",
    "hedge.orders",
    "hedge.paper.",
    "pair.",
    "pools.",
    "wallet.address",
    "wallet.keystore",
    "wallet.passphrase_file",
    "run.",
    "rpc.",
)
"""Beginnings of the paths that only a restart changes: chain, pool, what is read besides, where options are bought, key, node,
journal, schedule, and dry to live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One setting as a person may see it."""

    path: str
    value: str | int | bool | list[str] | None
    unit: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One setting that is not the same in two configurations."""

    path: str
    old: str | int | bool | list[str] | None
    new: str | int | bool | list[str] | None
    reloadable: bool
    """Whether a running keeper may take it over."""


def listing(loaded: Loaded) -> tuple[Shown, ...]:
    """Every value with unit and source, in the order of the schema."""
    return tuple(
        Shown(path=path, value=value, unit=_unit(path), source=loaded.origins.get(path, NOWHERE))
        for path, value in visible(loaded.settings).items()
    )


def visible(settings: Settings) -> dict[str, Any]:
    """Dotted path -> value fit for JSON; secrets are stars."""
    return dict(_flat(settings, ()))


def differences(old: Settings, new: Settings) -> tuple[Difference, ...]:
    """What a change from ``old`` to ``new`` would alter; a changed secret shows as stars on both sides."""
    before, after = dict(_flat(old, (), reveal=True)), dict(_flat(new, (), reveal=True))
    shown_before, shown_after = visible(old), visible(new)
    return tuple(
        Difference(path=path, old=shown_before.get(path), new=shown_after.get(path), reloadable=is_reloadable(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def take_over(old: Settings, new: Settings) -> tuple[str, ...]:
    """The changes from ``old`` to ``new``, one line each, when a running keeper may make all of them.

    Raises:
        ConfigError: with every change that needs a restart.
    """
    changes = differences(old, new)
    if stuck := [f"{line(change)}: needs a restart" for change in changes if not change.reloadable]:
        raise ConfigError(stuck)
    return tuple(line(change) for change in changes)


def line(change: Difference) -> str:
    """``path: old -> new``."""
    return f"{change.path}: {change.old} -> {change.new}"


def is_reloadable(path: str) -> bool:
    """Whether a running keeper may take over a change of ``path``."""
    return not path.startswith(NOT_RELOADABLE)


def schema() -> str:
    """JSON schema of the configuration files, for editors; a file need not be complete, so nothing is required."""
    document = Settings.model_json_schema()
    _relax(document)
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(document, indent=2, sort_keys=True)


def _relax(node: Any) -> None:
    if isinstance(node, dict):
        node.pop("required", None)
        for below in node.values():
            _relax(below)
    elif isinstance(node, list):
        for below in node:
            _relax(below)


def _unit(path: str) -> str:
    field = field_at(Settings, path.split("."))
    extra = field.json_schema_extra if field is not None else None
    return str(extra.get("unit", "")) if isinstance(extra, Mapping) else ""


def _flat(value: Any, above: tuple[str, ...], *, reveal: bool = False) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _flat(getattr(value, name), (*above, name), reveal=reveal)
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _flat(below, (*above, name), reveal=reveal)
    else:
        yield ".".join(above), _plain(value, reveal=reveal)


def _plain(value: Any, *, reveal: bool) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value() if reveal else HIDDEN
        case StrEnum():
            return value.value
        case Decimal() | Path():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value

"""From settings to a search: which settings can be varied, what a policy becomes with some of them changed."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from keeper.app.settings import Settings, load, to_policy
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.simulation.sweep_space import Kind

_POLICY = frozenset({"ladder", "signals", "regimes", "stress", "calendar", "triggers", "gates", "execution", "outside"})
"""Sections that a policy is made of: what else there is decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPolicy:
    """The policy that the settings state, with some of them changed; goes from process to process."""

    config: Path | None
    chain: str | None
    pool: str | None
    flags: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, changes: Mapping[str, str]) -> Policy:
        """The policy.

        Raises:
            ConfigError: these values are refused.
        """
        typed = {key: int(text) if kind_of(key) is Kind.WHOLE else _word(text) for key, text in changes.items()}
        found = load(config=self.config, chain=self.chain, pool=self.pool, flags={**self.flags, **typed})
        return to_policy(found.settings)


def kind_of(key: str) -> Kind:
    """What the values of a setting are.

    Raises:
        ConfigError: there is no such setting, or it is no part of a policy.
    """
    parts = key.split(".")
    if parts[0] not in _POLICY:
        raise ConfigError([f"{key}: is no setting of a policy; those are in {', '.join(sorted(_POLICY))}"])
    if parts[:2] == ["stress", "weights"] and len(parts) == 3:
        return Kind.DECIMAL
    model: type[BaseModel] = Settings
    for place, part in enumerate(parts):
        found = model.model_fields.get(part)
        if found is None:
            raise ConfigError([f"{key}: there is no setting of this name"])
        kind = _bare(found.annotation)
        if place == len(parts) - 1:
            return _kind(key, kind)
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            raise ConfigError([f"{key}: there is no setting of this name"])
        model = kind
    raise ConfigError([f"{key}: there is no setting of this name"])


def current(settings: Settings, key: str) -> str:
    """The value of a setting as text."""
    value: Any = settings
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.value if isinstance(value, Enum) else value)


def _bare(annotation: Any) -> Any:
    """A type without what is said about it, and without None."""
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(_bare(one) for one in typing.get_args(annotation) if one is not type(None))
    return annotation


def _kind(key: str, kind: Any) -> Kind:
    if kind is int:
        return Kind.WHOLE
    if kind is Decimal:
        return Kind.DECIMAL
    if kind is bool or (isinstance(kind, type) and issubclass(kind, Enum)):
        return Kind.WORD
    raise ConfigError([f"{key}: cannot be varied"])


def _word(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)

"""Where settings come from: shipped files, the operator's file, the environment and flags, each one layer."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from keeper.app.settings.problems import Problem, inner
from keeper.app.settings.schema import Settings
from keeper.core.model.errors import ConfigError

PREFIX = "KEEPER__"
"""Every variable with this prefix is a setting; KEEPER_ANVIL and the like are not."""

_SHIPPED = "keeper.config"
_NAME = re.compile(r"[A-Za-z0-9_]{1,60}")
_WHOLE = re.compile(r"-?[0-9]{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One source's values."""

    document: Mapping[str, Any]
    origins: Mapping[str, str]
    """Dotted path of each value -> what to call its source."""


class LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings."""

    def __init__(self, settings: type[Settings], layer: Layer) -> None:
        super().__init__(settings)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The layer's value of one section."""
        del field
        return self._layer.document.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All values of the layer."""
        return dict(self._layer.document)


def read_file(path: Path) -> Layer:
    """The layer of a TOML file.

    Raises:
        ConfigError: it cannot be read or is not TOML; line and column are told.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None
    return _parse(text, str(path))


def read_shipped(kind: str, name: str) -> Layer:
    """The layer of a file that comes with the keeper, or of a path that ends in ``.toml``.

    Args:
        kind: ``""`` for default.toml, ``chains`` or ``pools``.
        name: name without ``.toml``, or a path with it.

    Raises:
        ConfigError: there is no such file.
    """
    if name.endswith(".toml"):
        return read_file(Path(name).expanduser())
    if not _NAME.fullmatch(name):
        raise ConfigError([f"use.{kind[:-1]}: {name!r}: must be the name of a shipped file or a path that ends in .toml"])
    folder = resources.files(_SHIPPED).joinpath(kind) if kind else resources.files(_SHIPPED)
    file = folder.joinpath(f"{name}.toml")
    if not file.is_file():
        known = ", ".join(shipped(kind))
        raise ConfigError([f"use.{kind[:-1]}: {name!r}: no such file in config/{kind}; there are {known}"])
    return _parse(file.read_text(encoding="utf-8"), f"{kind}/{name}.toml" if kind else f"{name}.toml")


def shipped(kind: str) -> list[str]:
    """Names of the files of that kind that come with the keeper, sorted."""
    folder = resources.files(_SHIPPED).joinpath(kind)
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_flags(values: Mapping[str, object]) -> Layer:
    """The layer of command-line flags: dotted path -> value."""
    return from_values(values, "command line")


def from_values(values: Mapping[str, object], source: str) -> Layer:
    """The layer of values given one by one: dotted path -> value."""
    document: dict[str, Any] = {}
    for path, value in values.items():
        _put(document, path.split("."), value)
    return Layer(document=document, origins=dict.fromkeys(values, source))


def read_environment(environ: Mapping[str, str], beneath: Sequence[Layer]) -> tuple[Layer, list[Problem]]:
    """The layer of ``KEEPER__*`` variables, and those that name no setting.

    Args:
        environ: the environment.
        beneath: layers that know names which variables cannot spell, such as token symbols in capitals.
    """
    merged = merge(beneath)
    document: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems = []
    for variable in sorted(name for name in environ if name.upper().startswith(PREFIX)):
        steps = variable[len(PREFIX) :].split("__")
        found = _resolve(steps, merged) if variable.startswith(PREFIX) else None
        if found is None:
            problems.append(Problem(path=variable, message=f"unknown setting{_near(variable)}", source="environment"))
            continue
        path, annotation = found
        _put(document, path, _typed(environ[variable], annotation))
        origins[".".join(path)] = f"environment {variable}"
    return Layer(document=document, origins=origins), problems


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """All values, weakest layer first."""
    document: dict[str, Any] = {}
    for layer in layers:
        for path, value in leaves(layer.document):
            _put(document, path, value)
    return document


def merge_origins(layers: Sequence[Layer]) -> dict[str, str]:
    """Which source each value came from, weakest layer first."""
    return {path: source for layer in layers for path, source in layer.origins.items()}


def leaves(document: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no table, with its path."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _parse(text: str, source: str) -> Layer:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{source}: not TOML: {error}"]) from None
    return Layer(document=document, origins={".".join(path): source for path, _ in leaves(document)})


def _put(document: dict[str, Any], path: Sequence[str], value: object) -> None:
    for step in path[:-1]:
        below = document.get(step)
        if not isinstance(below, dict):
            below = document[step] = {}
        document = below
    document[path[-1]] = value


def _resolve(steps: Sequence[str], merged: Mapping[str, Any]) -> tuple[list[str], Any] | None:
    """The path and the type that a variable's parts name; None when they name no single setting."""
    place: Any = Settings
    path: list[str] = []
    values: Any = merged
    for step in steps:
        if isinstance(place, type) and issubclass(place, BaseModel):
            name = step.lower()
            if name not in place.model_fields:
                return None
            place = inner(place.model_fields[name].annotation)
        elif typing.get_origin(place) is dict and step:
            known = values if isinstance(values, Mapping) else {}
            name = next((key for key in known if key.casefold() == step.casefold()), step.lower())
            place = typing.get_args(place)[1]
        else:
            return None
        path.append(name)
        values = values.get(name, {}) if isinstance(values, Mapping) else {}
    is_table = typing.get_origin(place) is dict or (isinstance(place, type) and issubclass(place, BaseModel))
    return None if is_table else (path, place)


def _typed(text: str, annotation: Any) -> object:
    """``text`` as TOML would have written it; unchanged when it does not fit, so that validation names the rule."""
    if annotation is int:
        return int(text) if _WHOLE.fullmatch(text) else text
    if annotation is bool:
        return {"true": True, "false": False}.get(text, text)
    if typing.get_origin(annotation) is tuple:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _near(variable: str) -> str:
    near = difflib.get_close_matches(variable, list(_variables(Settings, PREFIX)), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = inner(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _variables(kind, f"{prefix}{name.upper()}__")
        elif typing.get_origin(kind) is not dict:
            yield f"{prefix}{name.upper()}"

"""What is wrong with a configuration, one line a problem: ``source: dotted.path: value: what it must be``."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from keeper.app.settings.kinds import OWN_ERROR

Origins = Mapping[str, str]
"""Dotted path of each value -> where it was set."""

SECRETS = frozenset({"rpc.url"})
"""Values that no message, listing or difference may show."""
NOWHERE = "not set"
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that keeps the keeper from starting."""

    path: str
    message: str
    value: object = None
    """As it was written; None when there is none or when it must not be shown."""
    source: str | None = None
    """Where it was written; None when the path tells."""


def render(problem: Problem, origins: Origins) -> str:
    """The line that a person reads."""
    source = problem.source or source_of(problem.path, origins)
    shown = "" if problem.value is None or problem.path in SECRETS else f"{_shown(problem.value)}: "
    return f"{source}: {problem.path}: {shown}{problem.message}"


def source_of(path: str, origins: Origins) -> str:
    """Where ``path`` was set; for a table, where its first value was; ``not set`` when nowhere."""
    if path in origins:
        return origins[path]
    return next((origin for key, origin in origins.items() if key.startswith(f"{path}.")), NOWHERE)


def from_validation(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """Every problem that pydantic found, in the keeper's words."""
    for detail in error.errors(include_url=False, include_context=True):
        steps = tuple(str(step) for step in detail["loc"])
        path = ".".join(steps)
        rule = rule_of(model, steps)
        match detail["type"]:
            case "extra_forbidden":
                # An unknown key may be a misspelt secret: its value is never shown.
                yield Problem(path=path, message=f"unknown setting{_suggestion(model, steps)}")
            case "missing":
                yield Problem(path=path, message=f"is missing; must be {rule}" if rule else "is missing")
            case kind if kind == OWN_ERROR:
                yield Problem(path=path, message=detail["msg"], value=detail["input"])
            case "model_type" | "dict_type" | "model_attributes_type":
                yield Problem(path=path, message="must be a table of settings", value=detail["input"])
            case _:
                yield Problem(path=path, message=f"must be {rule}" if rule else detail["msg"], value=detail["input"])


def rule_of(model: type[BaseModel], steps: Sequence[str]) -> str | None:
    """What the value at ``steps`` must be, range and unit included; None when the place has no rule of its own."""
    field = field_at(model, steps)
    extra = field.json_schema_extra if field is not None else None
    return str(extra["must_be"]) if isinstance(extra, dict) and "must_be" in extra else None


def field_at(model: type[BaseModel], steps: Sequence[str]) -> FieldInfo | None:
    """The innermost field on the way along ``steps``; None when the first step is no field."""
    found: FieldInfo | None = None
    place: Any = model
    for step in steps:
        if isinstance(place, type) and issubclass(place, BaseModel):
            if step not in place.model_fields:
                break
            found = place.model_fields[step]
            place = inner(found.annotation)
        elif typing.get_origin(place) is dict:
            place = typing.get_args(place)[1]
        else:
            break
    return found


def inner(annotation: Any) -> Any:
    """``X`` of ``X | None``; anything else as it is."""
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _suggestion(model: type[BaseModel], steps: Sequence[str]) -> str:
    place: Any = model
    for step in steps[:-1]:
        if isinstance(place, type) and issubclass(place, BaseModel) and step in place.model_fields:
            place = inner(place.model_fields[step].annotation)
        elif typing.get_origin(place) is dict:
            place = typing.get_args(place)[1]
    if not (isinstance(place, type) and issubclass(place, BaseModel)):
        return ""
    near = difflib.get_close_matches(steps[-1], place.model_fields, n=1)
    return f"; did you mean {'.'.join((*steps[:-1], near[0]))}?" if near else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"

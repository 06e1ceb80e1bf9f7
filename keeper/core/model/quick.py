"""Frozen values that are made thousands of times a second.

The constructor of a frozen dataclass goes through ``object.__setattr__`` for every field, which takes about twice as long as
plain assignment. A cycle makes a hundred values of the model, and a year in a backtest a hundred thousand cycles.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick_init(made: type[T]) -> type[T]:
    """The same class with a constructor that assigns its fields directly; all else stays as dataclasses make it.

    While it is being made the value is of a twin class with the same slots that is not frozen.

    Args:
        made: a dataclass, frozen, with slots and keywords only, without bases, factories and ``__post_init__``.

    Raises:
        TypeError: it is none of that kind.
    """
    known: tuple[Field[Any], ...] = fields(made)  # type: ignore[arg-type]  # a dataclass cannot be asked for in a type
    names = [one.name for one in known]
    plain = made.__bases__ == (object,) and tuple(getattr(made, "__slots__", ())) == tuple(names)
    if not plain or hasattr(made, "__post_init__") or not all(one.init and one.default_factory is MISSING for one in known):
        raise TypeError(f"{made.__name__} is not a plain frozen dataclass with slots")
    twin = type(f"{made.__name__}InTheMaking", (object,), {"__slots__": tuple(names)})
    space: dict[str, Any] = {"_twin": twin, "_made": made, "_set": object.__setattr__}
    space |= {f"_default_{one.name}": one.default for one in known}
    given = [one.name if one.default is MISSING else f"{one.name}=_default_{one.name}" for one in known]
    lines = [
        f"def __init__(self, *, {', '.join(given)}):",
        " _set(self, '__class__', _twin)",
        *[f" self.{name} = {name}" for name in names],
        " self.__class__ = _made",
    ]
    exec("\n".join(lines), space)  # ruff: ignore[exec-builtin] - as dataclasses do: a signature cannot be made otherwise
    init = space["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__module__ = made.__module__
    init.__annotations__ = {one.name: one.type for one in known} | {"return": None}
    made.__init__ = init  # type: ignore[method-assign]
    return made

"""What a search may vary: ranges and choices of settings, read from text such as ``gates.cooldown_s=600..86400:log``.

Values travel as text, as settings are written, so that what is recorded of a trial is what was tried, to the last digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from keeper.core.model.errors import ConfigError

DIGITS = 6
"""Significant digits of a decimal that is tried: finer differences say nothing."""
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*", re.ASCII)
_NUMBER = r"-?[0-9]{1,12}(?:\.[0-9]{1,18})?"
_DECIMAL = re.compile(_NUMBER, re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,12}", re.ASCII)
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})((?::[^:]*)*)", re.ASCII)
_MANNERS = {"log", "int"}


class Kind(Enum):
    """What a setting's values are."""

    WHOLE = auto()
    """Whole numbers."""
    DECIMAL = auto()
    """Decimals."""
    WORD = auto()
    """Words of a list, or true and false."""


KindOf = Callable[[str], Kind]
"""Kind of the setting at a dotted path.

Raises:
    ConfigError: there is no such setting, or none that can be varied.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from ``low`` to ``high``, both of them included.

    Raises:
        ValueError: it is empty, whole without whole bounds, or logarithmic at or below zero.
    """

    key: str
    low: Decimal
    high: Decimal
    whole: bool = False
    log: bool = False
    """Tried evenly in the logarithm."""

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"{self.key}: {self.low}..{self.high} is empty: the lower bound comes first")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise ValueError(f"{self.key}: {self.low}..{self.high} needs whole bounds")
        if self.log and self.low <= 0:
            raise ValueError(f"{self.key}: a logarithmic range begins above zero, not at {self.low}")

    def __str__(self) -> str:
        return f"{self.key}={_plain(self.low)}..{_plain(self.high)}{':log' * self.log}{':int' * self.whole}"

    def text(self, value: float) -> str:
        """A value as it is tried: whole, or to :data:`DIGITS` digits, never outside the range."""
        rounded = Decimal(int(value)) if self.whole else Decimal(f"{value:.{DIGITS}g}")
        return _plain(min(max(rounded, self.low), self.high))

    def holds(self, text: str) -> bool:
        """Whether a setting's value lies in the range."""
        if not (_WHOLE if self.whole else _DECIMAL).fullmatch(text):
            return False
        return self.low <= Decimal(text) <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """One of several values.

    Raises:
        ValueError: fewer than two, or one that is empty or given twice.
    """

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2 or "" in self.values or len(set(self.values)) < len(self.values):
            raise ValueError(f"{self.key}: give two or more values a|b|c, none of them empty or twice")

    def __str__(self) -> str:
        return f"{self.key}={'|'.join(self.values)}"

    def holds(self, text: str) -> bool:
        """Whether a setting's value is one of them."""
        return text in self.values


Dimension = Range | Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Everything that is varied, in the order of the keys."""

    dimensions: tuple[Dimension, ...]

    def __str__(self) -> str:
        return " ".join(map(str, self.dimensions))

    @property
    def keys(self) -> tuple[str, ...]:
        """Settings that are varied."""
        return tuple(dimension.key for dimension in self.dimensions)

    def texts(self, values: Mapping[str, object]) -> dict[str, str]:
        """Values of a trial as they were tried; a key that it does not have is left out."""
        return {
            dimension.key: dimension.text(float(str(values[dimension.key])))
            if isinstance(dimension, Range)
            else str(values[dimension.key])
            for dimension in self.dimensions
            if dimension.key in values
        }


def parse_space(texts: Sequence[str], kind_of: KindOf) -> Space:
    """The space that is meant by ``key=low..high``, with ``:log`` or ``:int`` or both after it, and ``key=a|b|c``.

    A setting of whole numbers is varied in whole numbers without being asked.

    Args:
        texts: one a setting.
        kind_of: tells settings from what is none.

    Raises:
        ConfigError: with every problem, one line each.
    """
    found: dict[str, Dimension] = {}
    problems = [] if texts else ["nothing is varied: give settings and ranges such as gates.cooldown_s=600..86400:log"]
    for text in texts:
        try:
            dimension = _dimension(text, kind_of)
        except ConfigError as error:
            problems += error.problems
        except ValueError as error:
            problems.append(str(error))
        else:
            if found.setdefault(dimension.key, dimension) is not dimension:
                problems.append(f"{dimension.key}: is given twice")
    if problems:
        raise ConfigError(problems)
    return Space(dimensions=tuple(found[key] for key in sorted(found)))


def _dimension(text: str, kind_of: KindOf) -> Dimension:
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not _KEY.fullmatch(key):
        raise ValueError(f"{text!r}: write it as key=low..high or key=a|b|c")
    kind = kind_of(key)
    ranged = _RANGE.fullmatch(values)
    if ranged is not None:
        return _range(key, ranged, kind)
    if "|" not in values:
        raise ValueError(f"{key}: {values!r} is neither a range low..high, with :log or :int after it, nor choices a|b|c")
    choices = Choices(key=key, values=tuple(value.strip() for value in values.split("|")))
    form = {Kind.WHOLE: _WHOLE, Kind.DECIMAL: _DECIMAL}.get(kind)
    wrong = [value for value in choices.values if form and not form.fullmatch(value)]
    if wrong:
        raise ValueError(f"{key}: takes {kind.name.lower()} numbers, not {' or '.join(map(repr, wrong))}")
    return choices


def _range(key: str, found: re.Match[str], kind: Kind) -> Range:
    low, high, rest = found.groups()
    manners = rest.split(":")[1:]
    unknown = sorted(set(manners) - _MANNERS)
    if unknown or len(set(manners)) < len(manners):
        raise ValueError(f"{key}: after a range come :log and :int, each at most once, not {rest!r}")
    if kind is Kind.WORD:
        raise ValueError(f"{key}: takes words: give choices a|b|c in place of a range")
    whole = kind is Kind.WHOLE or "int" in manners
    return Range(key=key, low=Decimal(low), high=Decimal(high), whole=whole, log="log" in manners)


def _plain(value: Decimal) -> str:
    """Without exponent and without zeros at the end."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text

"""Values with a quick constructor are the values that dataclasses make."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import BlockRef
from keeper.core.model.quick import quick_init
from keeper.core.model.view import Gas


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    number: int
    text: str = "none"


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class _Quick:
    number: int
    text: str = "none"


def test_a_quick_value_is_like_a_plain_one() -> None:
    plain, quick = _Plain(number=1), _Quick(number=1)
    assert type(quick) is _Quick
    assert repr(quick) == repr(plain).replace("_Plain", "_Quick")
    assert hash(quick) == hash(plain)
    assert [getattr(quick, one.name) for one in fields(quick)] == [1, "none"]
    assert inspect.signature(_Quick) == inspect.signature(_Plain)
    assert replace(quick, text="two") == _Quick(number=1, text="two") != quick


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        _Quick(number=1).number = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del _Quick(number=1).text


def test_it_is_copied_and_pickled() -> None:
    block = BlockRef(number=7, hash="0x7", timestamp_s=84)
    assert copy.deepcopy(block) == pickle.loads(pickle.dumps(block)) == block


def test_what_is_missing_or_unknown_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match=r"Gas\.__init__\(\) missing 1 required keyword-only argument: 'tip_wei'"):
        Gas(base_fee_wei=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'tip'"):
        Gas(base_fee_wei=1, tip_wei=1, tip=1)  # type: ignore[call-arg]


def test_only_plain_frozen_dataclasses_are_made_quick() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Made:
        rows: list[int] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Open:
        number: int

    for kind in (Made, Open, TickRange):
        with pytest.raises(TypeError, match="not a plain frozen dataclass"):
            quick_init(kind)

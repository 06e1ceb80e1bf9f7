"""A prepared file gives back what went in, or says that it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.core.v3math.units import MAX_INT256, MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.simulation.prepared import DamagedFileError, Prepared, check_prepared, read_prepared, write_prepared
from keeper.simulation.tape import Event, FeeEvent, FeeProtocolEvent, LiquidityEvent, SwapEvent, TapeBlock

prices = st.integers(MIN_SQRT_RATIO + 2, MAX_SQRT_RATIO - 2)
amounts = st.integers(1, 2**255 - 1)
ticks = st.integers(-887_272, 887_272)


def exact(*, zero_for_one: bool, amount: int, after: int) -> SwapEvent:
    return SwapEvent(zero_for_one, amount, MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1, after)


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(exact, zero_for_one=st.booleans(), amount=amounts | amounts.map(int.__neg__), after=prices),
    st.builds(lambda falls, after: SwapEvent(falls, MAX_INT256, after, after), st.booleans(), prices),
    st.builds(LiquidityEvent, ticks, ticks, st.integers(-(2**127), 2**127 - 1)),
    st.builds(FeeEvent, st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1)),
    st.builds(FeeProtocolEvent, st.integers(0, 255)),
)
blocks = st.lists(
    st.builds(TapeBlock, st.integers(0, 2**40), st.integers(0, 2**40), st.lists(events, min_size=1, max_size=5).map(tuple)),
    max_size=6,
).map(tuple)


def content(of: tuple[TapeBlock, ...]) -> Prepared:
    return Prepared(state=b"anything", blocks=of, checked=True, growth_gap="")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks)
def test_what_is_written_is_read_back(tmp_path: Path, of: tuple[TapeBlock, ...]) -> None:
    path = tmp_path / "a.tape"
    head = write_prepared(path, "name", content(of))
    found = read_prepared(path, "name")
    assert found == content(of)
    assert [type(event) for block in found.blocks for event in block.events] == [
        type(event) for block in of for event in block.events
    ]
    assert check_prepared(path, "name") == head


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damaged_file_is_taken(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.tape"
    write_prepared(path, "name", content((TapeBlock(1, 2, (FeeEvent(3, 4), exact(zero_for_one=True, amount=5, after=2**96))),)))
    raw = bytearray(path.read_bytes())
    body = raw.index(b"\n", 8) + 1
    if data.draw(st.booleans()):
        raw[data.draw(st.integers(body, len(raw) - 1))] ^= 1 + data.draw(st.integers(0, 254))
    else:
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    path.write_bytes(raw)
    with pytest.raises(DamagedFileError):
        read_prepared(path, "name")


def test_a_file_of_other_data_or_another_version_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    write_prepared(path, "name", content(()))
    with pytest.raises(DamagedFileError, match="other data"):
        check_prepared(path, "another name")
    magic, header, body = path.read_bytes().split(b"\n", 2)
    older = json.dumps(json.loads(header) | {"version": 0}).encode()
    path.write_bytes(b"\n".join([magic, older, body]))
    with pytest.raises(DamagedFileError, match="another version"):
        check_prepared(path, "name")
    with pytest.raises(DamagedFileError):
        check_prepared(tmp_path / "nothing", "name")

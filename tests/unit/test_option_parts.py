"""The parts of a size, and which of the answers to them is taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.options.parts import PARTS, largest, parts_of
from keeper.core.model.option import NoQuote, NoQuoteReason
from keeper.core.model.token import TokenAmount
from tests.options import put, quote
from tests.pairs import WETH

LOT = put().lot_raw
LIMIT, SILENT = (
    NoQuote(venue="shop", reason=reason, note=reason.value) for reason in (NoQuoteReason.LIMIT, NoQuoteReason.UNREACHABLE)
)


def raws(size_raw: int) -> list[int]:
    return [part.raw for part in parts_of(put(), TokenAmount(token=WETH, raw=size_raw))]


def test_the_whole_comes_first_and_every_part_is_in_whole_lots() -> None:
    assert raws(30 * LOT) == [30 * LOT, 10 * LOT, 3 * LOT]
    assert raws(10 * LOT + 1) == [11 * LOT, 4 * LOT, 2 * LOT]


def test_no_part_comes_twice() -> None:
    assert raws(2 * LOT) == [2 * LOT, LOT]
    assert raws(1) == [LOT]


@given(st.integers(min_value=1, max_value=10**24))
def test_a_part_is_never_less_than_its_share_nor_a_lot_more(size_raw: int) -> None:
    found = raws(size_raw)
    for part in PARTS:
        assert any(0 <= raw * part - size_raw < part * LOT for raw in found)
    assert found == sorted(set(found), reverse=True)


def test_the_first_quote_is_taken_or_else_the_reason_of_the_whole_is_told() -> None:
    some, less = quote(2), quote(1)
    assert largest([some, less]) is some
    assert largest([LIMIT, some, less]) is some
    assert largest([LIMIT, SILENT, less]) is less
    assert largest([LIMIT, SILENT]) is LIMIT

"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.cli import words
from tests.pairs import USDC, WETH


@given(st.integers(min_value=-(10**40), max_value=10**40), st.integers(min_value=0, max_value=36))
def test_exact_amounts_lose_nothing(raw, decimals):
    text = words.exact(raw, decimals)
    whole, _, part = text.partition(".")
    assert int(whole + part.ljust(decimals, "0")) == raw
    assert not part.endswith("0")


@pytest.mark.parametrize(("raw", "token", "text"), [
    (0, USDC, "0.00 USDC"),
    (1, USDC, "0.000001 USDC"),
    (250_000_123_456, USDC, "250,000.12 USDC"),
    (-1_500_000_000_000_000_000, WETH, "-1.500000 WETH"),
])  # fmt: skip
def test_amounts(raw, token, text):
    assert words.amount(token, raw) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_723, "1 h 2 min"), (90_000, "1 d 1 h"), (-61, "-1 min 1 s"),
])  # fmt: skip
def test_durations(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (3.0, "3"), (1_234_567.0, "1,234,567"), (0.123456789, "0.123457")])
def test_numbers(value, text):
    assert words.number(value) == text


def test_the_rest():
    assert words.utc(1_759_276_800) == "2025-10-01 00:00:00 UTC"
    assert words.percent(-0.0292, signed=True) == "-2.92 %"
    assert words.percent(0.5, signed=True) == "+50.00 %"
    assert words.ether(1_500_000_000_000_000) == "0.001500 ETH"
    assert words.gwei(1_234_000_000) == "1.234 gwei"
    assert words.short("0x" + "ab" * 32) == "0xababab…abab"

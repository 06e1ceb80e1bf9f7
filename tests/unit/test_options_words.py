"""Amounts and wants as people read them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.adapters.options.words import in_words, tokens, unmet
from keeper.core.model.option import HedgeWant, NoQuoteReason, OptionKind, OptionMarket
from keeper.core.model.token import TokenAmount
from tests.pairs import DAY_S, NOW_S, USDC, WETH

WANT = HedgeWant(
    kinds=(OptionKind.PUT,),
    strike_from=Decimal("2999.996"),
    strike_to=Decimal(3_600),
    expiry_from_s=NOW_S + 11 * DAY_S,
    expiry_to_s=NOW_S + 17 * DAY_S + DAY_S // 2,
    size=TokenAmount(token=WETH, raw=1),
)
MARKET = OptionMarket(base=WETH, quote=USDC, price=Decimal(4_000), now_s=NOW_S, block=1, reference_volatility=None)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (0, "0 USDC"),
        (1, "0.000001 USDC"),
        (7_199_999_999, "7,199.999999 USDC"),
        (7_200_000_000, "7,200 USDC"),
        (-25 * 10**5, "-2.5 USDC"),
    ],
)
def test_every_digit_that_counts_is_told_and_no_other(raw: int, words: str) -> None:
    assert tokens(USDC, raw) == in_words(TokenAmount(token=USDC, raw=raw)) == words


def test_very_large_amounts_have_no_exponent() -> None:
    assert tokens(WETH, 10**42) == "1,000,000,000,000,000,000,000,000 WETH"


def test_what_nothing_fits_is_told_as_it_was_asked() -> None:
    found = unmet("opyn", MARKET, WANT)
    assert (found.venue, found.reason, found.contract) == ("opyn", NoQuoteReason.NO_SERIES, None)
    assert found.note == "nothing on sale fits: put at 3,000.00 to 3,600.00 USDC, 11.0 to 17.5 days"
    both = replace(WANT, kinds=(OptionKind.PUT, OptionKind.CALL))
    assert "put or call at" in unmet("opyn", MARKET, both).note

"""What venues tell people: amounts with their symbols, and what nothing on sale fits."""

from __future__ import annotations

from decimal import Decimal

from keeper.core.model.option import HedgeWant, NoQuote, NoQuoteReason, OptionMarket
from keeper.core.model.token import Token, TokenAmount

_DAY_S = 86_400


def tokens(token: Token, raw: int) -> str:
    """``raw`` in whole tokens, to 28 digits and without superfluous zeros, with the symbol."""
    return f"{Decimal(raw).scaleb(-token.decimals).normalize():,f} {token.symbol}"


def in_words(amount: TokenAmount) -> str:
    """An amount as :func:`tokens` writes it."""
    return tokens(amount.token, amount.raw)


def unmet(venue: str, market: OptionMarket, want: HedgeWant, reason: NoQuoteReason = NoQuoteReason.NO_SERIES) -> NoQuote:
    """Nothing that the venue sells fits a want; the note says what that was."""
    kinds = " or ".join(want.kinds)
    strikes = f"{want.strike_from:,.2f} to {want.strike_to:,.2f} {market.quote.symbol}"
    first, last = ((at_s - market.now_s) / _DAY_S for at_s in (want.expiry_from_s, want.expiry_to_s))
    note = f"nothing on sale fits: {kinds} at {strikes}, {first:.1f} to {last:.1f} days"
    return NoQuote(venue=venue, reason=reason, note=note)

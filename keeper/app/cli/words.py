"""Numbers as people read them. For eyes only: nothing here is parsed again."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from keeper.core.model.token import Token

WEI = 10**18
GWEI = 10**9
MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400


def exact(raw: int, decimals: int) -> str:
    """``raw`` as a decimal number with every digit, no exponent, no superfluous zeros."""
    # Not through Decimal, whose context would round past 28 digits.
    digits = str(abs(raw)).rjust(decimals + 1, "0")
    whole, part = (digits[:-decimals], digits[-decimals:].rstrip("0")) if decimals else (digits, "")
    return ("-" if raw < 0 else "") + whole + (f".{part}" if part else "")


def amount(token: Token, raw: int) -> str:
    """``raw`` with its symbol: cents of large amounts, six digits after the point of small ones."""
    value = Decimal(raw).scaleb(-token.decimals)
    places = 2 if abs(value) >= 100 or not value else 6
    return f"{value:,.{places}f} {token.symbol}"


def ether(wei: int) -> str:
    """Native currency, six digits after the point."""
    return f"{Decimal(wei).scaleb(-18):,.6f} ETH"


def gwei(wei: int) -> str:
    """A gas price."""
    return f"{Decimal(wei).scaleb(-9):,.3f} gwei"


def money(value: float, symbol: str) -> str:
    """A value in tokens of the quote, two digits after the point."""
    return f"{value:,.2f} {symbol}"


def number(value: float | None) -> str:
    """A measured number with six significant digits; a dash for none."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 10**12:
        return f"{int(value):,}"
    return f"{value:,.6g}"


def percent(fraction: float, *, signed: bool = False) -> str:
    """A fraction as a percentage, two digits after the point."""
    return f"{fraction * 100:{'+' if signed else ''},.2f} %"


def utc(timestamp_s: int) -> str:
    """A moment, to the second."""
    return datetime.fromtimestamp(timestamp_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(abs(seconds))
    sign = "-" if seconds < 0 else ""
    if whole >= DAY_S:
        return f"{sign}{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"
    if whole >= HOUR_S:
        return f"{sign}{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
    if whole >= MINUTE_S:
        return f"{sign}{whole // MINUTE_S} min {whole % MINUTE_S} s"
    return f"{sign}{whole} s"


def short(text: str) -> str:
    """The two ends of a hash or an address."""
    return f"{text[:8]}…{text[-4:]}" if len(text) > 14 else text

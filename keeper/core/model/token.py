"""Tokens and amounts that refuse to mix."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.model.quick import quick_init


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An ERC-20 token of the chain that the keeper serves."""

    address: str
    """EIP-55 address."""
    symbol: str
    """For people only; identity is the address."""
    decimals: int
    """0 to 36; pinned in configuration and checked against the chain."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAmount:
    """A signed amount of one token, in raw units; adding another token is an error."""

    token: Token
    raw: int

    def __add__(self, other: TokenAmount) -> TokenAmount:
        self._must_match(other)
        return TokenAmount(token=self.token, raw=self.raw + other.raw)

    def __sub__(self, other: TokenAmount) -> TokenAmount:
        self._must_match(other)
        return TokenAmount(token=self.token, raw=self.raw - other.raw)

    def _must_match(self, other: TokenAmount) -> None:
        if self.token.address != other.token.address:
            raise ValueError(f"{self.token.symbol} and {other.token.symbol} do not add up")

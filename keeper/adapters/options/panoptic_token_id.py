"""Panoptic's token ids: a whole position in one word. Ref: ``TokenId.sol``.

The low 64 bits name the pool; a leg takes 48 bits, the first one begins at bit 64: asset 1, ratio 7, long 1, token type 1, risk
partner 2, strike 24 (two's complement), width 12. A leg whose ratio is 0 is none, and no leg follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

POOL_ID_BITS = 64
LEG_BITS = 48
MAX_LEGS = 4
_RATIO_AT, _LONG_AT, _TYPE_AT, _PARTNER_AT, _STRIKE_AT, _WIDTH_AT = 1, 8, 9, 10, 12, 36
_STRIKE_BITS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLeg:
    """One leg, as the word has it.

    Raises:
        ValueError: a field does not fit its bits, or the ratio is 0.
    """

    asset: int
    """Index of the token that sizes are in, 0 or 1."""
    ratio: int
    """How often the position's size the leg is, 1 to 127."""
    is_long: bool
    token_type: int
    """Index of the token that the leg's liquidity is all of while it is out of the money, 0 or 1."""
    risk_partner: int
    """Place of the leg that it is margined with, 0 to 3; its own when there is none."""
    strike: int
    """Tick of its centre, -2**23 to 2**23 - 1."""
    width: int
    """Ticks from end to end over the pool's spacing, 0 to 4095; 0 is a loan or a credit, not an option."""

    def __post_init__(self) -> None:
        limit = 1 << (_STRIKE_BITS - 1)
        if not -limit <= self.strike < limit:
            raise ValueError(f"strike {self.strike} does not fit 24 bits")
        fields = (
            ("asset", self.asset, 0, 1),
            ("ratio", self.ratio, 1, 127),
            ("token type", self.token_type, 0, 1),
            ("risk partner", self.risk_partner, 0, MAX_LEGS - 1),
            ("width", self.width, 0, 4095),
        )
        for name, value, least, most in fields:
            if not least <= value <= most:
                raise ValueError(f"{name} {value} does not lie in {least} to {most}")

    def word(self) -> int:
        """Its 48 bits."""
        return (
            self.asset
            | self.ratio << _RATIO_AT
            | self.is_long << _LONG_AT
            | self.token_type << _TYPE_AT
            | self.risk_partner << _PARTNER_AT
            | self.strike % (1 << _STRIKE_BITS) << _STRIKE_AT
            | self.width << _WIDTH_AT
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenId:
    """A position's terms.

    Raises:
        ValueError: the pool's id does not fit 64 bits, or there are not 1 to 4 legs.
    """

    pool_id: int
    legs: tuple[TokenLeg, ...]

    def __post_init__(self) -> None:
        if self.pool_id < 0 or self.pool_id >> POOL_ID_BITS:
            raise ValueError(f"pool id {self.pool_id} does not fit 64 bits")
        if not 1 <= len(self.legs) <= MAX_LEGS:
            raise ValueError(f"{len(self.legs)} legs; a position has 1 to {MAX_LEGS}")

    def encode(self) -> int:
        """The word."""
        word = self.pool_id
        for place, leg in enumerate(self.legs):
            word |= leg.word() << (POOL_ID_BITS + LEG_BITS * place)
        return word


def decode_token_id(word: int) -> TokenId:
    """The position that a word names.

    Raises:
        ValueError: it is no word of 256 bits, names no leg, or has bits in a leg that is none.
    """
    if word < 0 or word >> 256:
        raise ValueError(f"{word} does not fit 256 bits")
    legs: list[TokenLeg] = []
    rest = word >> POOL_ID_BITS
    while rest:
        legs.append(_leg(rest & ((1 << LEG_BITS) - 1)))
        rest >>= LEG_BITS
    return TokenId(pool_id=word & ((1 << POOL_ID_BITS) - 1), legs=tuple(legs))


def _leg(bits: int) -> TokenLeg:
    strike = bits >> _STRIKE_AT & ((1 << _STRIKE_BITS) - 1)
    return TokenLeg(
        asset=bits & 1,
        ratio=bits >> _RATIO_AT & 127,
        is_long=bool(bits >> _LONG_AT & 1),
        token_type=bits >> _TYPE_AT & 1,
        risk_partner=bits >> _PARTNER_AT & 3,
        strike=strike - (1 << _STRIKE_BITS) if strike >> (_STRIKE_BITS - 1) else strike,
        width=bits >> _WIDTH_AT,
    )

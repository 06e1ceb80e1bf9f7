# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A price list for the Herge double
@notice What one whole unit costs, on a straight line between two periods, in raw units of the settlement token.
@dev Kept of the real calculator: the call, a premium that does not know the spot price, rounding down.
     Not claimed: its quartic and coefficients. Anybody may set the line: it must never leave a local chain.
"""

from_s: public(uint256)
to_s: public(uint256)
from_price: public(uint256)
to_price: public(uint256)
UNIT: immutable(uint256)


@deploy
def __init__(_unit: uint256, _from_s: uint256, _to_s: uint256, _from_price: uint256, _to_price: uint256):
    UNIT = _unit
    self._set(_from_s, _to_s, _from_price, _to_price)


@internal
def _set(_from_s: uint256, _to_s: uint256, _from_price: uint256, _to_price: uint256):
    assert _from_s < _to_s, "no line"
    self.from_s = _from_s
    self.to_s = _to_s
    self.from_price = _from_price
    self.to_price = _to_price


@external
def setLine(_from_s: uint256, _to_s: uint256, _from_price: uint256, _to_price: uint256):
    self._set(_from_s, _to_s, _from_price, _to_price)


@view
@external
def calculatePremium(_period: uint256, _amount: uint256, _strike: uint256) -> uint256:
    """
    @notice Premium of `_amount` raw units for `_period` seconds; the line goes on past its ends, never below zero.
    """
    run: int256 = convert(self.to_s - self.from_s, int256)
    rise: int256 = convert(self.to_price, int256) - convert(self.from_price, int256)
    since: int256 = convert(_period, int256) - convert(self.from_s, int256)
    price: int256 = convert(self.from_price, int256) + rise * since // run
    return convert(max(price, 0), uint256) * _amount // UNIT

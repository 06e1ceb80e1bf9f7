# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The cover pool of Hegic Herge, as a double
@notice Ours, written from the interface and the known behaviour of the real one; none of its code.
@dev Kept: what is available is the least of the payoff pool's balance, its allowance and the worth of the cover; a payout comes
     out of the payoff pool and uses the cover up; only the treasury may ask for one; a payout past the cover reverts in the
     words of the staked token.
     Not claimed: epochs, shares, the staked token. The worth of the cover is a number that anybody may set: it must never leave
     a local chain.
"""

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def allowance(owner: address, spender: address) -> uint256: view
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

profitToken: public(immutable(address))
payoffPool: public(immutable(address))
TREASURY: immutable(address)

cover: public(uint256)


@deploy
def __init__(_token: address, _payoff_pool: address, _treasury: address):
    profitToken = _token
    payoffPool = _payoff_pool
    TREASURY = _treasury


@external
def setCover(_worth: uint256):
    self.cover = _worth


@view
@external
def availableForPayment() -> uint256:
    held: uint256 = staticcall Token(profitToken).balanceOf(payoffPool)
    allowed: uint256 = staticcall Token(profitToken).allowance(payoffPool, self)
    return min(min(held, allowed), self.cover)


@external
def payOut(_amount: uint256):
    assert msg.sender == TREASURY, "not the treasury"
    assert self.cover >= _amount, "ERC20: transfer amount exceeds balance"
    self.cover -= _amount
    assert extcall Token(profitToken).transferFrom(payoffPool, msg.sender, _amount)

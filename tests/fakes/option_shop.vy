# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A shop that takes tokens by allowance and pays tokens out
@notice Stands for the contracts of an option venue where only what moves matters. It sells nothing: it must never leave a
        local chain.
"""

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

surcharge: public(HashMap[address, uint256])
closed: public(bool)


@external
def set_surcharge(token: address, amount: uint256):
    """
    @notice Make everything that is charged in a token from now on dearer by so much.
    """
    self.surcharge[token] = amount


@external
def close():
    self.closed = True


@external
def charge(token: address, amount: uint256):
    assert not self.closed, "the shop is closed"
    assert extcall Token(token).transferFrom(msg.sender, self, amount + self.surcharge[token])


@external
def pay(token: address, amount: uint256):
    assert not self.closed, "the shop is closed"
    assert extcall Token(token).transfer(msg.sender, amount)

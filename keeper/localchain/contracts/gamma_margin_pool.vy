# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's MarginPool
@notice For a local chain only. Kept: it stands apart from the controller, holds all collateral, takes it by allowance and pays when
        the controller says so.
        Not claimed: the stored balances that set donations apart, farming.
"""

interface AddressBook:
    def getController() -> address: view

interface ERC20:
    def transferFrom(_sender: address, _receiver: address, _value: uint256) -> bool: nonpayable
    def transfer(_receiver: address, _value: uint256) -> bool: nonpayable

addressBook: public(immutable(address))


@deploy
def __init__(_address_book: address):
    addressBook = _address_book


@external
def transferToPool(_asset: address, _user: address, _amount: uint256):
    controller: address = staticcall AddressBook(addressBook).getController()
    assert msg.sender == controller, "MarginPool: Sender is not Controller"
    assert _amount > 0, "MarginPool: transferToPool amount is equal to 0"
    assert extcall ERC20(_asset).transferFrom(_user, self, _amount, default_return_value=True)


@external
def transferToUser(_asset: address, _user: address, _amount: uint256):
    controller: address = staticcall AddressBook(addressBook).getController()
    assert msg.sender == controller, "MarginPool: Sender is not Controller"
    assert extcall ERC20(_asset).transfer(_user, _amount, default_return_value=True)

# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's Otoken
@notice For a local chain only. Kept: ERC-20 of 8 decimals behind minimal proxies, terms set once, getOtokenDetails in the real
        order, minting and burning by the controller alone and without an allowance, the revert strings of these.
        Not claimed: names and symbols (all series are called alike), permit, the name of the function that sets the terms (`init`,
        which is no name in Vyper).
"""

interface AddressBook:
    def getController() -> address: view

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

name: public(constant(String[6])) = "oToken"
symbol: public(constant(String[6])) = "oToken"
decimals: public(constant(uint8)) = 8

controller: public(address)
underlyingAsset: public(address)
strikeAsset: public(address)
collateralAsset: public(address)
strikePrice: public(uint256)
expiryTimestamp: public(uint256)
isPut: public(bool)

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@external
def initialize(
    _address_book: address,
    _underlying: address,
    _strike: address,
    _collateral: address,
    _strike_price: uint256,
    _expiry: uint256,
    _is_put: bool,
):
    assert self.controller == empty(address), "Contract instance has already been initialized"
    self.controller = staticcall AddressBook(_address_book).getController()
    self.underlyingAsset = _underlying
    self.strikeAsset = _strike
    self.collateralAsset = _collateral
    self.strikePrice = _strike_price
    self.expiryTimestamp = _expiry
    self.isPut = _is_put


@view
@external
def getOtokenDetails() -> (address, address, address, uint256, uint256, bool):
    return (
        self.collateralAsset, self.underlyingAsset, self.strikeAsset, self.strikePrice, self.expiryTimestamp, self.isPut
    )


@external
def mintOtoken(_account: address, _amount: uint256):
    assert msg.sender == self.controller, "Otoken: Only Controller can mint Otokens"
    self.totalSupply += _amount
    self.balanceOf[_account] += _amount
    log Transfer(sender=empty(address), receiver=_account, value=_amount)


@external
def burnOtoken(_account: address, _amount: uint256):
    assert msg.sender == self.controller, "Otoken: Only Controller can burn Otokens"
    assert self.balanceOf[_account] >= _amount, "ERC20: burn amount exceeds balance"
    self.balanceOf[_account] -= _amount
    self.totalSupply -= _amount
    log Transfer(sender=_account, receiver=empty(address), value=_amount)


@internal
def _transfer(_sender: address, _receiver: address, _value: uint256):
    assert _receiver != empty(address), "ERC20: transfer to the zero address"
    assert self.balanceOf[_sender] >= _value, "ERC20: transfer amount exceeds balance"
    self.balanceOf[_sender] -= _value
    self.balanceOf[_receiver] += _value
    log Transfer(sender=_sender, receiver=_receiver, value=_value)


@external
def transfer(_receiver: address, _value: uint256) -> bool:
    self._transfer(msg.sender, _receiver, _value)
    return True


@external
def transferFrom(_sender: address, _receiver: address, _value: uint256) -> bool:
    allowed: uint256 = self.allowance[_sender][msg.sender]
    assert allowed >= _value, "ERC20: transfer amount exceeds allowance"
    self.allowance[_sender][msg.sender] = allowed - _value
    self._transfer(_sender, _receiver, _value)
    return True


@external
def approve(_spender: address, _value: uint256) -> bool:
    self.allowance[msg.sender][_spender] = _value
    log Approval(owner=msg.sender, spender=_spender, value=_value)
    return True

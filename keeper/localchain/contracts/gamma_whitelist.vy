# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's Whitelist
@notice For a local chain only. Kept: oTokens are listed by the factory alone and struck off by the owner; a product must be listed
        before a series of it is created; puts are collateralised in the strike asset and calls in the underlying.
        Not claimed: lists of collateral assets and of callees.
"""

interface AddressBook:
    def getOtokenFactory() -> address: view

event OtokenWhitelisted:
    otoken: indexed(address)

event OtokenBlacklisted:
    otoken: indexed(address)

owner: public(address)
addressBook: public(immutable(address))
products: HashMap[bytes32, bool]
isWhitelistedOtoken: public(HashMap[address, bool])


@deploy
def __init__(_address_book: address):
    self.owner = msg.sender
    addressBook = _address_book


@pure
@internal
def _product(_underlying: address, _strike: address, _collateral: address, _is_put: bool) -> bytes32:
    return keccak256(abi_encode(_underlying, _strike, _collateral, _is_put))


@view
@external
def isWhitelistedProduct(_underlying: address, _strike: address, _collateral: address, _is_put: bool) -> bool:
    return self.products[self._product(_underlying, _strike, _collateral, _is_put)]


@external
def whitelistProduct(_underlying: address, _strike: address, _collateral: address, _is_put: bool):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    covered: address = _strike if _is_put else _underlying
    assert _collateral == covered, "Whitelist: Only allow fully collateralized products"
    self.products[self._product(_underlying, _strike, _collateral, _is_put)] = True


@external
def whitelistOtoken(_otoken: address):
    factory: address = staticcall AddressBook(addressBook).getOtokenFactory()
    assert msg.sender == factory, "Whitelist: Sender is not OtokenFactory"
    self.isWhitelistedOtoken[_otoken] = True
    log OtokenWhitelisted(otoken=_otoken)


@external
def blacklistOtoken(_otoken: address):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    self.isWhitelistedOtoken[_otoken] = False
    log OtokenBlacklisted(otoken=_otoken)

# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's OtokenFactory
@notice For a local chain only. Kept: createOtoken with its refusals (expiry at 08:00 UTC and not past, listed product, one series a
        set of terms), minimal proxies, the list of all series, getOtoken, the event OtokenCreated.
        Not claimed: the addresses of series (the real factory's CREATE2 salt), and that an index past the end of otokens burns all
        gas, as it does in Solidity 0.6.
"""

interface AddressBook:
    def getWhitelist() -> address: view
    def getOtokenImpl() -> address: view

interface Whitelist:
    def isWhitelistedProduct(_underlying: address, _strike: address, _collateral: address, _is_put: bool) -> bool: view
    def whitelistOtoken(_otoken: address): nonpayable

interface Otoken:
    def initialize(
        _address_book: address,
        _underlying: address,
        _strike: address,
        _collateral: address,
        _strike_price: uint256,
        _expiry: uint256,
        _is_put: bool,
    ): nonpayable

event OtokenCreated:
    tokenAddress: address
    creator: address
    underlying: indexed(address)
    strike: indexed(address)
    collateral: indexed(address)
    strikePrice: uint256
    expiry: uint256
    isPut: bool

addressBook: public(immutable(address))
otokens: public(DynArray[address, 4096])
byTerms: HashMap[bytes32, address]


@deploy
def __init__(_address_book: address):
    addressBook = _address_book


@pure
@internal
def _terms(
    _underlying: address, _strike: address, _collateral: address, _strike_price: uint256, _expiry: uint256, _is_put: bool
) -> bytes32:
    return keccak256(abi_encode(_underlying, _strike, _collateral, _strike_price, _expiry, _is_put))


@external
def createOtoken(
    _underlying: address, _strike: address, _collateral: address, _strike_price: uint256, _expiry: uint256, _is_put: bool
) -> address:
    assert _expiry > block.timestamp, "OtokenFactory: Can't create expired option"
    assert (_expiry - 28800) % 86400 == 0, "OtokenFactory: Option has to expire 08:00 UTC"
    terms: bytes32 = self._terms(_underlying, _strike, _collateral, _strike_price, _expiry, _is_put)
    assert self.byTerms[terms] == empty(address), "OtokenFactory: Option already created"
    whitelist: Whitelist = Whitelist(staticcall AddressBook(addressBook).getWhitelist())
    listed: bool = staticcall whitelist.isWhitelistedProduct(_underlying, _strike, _collateral, _is_put)
    assert listed, "OtokenFactory: Unsupported Product"
    assert not _is_put or _strike_price > 0, "OtokenFactory: Can't create a $0 strike put option"
    made: address = create_minimal_proxy_to(staticcall AddressBook(addressBook).getOtokenImpl())
    extcall Otoken(made).initialize(addressBook, _underlying, _strike, _collateral, _strike_price, _expiry, _is_put)
    self.byTerms[terms] = made
    self.otokens.append(made)
    extcall whitelist.whitelistOtoken(made)
    log OtokenCreated(
        tokenAddress=made,
        creator=msg.sender,
        underlying=_underlying,
        strike=_strike,
        collateral=_collateral,
        strikePrice=_strike_price,
        expiry=_expiry,
        isPut=_is_put,
    )
    return made


@view
@external
def getOtokensLength() -> uint256:
    return len(self.otokens)


@view
@external
def getOtoken(
    _underlying: address, _strike: address, _collateral: address, _strike_price: uint256, _expiry: uint256, _is_put: bool
) -> address:
    return self.byTerms[self._terms(_underlying, _strike, _collateral, _strike_price, _expiry, _is_put)]

# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's Controller, its redeem side, with the payout of its MarginCalculator
@notice For a local chain only. Kept: operate with the real tuple and the real numbers of actions; redeeming (8) burns the sender's
        oTokens without an allowance and pays from the margin pool; the refusals C5 (fully paused), C27 (not listed), C28 (not
        expired) and C29 (price not final); the two pauses; the event Redeem; the payout's two roundings, both down: the rate of one
        oToken in units of the collateral, by 27-decimal fixed point, then rate times amount over 1e8.
        Not claimed: vaults. Every other action is refused, and `write`, which no real controller has, lets the owner hand out
        oTokens for which the margin pool may hold anything or nothing.
"""

struct ActionArgs:
    actionType: uint8
    owner: address
    secondAddress: address
    asset: address
    vaultId: uint256
    amount: uint256
    index: uint256
    data: Bytes[1024]

interface AddressBook:
    def getWhitelist() -> address: view
    def getOracle() -> address: view
    def getMarginPool() -> address: view

interface Whitelist:
    def isWhitelistedOtoken(_otoken: address) -> bool: view

interface Oracle:
    def getExpiryPrice(_asset: address, _expiry: uint256) -> (uint256, bool): view
    def isDisputePeriodOver(_asset: address, _expiry: uint256) -> bool: view

interface MarginPool:
    def transferToUser(_asset: address, _user: address, _amount: uint256): nonpayable

interface Otoken:
    def getOtokenDetails() -> (address, address, address, uint256, uint256, bool): view
    def expiryTimestamp() -> uint256: view
    def mintOtoken(_account: address, _amount: uint256): nonpayable
    def burnOtoken(_account: address, _amount: uint256): nonpayable

interface ERC20:
    def decimals() -> uint8: view

event Redeem:
    otoken: indexed(address)
    redeemer: indexed(address)
    receiver: indexed(address)
    collateralAsset: address
    otokenBurned: uint256
    payout: uint256

REDEEM: constant(uint8) = 8
ONE: constant(uint256) = 10 ** 27
TO_ONE: constant(uint256) = 10 ** 19
OTOKEN_ONE: constant(uint256) = 10 ** 8

owner: public(address)
addressbook: public(immutable(address))
systemPartiallyPaused: public(bool)
systemFullyPaused: public(bool)


@deploy
def __init__(_address_book: address):
    self.owner = msg.sender
    addressbook = _address_book


@external
def setSystemFullyPaused(_paused: bool):
    assert msg.sender == self.owner, "C1"
    self.systemFullyPaused = _paused


@external
def setSystemPartiallyPaused(_paused: bool):
    assert msg.sender == self.owner, "C2"
    self.systemPartiallyPaused = _paused


@external
def write(_otoken: address, _holder: address, _amount: uint256):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    extcall Otoken(_otoken).mintOtoken(_holder, _amount)


@external
@nonreentrant
def operate(_actions: DynArray[ActionArgs, 16]):
    assert not self.systemFullyPaused, "C5"
    for action: ActionArgs in _actions:
        assert action.actionType == REDEEM, "double: only redeeming is known"
        self._redeem(action.asset, action.secondAddress, action.amount)


@internal
def _redeem(_otoken: address, _receiver: address, _amount: uint256):
    whitelist: address = staticcall AddressBook(addressbook).getWhitelist()
    assert staticcall Whitelist(whitelist).isWhitelistedOtoken(_otoken), "C27"
    collateral: address = empty(address)
    underlying: address = empty(address)
    strike: address = empty(address)
    strike_price: uint256 = 0
    expiry: uint256 = 0
    is_put: bool = False
    collateral, underlying, strike, strike_price, expiry, is_put = staticcall Otoken(_otoken).getOtokenDetails()
    assert block.timestamp >= expiry, "C28"
    assert self._settled(collateral, underlying, strike, expiry), "C29"
    payout: uint256 = self._payout(_otoken, _amount)
    extcall Otoken(_otoken).burnOtoken(msg.sender, _amount)
    pool: address = staticcall AddressBook(addressbook).getMarginPool()
    extcall MarginPool(pool).transferToUser(collateral, _receiver, payout)
    log Redeem(
        otoken=_otoken,
        redeemer=msg.sender,
        receiver=_receiver,
        collateralAsset=collateral,
        otokenBurned=_amount,
        payout=payout,
    )


@view
@internal
def _settled(_collateral: address, _underlying: address, _strike: address, _expiry: uint256) -> bool:
    oracle: Oracle = Oracle(staticcall AddressBook(addressbook).getOracle())
    for asset: address in [_underlying, _strike, _collateral]:
        if not staticcall oracle.isDisputePeriodOver(asset, _expiry):
            return False
    return True


@view
@internal
def _final_price(_asset: address, _expiry: uint256) -> uint256:
    price: uint256 = 0
    final: bool = False
    oracle: address = staticcall AddressBook(addressbook).getOracle()
    price, final = staticcall Oracle(oracle).getExpiryPrice(_asset, _expiry)
    assert final, "MarginCalculator: price at expiry not finalized yet"
    return price * TO_ONE


@view
@internal
def _payout(_otoken: address, _amount: uint256) -> uint256:
    collateral: address = empty(address)
    underlying: address = empty(address)
    strike: address = empty(address)
    strike_price: uint256 = 0
    expiry: uint256 = 0
    is_put: bool = False
    collateral, underlying, strike, strike_price, expiry, is_put = staticcall Otoken(_otoken).getOtokenDetails()
    assert block.timestamp >= expiry, "MarginCalculator: Otoken not expired yet"
    strike_usd: uint256 = self._final_price(strike, expiry)
    spot: uint256 = self._final_price(underlying, expiry) * ONE // strike_usd
    limit: uint256 = strike_price * TO_ONE
    value: uint256 = 0
    if is_put and spot < limit:
        value = limit - spot
    elif not is_put and spot > limit:
        value = spot - limit
    if collateral != strike:
        value = value * strike_usd // ONE * ONE // self._final_price(collateral, expiry)
    decimals: uint256 = convert(staticcall ERC20(collateral).decimals(), uint256)
    return value // 10 ** (27 - decimals) * _amount // OTOKEN_ONE


@view
@external
def getPayout(_otoken: address, _amount: uint256) -> uint256:
    return self._payout(_otoken, _amount)


@view
@external
def isSettlementAllowed(_otoken: address) -> bool:
    collateral: address = empty(address)
    underlying: address = empty(address)
    strike: address = empty(address)
    strike_price: uint256 = 0
    expiry: uint256 = 0
    is_put: bool = False
    collateral, underlying, strike, strike_price, expiry, is_put = staticcall Otoken(_otoken).getOtokenDetails()
    return self._settled(collateral, underlying, strike, expiry)


@view
@external
def hasExpired(_otoken: address) -> bool:
    return block.timestamp >= staticcall Otoken(_otoken).expiryTimestamp()

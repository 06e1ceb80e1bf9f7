# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's Oracle
@notice For a local chain only. Kept: prices of 8 decimals, set once an expiry by the asset's pricer, after the pricer's locking
        period, final strictly after its dispute period; assets of a stable price, which are always final; the disputer, who may
        replace a price once while it is not final.
        Not claimed: migration of prices from an older oracle, historical rounds.
"""

interface Pricer:
    def getPrice() -> uint256: view

struct Price:
    price: uint256
    timestamp: uint256
    disputed: bool

event ExpiryPriceUpdated:
    asset: indexed(address)
    expiryTimestamp: indexed(uint256)
    price: uint256
    onchainTimestamp: uint256

event ExpiryPriceDisputed:
    asset: indexed(address)
    expiryTimestamp: indexed(uint256)
    disputedPrice: uint256
    newPrice: uint256
    disputeTimestamp: uint256

owner: public(address)
getDisputer: public(address)
getPricer: public(HashMap[address, address])
getPricerLockingPeriod: public(HashMap[address, uint256])
getPricerDisputePeriod: public(HashMap[address, uint256])
stable: HashMap[address, uint256]
stored: HashMap[address, HashMap[uint256, Price]]


@deploy
def __init__():
    self.owner = msg.sender
    self.getDisputer = msg.sender


@internal
def _only_owner():
    assert msg.sender == self.owner, "Ownable: caller is not the owner"


@external
def setAssetPricer(_asset: address, _pricer: address):
    self._only_owner()
    assert self.stable[_asset] == 0, "Oracle: could not set a pricer for stable asset"
    self.getPricer[_asset] = _pricer


@external
def setLockingPeriod(_pricer: address, _period: uint256):
    self._only_owner()
    self.getPricerLockingPeriod[_pricer] = _period


@external
def setDisputePeriod(_pricer: address, _period: uint256):
    self._only_owner()
    self.getPricerDisputePeriod[_pricer] = _period


@external
def setStablePrice(_asset: address, _price: uint256):
    self._only_owner()
    self.stable[_asset] = _price


@view
@internal
def _locking_over(_asset: address, _expiry: uint256) -> bool:
    if self.stable[_asset] != 0:
        return True
    return block.timestamp > _expiry + self.getPricerLockingPeriod[self.getPricer[_asset]]


@view
@internal
def _dispute_over(_asset: address, _expiry: uint256) -> bool:
    if self.stable[_asset] != 0:
        return True
    set_at: uint256 = self.stored[_asset][_expiry].timestamp
    if set_at == 0:
        return False
    return block.timestamp > set_at + self.getPricerDisputePeriod[self.getPricer[_asset]]


@external
def setExpiryPrice(_asset: address, _expiry: uint256, _price: uint256):
    assert msg.sender == self.getPricer[_asset], "Oracle: caller is not authorized to set expiry price"
    assert self._locking_over(_asset, _expiry), "Oracle: locking period is not over yet"
    assert self.stored[_asset][_expiry].timestamp == 0, "Oracle: dispute period started"
    self.stored[_asset][_expiry] = Price(price=_price, timestamp=block.timestamp, disputed=False)
    log ExpiryPriceUpdated(asset=_asset, expiryTimestamp=_expiry, price=_price, onchainTimestamp=block.timestamp)


@external
def disputeExpiryPrice(_asset: address, _expiry: uint256, _price: uint256):
    assert msg.sender == self.getDisputer, "Oracle: caller is not the disputer"
    assert not self._dispute_over(_asset, _expiry), "Oracle: dispute period over"
    old: Price = self.stored[_asset][_expiry]
    assert not old.disputed, "Oracle: price already disputed"
    self.stored[_asset][_expiry].price = _price
    self.stored[_asset][_expiry].disputed = True
    log ExpiryPriceDisputed(
        asset=_asset, expiryTimestamp=_expiry, disputedPrice=old.price, newPrice=_price, disputeTimestamp=block.timestamp
    )


@view
@external
def getPrice(_asset: address) -> uint256:
    if self.stable[_asset] != 0:
        return self.stable[_asset]
    assert self.getPricer[_asset] != empty(address), "Oracle: Pricer for this asset not set"
    return staticcall Pricer(self.getPricer[_asset]).getPrice()


@view
@external
def getExpiryPrice(_asset: address, _expiry: uint256) -> (uint256, bool):
    if self.stable[_asset] != 0:
        return self.stable[_asset], True
    return self.stored[_asset][_expiry].price, self._dispute_over(_asset, _expiry)


@view
@external
def isLockingPeriodOver(_asset: address, _expiry: uint256) -> bool:
    return self._locking_over(_asset, _expiry)


@view
@external
def isDisputePeriodOver(_asset: address, _expiry: uint256) -> bool:
    return self._dispute_over(_asset, _expiry)

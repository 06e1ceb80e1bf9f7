# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's Controller, its redeem side and its simplest vault, with the payout of its MarginCalculator
@notice For a local chain only. Kept: operate with the real tuple and the real numbers of actions; redeeming (8) burns the sender's
        oTokens without an allowance and pays from the margin pool; the refusals C5 (fully paused), C27 (not listed), C28 (not
        expired) and C29 (price not final); the two pauses and who may set them; the event Redeem; the payout's two roundings, both
        down: the rate of one oToken in units of the collateral, by 27-decimal fixed point, then rate times amount over 1e8; opening
        a vault (0), putting collateral into it (5) and writing from it (1), covered in full, with the refusals C4 (partially
        paused), C6, C12 and C13 (one vault at a time), C14 (not covered), C15, C20, C23, C24 and C35.
        Not claimed: vaults of other kinds, operators, taking anything out of a vault. Every other action is refused, and `write`,
        which no real controller has, lets the owner hand out oTokens for which the margin pool may hold anything or nothing.
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
    def transferToPool(_asset: address, _user: address, _amount: uint256): nonpayable
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

struct Vault:
    otoken: address
    written: uint256
    collateral: address
    held: uint256

OPEN_VAULT: constant(uint8) = 0
MINT_SHORT: constant(uint8) = 1
DEPOSIT_COLLATERAL: constant(uint8) = 5
REDEEM: constant(uint8) = 8
ONE: constant(uint256) = 10 ** 27
TO_ONE: constant(uint256) = 10 ** 19
OTOKEN_ONE: constant(uint256) = 10 ** 8

owner: public(address)
addressbook: public(immutable(address))
systemPartiallyPaused: public(bool)
systemFullyPaused: public(bool)
fullPauser: public(address)
partialPauser: public(address)
getAccountVaultCounter: public(HashMap[address, uint256])
vaults: HashMap[address, HashMap[uint256, Vault]]


@deploy
def __init__(_address_book: address):
    self.owner = msg.sender
    self.fullPauser = msg.sender
    self.partialPauser = msg.sender
    addressbook = _address_book


@external
def setFullPauser(_pauser: address):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    self.fullPauser = _pauser


@external
def setPartialPauser(_pauser: address):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    self.partialPauser = _pauser


@external
def setSystemFullyPaused(_paused: bool):
    assert msg.sender == self.fullPauser, "C1"
    self.systemFullyPaused = _paused


@external
def setSystemPartiallyPaused(_paused: bool):
    assert msg.sender == self.partialPauser, "C2"
    self.systemPartiallyPaused = _paused


@external
def write(_otoken: address, _holder: address, _amount: uint256):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    extcall Otoken(_otoken).mintOtoken(_holder, _amount)


@external
@nonreentrant
def operate(_actions: DynArray[ActionArgs, 16]):
    assert not self.systemFullyPaused, "C5"
    owner: address = empty(address)
    vault_id: uint256 = 0
    for action: ActionArgs in _actions:
        if action.actionType == REDEEM:
            self._redeem(action.asset, action.secondAddress, action.amount)
            continue
        assert owner == empty(address) or owner == action.owner, "C12"
        assert owner == empty(address) or vault_id == action.vaultId, "C13"
        owner = action.owner
        vault_id = action.vaultId
        self._update(action)
    if owner != empty(address):
        self._must_be_covered(self.vaults[owner][vault_id])


@internal
def _update(_action: ActionArgs):
    assert not self.systemPartiallyPaused, "C4"
    assert msg.sender == _action.owner, "C6"
    if _action.actionType == OPEN_VAULT:
        assert _action.vaultId == self.getAccountVaultCounter[_action.owner] + 1, "C15"
        self.getAccountVaultCounter[_action.owner] = _action.vaultId
        return
    assert 0 < _action.vaultId and _action.vaultId <= self.getAccountVaultCounter[_action.owner], "C35"
    vault: Vault = self.vaults[_action.owner][_action.vaultId]
    if _action.actionType == DEPOSIT_COLLATERAL:
        assert _action.secondAddress == msg.sender, "C20"
        assert vault.collateral in [empty(address), _action.asset], "MarginVault: collateral token address mismatch"
        pool: address = staticcall AddressBook(addressbook).getMarginPool()
        extcall MarginPool(pool).transferToPool(_action.asset, _action.secondAddress, _action.amount)
        vault.collateral = _action.asset
        vault.held += _action.amount
    else:
        assert _action.actionType == MINT_SHORT, "double: an action that is not known"
        whitelist: address = staticcall AddressBook(addressbook).getWhitelist()
        assert staticcall Whitelist(whitelist).isWhitelistedOtoken(_action.asset), "C23"
        assert block.timestamp < staticcall Otoken(_action.asset).expiryTimestamp(), "C24"
        assert vault.otoken in [empty(address), _action.asset], "MarginVault: short otoken address mismatch"
        vault.otoken = _action.asset
        vault.written += _action.amount
        extcall Otoken(_action.asset).mintOtoken(_action.secondAddress, _action.amount)
    self.vaults[_action.owner][_action.vaultId] = vault


@view
@internal
def _must_be_covered(_vault: Vault):
    if _vault.written == 0:
        return
    collateral: address = empty(address)
    underlying: address = empty(address)
    strike: address = empty(address)
    strike_price: uint256 = 0
    expiry: uint256 = 0
    is_put: bool = False
    collateral, underlying, strike, strike_price, expiry, is_put = staticcall Otoken(_vault.otoken).getOtokenDetails()
    assert _vault.collateral == collateral, "C14"
    unit: uint256 = 10 ** convert(staticcall ERC20(collateral).decimals(), uint256)
    most: uint256 = _vault.written * unit
    if is_put:
        most = most * strike_price // OTOKEN_ONE
    assert _vault.held * OTOKEN_ONE >= most, "C14"


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

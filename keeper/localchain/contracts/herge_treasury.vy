# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The treasury of Hegic Herge, as a double
@notice Ours, written from the interface and the known behaviour of the real one; none of its code.
@dev Kept: selectors, events, revert strings and their order, the premium taken by `transferFrom` (so that the allowance is the
     only price limit), reserves of premium and not of payoff, the payout's own check after the cover was asked to fill up,
     `unlock` by anybody strictly after the expiry, `payOff` strictly before it, the admin's withdrawal.
     Not claimed: roles but the admin's (and how they are given), the delay of an epoch before a strategy is connected.
     What a token says when it refuses is the token's own: USDC.e says "ERC20: ..." where the local token does not.
"""

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Positions:
    def createOptionFor(holder: address) -> uint256: nonpayable

interface CoverPool:
    def availableForPayment() -> uint256: view
    def payOut(amount: uint256): nonpayable

interface Strategy:
    def connect(): nonpayable
    def create(
        id: uint256, holder: address, amount: uint256, period: uint256, additional: DynArray[Bytes[32], 4]
    ) -> (uint32, uint256, uint256): nonpayable
    def payOffAmount(id: uint256) -> uint256: view
    def isPayoffAvailable(id: uint256, caller: address, recipient: address) -> bool: view

struct LockedLiquidity:
    state: uint8
    strategy: address
    negativepnl: uint128
    positivepnl: uint128
    expiration: uint32

event Expired:
    id: indexed(uint256)

event Paid:
    id: indexed(uint256)
    account: indexed(address)
    amount: uint256

event Replenished:
    amount: uint256

DEFAULT_ADMIN_ROLE: constant(bytes32) = empty(bytes32)
UNLOCKED: constant(uint8) = 0
LOCKED: constant(uint8) = 1

token: public(immutable(address))
manager: public(immutable(address))
coverPool: public(immutable(address))
maxLockupPeriod: public(immutable(uint256))

hasRole: public(HashMap[bytes32, HashMap[address, bool]])
lockedLiquidity: public(HashMap[uint256, LockedLiquidity])
lockedByStrategy: public(HashMap[address, uint256])
acceptedStrategy: public(HashMap[address, bool])
benchmark: public(uint256)
lockedPremium: public(uint256)
totalLocked: public(uint256)


@deploy
def __init__(_token: address, _manager: address, _max_lockup: uint256, _cover_pool: address, _benchmark: uint256):
    self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender] = True
    token = _token
    manager = _manager
    maxLockupPeriod = _max_lockup
    coverPool = _cover_pool
    self.benchmark = _benchmark


@view
@internal
def _balance() -> uint256:
    return staticcall Token(token).balanceOf(self)


@view
@internal
def _available() -> uint256:
    return self._balance() + staticcall CoverPool(coverPool).availableForPayment()


@internal
def _release(_id: uint256):
    held: LockedLiquidity = self.lockedLiquidity[_id]
    assert held.state == LOCKED, "The liquidity has already been unlocked"
    self.lockedLiquidity[_id].state = UNLOCKED
    self.totalLocked -= convert(held.negativepnl, uint256)
    self.lockedPremium -= convert(held.positivepnl, uint256)
    self.lockedByStrategy[held.strategy] -= convert(held.negativepnl, uint256)


@internal
def _fill_up(_more: uint256):
    amount: uint256 = self.benchmark + _more + self.lockedPremium - self._balance()
    extcall CoverPool(coverPool).payOut(amount)
    log Replenished(amount=amount)


@internal
def _pay(_to: address, _amount: uint256):
    assert (
        _amount + self.totalLocked + self.lockedPremium <= self._available()
    ), "The amount to withdraw is too large"
    if _amount > 0:
        assert extcall Token(token).transfer(_to, _amount)


@view
@external
def totalBalance() -> uint256:
    return self._balance()


@nonreentrant
@external
def buy(_strategy: address, _holder: address, _amount: uint256, _period: uint256, _additional: DynArray[Bytes[32], 4]):
    """
    @notice Sell `_holder` an option that the caller pays for, at whatever it costs now.
    """
    id: uint256 = extcall Positions(manager).createOptionFor(_holder)
    expiry: uint32 = 0
    reserve: uint256 = 0
    premium: uint256 = 0
    expiry, reserve, premium = extcall Strategy(_strategy).create(id, _holder, _amount, _period, _additional)
    assert self.acceptedStrategy[_strategy], "Wrong strategy"
    self.totalLocked += reserve
    self.lockedPremium += premium
    assert self.totalLocked + self.lockedPremium <= self._available(), "The negative pnl amount is too large"
    assert block.timestamp + maxLockupPeriod >= convert(expiry, uint256), "The period is too long"
    self.lockedByStrategy[_strategy] += reserve
    self.lockedLiquidity[id] = LockedLiquidity(
        state=LOCKED,
        strategy=_strategy,
        negativepnl=convert(reserve, uint128),
        positivepnl=convert(premium, uint128),
        expiration=expiry,
    )
    assert extcall Token(token).transferFrom(msg.sender, self, premium)


@nonreentrant
@external
def payOff(_id: uint256, _account: address):
    """
    @notice Exercise: pay what the option is worth now, all or nothing.
    """
    held: LockedLiquidity = self.lockedLiquidity[_id]
    amount: uint256 = staticcall Strategy(held.strategy).payOffAmount(_id)
    assert convert(held.expiration, uint256) > block.timestamp, "The option has already expired"
    assert (
        staticcall Strategy(held.strategy).isPayoffAvailable(_id, msg.sender, _account)
    ), "You can not execute this option strat"
    self._release(_id)
    if self._balance() < amount:
        self._fill_up(amount)
    self._pay(_account, amount)
    log Paid(id=_id, account=_account, amount=amount)


@external
def unlock(_id: uint256):
    assert block.timestamp > convert(self.lockedLiquidity[_id].expiration, uint256), "The expiration time has not yet come"
    self._release(_id)
    log Expired(id=_id)


@external
def connectStrategy(_strategy: address):
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    extcall Strategy(_strategy).connect()
    self.acceptedStrategy[_strategy] = True


@external
def withdraw(_to: address, _amount: uint256):
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    self._pay(_to, _amount)


@external
def setBenchmark(_value: uint256):
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    self.benchmark = _value

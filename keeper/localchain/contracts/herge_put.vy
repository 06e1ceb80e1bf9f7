# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A put strategy of Hegic Herge, as a double
@notice Ours, written from the interface and the known behaviour of the real one; none of its code.
@dev Kept: selectors, events, revert strings, units (amounts in raw units of the base, the feed's decimals, USDC.e's six),
     both divisions of the payoff rounding down, the strike being the feed's answer at the purchase, a price scale that no
     function tells, `strategyData` in the storage slot where the real build has it, a reserve of k percent of the premium,
     a payoff and an availability that do not look at the expiry.
     Not claimed: the prices, roles but the admin's (and how they are given), the limit controller's further limit, exercise windows.
"""

interface Pricer:
    def calculatePremium(period: uint256, amount: uint256, strike: uint256) -> uint256: view

interface Feed:
    def latestRoundData() -> (uint80, int256, uint256, uint256, uint80): view
    def decimals() -> uint8: view

interface CoverPool:
    def availableForPayment() -> uint256: view

interface Positions:
    def isApprovedOrOwner(spender: address, id: uint256) -> bool: view

interface Treasury:
    def coverPool() -> address: view
    def manager() -> address: view
    def totalBalance() -> uint256: view
    def totalLocked() -> uint256: view
    def lockedPremium() -> uint256: view
    def lockedByStrategy(strategy: address) -> uint256: view

struct StrategyData:
    amount: uint128
    strike: uint128

event Acquired:
    id: indexed(uint256)
    data: StrategyData
    negativepnl: uint256
    positivepnl: uint256
    period: uint256
    additional: DynArray[Bytes[32], 4]

event SetLimit:
    limit: uint256

DEFAULT_ADMIN_ROLE: constant(bytes32) = empty(bytes32)
SETTLEMENT_UNIT: constant(uint256) = 10**6
SCALE_UNIT: constant(uint256) = 10**4
STRATEGY_DATA_SLOT: constant(uint256) = 7
HIGH: constant(uint256) = 2**128

# Vyper hashes a mapping's slot before its key, Solidity after it. An array over all of storage, at slot 0, lets a word stand
# exactly where a Solidity mapping would have it; everything else lies above the array's end.
words: uint256[2**256 - 64]

priceProvider: public(immutable(address))
SPOT_UNIT: immutable(uint256)
PRICE_SCALE: immutable(uint256)

hasRole: public(HashMap[bytes32, HashMap[address, bool]])
pool: public(address)
pricer: public(address)
lockedLimit: public(uint256)
k: public(uint48)
minPeriod: public(uint48)
maxPeriod: public(uint48)
positionExpiration: public(HashMap[uint256, uint32])


@deploy
def __init__(
    _feed: address,
    _pricer: address,
    _limit: uint256,
    _spot_decimals: uint8,
    _scale: uint16,
    _min_period: uint48,
    _max_period: uint48,
):
    self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender] = True
    priceProvider = _feed
    SPOT_UNIT = 10 ** convert(_spot_decimals, uint256)
    PRICE_SCALE = convert(_scale, uint256)
    self.pricer = _pricer
    self.lockedLimit = _limit
    self.k = 100
    self.minPeriod = _min_period
    self.maxPeriod = _max_period


@pure
@internal
def _slot(_id: uint256) -> uint256:
    return convert(keccak256(abi_encode(_id, STRATEGY_DATA_SLOT)), uint256)


@view
@internal
def _data(_id: uint256) -> StrategyData:
    stored: uint256 = self.words[self._slot(_id)]
    return StrategyData(amount=convert(stored % HIGH, uint128), strike=convert(stored // HIGH, uint128))


@view
@internal
def _spot() -> uint256:
    round_id: uint80 = 0
    answer: int256 = 0
    started: uint256 = 0
    updated: uint256 = 0
    answered_in: uint80 = 0
    round_id, answer, started, updated, answered_in = staticcall Feed(priceProvider).latestRoundData()
    return convert(answer, uint256)


@view
@internal
def _pay_off(_id: uint256) -> uint256:
    data: StrategyData = self._data(_id)
    strike: uint256 = convert(data.strike, uint256) * PRICE_SCALE // SCALE_UNIT
    spot: uint256 = self._spot()
    if spot > strike:
        return 0
    feed_unit: uint256 = 10 ** convert(staticcall Feed(priceProvider).decimals(), uint256)
    return (strike - spot) * convert(data.amount, uint256) * SETTLEMENT_UNIT // SPOT_UNIT // feed_unit


@view
@internal
def _price(_amount: uint256, _period: uint256) -> (uint128, uint128):
    premium: uint256 = staticcall Pricer(self.pricer).calculatePremium(_period, _amount, 0)
    reserve: uint256 = premium * convert(self.k, uint256) // 100
    return convert(reserve, uint128), convert(premium, uint128)


@external
def connect():
    assert self.pool == empty(address), "The strategy was inited"
    self.pool = msg.sender


@external
def create(
    _id: uint256, _holder: address, _amount: uint256, _period: uint256, _additional: DynArray[Bytes[32], 4]
) -> (uint32, uint256, uint256):
    """
    @return Expiry, reserve, premium.
    """
    assert msg.sender == self.pool, "Only OperationalTresuary pool can execute this function"
    assert (
        convert(self.minPeriod, uint256) <= _period and _period <= convert(self.maxPeriod, uint256)
    ), "Period is wrong"
    reserve: uint128 = 0
    premium: uint128 = 0
    reserve, premium = self._price(_amount, _period)
    expiry: uint32 = convert(block.timestamp + _period, uint32)
    data: StrategyData = StrategyData(amount=convert(_amount, uint128), strike=convert(self._spot(), uint128))
    self.positionExpiration[_id] = expiry
    self.words[self._slot(_id)] = convert(data.amount, uint256) + convert(data.strike, uint256) * HIGH
    locked: uint256 = staticcall Treasury(self.pool).lockedByStrategy(self)
    assert locked + convert(reserve, uint256) <= self.lockedLimit, "HegicStrategy: The limit is exceeded"
    log Acquired(
        id=_id,
        data=data,
        negativepnl=convert(reserve, uint256),
        positivepnl=convert(premium, uint256),
        period=_period,
        additional=_additional,
    )
    return expiry, convert(reserve, uint256), convert(premium, uint256)


@view
@external
def strategyData(_id: uint256) -> (uint128, uint128):
    """
    @return Amount, and the spot price at the purchase.
    """
    data: StrategyData = self._data(_id)
    return data.amount, data.strike


@view
@external
def calculateNegativepnlAndPositivepnl(
    _amount: uint256, _period: uint256, _additional: DynArray[Bytes[32], 4]
) -> (uint128, uint128):
    """
    @notice Reserve and premium; whether the period is sold is not looked at.
    """
    return self._price(_amount, _period)


@view
@external
def getAvailableContracts(_period: uint32, _additional: DynArray[Bytes[32], 4]) -> uint256:
    treasury: Treasury = Treasury(self.pool)
    held: uint256 = staticcall treasury.totalBalance()
    held += staticcall CoverPool(staticcall treasury.coverPool()).availableForPayment()
    owed: uint256 = staticcall treasury.totalLocked() + staticcall treasury.lockedPremium()
    locked: uint256 = staticcall treasury.lockedByStrategy(self)
    if held < owed or self.lockedLimit < locked:
        return 0
    reserve: uint128 = 0
    premium: uint128 = 0
    reserve, premium = self._price(SPOT_UNIT, convert(_period, uint256))
    return min(held - owed, self.lockedLimit - locked) * SPOT_UNIT // convert(reserve, uint256)


@view
@external
def payOffAmount(_id: uint256) -> uint256:
    """
    @notice What the option would pay at the feed's answer, its expiry notwithstanding.
    """
    return self._pay_off(_id)


@view
@external
def isPayoffAvailable(_id: uint256, _caller: address, _recipient: address) -> bool:
    """
    @notice Whether the caller may and the option is in the money; neither expiry nor reserves are looked at.
    """
    manager: address = staticcall Treasury(self.pool).manager()
    return staticcall Positions(manager).isApprovedOrOwner(_caller, _id) and self._pay_off(_id) > 0


@external
def setPricer(_pricer: address):
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    self.pricer = _pricer


@external
def setLimit(_limit: uint256):
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    self.lockedLimit = _limit
    log SetLimit(limit=_limit)


@external
def setK(_k: uint48):
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    self.k = _k


@external
def setPeriods(_min_period: uint48, _max_period: uint48):
    """
    @notice What the real one has as one call of a pair.
    """
    assert self.hasRole[DEFAULT_ADMIN_ROLE][msg.sender], "not the admin"
    self.minPeriod = _min_period
    self.maxPeriod = _max_period

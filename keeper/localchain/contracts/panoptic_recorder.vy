# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A recorder in the place of Panoptic v2's factory, risk engine, pool and collateral vaults
@notice Ours, written from the interface; none of its code. It is no double: it computes nothing of what it answers.
@dev Kept: selectors, layouts of arguments, answers and events; that deposits are taken by allowance and given back.
     Dispatches are logged as they were decoded and change nothing; everything else is answered as a test has set it.
     Not claimed, on purpose: solvency, collateral requirements, streamed premium, fees, utilisation and interest, shares of a
     vault, liquidity of any range, the oracle and safe mode, price limits, the check of the list of positions, forced exercise
     and liquidation. Whoever needs one of these needs the venue's own bytecode.
"""

interface Token:
    def transferFrom(owner: address, to: address, amount: uint256) -> bool: nonpayable
    def transfer(to: address, amount: uint256) -> bool: nonpayable

event OptionMinted:
    recipient: indexed(address)
    tokenId: indexed(uint256)
    balanceData: uint256

event OptionBurnt:
    recipient: indexed(address)
    positionSize: uint128
    tokenId: indexed(uint256)
    premiaByLeg: int256[4]

event ForcedExercised:
    exercisor: indexed(address)
    user: indexed(address)
    tokenId: indexed(uint256)
    exerciseFee: int256

event AccountLiquidated:
    liquidator: indexed(address)
    liquidatee: indexed(address)
    bonusAmounts: int256

event Dispatched:
    sender: indexed(address)
    positionIdList: DynArray[uint256, 8]
    finalPositionIdList: DynArray[uint256, 32]
    positionSizes: DynArray[uint128, 8]
    tickAndSpreadLimits: DynArray[int24[3], 8]
    usePremiaAsCollateral: bool
    builderCode: uint256

struct PositionData:
    balance: uint256
    required: uint256
    premia: int256

struct Terms:
    poolId: uint64
    collateralToken0: address
    collateralToken1: address

TOKEN: immutable(address)

panopticPool: HashMap[address, HashMap[address, address]]
terms: Terms
safeMode: uint8
chunks: HashMap[int24, HashMap[int24, uint256[4]]]
legs: HashMap[address, uint256]
longPremium: HashMap[address, uint256]
positions: HashMap[address, HashMap[uint256, PositionData]]
deposits: HashMap[address, uint256]
withdrawalLimit: HashMap[address, uint256]
refusal: Bytes[132]
notionalFee: uint16
premiumFee: uint16
collateralRatio: uint256


@deploy
def __init__(_token: address):
    """
    @param _token What the vault takes; nothing elsewhere.
    """
    TOKEN = _token


# What the adapter asks and sends


@view
@external
def getPanopticPool(_univ3pool: address, _riskEngine: address) -> address:
    return self.panopticPool[_univ3pool][_riskEngine]


@view
@external
def poolId() -> uint64:
    return self.terms.poolId


@view
@external
def collateralToken0() -> address:
    return self.terms.collateralToken0


@view
@external
def collateralToken1() -> address:
    return self.terms.collateralToken1


@view
@external
def isSafeMode() -> uint8:
    return self.safeMode


@view
@external
def numberOfLegs(_user: address) -> uint256:
    return self.legs[_user]


@view
@external
def getChunkData(_tickLower: int24, _tickUpper: int24) -> (uint256, uint256, uint256, uint256):
    data: uint256[4] = self.chunks[_tickLower][_tickUpper]
    return data[0], data[1], data[2], data[3]


@view
@external
def getFullPositionsData(
    _user: address, _includePendingPremium: bool, _positionIdList: DynArray[uint256, 32]
) -> (uint256, uint256, DynArray[uint256, 32], DynArray[uint256, 32], DynArray[int256, 32]):
    balances: DynArray[uint256, 32] = []
    required: DynArray[uint256, 32] = []
    premia: DynArray[int256, 32] = []
    for id: uint256 in _positionIdList:
        data: PositionData = self.positions[_user][id]
        balances.append(data.balance)
        required.append(data.required)
        premia.append(data.premia)
    return 0, self.longPremium[_user], balances, required, premia


@external
def dispatch(
    _positionIdList: DynArray[uint256, 8],
    _finalPositionIdList: DynArray[uint256, 32],
    _positionSizes: DynArray[uint128, 8],
    _tickAndSpreadLimits: DynArray[int24[3], 8],
    _usePremiaAsCollateral: bool,
    _builderCode: uint256,
):
    """
    @notice Logged, or refused with what a test has set.
    """
    if len(self.refusal) > 0:
        raw_revert(self.refusal)
    log Dispatched(
        sender=msg.sender,
        positionIdList=_positionIdList,
        finalPositionIdList=_finalPositionIdList,
        positionSizes=_positionSizes,
        tickAndSpreadLimits=_tickAndSpreadLimits,
        usePremiaAsCollateral=_usePremiaAsCollateral,
        builderCode=_builderCode,
    )


@view
@external
def assetsOf(_owner: address) -> uint256:
    return self.deposits[_owner]


@view
@external
def maxWithdraw(_owner: address) -> uint256:
    return self.withdrawalLimit[_owner]


@payable
@external
def deposit(_assets: uint256, _receiver: address) -> uint256:
    """
    @return What stands for shares: as many as assets.
    """
    assert extcall Token(TOKEN).transferFrom(msg.sender, self, _assets), "transfer failed"
    self.deposits[_receiver] += _assets
    return _assets


@external
def withdraw(_assets: uint256, _receiver: address, _owner: address) -> uint256:
    assert msg.sender == _owner, "not the owner"
    self.deposits[_owner] -= _assets
    assert extcall Token(TOKEN).transfer(_receiver, _assets), "transfer failed"
    return _assets


@view
@external
def NOTIONAL_FEE() -> uint16:
    return self.notionalFee


@view
@external
def PREMIUM_FEE() -> uint16:
    return self.premiumFee


@view
@external
def BUYER_COLLATERAL_RATIO() -> uint256:
    return self.collateralRatio


# What a test sets


@external
def setPool(_univ3pool: address, _riskEngine: address, _pool: address):
    self.panopticPool[_univ3pool][_riskEngine] = _pool


@external
def setTerms(_terms: Terms):
    self.terms = _terms


@external
def setSafeMode(_mode: uint8):
    self.safeMode = _mode


@external
def setChunk(_tickLower: int24, _tickUpper: int24, _data: uint256[4]):
    self.chunks[_tickLower][_tickUpper] = _data


@external
def setLegs(_user: address, _legs: uint256):
    self.legs[_user] = _legs


@external
def setPosition(_user: address, _id: uint256, _data: PositionData, _longPremium: uint256):
    self.positions[_user][_id] = _data
    self.longPremium[_user] = _longPremium


@external
def setWithdrawalLimit(_owner: address, _limit: uint256):
    self.withdrawalLimit[_owner] = _limit


@external
def setRefusal(_data: Bytes[132]):
    self.refusal = _data


@external
def setParameters(_notionalFee: uint16, _premiumFee: uint16, _collateralRatio: uint256):
    self.notionalFee = _notionalFee
    self.premiumFee = _premiumFee
    self.collateralRatio = _collateralRatio


@external
def tellMinted(_recipient: address, _id: uint256, _balanceData: uint256):
    log OptionMinted(recipient=_recipient, tokenId=_id, balanceData=_balanceData)


@external
def tellBurnt(_recipient: address, _id: uint256, _size: uint128, _exercisor: address, _liquidator: address):
    """
    @notice An option has ended: by its owner, or by whoever is named.
    """
    premia: int256[4] = empty(int256[4])
    log OptionBurnt(recipient=_recipient, positionSize=_size, tokenId=_id, premiaByLeg=premia)
    if _exercisor != empty(address):
        log ForcedExercised(exercisor=_exercisor, user=_recipient, tokenId=_id, exerciseFee=0)
    if _liquidator != empty(address):
        log AccountLiquidated(liquidator=_liquidator, liquidatee=_recipient, bonusAmounts=0)

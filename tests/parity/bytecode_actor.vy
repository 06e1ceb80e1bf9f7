# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Somebody who uses a pool directly
@notice Makes any calls of a pool, pays what its callbacks ask for, and tells after every call what came of it.
@dev A call that reverts does not stop the others. Pays whoever asks: its purse is worth nothing.
"""

interface Pool:
    def token0() -> address: view
    def token1() -> address: view
    def slot0() -> (uint160, int24, uint16, uint16, uint16, uint8, bool): view
    def liquidity() -> uint128: view
    def feeGrowthGlobal0X128() -> uint256: view
    def feeGrowthGlobal1X128() -> uint256: view
    def protocolFees() -> (uint128, uint128): view

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable

event Outcome:
    done: bool
    sqrt_price_x96: uint160
    tick: int24
    fee_protocol: uint8
    liquidity: uint128
    fee_growth_global0_x128: uint256
    fee_growth_global1_x128: uint256
    protocol_fees0: uint128
    protocol_fees1: uint128
    answer: Bytes[128]


@external
def act(pool: address, calls: DynArray[Bytes[260], 64]):
    for call: Bytes[260] in calls:
        done: bool = False
        answer: Bytes[128] = b""
        done, answer = raw_call(pool, call, max_outsize=128, revert_on_failure=False)
        self._tell(pool, done, answer)


@internal
def _tell(pool: address, done: bool, answer: Bytes[128]):
    sqrt_price_x96: uint160 = 0
    tick: int24 = 0
    index: uint16 = 0
    cardinality: uint16 = 0
    cardinality_next: uint16 = 0
    fee_protocol: uint8 = 0
    unlocked: bool = False
    fees0: uint128 = 0
    fees1: uint128 = 0
    sqrt_price_x96, tick, index, cardinality, cardinality_next, fee_protocol, unlocked = staticcall Pool(pool).slot0()
    fees0, fees1 = staticcall Pool(pool).protocolFees()
    log Outcome(
        done=done,
        sqrt_price_x96=sqrt_price_x96,
        tick=tick,
        fee_protocol=fee_protocol,
        liquidity=staticcall Pool(pool).liquidity(),
        fee_growth_global0_x128=staticcall Pool(pool).feeGrowthGlobal0X128(),
        fee_growth_global1_x128=staticcall Pool(pool).feeGrowthGlobal1X128(),
        protocol_fees0=fees0,
        protocol_fees1=fees1,
        answer=answer,
    )


@internal
def _pay(amount0: uint256, amount1: uint256):
    if amount0 > 0:
        assert extcall Token(staticcall Pool(msg.sender).token0()).transfer(msg.sender, amount0)
    if amount1 > 0:
        assert extcall Token(staticcall Pool(msg.sender).token1()).transfer(msg.sender, amount1)


@external
def uniswapV3SwapCallback(amount0_delta: int256, amount1_delta: int256, data: Bytes[32]):
    self._pay(convert(max(amount0_delta, 0), uint256), convert(max(amount1_delta, 0), uint256))


@external
def uniswapV3MintCallback(amount0_owed: uint256, amount1_owed: uint256, data: Bytes[32]):
    self._pay(amount0_owed, amount1_owed)


@external
def uniswapV3FlashCallback(fee0: uint256, fee1: uint256, data: Bytes[64]):
    """
    @dev The data says what to pay, since the callback is not told what was borrowed.
    """
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = abi_decode(data, (uint256, uint256))
    self._pay(amount0, amount1)

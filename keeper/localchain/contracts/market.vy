# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The market of the local chain
@notice Trades and provides liquidity on Uniswap v3 pools directly, for its owner, out of its own balances.
@dev The pool being called is remembered for the length of the call: only that pool may ask for payment.
"""

interface Pool:
    def token0() -> address: view
    def token1() -> address: view
    def swap(
        recipient: address, zeroForOne: bool, amountSpecified: int256, sqrtPriceLimitX96: uint160, data: Bytes[32]
    ) -> (int256, int256): nonpayable
    def mint(
        recipient: address, tickLower: int24, tickUpper: int24, amount: uint128, data: Bytes[32]
    ) -> (uint256, uint256): nonpayable
    def burn(tickLower: int24, tickUpper: int24, amount: uint128) -> (uint256, uint256): nonpayable
    def collect(
        recipient: address, tickLower: int24, tickUpper: int24, amount0Requested: uint128, amount1Requested: uint128
    ) -> (uint128, uint128): nonpayable

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable

OWNER: immutable(address)
paying: transient(address)


@deploy
def __init__():
    OWNER = msg.sender


@external
def swap(pool: address, zero_for_one: bool, amount_specified: int256, sqrt_price_limit: uint160) -> (int256, int256):
    assert msg.sender == OWNER, "not the owner"
    self.paying = pool
    amount0: int256 = 0
    amount1: int256 = 0
    amount0, amount1 = extcall Pool(pool).swap(self, zero_for_one, amount_specified, sqrt_price_limit, b"")
    self.paying = empty(address)
    return amount0, amount1


@external
def mint(pool: address, tick_lower: int24, tick_upper: int24, liquidity: uint128) -> (uint256, uint256):
    assert msg.sender == OWNER, "not the owner"
    self.paying = pool
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = extcall Pool(pool).mint(self, tick_lower, tick_upper, liquidity, b"")
    self.paying = empty(address)
    return amount0, amount1


@external
def burn(pool: address, tick_lower: int24, tick_upper: int24, liquidity: uint128) -> (uint256, uint256):
    """
    @notice Remove liquidity and take out what it held; fees stay with the pool.
    @dev Fees are not asked for because a position written into storage has no honest fee history.
    """
    assert msg.sender == OWNER, "not the owner"
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = extcall Pool(pool).burn(tick_lower, tick_upper, liquidity)
    extcall Pool(pool).collect(
        self, tick_lower, tick_upper, convert(amount0, uint128), convert(amount1, uint128)
    )
    return amount0, amount1


@internal
def _pay(amount0: uint256, amount1: uint256):
    assert msg.sender == self.paying, "not the pool being called"
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

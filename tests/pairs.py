"""The pairs that tests talk about, with mainnet's own addresses, and the moment at which they do."""

from __future__ import annotations

from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token

USDC = Token(address="0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", symbol="USDC", decimals=6)
WETH = Token(address="0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", symbol="WETH", decimals=18)
USDT = Token(address="0xdAC17F958D2ee523a2206206994597C13D831ec7", symbol="USDT", decimals=6)

USDC_WETH_500 = PoolKey(
    address="0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640", token0=USDC, token1=WETH, fee_pips=500, tick_spacing=10
)
USDC_WETH_3000 = PoolKey(
    address="0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8", token0=USDC, token1=WETH, fee_pips=3000, tick_spacing=60
)
WETH_USDT_500 = PoolKey(
    address="0x11b815efB8f581194ae79006d24E0d814B7697F6", token0=WETH, token1=USDT, fee_pips=500, tick_spacing=10
)

WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TICK = 193_380
"""About 4,000 USDC per ETH."""
NOW_S = 1_759_320_000
"""2025-10-01 12:00 UTC."""
BLOCK = 23_484_000
LIQUIDITY = 8_000_000_000_000_000_000
"""Active liquidity of others."""
DAY_S = 86_400

"""What stands where on Arbitrum One, as far as the twin has it: Uniswap at mainnet's addresses, other tokens, chain id 42161.

Its blocks come as the local chain is told, 12 s apart unless a time is named. Data on a chain below has a price, which is what
a double of ArbGasInfo says it is; no transaction pays it.
"""

from __future__ import annotations

from keeper.localchain.mainnet import uniswap
from keeper.localchain.recipe import Placement, Recipe

CHAIN_ID = 42_161
FIRST_BLOCK = 22_207_817
"""Nitro's first, from which the shipped configuration searches for options."""
BLOCKS_A_SLOT = 48
"""In the 12 s that a market of ours makes one block in, a quarter of a second each."""
BASE_FEES = 0.05
"""Of what mainnet's weather costs: some hundredths of a gwei in usual times."""
WETH = "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1"
USDC_E = "0xFF970A61A04b1cA14834A43f5dE4533eBDDB5CC8"
ETH_USD = "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612"
"""Chainlink's proxy."""
SEQUENCER = "0xFdB631F5EE196F0ed6FAa767959853A9F217697D"
"""Chainlink's feed of whether the sequencer works: 0 when it does."""
WETH_USDC_E_500 = "0xC31E54c7a869B9FcBEcc14363CF510d1c41fa443"
"""What the factory makes of the two tokens and the fee; compared when the twin is built."""

GAS_INFO = "0x000000000000000000000000000000000000006C"
"""ArbGasInfo, of the chain itself on Arbitrum and of ours here."""
BYTE_WEI = 1_600_000_000
"""What a byte costs to begin with: 16 units of gas of a chain below at a tenth of a gwei."""

ARBITRUM = Recipe(
    weth=WETH,
    minted=(USDC_E,),
    # On Arbitrum both stand behind proxies, and the wrapped ether is not WETH9.
    placements=(
        Placement(artifact="WETH9", address=WETH),
        Placement(
            artifact="Token",
            address=USDC_E,
            types=("string", "string", "uint8", "string"),
            arguments=("USD Coin (Arb1)", "USDC", 6, "1"),
        ),
        Placement(artifact="ArbGasInfo", address=GAS_INFO, types=("uint256",), arguments=(BYTE_WEI,)),
    ),
    deployments=uniswap(WETH),
    pools=((WETH, USDC_E, 500, WETH_USDC_E_500),),
)

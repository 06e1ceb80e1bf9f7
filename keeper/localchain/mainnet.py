"""What stands where on Ethereum mainnet, and who put it there with which nonce: the recipe of the twin.

A contract's address follows from its deployer and the deployer's nonce alone, so the same sender and nonce give the same
address on any chain. Found by search over the deployers' nonces; every address below is compared when the twin is built.
"""

from __future__ import annotations

from keeper.localchain.recipe import Deployment, Recipe

FACTORY = "0x1F98431c8aD98523631AE4a59f267346ea31F984"
TICK_LENS = "0xbfd8137f7d1516D3ea5cA83523914859ec47F573"
NFT_DESCRIPTOR = "0x42B24A95702b9986e82d421cC3568932790A48Ec"
POSITION_DESCRIPTOR = "0x91ae842A5Ffd8d12023116943e72A606179294f3"
POSITION_MANAGER = "0xC36442b4a4522E871399CD717aBDD847Ab11FE88"
QUOTER_V2 = "0x61fFE014bA17989E743c5F6cB21bF9697530B21e"
SWAP_ROUTER_02 = "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
V2_FACTORY = "0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"
"""Only named by SwapRouter02's constructor; nothing stands there on the twin."""

USDC_WETH_500 = "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"
USDC_WETH_3000 = "0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8"
WETH_USDT_500 = "0x11b815efB8f581194ae79006d24E0d814B7697F6"

_NATIVE_LABEL = b"ETH".ljust(32, b"\x00")
_TWO = ("address", "address")
_TOKEN = ("string", "string", "uint8", "string")


def uniswap(weth: str) -> tuple[Deployment, ...]:
    """Multicall3 and Uniswap v3 over a wrapped native token: the same addresses on every chain that they were deployed to."""
    return (
        Deployment(artifact="Multicall3", address=MULTICALL3, deployer="0x05f32B3cC3888453ff71B01135B34FF8e41263F2", nonce=0),
        Deployment(artifact="UniswapV3Factory", address=FACTORY, nonce=0),
        Deployment(artifact="TickLens", address=TICK_LENS, nonce=2),
        Deployment(artifact="NFTDescriptor", address=NFT_DESCRIPTOR, nonce=5),
        Deployment(
            artifact="NonfungibleTokenPositionDescriptor",
            address=POSITION_DESCRIPTOR,
            nonce=6,
            types=("address", "bytes32"),
            arguments=(weth, _NATIVE_LABEL),
        ),
        # On mainnet the manager asks a proxy of the descriptor; here it asks the descriptor itself.
        Deployment(
            artifact="NonfungiblePositionManager",
            address=POSITION_MANAGER,
            nonce=8,
            types=(*_TWO, "address"),
            arguments=(FACTORY, weth, POSITION_DESCRIPTOR),
        ),
        Deployment(artifact="QuoterV2", address=QUOTER_V2, nonce=13, types=_TWO, arguments=(FACTORY, weth)),
        Deployment(
            artifact="SwapRouter02",
            address=SWAP_ROUTER_02,
            nonce=14,
            types=(*_TWO, *_TWO),
            arguments=(V2_FACTORY, FACTORY, POSITION_MANAGER, weth),
        ),
    )


DEPLOYMENTS = (
    Deployment(artifact="WETH9", address=WETH, deployer="0x4F26FfBe5F04ED43630fdC30A87638d53D0b0876", nonce=446),
    Deployment(
        artifact="Token",
        address=USDC,
        deployer="0x95Ba4cF87D6723ad9C0Db21737D862bE80e93911",
        nonce=20,
        types=_TOKEN,
        arguments=("USD Coin", "USDC", 6, "2"),
    ),
    Deployment(
        artifact="Token",
        address=USDT,
        deployer="0x36928500Bc1dCd7af6a2B4008875CC336b927D57",
        nonce=6,
        types=_TOKEN,
        arguments=("Tether USD", "USDT", 6, "1"),
    ),
    *uniswap(WETH),
)
"""In an order in which libraries come before what links them."""

LIBRARIES = {"NFTDescriptor": NFT_DESCRIPTOR}
POOLS = (
    (USDC, WETH, 500, USDC_WETH_500),
    (USDC, WETH, 3000, USDC_WETH_3000),
    (WETH, USDT, 500, WETH_USDT_500),
)
"""token0, token1, fee in pips, address."""
MAINNET = Recipe(weth=WETH, minted=(USDC, USDT), deployments=DEPLOYMENTS, pools=POOLS)

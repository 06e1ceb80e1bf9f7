"""What a twin is made of."""

from __future__ import annotations

from dataclasses import dataclass

UNISWAP_DEPLOYER = "0x6C9FC64A53c1b71FB3f9Af64d1ae3A4931A5f4E9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One contract of the recipe, sent by whoever sent it to the real chain."""

    artifact: str
    address: str
    deployer: str = UNISWAP_DEPLOYER
    nonce: int
    types: tuple[str, ...] = ()
    """ABI types of the constructor."""
    arguments: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One contract whose deployer on the real chain is not known: its constructor runs where it is to stand."""

    artifact: str
    address: str
    types: tuple[str, ...] = ()
    """ABI types of the constructor."""
    arguments: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What stands where on a twin; the factory and NFT library are at the addresses that all chains share."""

    weth: str
    """Address of WETH9 as wrapped native currency."""
    minted: tuple[str, ...]
    """Addresses of the tokens that the twin's banker mints."""
    deployments: tuple[Deployment, ...]
    """In an order in which libraries come before what links them."""
    pools: tuple[tuple[str, str, int, str], ...]
    """token0, token1, fee in pips, address."""
    placements: tuple[Placement, ...] = ()
    """Put there before the deployments."""

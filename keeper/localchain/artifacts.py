"""Contract artifacts: ours from the package, other people's from ``node_modules``, where their licences keep them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from keeper.adapters.evm.abi import Contract
from keeper.core.model.errors import ConfigError
from keeper.localchain.anvil import node_modules_folders
from keeper.localchain.compile import CONTRACTS

OURS = frozenset({"Multicall3", *CONTRACTS})
_PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts"
_CHAINLINK = "@chainlink/contracts/abi"
_AAVE = "@aave/core-v3/artifacts/contracts/protocol"
AAVE_LIBRARIES = (
    "BorrowLogic",
    "BridgeLogic",
    "ConfiguratorLogic",
    "EModeLogic",
    "LiquidationLogic",
    "PoolLogic",
    "SupplyLogic",
    "FlashLoanLogic",
)
"""What Aave's contracts link against, in an order in which each comes after those that it links against itself."""
FETCHED: Mapping[str, str] = {
    "UniswapV3Factory": "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
    "UniswapV3Pool": "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
    "TickLens": f"{_PERIPHERY}/lens/TickLens.sol/TickLens.json",
    "QuoterV2": f"{_PERIPHERY}/lens/QuoterV2.sol/QuoterV2.json",
    "NFTDescriptor": f"{_PERIPHERY}/libraries/NFTDescriptor.sol/NFTDescriptor.json",
    "NonfungibleTokenPositionDescriptor": (
        f"{_PERIPHERY}/NonfungibleTokenPositionDescriptor.sol/NonfungibleTokenPositionDescriptor.json"
    ),
    "NonfungiblePositionManager": f"{_PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json",
    "SwapRouter02": "@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json",
    "WETH9": "canonical-weth/build/contracts/WETH9.json",
    "SwapERC20": "@airswap/swap-erc20/build/contracts/SwapERC20.sol/SwapERC20.json",
    "EACAggregatorProxy": f"{_CHAINLINK}/v0.6/EACAggregatorProxy.json",
    "MockV3Aggregator": f"{_CHAINLINK}/v0.6/MockV3Aggregator.json",
    "AaveV3PoolAddressesProvider": f"{_AAVE}/configuration/PoolAddressesProvider.sol/PoolAddressesProvider.json",
    "AaveV3ACLManager": f"{_AAVE}/configuration/ACLManager.sol/ACLManager.json",
    "AaveV3Pool": f"{_AAVE}/pool/Pool.sol/Pool.json",
    "AaveV3PoolConfigurator": f"{_AAVE}/pool/PoolConfigurator.sol/PoolConfigurator.json",
    "AaveV3InterestRateStrategy": (
        f"{_AAVE}/pool/DefaultReserveInterestRateStrategy.sol/DefaultReserveInterestRateStrategy.json"
    ),
    "AaveV3AToken": f"{_AAVE}/tokenization/AToken.sol/AToken.json",
    "AaveV3StableDebtToken": f"{_AAVE}/tokenization/StableDebtToken.sol/StableDebtToken.json",
    "AaveV3VariableDebtToken": f"{_AAVE}/tokenization/VariableDebtToken.sol/VariableDebtToken.json",
    "AaveV3Oracle": "@aave/core-v3/artifacts/contracts/misc/AaveOracle.sol/AaveOracle.json",
    **{name: f"{_AAVE}/libraries/logic/{name}.sol/{name}.json" for name in AAVE_LIBRARIES},
}
"""Contract name -> file below ``node_modules``."""


class ArtifactNotFound(ConfigError):
    """A contract of the local chain is not on this machine; the message says what to do."""


def _fetched(name: str, environ: Mapping[str, str], cwd: Path) -> str:
    for folder in node_modules_folders(environ, cwd):
        if (path := folder / FETCHED[name]).is_file():
            return path.read_text(encoding="utf-8")
    raise ArtifactNotFound([f"the contract {name} was not found in any node_modules: run `npm ci` in the project"])


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """The artifact with its parts where Hardhat puts them; Chainlink's package keeps the compiler's own output."""
    if "compilerOutput" not in document:
        return document
    output = document["compilerOutput"]
    code = output["evm"]["bytecode"]
    return {"abi": output["abi"], "bytecode": code["object"], "linkReferences": code["linkReferences"]}


@cache
def artifact(name: str) -> Mapping[str, Any]:
    """The artifact of a contract: at least ``bytecode`` (creation code, hex) and, Multicall3 excepted, ``abi``.

    Raises:
        ArtifactNotFound: it comes from npm and is not installed.
        KeyError: no such contract in the local chain.
    """
    if name in OURS:
        text = resources.files("keeper.localchain").joinpath("artifacts", f"{name}.json").read_text(encoding="ascii")
    else:
        text = _fetched(name, os.environ, Path.cwd())
    document = json.loads(text)
    assert isinstance(document, dict)
    return _flat(document)


@cache
def interface(name: str) -> Contract:
    """Functions and events of a contract of the local chain, Multicall3 excepted.

    Raises:
        ArtifactNotFound: it comes from npm and is not installed.
        KeyError: no such contract, or its artifact has no ABI.
    """
    return Contract(name, artifact(name)["abi"])


def creation_code(name: str, *, libraries: Mapping[str, str] | None = None) -> str:
    """Creation code of a contract without its constructor arguments, hex with 0x.

    Args:
        name: contract.
        libraries: library name -> address, for contracts that link against one.

    Raises:
        ArtifactNotFound: it comes from npm and is not installed.
        KeyError: a library that it links against is not given.
    """
    found = artifact(name)
    code: str = found["bytecode"]
    for file in found.get("linkReferences", {}).values():
        for library, places in file.items():
            address = (libraries or {})[library].removeprefix("0x").lower()
            for place in places:
                start = 2 + 2 * place["start"]
                code = code[:start] + address + code[start + 40 :]
    return code

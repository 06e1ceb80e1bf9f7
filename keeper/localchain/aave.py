"""Aave v3's own contracts on the twin, with WETH and USDC to lend: deployed only where a test or a person wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from keeper.localchain import mainnet
from keeper.localchain.artifacts import AAVE_LIBRARIES, creation_code, interface
from keeper.localchain.chain import LocalChain, LocalTx, MinedBlock
from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin

ADDRESSES_PROVIDER = "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"
POOL = "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
"""What the provider creates first: it stands at mainnet's address because the provider does."""
CONFIGURATOR = "0x64b761D848206f447Fe2dd461b0c635Ec39EbB27"
"""What it creates next."""
VARIABLE_RATE = 2
STABLE_RATE = 1

_NOBODY = "0x0000000000000000000000000000000000000000"
_DOLLAR = 10**8
"""The oracle's unit, which is that of its feeds."""
_RAY_PERCENT = 10**25
_DEPLOY_GAS = 16_000_000
_CALL_GAS = 3_000_000
_MOST = 2**256 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a reserve is lent; percentages of whole numbers."""

    symbol: str
    decimals: int
    kink_percent: int
    """Utilisation past which the rate rises steeply."""
    slope1_percent: int
    """Variable rate at the kink, a year; below it the rate grows from nothing in proportion."""
    slope2_percent: int
    """What the rate gains from the kink to full utilisation."""
    ltv_bps: int
    threshold_bps: int
    """Share of the collateral's value at which a debt may be liquidated."""
    bonus_bps: int
    """What a liquidator gets for the debt's value, 10,500 being 5 % more."""


TERMS: Mapping[str, Terms] = {
    mainnet.WETH: Terms(
        symbol="WETH",
        decimals=18,
        kink_percent=80,
        slope1_percent=4,
        slope2_percent=80,
        ltv_bps=8_000,
        threshold_bps=8_250,
        bonus_bps=10_500,
    ),
    mainnet.USDC: Terms(
        symbol="USDC",
        decimals=6,
        kink_percent=90,
        slope1_percent=5,
        slope2_percent=60,
        ltv_bps=7_700,
        threshold_bps=8_000,
        bonus_bps=10_450,
    ),
}
"""Of the reserves, in round numbers of the size that mainnet knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LendingMarket:
    """A market that is up; accounts are the twin's, unlocked, or impersonated."""

    twin: Twin

    def supply(self, account: str, asset: str, raw: int) -> MinedBlock:
        """Lend ``raw`` units that ``account`` holds (one block)."""
        return self._act(account, asset, "supply", asset, raw, account, 0)

    def borrow(self, account: str, asset: str, raw: int, *, rate: int = VARIABLE_RATE) -> MinedBlock:
        """Take ``raw`` units against what ``account`` has supplied (one block)."""
        return self._act(account, asset, "borrow", asset, raw, rate, 0, account)

    def repay(self, account: str, asset: str, raw: int, *, rate: int = VARIABLE_RATE) -> MinedBlock:
        """Pay back ``raw`` units, or all that is owed if that is less (one block)."""
        return self._act(account, asset, "repay", asset, raw, rate, account)

    def liquidate(self, liquidator: str, user: str, *, collateral: str, debt: str, raw: int) -> MinedBlock:
        """Repay up to ``raw`` units of a debt that is no longer covered and take the collateral for it (one block)."""
        return self._act(liquidator, debt, "liquidationCall", collateral, debt, user, raw, False)

    def _act(self, account: str, asset: str, function: str, *arguments: Any) -> MinedBlock:
        approve = interface("Token").function("approve").call_data(POOL, _MOST)
        data = interface("AaveV3Pool").function(function).call_data(*arguments)
        return self.twin.chain.mine_all_succeed(
            [
                LocalTx(sender=account, to=asset, data=approve, gas=100_000),
                LocalTx(sender=account, to=POOL, data=data, gas=_CALL_GAS),
            ]
        )

    def deploy_strategy(self, terms: Terms) -> str:
        """A rate strategy of its own for one reserve (one block); its address."""
        return _deploy_strategies(self.twin.chain, [terms])[0]

    def set_strategy(self, asset: str, strategy: str) -> None:
        """Let a reserve follow another rate strategy (one block)."""
        _call(self.twin.chain, "AaveV3PoolConfigurator", CONFIGURATOR, "setReserveInterestRateStrategyAddress", asset, strategy)


def _deploy(chain: LocalChain, *codes: str) -> list[str]:
    """Addresses of contracts with these creation codes, all of one block."""
    txs = [LocalTx(sender=BANKER, to=None, data=code, gas=_DEPLOY_GAS) for code in codes]
    return [str(receipt["contractAddress"]) for receipt in chain.mine_all_succeed(txs).receipts[: len(txs)]]


def _call(chain: LocalChain, contract: str, address: str, function: str, *arguments: Any) -> None:
    data = interface(contract).function(function).call_data(*arguments)
    chain.mine_all_succeed([LocalTx(sender=BANKER, to=address, data=data, gas=_DEPLOY_GAS)])


def _address_code(name: str, address: str, libraries: Mapping[str, str] | None = None) -> str:
    """Creation code of a contract whose constructor takes one address."""
    return creation_code(name, libraries=libraries) + encode(("address",), (address,)).hex()


def _deploy_libraries(chain: LocalChain) -> dict[str, str]:
    *free, linked = AAVE_LIBRARIES
    found = dict(zip(free, _deploy(chain, *(creation_code(name) for name in free)), strict=True))
    return {**found, linked: _deploy(chain, creation_code(linked, libraries=found))[0]}


def _deploy_strategies(chain: LocalChain, terms: list[Terms]) -> list[str]:
    kinds = ("address", *("uint256",) * 9)
    rows = [
        (one.kink_percent, 0, one.slope1_percent, one.slope2_percent, one.slope1_percent, one.slope2_percent, 1, 8, 20)
        for one in terms
    ]
    codes = [
        creation_code("AaveV3InterestRateStrategy")
        + encode(kinds, (ADDRESSES_PROVIDER, *(percent * _RAY_PERCENT for percent in row))).hex()
        for row in rows
    ]
    return _deploy(chain, *codes)


def _open_market(chain: LocalChain) -> None:
    """The provider with its pool and configurator, and a person who may list reserves."""
    libraries = _deploy_libraries(chain)
    code = creation_code("AaveV3PoolAddressesProvider") + encode(("string", "address"), ("Twin", BANKER)).hex()
    place(chain, ADDRESSES_PROVIDER, code, owner=BANKER)
    provider = ("AaveV3PoolAddressesProvider", ADDRESSES_PROVIDER)
    _call(chain, *provider, "setACLAdmin", BANKER)
    acl, pool, configurator = _deploy(
        chain,
        _address_code("AaveV3ACLManager", ADDRESSES_PROVIDER),
        _address_code("AaveV3Pool", ADDRESSES_PROVIDER, libraries),
        creation_code("AaveV3PoolConfigurator", libraries=libraries),
    )
    _call(chain, *provider, "setACLManager", acl)
    _call(chain, "AaveV3ACLManager", acl, "addPoolAdmin", BANKER)
    _call(chain, *provider, "setPoolImpl", pool)
    _call(chain, *provider, "setPoolConfiguratorImpl", configurator)


def _set_oracle(chain: LocalChain, feeds: Mapping[str, LocalFeed]) -> None:
    kinds = ("address", "address[]", "address[]", "address", "address", "uint256")
    sources = [feed.address for feed in feeds.values()]
    arguments = (ADDRESSES_PROVIDER, list(feeds), sources, _NOBODY, _NOBODY, _DOLLAR)
    (oracle,) = _deploy(chain, creation_code("AaveV3Oracle") + encode(kinds, arguments).hex())
    _call(chain, "AaveV3PoolAddressesProvider", ADDRESSES_PROVIDER, "setPriceOracle", oracle)


def _list_reserves(chain: LocalChain) -> None:
    tokens = ("AaveV3AToken", "AaveV3StableDebtToken", "AaveV3VariableDebtToken")
    codes = [_deploy(chain, *(_address_code(name, POOL) for name in tokens))]
    strategies = _deploy_strategies(chain, list(TERMS.values()))
    inputs = [
        (*codes[0], terms.decimals, strategy, asset, BANKER, _NOBODY, *_names(terms.symbol), b"")
        for (asset, terms), strategy in zip(TERMS.items(), strategies, strict=True)
    ]
    configurator = ("AaveV3PoolConfigurator", CONFIGURATOR)
    _call(chain, *configurator, "initReserves", inputs)
    for asset, terms in TERMS.items():
        limits = (terms.ltv_bps, terms.threshold_bps, terms.bonus_bps)
        _call(chain, *configurator, "configureReserveAsCollateral", asset, *limits)
        _call(chain, *configurator, "setReserveBorrowing", asset, True)
        _call(chain, *configurator, "setReserveStableRateBorrowing", asset, True)


def _names(symbol: str) -> tuple[str, ...]:
    kinds = (("Aave", "a"), ("Aave Variable Debt", "variableDebt"), ("Aave Stable Debt", "stableDebt"))
    return tuple(name for long, short in kinds for name in (f"{long} {symbol}", short + symbol))


def deploy_lending(twin: Twin, feeds: Mapping[str, LocalFeed]) -> LendingMarket:
    """Put an empty market on the twin, with a reserve of WETH and one of USDC (about 20 blocks).

    Args:
        twin: where.
        feeds: token -> its price in dollars, for every reserve; also what a test moves to make a debt bad.

    Raises:
        ArtifactNotFound: Aave's contracts are not installed.
        LocalChainError: a contract refuses.
    """
    _open_market(twin.chain)
    _set_oracle(twin.chain, feeds)
    _list_reserves(twin.chain)
    return LendingMarket(twin=twin)

"""Twins of chains: Uniswap v3's real bytecode at a chain's own addresses on a local anvil, mainnet's unless told otherwise."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from eth_abi.abi import encode

from keeper.core.model.errors import ConfigError
from keeper.localchain import mainnet
from keeper.localchain.accounts import DEVELOPER_ACCOUNTS, Account
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import BLOCK_TIME_S, LocalChain, LocalChainError, LocalTx
from keeper.localchain.placing import place
from keeper.localchain.recipe import Deployment, Recipe
from keeper.localchain.storage import mapping_slot, padded_address, word

BANKER = "0x00000000000000000000000000000000ba9cE700"
"""Who mints tokens and creates pools; impersonated, never signs."""
_WETH_BALANCES_SLOT = 3
_MEGAGAS = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A built twin; its addresses are those of its recipe, as in :mod:`keeper.localchain.mainnet`."""

    chain: LocalChain
    recipe: Recipe = mainnet.MAINNET
    accounts: tuple[Account, ...] = DEVELOPER_ACCOUNTS
    """Funded with 10,000 ETH each, no tokens."""

    @property
    def rpc_url(self) -> str:
        """HTTP address of the node."""
        return self.chain.url

    def fund(self, address: str, token: str, raw: int) -> None:
        """Give ``address`` ``raw`` units of ``token`` more: a mint of its own tokens (one block), WETH by a write (none).

        Raises:
            ConfigError: the twin does not know ``token``.
        """
        if token == self.recipe.weth:
            self._fund_weth(address, raw)
        elif token in self.recipe.minted:
            mint = interface("Token").function("mint").call_data(address, raw)
            self.chain.mine_all_succeed([LocalTx(sender=BANKER, to=token, data=mint, gas=200_000)])
        else:
            known = ", ".join((*self.recipe.minted, self.recipe.weth))
            raise ConfigError([f"{token} is not a token of the twin; it has {known}"])

    def _fund_weth(self, address: str, raw: int) -> None:
        slot = mapping_slot(padded_address(address), _WETH_BALANCES_SLOT)
        rpc, weth = self.chain.rpc, self.recipe.weth
        held, backing = rpc.batch(
            [
                ("eth_getStorageAt", [weth, hex(slot), "latest"]),
                ("eth_getBalance", [weth, "latest"]),
            ]
        )
        # WETH's supply is the ETH that it holds: without it the new tokens could not be unwrapped.
        rpc.batch(
            [
                ("anvil_setStorageAt", [weth, word(slot), word(int(held, 16) + raw)]),
                ("anvil_setBalance", [weth, hex(int(backing, 16) + raw)]),
            ]
        )

    def fund_native(self, address: str, wei: int) -> None:
        """Give ``address`` ``wei`` more of the native currency."""
        held = int(self.chain.rpc.call("eth_getBalance", address, "latest"), 16)
        self.chain.rpc.call("anvil_setBalance", address, hex(held + wei))

    def balance_raw(self, address: str, token: str) -> int:
        """What ``address`` holds of ``token``, raw units."""
        data = interface("Token").function("balanceOf").call_data(address)
        return int(self.chain.rpc.call("eth_call", {"to": token, "input": data}, "latest"), 16)

    def initialize(self, pool: str, sqrt_price_x96: int) -> None:
        """Set the first price of a pool of the twin (one block).

        Raises:
            LocalChainError: it has one already, or the price is out of range.
        """
        data = interface("UniswapV3Pool").function("initialize").call_data(sqrt_price_x96)
        self.chain.mine_all_succeed([LocalTx(sender=BANKER, to=pool, data=data)])


def _deploy(chain: LocalChain, deployments: tuple[Deployment, ...]) -> None:
    for address in dict.fromkeys(deployment.deployer for deployment in deployments):
        chain.impersonate(address)
    for deployment in deployments:
        chain.rpc.call("anvil_setNonce", deployment.deployer, hex(deployment.nonce))
        code = creation_code(deployment.artifact, libraries=mainnet.LIBRARIES)
        code += encode(deployment.types, deployment.arguments).hex()
        block = chain.mine_all_succeed([LocalTx(sender=deployment.deployer, to=None, data=code, gas=_MEGAGAS)])
        found = block.receipts[0]["contractAddress"]
        if found.lower() != deployment.address.lower():
            raise LocalChainError(f"{deployment.artifact} came to stand at {found}, not at {deployment.address}")


def _create_pools(chain: LocalChain, pools: tuple[tuple[str, str, int, str], ...]) -> None:
    create, get_pool = (interface("UniswapV3Factory").function(name) for name in ("createPool", "getPool"))
    chain.mine_all_succeed(
        [
            LocalTx(sender=BANKER, to=mainnet.FACTORY, data=create.call_data(token0, token1, fee), gas=_MEGAGAS)
            for token0, token1, fee, _ in pools
        ]
    )
    replies = chain.rpc.batch(
        [
            ("eth_call", [{"to": mainnet.FACTORY, "input": get_pool.call_data(t0, t1, fee)}, "latest"])
            for t0, t1, fee, _ in pools
        ]
    )
    for (_, _, fee, expected), reply in zip(pools, replies, strict=True):
        (found,) = get_pool.decode(reply)
        if found.lower() != expected.lower():
            raise LocalChainError(f"the pool of fee {fee} came to stand at {found}, not at {expected}")


def deploy_twin(url: str, recipe: Recipe = mainnet.MAINNET) -> None:
    """Put the twin's contracts on a fresh node; its pools are created and have no price yet.

    Args:
        url: a node that has nothing on it and does not mine by itself.
        recipe: what stands where.

    Raises:
        ArtifactNotFound: contracts from npm are not installed.
        LocalChainError: a contract did not come to stand at the real chain's address.
    """
    chain = LocalChain(url, automine=False)
    try:
        chain.rpc.call("anvil_setBlockTimestampInterval", BLOCK_TIME_S)
        chain.impersonate(BANKER)
        for one in recipe.placements:
            code = creation_code(one.artifact) + encode(one.types, one.arguments).hex()
            place(chain, one.address, code, owner=BANKER)
        _deploy(chain, recipe.deployments)
        _create_pools(chain, recipe.pools)
    finally:
        chain.close()


def attach(url: str, *, automine: bool, recipe: Recipe = mainnet.MAINNET) -> Twin:
    """Take the levers of a node that has the twin on it; blocks are 12 s apart from now on unless a time is named for one."""
    chain = LocalChain(url, automine=automine)
    chain.rpc.call("anvil_setBlockTimestampInterval", BLOCK_TIME_S)
    chain.impersonate(BANKER)
    return Twin(chain=chain, recipe=recipe)


@contextmanager
def running_base(options: AnvilOptions | None = None, *, recipe: Recipe = mainnet.MAINNET) -> Generator[Anvil]:
    """A node with the twin's contracts, to be forked; it is left alone otherwise."""
    options = options or AnvilOptions()
    with Anvil(replace(options, automine=False, port=0)) as base:
        deploy_twin(base.url, recipe)
        yield base


@contextmanager
def running_twin(
    options: AnvilOptions | None = None, *, base: Anvil | None = None, recipe: Recipe = mainnet.MAINNET
) -> Generator[Twin]:
    """A twin that continues ``base``'s chain on a node of its own; gone afterwards.

    A second node, because anvil hashes its whole state at every block of a chain that it began itself, and not of one that it
    forked: with a transplanted pool a block takes 8 ms there and 1 ms here.

    Args:
        options: of the twin's node; the genesis time and base fee are the base's.
        base: made by :func:`running_base` from the same recipe; one is made for this twin when not given.
        recipe: what stands where; its chain id is for ``options`` to say.

    Raises:
        ConfigError: anvil or contracts are not installed.
        AnvilFailed: the port is taken, say.
    """
    options = options or AnvilOptions()
    with ExitStack() as stack:
        base = base or stack.enter_context(running_base(options, recipe=recipe))
        node = stack.enter_context(Anvil(replace(options, fork_url=base.url)))
        twin = attach(node.url, automine=options.automine, recipe=recipe)
        stack.callback(twin.chain.close)
        yield twin

"""A fork of a real chain on which whatever stands there is steered: dollars are dealt, roles are written into storage.

Accounts of ours on a fork are addresses that nobody has used: those whose keys everybody knows have code on real chains, which
sends away what they are given and takes no token that must be accepted.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.errors import ConfigError
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import BLOCK_TIME_S, LocalChain, LocalChainError
from keeper.localchain.storage import word
from keeper.localchain.twin import BANKER, Twin

ADMIN_ROLE = bytes(32)
"""OpenZeppelin's DEFAULT_ADMIN_ROLE."""


def account_of_ours(name: str) -> str:
    """An address that nobody has a key of, the same every time."""
    return to_checksum_address(keccak(text=f"keeper, on a fork: {name}")[12:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(Twin):
    """A node that continues a real chain; its recipe says nothing of what stands there."""

    def fund(self, address: str, token: str, raw: int) -> None:
        """Deal ``raw`` units more of any token whose balances anvil finds in storage (no block)."""
        held = self.balance_raw(address, token)
        self.chain.rpc.call("anvil_dealERC20", address, token, hex(held + raw))


@contextmanager
def running_fork(options: AnvilOptions) -> Generator[Fork]:
    """A fork of the node that ``options`` name, automatic mining on, blocks 12 s apart; gone afterwards.

    Raises:
        ConfigError: anvil is not installed, no node is named, or it is of another chain than ``options`` say.
        AnvilFailed: the node does not answer, say.
    """
    if options.fork_url is None:
        raise ConfigError(["a fork needs a node to continue"])
    with closing(Rpc(options.fork_url, timeout_s=60.0)) as rpc:
        chain_id = int(rpc.call("eth_chainId"), 16)
    if chain_id != options.chain_id:
        raise ConfigError([f"{rpc.name} is of chain {chain_id}, a node of chain {options.chain_id} is needed"])
    with Anvil(options) as node, closing(LocalChain(node.url, automine=True)) as chain:
        chain.rpc.call("anvil_setBlockTimestampInterval", BLOCK_TIME_S)
        chain.impersonate(BANKER)
        yield Fork(chain=chain)


def grant_admin(chain: LocalChain, contract: str, account: str) -> None:
    """Write into the storage of an OpenZeppelin AccessControl that ``account`` is its admin, wherever it keeps that.

    Raises:
        LocalChainError: no word that ``hasRole`` reads makes it say so.
    """
    has_role = interface("HergeTreasury").function("hasRole")
    call = {"from": account, "to": contract, "input": has_role.call_data(ADMIN_ROLE, account)}
    for entry in chain.rpc.call("eth_createAccessList", call, "latest")["accessList"]:
        for slot in entry["storageKeys"]:
            held = chain.rpc.call("eth_getStorageAt", entry["address"], slot, "latest")
            chain.rpc.call("anvil_setStorageAt", entry["address"], slot, word(1))
            if chain.read(contract, has_role, ADMIN_ROLE, account)[0]:
                return
            chain.rpc.call("anvil_setStorageAt", entry["address"], slot, held)
    raise LocalChainError(f"{contract} keeps its roles where they are not found")

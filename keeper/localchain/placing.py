"""Contracts at addresses of our choice, whoever deployed them on mainnet."""

from __future__ import annotations

from keeper.localchain.chain import LocalChain, LocalTx

_GAS = 16_000_000


def place(chain: LocalChain, address: str, code: str, *, owner: str) -> None:
    """Let a contract's constructor run at ``address`` and put there what it returns (one block).

    The creation code stands at the address while it runs, so that what it writes lands in the contract's own storage and what
    it returns has its immutables filled in. The contract's nonce is 1 afterwards, as after any deployment: what it creates
    comes to stand where the real one's creations do.

    Args:
        chain: where.
        address: nothing stands there yet.
        code: creation code with its arguments, hex with 0x.
        owner: an account that may send; the constructor's caller.

    Raises:
        LocalChainError: the constructor reverts.
    """
    chain.rpc.batch([("anvil_setCode", [address, code]), ("anvil_setNonce", [address, "0x1"])])
    runtime = chain.rpc.call("eth_call", {"from": owner, "to": address, "gas": hex(_GAS)}, "latest")
    chain.mine_all_succeed([LocalTx(sender=owner, to=address, gas=_GAS)])
    chain.rpc.call("anvil_setCode", address, runtime)

"""What an account must know about itself before it signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import Function, contract
from keeper.adapters.evm.fee_history import gas_of
from keeper.adapters.evm.rpc import Call, Rpc
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.fees import newest_fees_call
from keeper.core.model.errors import Fault
from keeper.core.model.pool import BlockRef
from keeper.core.model.view import Gas

_ALLOWANCE = contract("ERC20").function("allowance")
_NONCES = contract("ERC20").function("nonces")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a contract may take from the account now."""

    token: str
    """EIP-55 address."""
    spender: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """The account at the newest block."""

    head: BlockRef
    gas: Gas
    balance_wei: int
    nonce: int
    """Of the next transaction."""
    waiting: int
    """Transactions of the account that the node holds and has not mined."""
    allowances: tuple[Allowance, ...]
    """Of every token but the wrapped one, to the position manager and to the router; and the others that were asked for."""
    permit_nonces: Mapping[str, int]
    """By token, of those that take permits."""


def read_state(
    rpc: Rpc, account: Account, *, permit_tokens: tuple[str, ...], venue_allowances: Sequence[tuple[str, str]]
) -> AccountState:
    """Read everything in one request.

    Args:
        rpc: of the account's chain.
        account: whose state it is.
        permit_tokens: addresses of the tokens whose permit nonces are wanted.
        venue_allowances: token and spender of allowances beside those of the account's own contracts.

    Raises:
        Transient: the node could not be asked, or answered nonsense.
        Fault: it serves another chain.
    """
    pairs = list(dict.fromkeys((*account.house_allowances, *venue_allowances)))
    outcomes = rpc.batch_outcomes(
        [
            ("eth_chainId", []),
            ("eth_getBlockByNumber", ["latest", False]),
            newest_fees_call(),
            ("eth_getBalance", [account.address, "latest"]),
            ("eth_getTransactionCount", [account.address, "latest"]),
            ("eth_getTransactionCount", [account.address, "pending"]),
            *(_read(token, _ALLOWANCE, account.address, spender) for token, spender in pairs),
            *(_read(token, _NONCES, account.address) for token in permit_tokens),
        ]
    )
    chain_id, header, fees, balance, mined, pending, *rest = (checked.answered(one, "account") for one in outcomes)
    if (found := checked.quantity(chain_id, "eth_chainId")) != account.chain_id:
        raise Fault(f"the node serves chain {found}, the account belongs to chain {account.chain_id}")
    nonce = checked.quantity(mined, "nonce")
    return AccountState(
        head=checked.block(header, "newest block"),
        gas=gas_of(fees),
        balance_wei=checked.quantity(balance, "balance"),
        nonce=nonce,
        waiting=max(0, checked.quantity(pending, "pending nonce") - nonce),
        allowances=tuple(
            Allowance(token=token, spender=spender, amount=_ALLOWANCE.decode(reply)[0])
            for (token, spender), reply in zip(pairs, rest[: len(pairs)], strict=True)
        ),
        permit_nonces={token: _NONCES.decode(reply)[0] for token, reply in zip(permit_tokens, rest[len(pairs) :], strict=True)},
    )


def _read(to: str, function: Function, *arguments: object) -> Call:
    return "eth_call", [{"to": to, "input": function.call_data(*arguments)}, "latest"]

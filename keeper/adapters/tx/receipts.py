"""What transactions did to the account, from their receipts alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.tx.account import Account
from keeper.core.model.errors import Fault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Minted
from keeper.core.model.token import Token, TokenAmount

Log = Mapping[str, Any]
"""As in JSON-RPC: address, topics, data."""

_TOKEN_TRANSFER = contract("ERC20").event("Transfer")
_POSITION_TRANSFER = contract("NonfungiblePositionManager").event("Transfer")
_NOBODY = "0x0000000000000000000000000000000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A mined transaction."""

    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_units: int
    gas_wei: int
    """Gas used times the price that was paid for it."""
    logs: tuple[Log, ...]


def parse_receipt(document: object) -> Receipt:
    """A receipt of JSON-RPC.

    Raises:
        BadReply: a field is missing or mistyped.
    """
    fields = checked.mapping(document, "receipt")
    gas = checked.quantity(fields.get("gasUsed"), "receipt, gasUsed")
    return Receipt(
        tx_hash=checked.hash32(fields.get("transactionHash"), "receipt, transactionHash"),
        block_number=checked.quantity(fields.get("blockNumber"), "receipt, blockNumber"),
        block_hash=checked.hash32(fields.get("blockHash"), "receipt, blockHash"),
        succeeded=checked.quantity(fields.get("status"), "receipt, status") == 1,
        gas_units=gas,
        gas_wei=gas * checked.quantity(fields.get("effectiveGasPrice"), "receipt, effectiveGasPrice"),
        logs=parse_logs(fields.get("logs")),
    )


def parse_logs(document: object) -> tuple[Log, ...]:
    """Logs of a receipt or a simulation.

    Raises:
        BadReply: it is not a list of objects.
    """
    return tuple(checked.mapping(log, "log") for log in checked.sequence(document, "logs"))


def token_deltas(logs: Sequence[Log], account: Account) -> tuple[TokenAmount, TokenAmount]:
    """Net change of both tokens of the pair, exact; native currency counts as its wrapped token, gas does not count.

    For the wrapped token the account, the position manager and the router are one house: the bundles leave nothing in the
    two contracts, so what the house pays to pools and gets from them, wrapped, is what the account gained or lost, wrapped or
    native. Minting and burning wrapped tokens is a change of form and moves nothing. A venue is not of the house: what it takes
    and pays, it takes and pays in tokens.
    """
    first, second = account.tokens
    return _delta(first, logs, account), _delta(second, logs, account)


def taken_from(account: Account, token: Token, logs: Sequence[Log]) -> int:
    """What left the account's own address of a token, raw units, whatever came back."""
    moves = (_TOKEN_TRANSFER.decode(log).values() for log in _emitted_by(token.address, logs) if _TOKEN_TRANSFER.is_in(log))
    return sum(amount for sender, _, amount in moves if sender == account.address)


def _delta(token: Token, logs: Sequence[Log], account: Account) -> TokenAmount:
    house, form = {account.address}, set[str]()
    if account.is_wrapped(token):
        house |= {account.position_manager, account.swap_router}
        form = {_NOBODY}
    raw = 0
    for log in _emitted_by(token.address, logs):
        if not _TOKEN_TRANSFER.is_in(log):
            continue
        sender, receiver, amount = _TOKEN_TRANSFER.decode(log).values()
        if {sender, receiver} & form:
            continue
        raw += amount * ((receiver in house) - (sender in house))
    return TokenAmount(token=token, raw=raw)


def minted_positions(logs: Sequence[Log], account: Account, layers: Sequence[LayerKind]) -> tuple[Minted, ...]:
    """Positions that came into being for the account, with their layers.

    Args:
        logs: in the order of the chain.
        account: who owns them.
        layers: of the stage's mints, in order.

    Raises:
        Fault: there are not as many positions as layers.
    """
    ids: list[int] = []
    for log in _emitted_by(account.position_manager, logs):
        if _POSITION_TRANSFER.is_in(log):
            sender, receiver, token_id = _POSITION_TRANSFER.decode(log).values()
            if sender == _NOBODY and receiver == account.address:
                ids.append(token_id)
    if len(ids) != len(layers):
        raise Fault(f"{len(ids)} positions were minted, {len(layers)} were intended")
    return tuple(Minted(token_id=token_id, layer=layer) for token_id, layer in zip(ids, layers, strict=True))


def _emitted_by(address: str, logs: Iterable[Log]) -> Iterable[Log]:
    return (log for log in logs if checked.address(log.get("address"), "log, address") == address)

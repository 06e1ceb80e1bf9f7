"""Finding out what became of transactions that were handed out; needs no key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.adapters.evm import checked
from keeper.adapters.evm.fee_history import gas_of
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.tx.fees import newest_fees_call
from keeper.adapters.tx.receipts import Receipt, parse_receipt
from keeper.core.model.pool import BlockRef
from keeper.core.model.record import Attempt
from keeper.core.model.view import Gas


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the node says about one nonce and the attempts at it."""

    head: BlockRef
    gas: Gas
    receipt: Receipt | None
    """Of the attempt that was mined, in a block that is still canonical."""
    final: bool
    """Whether that block has the configured confirmations."""
    known: bool
    """Whether the node holds any of the attempts, mined or waiting."""
    used: bool
    """Whether the nonce is spent."""
    contended: bool
    """Whether the node holds a waiting transaction with this nonce, whoever's."""


def look(rpc: Rpc, account: str, attempts: Sequence[Attempt], *, confirmations: int) -> Sight:
    """Ask for everything that decides about ``attempts``, which share a nonce.

    Raises:
        Transient: the node could not be asked, or answered nonsense.
    """
    nonce = attempts[0].nonce
    hashes = [attempt.tx_hash for attempt in attempts]
    outcomes = rpc.batch_outcomes(
        [
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_getTransactionCount", [account, "latest"]),
            ("eth_getTransactionCount", [account, "pending"]),
            newest_fees_call(),
            *(("eth_getTransactionByHash", [tx_hash]) for tx_hash in hashes),
            *(("eth_getTransactionReceipt", [tx_hash]) for tx_hash in hashes),
        ]
    )
    header, mined, pending, fees, *rest = (checked.answered(outcome, "transaction's fate") for outcome in outcomes)
    head = checked.block(header, "newest block")
    receipt = next((parse_receipt(found) for found in rest[len(hashes) :] if found is not None), None)
    if receipt is not None and not _is_canonical(rpc, receipt, head):
        receipt = None
    return Sight(
        head=head,
        gas=gas_of(fees),
        receipt=receipt,
        final=receipt is not None and head.number - receipt.block_number + 1 >= confirmations,
        known=any(found is not None for found in rest[: len(hashes)]),
        used=checked.quantity(mined, "nonce") > nonce,
        contended=checked.quantity(pending, "pending nonce") > nonce,
    )


def _is_canonical(rpc: Rpc, receipt: Receipt, head: BlockRef) -> bool:
    if receipt.block_number == head.number:
        return receipt.block_hash == head.hash
    found = rpc.batch_outcomes([("eth_getBlockByNumber", [hex(receipt.block_number), False])])[0]
    header = checked.answered(found, "block of a receipt")
    return header is not None and checked.block(header, "block of a receipt").hash == receipt.block_hash

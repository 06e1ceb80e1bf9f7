"""From receipts to the outcome of a stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import is_approval
from keeper.adapters.tx.delivery import is_cancellation
from keeper.adapters.tx.receipts import Receipt, minted_positions, token_deltas
from keeper.adapters.tx.signer import Transaction, decode_transaction
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, NotDone
from keeper.core.model.record import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """A transaction of ours that is final."""

    transaction: Transaction
    receipt: Receipt

    def failure(self, account: str) -> str | None:
        """Why it did not do what it was for; None when it did."""
        if is_cancellation(self.transaction, account):
            return f"not included before the deadline: its nonce was spent in block {self.receipt.block_number}"
        if not self.receipt.succeeded:
            return f"reverted in block {self.receipt.block_number}"
        return None


def mined(receipt: Receipt, attempts: Iterable[Attempt]) -> Mined:
    """The receipt with the transaction that it is for, which is one of ``attempts``."""
    raw = next(attempt.raw for attempt in attempts if attempt.tx_hash == receipt.tx_hash)
    return Mined(transaction=decode_transaction(raw), receipt=receipt)


def not_done(why: str, so_far: Sequence[Mined]) -> NotDone:
    """A stage that ended without its own transaction, after these."""
    return NotDone(
        why=why,
        tx_hashes=tuple(one.receipt.tx_hash for one in so_far),
        gas_wei=sum(one.receipt.gas_wei for one in so_far),
    )


def stage_outcome(so_far: Sequence[Mined], account: Account, layers: Sequence[LayerKind]) -> Done | NotDone:
    """What became of a stage whose transactions are all final; approvals alone do not make it done.

    Raises:
        Fault: the receipts do not hold the positions that were intended.
    """
    own = [one for one in so_far if not is_approval(one.transaction.data)]
    failures = [why for one in own or so_far if (why := one.failure(account.address))]
    if failures or not own:
        return not_done(failures[0] if failures else "the approval was made, the stage was never signed", so_far)
    logs = [log for one in so_far for log in one.receipt.logs]
    return Done(
        tx_hashes=tuple(one.receipt.tx_hash for one in so_far),
        deltas=token_deltas(logs, account),
        minted=minted_positions(logs, account, layers),
        gas_units=sum(one.receipt.gas_units for one in so_far),
        gas_wei=sum(one.receipt.gas_wei for one in so_far),
        block=max(one.receipt.block_number for one in so_far),
    )

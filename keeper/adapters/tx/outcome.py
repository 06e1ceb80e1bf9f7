"""From receipts to the outcome of a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import is_approval
from keeper.adapters.tx.delivery import is_cancellation
from keeper.adapters.tx.legs import call_count
from keeper.adapters.tx.receipts import Receipt, minted_positions, token_deltas
from keeper.adapters.tx.signer import Transaction, decode_transaction
from keeper.core.model.errors import Refused
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, NotDone
from keeper.core.model.record import Attempt, Intent
from keeper.ports.options import OptionVenue


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """A transaction of ours that is final."""

    transaction: Transaction
    receipt: Receipt
    sets_allowance: bool
    """Whether its nonce was first used to set an allowance, whatever it was spent on then."""

    def failure(self, account: str) -> str | None:
        """Why it did not do what it was for; None when it did."""
        if is_cancellation(self.transaction, account):
            return f"not included before the deadline: its nonce was spent in block {self.receipt.block_number}"
        if not self.receipt.succeeded:
            return f"reverted in block {self.receipt.block_number}"
        return None


def mined(receipt: Receipt, attempts: Sequence[Attempt]) -> Mined:
    """The receipt with the transaction that it is for, which is one of ``attempts`` at its nonce, oldest first."""
    raw = next(attempt.raw for attempt in attempts if attempt.tx_hash == receipt.tx_hash)
    first = decode_transaction(attempts[0].raw)
    return Mined(transaction=decode_transaction(raw), receipt=receipt, sets_allowance=is_approval(first.data))


def not_done(why: str, so_far: Sequence[Mined]) -> NotDone:
    """A stage that ended without all its own transactions, after these."""
    return NotDone(
        why=why,
        tx_hashes=tuple(one.receipt.tx_hash for one in so_far),
        gas_wei=sum(one.receipt.gas_wei for one in so_far),
    )


def settled_outcome(
    so_far: Sequence[Mined], account: Account, intent: Intent, venues: Mapping[str, OptionVenue]
) -> Done | NotDone:
    """As :func:`stage_outcome`, of an intent whose stage is not at hand.

    Raises:
        Fault: the receipts do not hold the positions that were intended.
    """
    try:
        calls = call_count(intent, venues)
    except Refused as error:
        return not_done(f"it cannot be told whether all was done: {error}", so_far)
    return stage_outcome(so_far, account, intent.layers, calls=calls)


def stage_outcome(so_far: Sequence[Mined], account: Account, layers: Sequence[LayerKind], *, calls: int) -> Done | NotDone:
    """What became of a stage whose transactions are all final; neither approvals nor some of its calls make it done.

    Args:
        so_far: the transactions.
        account: whose they are.
        layers: of the stage's mints, in order.
        calls: transactions that the stage takes, those that set allowances left out.

    Raises:
        Fault: the receipts do not hold the positions that were intended.
    """
    own = [one for one in so_far if not one.sets_allowance]
    failures = [why for one in own or so_far if (why := one.failure(account.address))]
    if failures:
        return not_done(failures[0], so_far)
    if len(own) != calls:
        return not_done(f"only {len(own)} of {calls} transactions were made, approvals not counted", so_far)
    logs = [log for one in so_far for log in one.receipt.logs]
    return Done(
        tx_hashes=tuple(one.receipt.tx_hash for one in so_far),
        deltas=token_deltas(logs, account),
        minted=minted_positions(logs, account, layers),
        gas_units=sum(one.receipt.gas_units for one in so_far),
        gas_wei=sum(one.receipt.gas_wei for one in so_far),
        block=max(one.receipt.block_number for one in so_far),
    )

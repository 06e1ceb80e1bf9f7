"""Handing a transaction out once, and seeing its nonce through to the end.

Any error of a send means *unknown*: what counts is what the chain says about the hash. The same bytes are sent again while
the node does not hold them; after a time without inclusion the offer is raised on the same nonce; past the deadline the nonce
is spent on a transfer of nothing to ourselves. Never is a second nonce used while one is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.tx.fees import FeeLimits, Fees, raised_fees
from keeper.adapters.tx.receipts import Receipt
from keeper.adapters.tx.signer import Signer, Transaction, decode_transaction
from keeper.adapters.tx.watch import Sight, look
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.record import Attempt
from keeper.ports.clock import Clock
from keeper.ports.executor import AttemptLog
from keeper.ports.telemetry import Telemetry

PLAIN_TRANSFER_GAS = 21_000
FOREIGN_LOOKS = 5
"""Looks in a row that must agree before a nonce counts as another sender's: nodes behind one address are not in step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRules:
    """How long to wait and when to look."""

    confirmations: int
    """Blocks that must stand on a receipt, its own included; at least 1."""
    confirm_timeout_s: float
    """Wait for inclusion before the offer is raised."""
    patience_s: float
    """Wait before the fate is left open."""
    poll_s: float
    """Between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What the attempts at one nonce have in common."""

    intent_id: int
    sequence: int
    deadline_s: int
    """Chain time after which the call is not wanted any more."""
    limits: FeeLimits


def is_cancellation(transaction: Transaction, account: str) -> bool:
    """Whether it only spends its nonce."""
    return transaction.to == account and transaction.data == "0x" and transaction.value_wei == 0


class Delivery:
    """Sends for one account.

    Args:
        rpc: where to.
        signer: of the account.
        clock: passes time between looks.
        rules: see :class:`SendRules`.
        may_send: asked immediately before every broadcast; a text is the reason not to.
        telemetry: told of every send, refusal, raise and loss.
    """

    def __init__(
        self,
        *,
        rpc: Rpc,
        signer: Signer,
        clock: Clock,
        rules: SendRules,
        may_send: Callable[[], str | None],
        telemetry: Telemetry,
    ) -> None:
        self._rpc = rpc
        self._signer = signer
        self._clock = clock
        self._rules = rules
        self._may_send = may_send
        self._telemetry = telemetry

    def hand_out(self, transaction: Transaction, errand: Errand, log: AttemptLog) -> Attempt | str:
        """Sign, journal, and broadcast once; the reason instead when sending is not allowed, and then nothing has left.

        Raises:
            JournalFault: it could not be journaled; nothing has left.
        """
        attempt = self._journaled(transaction, errand, log)
        return self._broadcast(attempt) or attempt

    def follow(self, attempts: Sequence[Attempt], errand: Errand, log: AttemptLog) -> tuple[Receipt | None, list[Attempt]]:
        """See attempts at one nonce through: the final receipt, or None when patience ends; and all attempts, newest last.

        Raises:
            Fault: the nonce was used, or is waited for, by a transaction that is not ours.
            JournalFault: a raised offer could not be journaled.
        """
        ours = list(attempts)
        strangers = 0
        offered_s = self._clock.monotonic_s()
        for _ in range(max(1, round(self._rules.patience_s / self._rules.poll_s))):
            sight = self._look(ours)
            if sight is not None:
                if sight.final:
                    return sight.receipt, ours
                strangers = strangers + 1 if _is_foreign(sight) else 0
                if strangers >= FOREIGN_LOOKS:
                    raise Fault(f"nonce {ours[-1].nonce} of {self._signer.address} was taken by a transaction that is not ours")
                if sight.receipt is None and not strangers:
                    raised = self._push(ours[-1], sight, errand, log, waited_s=self._clock.monotonic_s() - offered_s)
                    if raised is not None:
                        ours.append(raised)
                        offered_s = self._clock.monotonic_s()
                        continue
            self._clock.pause(self._rules.poll_s)
        self._telemetry.event("tx.open", hash=ours[-1].tx_hash, nonce=ours[-1].nonce)
        return None, ours

    def _look(self, attempts: Sequence[Attempt]) -> Sight | None:
        try:
            return look(self._rpc, self._signer.address, attempts, confirmations=self._rules.confirmations)
        except Transient as error:
            self._telemetry.event("tx.unseen", why=str(error))
            return None

    def _push(self, newest: Attempt, sight: Sight, errand: Errand, log: AttemptLog, *, waited_s: float) -> Attempt | None:
        """Do what an unmined nonce needs now: a raised offer (returned), the same bytes again, or nothing."""
        if self._may_send():
            return None
        expired = sight.head.timestamp_s >= errand.deadline_s
        if waited_s >= self._rules.confirm_timeout_s or (expired and not sight.known):
            raised = self._raised(newest, sight, errand, cancel=expired)
            if raised is not None:
                attempt = self._journaled(raised, errand, log)
                self._broadcast(attempt)
                return attempt
        if not sight.known:
            self._broadcast(newest)
        return None

    def _raised(self, newest: Attempt, sight: Sight, errand: Errand, *, cancel: bool) -> Transaction | None:
        fees = raised_fees(
            Fees(max_fee_wei=newest.max_fee_wei, tip_wei=newest.tip_wei),
            sight.gas,
            errand.limits,
        )
        if fees is None:
            self._telemetry.event("tx.capped", hash=newest.tx_hash, max_fee_wei=newest.max_fee_wei)
            return None
        before = decode_transaction(newest.raw)
        raised = replace(before, max_fee_wei=fees.max_fee_wei, tip_wei=fees.tip_wei)
        if cancel and not is_cancellation(before, self._signer.address):
            return replace(raised, to=self._signer.address, value_wei=0, data="0x", gas_limit=PLAIN_TRANSFER_GAS)
        return raised

    def _journaled(self, transaction: Transaction, errand: Errand, log: AttemptLog) -> Attempt:
        signed = self._signer.sign(transaction)
        attempt = Attempt(
            intent_id=errand.intent_id,
            sequence=errand.sequence,
            nonce=transaction.nonce,
            tx_hash=signed.tx_hash,
            raw=signed.raw,
            max_fee_wei=transaction.max_fee_wei,
            tip_wei=transaction.tip_wei,
        )
        log.record_attempt(attempt)
        return attempt

    def _broadcast(self, attempt: Attempt) -> str | None:
        # Asked here and nowhere earlier: whatever was allowed before the journal's write may not be any more.
        if forbidden := self._may_send():
            return forbidden
        why = None
        try:
            reply = self._rpc.send("eth_sendRawTransaction", attempt.raw)
            if reply != attempt.tx_hash:
                why = "the node named another hash"
        except (Transient, RpcRefused) as error:
            why = str(error)
        self._telemetry.event(
            "tx.sent" if why is None else "tx.unanswered",
            hash=attempt.tx_hash,
            nonce=attempt.nonce,
            max_fee_wei=attempt.max_fee_wei,
            tip_wei=attempt.tip_wei,
            why=why,
        )
        return None


def _is_foreign(sight: Sight) -> bool:
    if sight.receipt is not None:
        return False
    return sight.used or (sight.contended and not sight.known)

"""The account that signs: an externally owned account with a few transactions a stage."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import Call, SignedSpending, Spending, approval, revocation, stage_call
from keeper.adapters.tx.delivery import FOREIGN_LOOKS, Delivery, Errand, SendRules
from keeper.adapters.tx.fees import FeeLimits, first_fees
from keeper.adapters.tx.legs import NO_VENUES, Leg, stage_legs, venue_allowances, venue_allowances_set
from keeper.adapters.tx.outcome import Mined, mined, not_done, settled_outcome, stage_outcome
from keeper.adapters.tx.signer import Permit, PermitDomain, Signer, Transaction, sender_of
from keeper.adapters.tx.simulation import Reverted, simulate_one
from keeper.adapters.tx.state import AccountState, read_state
from keeper.core.model.errors import Fault, Refused, Transient
from keeper.core.model.plan import Bounds, NotDone, Stage, StageKind, StageOutcome, Unknown
from keeper.core.model.policy import ExecutionPolicy
from keeper.core.model.record import Attempt, Intent
from keeper.ports.clock import Clock
from keeper.ports.executor import AttemptLog
from keeper.ports.options import OptionVenue
from keeper.ports.telemetry import Telemetry

GAS_LIMIT_CEILING = 2**24
"""Most gas that one transaction may ask for. Ref: EIP-7825."""
PATIENCE_IN_TIMEOUTS = 4


@dataclass(slots=True, kw_only=True)
class _Trip:
    """One stage on its way: what was mined for it, and what it may still spend."""

    intent: Intent
    deadline_s: int
    log: AttemptLog
    budget_wei: int
    venue_allowances: tuple[tuple[str, str], ...] = ()
    """Token and spender of every allowance that the stage gives beside those that every stage looks at."""
    next_sequence: int = 0
    done: list[Mined] = field(default_factory=list)

    @property
    def height(self) -> int:
        """Block of the newest transaction that was mined for it; 0 before the first."""
        return max((one.receipt.block_number for one in self.done), default=0)

    def not_done(self, why: str) -> NotDone:
        return not_done(why, self.done)

    def not_swept(self, why: str) -> NotDone | Unknown:
        """An end with allowances that may be left: open where no later stage would look at them."""
        if self.done and self.venue_allowances:
            return Unknown(tx_hash=self.done[-1].receipt.tx_hash)
        return self.not_done(why)

    def left_wei(self) -> int:
        return self.budget_wei - sum(one.receipt.gas_wei for one in self.done)


class EoaExecutor:
    """Carries stages out with signed transactions: simulate, sign, journal, broadcast, confirm.

    Args:
        rpc: node to read from and send to.
        account: what may be called; its address is the signer's.
        signer: the key.
        permits: domains of the pair's tokens that take EIP-2612 permits; others are approved by transactions of their own.
        rules: bounds of gas, fees and waiting.
        clock: passes time.
        may_send: asked immediately before every broadcast; a text is the reason not to.
        telemetry: told of every send.
        venues: where options are bought, by name.
        poll_s: between two looks at the chain.

    Raises:
        Fault: the key is not the account's.
    """

    def __init__(
        self,
        *,
        rpc: Rpc,
        account: Account,
        signer: Signer,
        permits: Sequence[PermitDomain],
        rules: ExecutionPolicy,
        clock: Clock,
        may_send: Callable[[], str | None],
        telemetry: Telemetry,
        venues: Mapping[str, OptionVenue] = NO_VENUES,
        poll_s: float = 2.0,
    ) -> None:
        if signer.address != account.address:
            raise Fault(f"the key is that of {signer.address}, the account is {account.address}")
        self._rpc = rpc
        self._account = account
        self._signer = signer
        self._permits: Mapping[str, PermitDomain] = {domain.token: domain for domain in permits}
        self._rules = rules
        self._may_send = may_send
        self._venues = venues
        self._clock = clock
        self._poll_s = poll_s
        self._spent = (0, 0)
        self._delivery = Delivery(
            rpc=rpc,
            signer=signer,
            clock=clock,
            rules=SendRules(
                confirmations=rules.confirmations,
                confirm_timeout_s=rules.confirm_timeout_s,
                patience_s=PATIENCE_IN_TIMEOUTS * rules.confirm_timeout_s,
                poll_s=poll_s,
            ),
            may_send=may_send,
            telemetry=telemetry,
        )

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        """See :meth:`keeper.ports.executor.Executor.execute`."""
        cycle, spent_wei = self._spent if self._spent[0] == intent.cycle_id else (intent.cycle_id, 0)
        trip = _Trip(intent=intent, deadline_s=bounds.deadline_s, log=log, budget_wei=bounds.max_gas_wei - spent_wei)
        try:
            return self._execute(stage, trip)
        except Refused as error:
            return trip.not_done(str(error))
        except Transient as error:
            if not trip.done:
                raise
            return trip.not_swept(str(error))
        finally:
            self._spent = (cycle, spent_wei + sum(one.receipt.gas_wei for one in trip.done))

    def _execute(self, stage: Stage, trip: _Trip) -> StageOutcome:
        legs = stage_legs(stage, trip.deadline_s, self._account, self._venues)
        needs = [need for leg in legs for need in leg.spends]
        permitted: list[Spending] = []
        if stage.kind is not StageKind.PROTECT:
            permitted = [need for need in needs if need.token.address in self._permits]
        trip.venue_allowances = venue_allowances(((need.token.address, need.spender) for need in needs), self._account)
        end: NotDone | Unknown | None = None
        for leg in legs:
            end = end or self._walk(leg, stage, trip, permitted)
        if isinstance(end, Unknown):
            return end
        if len(needs) > len(permitted) and (unknown := self._sweep(trip)):
            return unknown
        return trip.not_done(end.why) if end else stage_outcome(trip.done, self._account, trip.intent.layers, calls=len(legs))

    def _walk(self, leg: Leg, stage: Stage, trip: _Trip, permitted: Sequence[Spending]) -> NotDone | Unknown | None:
        """One leg, begun with nothing allowed: some tokens do not take an approval on top of another."""
        end = self._revoke(trip, keep=permitted)
        for need in leg.spends:
            if need not in permitted:
                end = end or self._carry(approval(need.token, need.spender, need.amount), trip, trip.deadline_s)
        own = (lambda state: self._permitting(stage, trip, permitted, state)) if permitted else leg.call
        return end or self._carry(own, trip, trip.deadline_s)

    def _permitting(self, stage: Stage, trip: _Trip, permitted: Sequence[Spending], state: AccountState) -> Call:
        signed = [self._signed(need, trip.deadline_s, state) for need in permitted]
        return stage_call(stage, trip.deadline_s, self._account, signed)

    def _signed(self, need: Spending, deadline_s: int, state: AccountState) -> SignedSpending:
        domain = self._permits[need.token.address]
        nonce = state.permit_nonces[need.token.address]
        grant = Permit(spender=need.spender, value=need.amount, nonce=nonce, deadline_s=deadline_s)
        revoke = Permit(spender=need.spender, value=0, nonce=nonce + 1, deadline_s=deadline_s)
        return SignedSpending(
            spending=need,
            deadline_s=deadline_s,
            grant=self._signer.sign_permit(domain, self._account.chain_id, grant),
            revoke=self._signer.sign_permit(domain, self._account.chain_id, revoke),
        )

    def _revoke(self, trip: _Trip, *, keep: Sequence[Spending]) -> NotDone | Unknown | None:
        """Take back every allowance but those that the stage's permits will overwrite."""
        kept = {(need.token.address, need.spender) for need in keep}
        state = self._state(trip)
        for one in state.allowances:
            if one.amount and (one.token, one.spender) not in kept:
                # Of its own deadline: an allowance is taken back also when the stage came too late.
                deadline_s = state.head.timestamp_s + self._rules.deadline_s
                end = self._carry(revocation(one.token, one.spender), trip, deadline_s)
                if end is not None:
                    return end
        return None

    def _sweep(self, trip: _Trip) -> Unknown | None:
        """Take back what approvals left.

        What cannot be taken back now is before the next stage, which looks at the house's allowances. At a venue's it would not
        look: those keep the intent open, so that it is settled first.
        """
        try:
            end = self._revoke(trip, keep=())
        except Transient as error:
            end = trip.not_done(str(error))
        if isinstance(end, NotDone):
            end = trip.not_swept(end.why)
        return end if isinstance(end, Unknown) else None

    def _state(self, trip: _Trip) -> AccountState:
        """The account in no earlier block than that of anything mined for the trip: nodes behind one address are not in step.

        Raises:
            Transient: no node knows that block.
        """
        for _ in range(FOREIGN_LOOKS):
            state = read_state(
                self._rpc, self._account, permit_tokens=tuple(self._permits), venue_allowances=trip.venue_allowances
            )
            if state.head.number >= trip.height:
                return state
            self._clock.pause(self._poll_s)
        raise Transient(f"the node is behind block {trip.height}, in which a transaction of ours was mined")

    def _carry(self, wanted: Call | Callable[[AccountState], Call], trip: _Trip, deadline_s: int) -> NotDone | Unknown | None:
        """One transaction from simulation to confirmation; None when it did what it was for."""
        state = self._state(trip)
        if state.waiting:
            return trip.not_done("a transaction of this account that is not ours is waiting")
        if state.head.timestamp_s >= deadline_s:
            return trip.not_done("the deadline has passed")
        if why := self._may_send():
            return trip.not_done(why)
        call = wanted if isinstance(wanted, Call) else wanted(state)
        ran = simulate_one(self._rpc, call, self._account.address, state.head)
        if isinstance(ran, Reverted):
            return trip.not_done(f"{call.label}: simulation reverted: {ran.why}")
        transaction = self._priced(call, ran.gas_units, state, trip)
        if isinstance(transaction, str):
            return trip.not_done(f"{call.label}: {transaction}")
        errand = Errand(
            intent_id=trip.intent.id,
            sequence=trip.next_sequence,
            deadline_s=deadline_s,
            limits=self._limits(trip, transaction.gas_limit),
        )
        trip.next_sequence += 1
        attempt = self._delivery.hand_out(transaction, errand, trip.log)
        if isinstance(attempt, str):
            return trip.not_done(attempt)
        return self._followed([attempt], errand, trip)

    def _followed(self, attempts: Sequence[Attempt], errand: Errand, trip: _Trip) -> NotDone | Unknown | None:
        receipt, every = self._delivery.follow(attempts, errand, trip.log)
        if receipt is None:
            return Unknown(tx_hash=every[-1].tx_hash)
        one = mined(receipt, every)
        trip.done.append(one)
        why = one.failure(self._account.address)
        return trip.not_done(why) if why else None

    def _limits(self, trip: _Trip, gas_limit: int) -> FeeLimits:
        affordable_wei = max(0, trip.left_wei()) // gas_limit
        return FeeLimits(max_fee_wei=min(self._rules.max_fee_wei, affordable_wei), max_tip_wei=self._rules.max_tip_wei)

    def _priced(self, call: Call, gas_units: int, state: AccountState, trip: _Trip) -> Transaction | str:
        gas_limit = math.ceil(gas_units * Fraction(str(self._rules.gas_limit_multiple)))
        if gas_units > GAS_LIMIT_CEILING:
            return f"needs {gas_units} gas, a transaction may have {GAS_LIMIT_CEILING}"
        gas_limit = min(gas_limit, GAS_LIMIT_CEILING)
        limits = self._limits(trip, gas_limit)
        fees = first_fees(state.gas, limits)
        if fees is None:
            return f"base fee of {state.gas.base_fee_wei} wei is above {limits.max_fee_wei} wei, all that cap and budget allow"
        if state.balance_wei < (needed := call.value_wei + gas_limit * fees.max_fee_wei):
            return f"native balance of {state.balance_wei} wei does not cover {needed} wei"
        return Transaction(
            chain_id=self._account.chain_id,
            nonce=state.nonce,
            to=call.to,
            value_wei=call.value_wei,
            data=call.data,
            gas_limit=gas_limit,
            max_fee_wei=fees.max_fee_wei,
            tip_wei=fees.tip_wei,
        )

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:
        """See :meth:`keeper.ports.executor.Executor.settle`.

        What was signed is seen through; what was not signed any more is not begun.
        """
        if not attempts:
            return not_done("never signed", ())
        if foreign := {sender_of(attempt.raw) for attempt in attempts} - {self._account.address}:
            raise Fault(f"an open intent was signed by {', '.join(sorted(foreign))}, the account is {self._account.address}")
        limits = FeeLimits(max_fee_wei=self._rules.max_fee_wei, max_tip_wei=self._rules.max_tip_wei)
        budget_wei = self._rules.max_fee_wei * GAS_LIMIT_CEILING
        allowed = venue_allowances_set(attempts, self._account)
        trip = _Trip(intent=intent, deadline_s=intent.deadline_s, log=log, budget_wei=budget_wei, venue_allowances=allowed)
        # Asks first, so that nothing is sent to another chain.
        self._state(trip)
        ordered = sorted(attempts, key=lambda attempt: attempt.sequence)
        for sequence, group in itertools.groupby(ordered, key=lambda attempt: attempt.sequence):
            errand = Errand(intent_id=intent.id, sequence=sequence, deadline_s=intent.deadline_s, limits=limits)
            trip.next_sequence = sequence + 1
            end = self._followed(list(group), errand, trip)
            if isinstance(end, Unknown):
                return end
        return self._sweep(trip) or settled_outcome(trip.done, self._account, intent, self._venues)

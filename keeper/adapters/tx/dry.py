"""The account that has no key: the same bundles, run on the node's state and forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import Call, Spending, approval, spendings, stage_call
from keeper.adapters.tx.delivery import PLAIN_TRANSFER_GAS
from keeper.adapters.tx.outcome import mined, not_done, stage_outcome
from keeper.adapters.tx.receipts import minted_positions, token_deltas
from keeper.adapters.tx.simulation import Ran, Reverted, parse_simulation, simulation_request
from keeper.adapters.tx.watch import look
from keeper.core.model.errors import Fault, Refused
from keeper.core.model.plan import Bounds, NotDone, Simulated, Stage, StageOutcome, Unknown
from keeper.core.model.pool import BlockRef
from keeper.core.model.record import Attempt, Intent
from keeper.ports.executor import AttemptLog

METHOD_NOT_FOUND = -32601
PERMIT_PAIR_GAS = 4_300
"""What granting and revoking by permit costs beyond the approval itself; measured, the permits' own checks and hashes."""


class DryExecutor:
    """Simulates the stages of a cycle one after another on the state that the ones before leave; signs nothing.

    Args:
        rpc: a node that knows ``eth_simulateV1``.
        account: whose funds and positions are used.
        permit_tokens: addresses of the tokens that the live account pays by permit, for the gas that it would use.
        confirmations: as of the live account, to judge what a live run left open.
    """

    def __init__(self, *, rpc: Rpc, account: Account, permit_tokens: Collection[str], confirmations: int) -> None:
        self._rpc = rpc
        self._account = account
        self._permit_tokens = frozenset(permit_tokens)
        self._confirmations = confirmations
        self._cycle: int | None = None
        self._base: BlockRef | None = None
        self._earlier: list[list[Call]] = []

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument]
        """See :meth:`keeper.ports.executor.Executor.execute`.

        Raises:
            Refused: the node cannot simulate.
        """
        try:
            needs = spendings(stage, self._account)
            own = stage_call(stage, bounds.deadline_s, self._account, ())
        except Refused as error:
            return not_done(str(error), ())
        calls = [
            *(approval(need.token, need.spender, need.amount) for need in needs),
            own,
            *(approval(need.token, need.spender, 0) for need in needs),
        ]
        results = self._run(calls, intent.cycle_id, bounds.deadline_s)
        if isinstance(results, NotDone):
            return results
        self._earlier.append(calls)
        return self._simulated(results, needs, intent)

    def _run(self, calls: Sequence[Call], cycle: int, deadline_s: int) -> list[Ran] | NotDone:
        if self._cycle != cycle or self._base is None:
            header = checked.answered(
                self._rpc.batch_outcomes([("eth_getBlockByNumber", ["latest", False])])[0], "newest block"
            )
            self._cycle, self._base, self._earlier = cycle, checked.block(header, "newest block"), []
        if self._base.timestamp_s >= deadline_s:
            return not_done("the deadline has passed", ())
        request = simulation_request([*self._earlier, calls], self._account.address, self._base)
        reply = self._rpc.batch_outcomes([("eth_simulateV1", request)])[0]
        if isinstance(reply, RpcRefused):
            if reply.code == METHOD_NOT_FOUND:
                raise Refused(f"{self._rpc.name} does not know eth_simulateV1: a dry run needs a node that can simulate")
            return not_done(f"simulation refused: {reply.message}", ())
        results = parse_simulation(reply)[-1]
        ran: list[Ran] = []
        for call, result in zip(calls, results, strict=False):
            if isinstance(result, Reverted):
                return not_done(f"{call.label}: simulation reverted: {result.why}", ())
            ran.append(result)
        if len(ran) != len(calls):
            raise BadReply(f"a simulation of {len(calls)} calls has {len(ran)} results")
        return ran

    def _simulated(self, results: Sequence[Ran], needs: Sequence[Spending], intent: Intent) -> Simulated:
        logs = [log for result in results for log in result.logs]
        deltas = token_deltas(logs, self._account)
        own = results[len(needs)]
        approvals, revocations = results[: len(needs)], results[len(needs) + 1 :]
        gas = own.gas_units
        for need, approved, revoked in zip(needs, approvals, revocations, strict=True):
            taken = -sum(delta.raw for delta in deltas if delta.token.address == need.token.address)
            gas += self._allowance_gas(need, approved, revoked, is_left=taken < need.amount)
        return Simulated(deltas=deltas, minted=minted_positions(logs, self._account, intent.layers), gas_units=gas)

    def _allowance_gas(self, need: Spending, approved: Ran, revoked: Ran, *, is_left: bool) -> int:
        if need.token.address in self._permit_tokens:
            return approved.gas_units - PLAIN_TRANSFER_GAS + PERMIT_PAIR_GAS
        return approved.gas_units + (revoked.gas_units if is_left else 0)

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument]
        """See :meth:`keeper.ports.executor.Executor.settle`; what is not final stays open, since nothing can be sent."""
        if not attempts:
            return not_done("never signed", ())
        so_far = []
        ordered = sorted(attempts, key=lambda attempt: attempt.sequence)
        for _, group in itertools.groupby(ordered, key=lambda attempt: attempt.sequence):
            same_nonce = list(group)
            sight = look(self._rpc, self._account.address, same_nonce, confirmations=self._confirmations)
            if sight.receipt is None and sight.used:
                raise Fault(
                    f"nonce {same_nonce[-1].nonce} of {self._account.address} was taken by a transaction that is not ours"
                )
            if sight.receipt is None or not sight.final:
                return Unknown(tx_hash=same_nonce[-1].tx_hash)
            so_far.append(mined(sight.receipt, same_nonce))
        return stage_outcome(so_far, self._account, intent.layers)

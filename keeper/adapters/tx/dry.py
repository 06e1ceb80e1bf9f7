"""The account that has no key: the same bundles, run on the node's state and forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import Call, approval, revocation
from keeper.adapters.tx.delivery import PLAIN_TRANSFER_GAS
from keeper.adapters.tx.legs import NO_VENUES, Leg, stage_legs, venue_allowances_set
from keeper.adapters.tx.outcome import mined, not_done, settled_outcome
from keeper.adapters.tx.receipts import minted_positions, taken_from, token_deltas
from keeper.adapters.tx.simulation import Ran, Reverted, parse_simulation, simulation_request
from keeper.adapters.tx.state import read_state
from keeper.adapters.tx.watch import look
from keeper.core.model.errors import Fault, Refused
from keeper.core.model.plan import Bounds, NotDone, Simulated, Stage, StageKind, StageOutcome, Unknown
from keeper.core.model.pool import BlockRef
from keeper.core.model.record import Attempt, Intent
from keeper.ports.executor import AttemptLog
from keeper.ports.options import OptionVenue

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
        venues: where options are bought, by name.
    """

    def __init__(
        self,
        *,
        rpc: Rpc,
        account: Account,
        permit_tokens: Collection[str],
        confirmations: int,
        venues: Mapping[str, OptionVenue] = NO_VENUES,
    ) -> None:
        self._rpc = rpc
        self._account = account
        self._permit_tokens = frozenset(permit_tokens)
        self._confirmations = confirmations
        self._venues = venues
        self._cycle: int | None = None
        self._base: BlockRef | None = None
        self._earlier: list[list[Call]] = []

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument]
        """See :meth:`keeper.ports.executor.Executor.execute`.

        Raises:
            Refused: the node cannot simulate.
        """
        try:
            legs = stage_legs(stage, bounds.deadline_s, self._account, self._venues)
        except Refused as error:
            return not_done(str(error), ())
        calls = [call for leg in legs for call in _calls(leg)]
        results = self._run(calls, intent.cycle_id, bounds.deadline_s)
        if isinstance(results, NotDone):
            return results
        self._earlier.append(calls)
        logs = [log for result in results for log in result.logs]
        permitted = frozenset[str]() if stage.kind is StageKind.PROTECT else self._permit_tokens
        each = iter(results)
        return Simulated(
            deltas=token_deltas(logs, self._account),
            minted=minted_positions(logs, self._account, intent.layers),
            gas_units=sum(self._gas(leg, list(itertools.islice(each, len(_calls(leg)))), permitted) for leg in legs),
        )

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

    def _gas(self, leg: Leg, results: Sequence[Ran], permitted: Collection[str]) -> int:
        count = len(leg.spends)
        own, approvals, revocations = results[count], results[:count], results[count + 1 :]
        gas = own.gas_units
        for need, approved, revoked in zip(leg.spends, approvals, revocations, strict=True):
            if need.token.address in permitted:
                gas += approved.gas_units - PLAIN_TRANSFER_GAS + PERMIT_PAIR_GAS
            else:
                is_left = taken_from(self._account, need.token, own.logs) < need.amount
                gas += approved.gas_units + (revoked.gas_units if is_left else 0)
        return gas

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument]
        """See :meth:`keeper.ports.executor.Executor.settle`.

        What is not final, or still allows a venue something, stays open, since nothing can be sent.
        """
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
        if self._is_allowed(venue_allowances_set(attempts, self._account)):
            return Unknown(tx_hash=ordered[-1].tx_hash)
        return settled_outcome(so_far, self._account, intent, self._venues)

    def _is_allowed(self, pairs: Sequence[tuple[str, str]]) -> bool:
        if not pairs:
            return False
        state = read_state(self._rpc, self._account, permit_tokens=(), venue_allowances=pairs)
        return any(one.amount and (one.token, one.spender) in pairs for one in state.allowances)


def _calls(leg: Leg) -> list[Call]:
    approvals = [approval(need.token, need.spender, need.amount) for need in leg.spends]
    return [*approvals, leg.call, *(revocation(need.token.address, need.spender) for need in leg.spends)]

"""Stages carried out in the simulated pools, as late, as dear and as unluckily as the frictions say."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from keeper.core.model.errors import Refused
from keeper.core.model.plan import Bounds, Done, NotDone, Stage, StageOutcome, Swap
from keeper.core.model.record import Attempt, Intent
from keeper.core.strategy.gas import gas_of
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_INT256
from keeper.ports.executor import AttemptLog
from keeper.simulation.account import Effect, VirtualAccount
from keeper.simulation.chain import Chain, Fees
from keeper.simulation.frictions import Frictions
from keeper.simulation.watch import Watch

_REVERTED_PART = 0.6
"""Of a stage's gas that a transaction burns which reverts at its checks."""


class SimExecutor:
    """The account behind the plan.

    Args:
        market: moved on by the latency of every stage.
        account: ours.
        base_fees: of the time.
        frictions: what goes wrong and what it costs.
        watch: told of everything that changes the account.
    """

    def __init__(self, market: Chain, account: VirtualAccount, base_fees: Fees, frictions: Frictions, watch: Watch) -> None:
        self._market = market
        self._account = account
        self._base_fees = base_fees
        self._frictions = frictions
        self._watch = watch
        self._chance = random.Random(frictions.seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable run
        self._known: dict[int, StageOutcome] = {}

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        """Carry ``stage`` out in the block that the latency leads to.

        Raises:
            Transient: the tape ends before it.
        """
        if self._market.now_s >= bounds.deadline_s:
            return NotDone(why="the deadline has passed", tx_hashes=(), gas_wei=0)
        attempt = self._attempt(intent)
        log.record_attempt(attempt)
        self._account.nonce += 1
        self._market.advance_blocks(self._frictions.latency_blocks)
        outcome = self._included(stage, bounds, attempt)
        self._known[intent.id] = outcome
        return outcome

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument] - the port's signature
        """What became of it: nothing is ever on its way here."""
        known = self._known.get(intent.id)
        return known or NotDone(why="it was never signed", tx_hashes=(), gas_wei=0)

    def _attempt(self, intent: Intent) -> Attempt:
        nonce = self._account.nonce
        name = hashlib.sha256(f"{intent.id} {intent.steps_digest} {nonce}".encode()).hexdigest()
        return Attempt(
            intent_id=intent.id,
            sequence=0,
            nonce=nonce,
            tx_hash=f"0x{name}",
            raw="0x",
            max_fee_wei=self._gas_price_wei(),
            tip_wei=self._frictions.tip_wei,
        )

    def _included(self, stage: Stage, bounds: Bounds, attempt: Attempt) -> StageOutcome:
        self._watch.before()
        units = int(gas_of(stage.steps) * self._frictions.gas_multiple)
        if self._market.now_s > bounds.deadline_s:
            return self._failed(attempt, "not included before the deadline", int(units * _REVERTED_PART))
        if self._chance.random() < self._frictions.failure_rate:
            return self._failed(attempt, "reverted by chance", int(units * _REVERTED_PART))
        try:
            effect = self._with_sandwich(stage, bounds)
        except Refused as error:
            return self._failed(attempt, f"reverted: {error}", int(units * _REVERTED_PART))
        gas_wei = self._burn_gas(units)
        return Done(
            tx_hashes=(attempt.tx_hash,),
            deltas=effect.deltas,
            minted=effect.minted,
            gas_units=units,
            gas_wei=gas_wei,
            block=self._market.block.number,
        )

    def _with_sandwich(self, stage: Stage, bounds: Bounds) -> Effect:
        """The stage, with somebody's swap before the swap of ours and the way back after it.

        Raises:
            Refused: it reverts even without being sandwiched.
        """
        swap = next((step for step in stage.steps if isinstance(step, Swap)), None)
        ticks = round(self._frictions.sandwich_share * bounds.slippage_bps) if swap is not None else 0
        try:
            while swap is not None and ticks:
                loot = self._pushed(swap, ticks)
                try:
                    return self._account.carry_out(stage, self._market.block)
                except Refused:
                    # whoever sandwiches too hard gets nothing: less is tried, as a simulation before the bundle would tell
                    ticks //= 2
                finally:
                    self._brought_back(swap, loot)
            return self._account.carry_out(stage, self._market.block)
        finally:
            self._watch.after(stage.kind)

    def _pushed(self, swap: Swap, ticks: int) -> int:
        """Move the price against us by so many ticks; what the mover got, raw units of the other token."""
        pool = self._market.pools[swap.pool]
        tick = pool.pool.tick + (-ticks if swap.zero_for_one else ticks + 1)
        limit_x96 = get_sqrt_ratio_at_tick(tick)
        try:
            amount0, amount1 = pool.trade(
                self._market.block,
                SwapRequest(zero_for_one=swap.zero_for_one, amount_specified=MAX_INT256, sqrt_price_limit_x96=limit_x96),
            )
        except RevertError:
            return 0
        return -amount1 if swap.zero_for_one else -amount0

    def _brought_back(self, swap: Swap, loot: int) -> None:
        if loot <= 0:
            return
        pool = self._market.pools[swap.pool]
        far = get_sqrt_ratio_at_tick(pool.pool.tick + (50_000 if swap.zero_for_one else -50_000))
        back = SwapRequest(zero_for_one=not swap.zero_for_one, amount_specified=loot, sqrt_price_limit_x96=far)
        pool.trade(self._market.block, back)

    def _failed(self, attempt: Attempt, why: str, units: int) -> NotDone:
        return NotDone(why=why, tx_hashes=(attempt.tx_hash,), gas_wei=self._burn_gas(units))

    def _gas_price_wei(self) -> int:
        return self._base_fees.at(self._market.now_s) + self._frictions.tip_wei

    def _burn_gas(self, units: int) -> int:
        gas_wei = min(units * self._gas_price_wei(), self._account.native_wei)
        self._account.native_wei -= gas_wei
        self._watch.paid_gas()
        return gas_wei

"""An account without a chain: every stage is filled at its worst, at once."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.core.model.codec import digest
from keeper.core.model.plan import (
    Bounds,
    CloseOption,
    Decrease,
    Done,
    Increase,
    Mint,
    Minted,
    NotDone,
    OpenOption,
    Stage,
    StageKind,
    StageOutcome,
    Step,
    Swap,
    Unknown,
)
from keeper.core.model.pool import PoolKey
from keeper.core.model.record import Attempt, Intent
from keeper.core.model.token import TokenAmount
from keeper.ports.executor import AttemptLog

GAS_UNITS = 500_000
GAS_PRICE_WEI = 10**9


class MemoryExecutor:
    """Passes the same port suite as the real accounts.

    Args:
        pool: whose pair the stages are about.
        now_s: chain time, which does not pass.
        nonce: of the first transaction.
        token_id: of the first position.
    """

    def __init__(self, *, pool: PoolKey, now_s: int, nonce: int = 7, token_id: int = 5001) -> None:
        self.pool = pool
        self.now_s = now_s
        self.nonce = nonce
        self.token_id = token_id
        self.losing = False
        """Hand the next stages out and tell that their fate is open."""
        self.refusing: str | None = None
        """Refuse the next stages for this reason, before anything is signed."""
        self.handed_out: dict[str, Stage] = {}

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        if self.refusing:
            return NotDone(why=self.refusing, tx_hashes=(), gas_wei=0)
        if self.now_s >= bounds.deadline_s:
            return NotDone(why="the deadline has passed", tx_hashes=(), gas_wei=0)
        if stage.kind is StageKind.PROTECT and stage.option is None:
            return NotDone(why="not exactly one option", tx_hashes=(), gas_wei=0)
        attempt = Attempt(
            intent_id=intent.id,
            sequence=0,
            nonce=self.nonce,
            tx_hash="0x" + digest(["transaction", self.nonce]),
            raw="0x02" + digest(["raw", self.nonce]),
            max_fee_wei=2 * GAS_PRICE_WEI,
            tip_wei=GAS_PRICE_WEI // 10,
        )
        log.record_attempt(attempt)
        self.nonce += 1
        self.handed_out[attempt.tx_hash] = stage
        if self.losing:
            return Unknown(tx_hash=attempt.tx_hash)
        return self._mined(attempt, intent)

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument] - the port's signature
        if not attempts:
            return NotDone(why="never signed", tx_hashes=(), gas_wei=0)
        return self._mined(attempts[-1], intent)

    def _mined(self, attempt: Attempt, intent: Intent) -> Done:
        stage = self.handed_out[attempt.tx_hash]
        first = self.token_id + 100 * (attempt.nonce % 100)
        paid = [self._paid(step) for step in stage.steps]
        return Done(
            tx_hashes=(attempt.tx_hash,),
            deltas=(
                TokenAmount(token=self.pool.token0, raw=sum(amount0 for amount0, _ in paid)),
                TokenAmount(token=self.pool.token1, raw=sum(amount1 for _, amount1 in paid)),
            ),
            minted=tuple(Minted(token_id=first + place, layer=layer) for place, layer in enumerate(intent.layers)),
            gas_units=GAS_UNITS,
            gas_wei=GAS_UNITS * GAS_PRICE_WEI,
            block=attempt.nonce,
        )

    def _paid(self, step: Step) -> tuple[int, int]:
        match step:
            case Decrease():
                return step.amount0_min, step.amount1_min
            case Mint() | Increase():
                return -step.amount0, -step.amount1
            case Swap():
                worst = (-step.amount_in, step.amount_out_min)
                return worst if step.zero_for_one else worst[::-1]
            case OpenOption(max_cost=most):
                return (-most.raw, 0) if most.token == self.pool.token0 else (0, -most.raw)
            case CloseOption(min_out=least):
                return (least.raw, 0) if least.token == self.pool.token0 else (0, least.raw)
            case _:
                return 0, 0

"""From what a record says that happened to what was asked for, by running the pool; what does not follow from it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from keeper.adapters.evm.event_rows import EventKind
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import RecordedSwap, SwapKind, UnexplainedSwapError, infer_kind, swap_request
from keeper.simulation.playing import Played
from keeper.simulation.stored import RecordedEvent, recorded_swap
from keeper.simulation.tape import Event, FeeEvent, FeeProtocolEvent, LiquidityEvent, SwapEvent, TapeError

_MOST_DECIMALS = 36


class Inference:
    """A pool that takes recorded events one by one, and tells each as a tape has it.

    Args:
        state: the pool before the first of them.
        described: that state, for a person who reads an error.

    Attributes:
        pool: as it stands after the last.
    """

    def __init__(self, state: PoolSnapshot, described: str) -> None:
        self._played = Played(state)
        self.pool = self._played.pool
        self._described = described
        self._before: RecordedEvent | None = None

    def snapshot(self) -> PoolSnapshot:
        """The pool as it stands, with its observations where the first state told them."""
        return self._played.snapshot()

    def take(self, row: RecordedEvent) -> Event | None:
        """What ``row`` is on a tape; None when it changes nothing.

        Raises:
            TapeError: it does not follow from the pool as it stands; tells where, and what differs.
        """
        try:
            event = self._event(row)
        except RevertError as error:
            raise self._refused(row, f"the pool refuses it: {error}") from None
        self._before = row
        return event

    def _event(self, row: RecordedEvent) -> Event | None:
        if row.kind is EventKind.SWAP:
            return self._swap(row)
        if row.kind is EventKind.FLASH:
            return self._take(FeeEvent(row.amount0, row.amount1), row) if row.amount0 or row.amount1 else None
        if row.kind is EventKind.FEE_PROTOCOL:
            return self._take(FeeProtocolEvent(row.amount0 + (row.amount1 << 4)), row)
        return self._liquidity(row)

    def _take(self, event: Event, row: RecordedEvent) -> Event:
        self._played.take(event, row.timestamp_s)
        return event

    def _swap(self, row: RecordedEvent) -> SwapEvent:
        recorded = recorded_swap(row)
        if recorded is None:
            raise self._refused(row, "no liquidity, price or tick is recorded with it: such a record can only be rebuilt")
        try:
            kind = infer_kind(self.pool, recorded)
        except UnexplainedSwapError:
            raise self._refused(row, self._why(row, recorded)) from None
        event = swap_event(kind, recorded, self.pool.sqrt_price_x96)
        self._played.take(event, row.timestamp_s)
        return event

    def _liquidity(self, row: RecordedEvent) -> LiquidityEvent | None:
        if row.tick_lower is None or row.tick_upper is None or row.liquidity_delta is None:
            raise self._refused(row, "its range or its liquidity is not recorded")
        if not row.liquidity_delta:
            return None
        event = LiquidityEvent(row.tick_lower, row.tick_upper, row.liquidity_delta)
        sign = 1 if row.liquidity_delta > 0 else -1
        found0, found1 = (sign * amount for amount in self._played.take(event, row.timestamp_s))
        if (found0, found1) != (row.amount0, row.amount1):
            raise self._refused(
                row, f"it moved {row.amount0} and {row.amount1}, where the pool moves {found0} and {found1}: {self._doubt()}"
            )
        return event

    def _refused(self, row: RecordedEvent, why: str) -> TapeError:
        return TapeError([f"log {row.log_index} of block {row.block} ({row.kind}): {why}"])

    def _why(self, row: RecordedEvent, recorded: RecordedSwap) -> str:
        """Why a swap does not follow."""
        before = self._before
        if before is not None and before.kind is row.kind and recorded_swap(before) == recorded:
            return f"it repeats log {before.log_index} of block {before.block}"
        if factor := self._wrong_decimals(recorded):
            return f"it follows once {factor}: the decimals of the record are wrong by that factor"
        found_x96 = self.pool.sqrt_price_x96
        if not found_x96 // 2 < recorded.sqrt_price_x96 < 2 * found_x96:
            return (
                f"it ends at sqrt price {recorded.sqrt_price_x96}, where the pool stands at {found_x96}: is it another pool's?"
                f" {self._doubt()}"
            )
        return f"{self._nearest(recorded)}: {self._doubt()}"

    def _doubt(self) -> str:
        if self._before is None:
            why = "events between are missing (keeper data download fetches them), or the state is not of this pool"
            return f"it does not follow on {self._described}: {why}"
        return "an event before it is missing, or one of them is wrong"

    def _wrong_decimals(self, recorded: RecordedSwap) -> str | None:
        for token in ("amount0", "amount1"):
            for power in range(1, _MOST_DECIMALS + 1):
                amount = getattr(recorded, token)
                scaled = [("multiplied", amount * 10**power)]
                scaled += [("divided", int(amount // 10**power))] if amount % 10**power == 0 else []
                for how, value in scaled:
                    try:
                        infer_kind(self.pool, replace(recorded, **{token: value}))
                    except UnexplainedSwapError:
                        continue
                    return f"{token} is {how} by 10^{power}"
        return None

    def _nearest(self, recorded: RecordedSwap) -> str:
        """The kind of request that comes nearest, and in what it differs."""
        told = [(kind, tuple(self._differences(kind, recorded))) for kind in SwapKind]
        kind, differences = min(told, key=lambda one: len(one[1]) or len(RecordedSwap.__slots__) + 1)
        return f"as {kind.replace('_', ' ')}, {', '.join(differences) or 'the pool refuses it'}"

    def _differences(self, kind: SwapKind, recorded: RecordedSwap) -> Iterator[str]:
        request = swap_request(kind, recorded, self.pool.sqrt_price_x96)
        try:
            found = self.pool.preview_swap(
                zero_for_one=request.zero_for_one,
                amount_specified=request.amount_specified,
                sqrt_price_limit_x96=request.sqrt_price_limit_x96,
            )
        except RevertError:
            return
        for name, value in asdict(recorded).items():
            if value != getattr(found, name):
                yield f"{name} is recorded as {value}, the pool gives {getattr(found, name)}"


def swap_event(kind: SwapKind, recorded: RecordedSwap, sqrt_price_before_x96: int) -> SwapEvent:
    """A recorded swap as it was asked for."""
    request = swap_request(kind, recorded, sqrt_price_before_x96)
    return SwapEvent(request.zero_for_one, request.amount_specified, request.sqrt_price_limit_x96, recorded.sqrt_price_x96)

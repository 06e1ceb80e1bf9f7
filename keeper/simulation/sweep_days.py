"""What a run earned day by day but for the price: the measure by which strategies are compared."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from keeper.core.model.bar import DAY_S
from keeper.core.model.policy import Policy
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.runner import Simulation

BPS_ONE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgedDays:
    """Runs a policy and tells its hedged days; goes from process to process if what it is made of does."""

    simulation_of: Callable[[Policy], Simulation]
    """A fresh run of a policy, always over the same tape and setting."""

    def __call__(self, policy: Policy) -> tuple[float, ...]:
        """Hedged PnL of every whole day, see :func:`hedged_days_bps`.

        Raises:
            KeeperError: the tape cannot be read.
        """
        run = self.simulation_of(policy)
        run.run()
        return hedged_days_bps(result_of(run, "trial"))


def hedged_days_bps(result: RunResult, *, with_held: bool = False) -> tuple[float, ...]:
    """All parts but the price of every whole day since the tape's start, in bps of the capital.

    A day ends with the last cycle in it; what remains of a day at the end is left out. Dust of mints is not in the rows.

    Args:
        result: of a run.
        with_held: whether held options count at their model value, which is in no part.
    """
    rows = result.rows
    days = (result.end_s - result.start_s) // DAY_S
    ends = [bisect_right(rows.time_s, result.start_s + day * DAY_S) for day in range(1, days + 1)]
    sums = [0.0, *(_sum_after(result, count, with_held=with_held) for count in ends)]
    return tuple((after - before) * BPS_ONE / result.setting.capital_quote for before, after in pairwise(sums))


def _sum_after(result: RunResult, count: int, *, with_held: bool) -> float:
    rows, last = result.rows, count - 1
    if not count:
        return 0.0
    exact = rows.fees[last] + rows.lvr[last] + rows.swaps[last] + rows.gas[last] + rows.premiums[last] + rows.payoffs[last]
    return exact + rows.options_model[last] if with_held else exact

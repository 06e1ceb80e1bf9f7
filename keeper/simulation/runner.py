"""The daemon's own cycle over a simulated chain, from the first block of the tape to the last."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from keeper.adapters.options.paper import PaperRules, PaperVenue
from keeper.core.model.errors import Fault, Refused, Transient
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord
from keeper.core.strategy.decide import decide as decide_by_policy
from keeper.engine.cycle import Decide, run_cycle
from keeper.engine.memo import SignalMemo
from keeper.engine.ports import Ports
from keeper.simulation.account import VirtualAccount
from keeper.simulation.chain import Chain
from keeper.simulation.frictions import BaseFees, Frictions
from keeper.simulation.ledger_rows import LedgerRows
from keeper.simulation.market import SimMarket, TapeEnd
from keeper.simulation.presence import Presence
from keeper.simulation.sim_executor import SimExecutor
from keeper.simulation.sim_journal import SimJournal
from keeper.simulation.sim_source import SimSource
from keeper.simulation.tape import Tape
from keeper.simulation.watch import Watch

_YOUNG = 20_000
"""Objects more than were freed that a run makes before the garbage collector looks at them."""


class Silent:
    """Telemetry of a simulation: what happens is told by its result."""

    def event(self, name: str, **fields: object) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything that a run depends on besides tape and policy."""

    cadence_s: int = 300
    """Seconds between cycles."""
    capital_quote: int = 100_000
    """Quote tokens to begin with, half of them in the base token at the first price; the native reserve comes on top."""
    presence: Presence = Presence.PRICE_KEPT
    paper: PaperRules | None = None
    """How options are priced; None: none can be bought."""
    frictions: Frictions = field(default_factory=Frictions)


class Simulation:
    """One run that can be carried on cycle by cycle.

    Args:
        tapes: one for each pool of the policy.
        policy: the rules.
        setting: how the run is made.
        base_fees: of the time.
        decide: the strategy; the keeper's own by default.
        journal: with bars of before the tape, if there are any.
    """

    def __init__(
        self,
        tapes: tuple[Tape, ...],
        policy: Policy,
        setting: Setting,
        base_fees: BaseFees,
        *,
        decide: Decide = decide_by_policy,
        journal: SimJournal | None = None,
    ) -> None:
        self.tapes, self.policy, self.setting = tapes, policy, setting
        self.market = SimMarket(tapes, presence=setting.presence, twap_window_s=policy.gates.twap_window_s)
        self.account = funded(self.market, policy, setting)
        self.watch = Watch(self.market, self.account, policy)
        self.journal = journal or SimJournal(policy.signal_pool)
        self.rows = LedgerRows()
        self.trouble: list[tuple[int, str]] = []
        """Cycles that could not be made, with why."""
        self._decide = decide
        self._unit = 10**policy.quote.decimals
        self._next_s = (self.market.start_s // setting.cadence_s + 1) * setting.cadence_s
        self.executor = SimExecutor(self.market, self.account, base_fees, setting.frictions, self.watch)
        self._ports = Ports(
            source=SimSource(
                self.market,
                self.account,
                policy,
                base_fees=base_fees,
                tip_wei=setting.frictions.tip_wei,
                watch=self.watch,
            ),
            journal=self.journal,
            executor=self.executor,
            telemetry=Silent(),
            memo=SignalMemo(),
            desk=self.account.options,
        )

    def step(self) -> CycleRecord | None:
        """Let time pass to the next cycle and make it; None when it could not be made.

        Raises:
            TapeEnd: there is no more.
        """
        self.market.advance_to_s(self._next_s)
        self._next_s = (max(self.market.now_s, self._next_s) // self.setting.cadence_s + 1) * self.setting.cadence_s
        try:
            record = run_cycle(self._ports, self.policy, self._decide)
        except TapeEnd:
            raise
        except (Transient, Refused) as error:
            self.trouble.append((self.market.now_s, str(error)))
            return None
        except Fault as error:
            self.journal.halt(str(error))
            self.trouble.append((self.market.now_s, str(error)))
            return None
        self.rows.add(record, self.watch, self._unit)
        return record

    def __getstate__(self) -> dict[str, object]:
        """All but the signals' sums, which are made anew from the journal, to the same bits."""
        return {**vars(self), "_ports": replace(self._ports, memo=SignalMemo())}

    def run(self, progress: Callable[[int, int], None] = lambda _done, _total: None, every: int = 100) -> None:
        """To the end of the tape.

        Every run of a suite, a sweep and the command line is made here; the garbage collector is bothered rarely meanwhile.

        Args:
            progress: told how many seconds are done, of how many.
            every: cycles between two reports.
        """
        total_s, count = self.market.end_s - self.market.start_s, 0
        with _rare_collections(), suppress(TapeEnd):
            while True:
                self.step()
                count += 1
                if count % every == 0:
                    progress(self.market.now_s - self.market.start_s, total_s)
        progress(total_s, total_s)
        self.watch.before()


@contextmanager
def _rare_collections() -> Generator[None, None, None]:
    """Let the collector of cycles wait for ``_YOUNG`` objects instead of hundreds.

    A run makes hardly any garbage that counting references does not free: some hundred objects in two months. What the
    collector finds alive instead, every time, are rows and plans that stay until the end, 2 to 3 % of the time of a run.
    It is not turned off, so that what makes cycles after all, a tape's reader or a strategy of somebody's own, has its
    memory back.
    """
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def funded(market: Chain, policy: Policy, setting: Setting) -> VirtualAccount:
    """The account that a run begins with: half of the capital in each token at the tape's first price, rounded **down**."""
    key = policy.pool(policy.signal_pool)
    square = market.pools[policy.signal_pool].pool.sqrt_price_x96 ** 2
    half = setting.capital_quote * 10**policy.quote.decimals // 2
    if key.token0.address == policy.quote.address:
        amounts = {key.token0.address: half, key.token1.address: half * square >> 192}
    else:
        amounts = {key.token1.address: half, key.token0.address: (half << 192) // square}
    native_wei = policy.execution.native_reserve_wei
    if policy.wrapped_native is not None:
        native_wei += amounts.pop(policy.wrapped_native.address)
    options = None
    if policy.hedge.tiers and setting.paper is not None:
        options = PaperVenue(chain_id=policy.chain_id, base=policy.base, quote_token=policy.quote, rules=setting.paper)
    return VirtualAccount(policy, market.pools, native_wei=native_wei, balances=amounts, options=options)

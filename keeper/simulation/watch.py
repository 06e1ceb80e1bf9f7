"""Keeps the account's exact attribution while a simulation runs."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.adapters.options.paper import PaperVenue
from keeper.core.ledger.attribution import Attribution, Holdings, Mark, mark_at, moved, paid_gas, placed, protected, swapped
from keeper.core.model.ladder import Position
from keeper.core.model.plan import StageKind
from keeper.core.model.policy import Policy
from keeper.simulation.account import VirtualAccount
from keeper.simulation.chain import Chain


class Watch:
    """Looks at the account at every cycle and around everything that it does.

    Args:
        market: whose signal pool tells the price.
        account: that is watched.
        policy: names pair and signal pool.
    """

    def __init__(self, market: Chain, account: VirtualAccount, policy: Policy) -> None:
        key = policy.pool(policy.signal_pool)
        self._account = account
        self._pool = market.pools[policy.signal_pool]
        self._quote_is_token0 = key.token0.address == policy.quote.address
        self.parts = Attribution()
        self.mark = self._mark()
        self.holdings = self._look(account.manager.positions())
        self.opened = self.holdings
        self.opened_mark = self.mark
        self._base_unit = 10**policy.base.decimals

    @property
    def value(self) -> int:
        """Of everything, in 2**-64 raw quote tokens, as last seen."""
        return self.holdings.value(self.mark)

    @property
    def options(self) -> PaperVenue | None:
        """Where the account buys options; None where it cannot."""
        return self._account.options

    @property
    def base_held(self) -> float:
        """Base tokens held in all, as last seen."""
        held: float = self.holdings.total[1 if self._quote_is_token0 else 0] / self._base_unit
        return held

    def seen(self, positions: Iterable[Position]) -> None:
        """The market has moved; these are the positions now."""
        mark, holdings = self._mark(), self._look(positions)
        self.parts = moved(self.parts, self.holdings, holdings, self.mark, mark)
        self.mark, self.holdings = mark, holdings

    def before(self) -> None:
        """Something of ours is about to happen."""
        self.seen(self._account.manager.positions())

    def after(self, kind: StageKind) -> None:
        """A stage of ours has happened, or was refused and has left everything as it was."""
        mark, holdings = self._mark(), self._look(self._account.manager.positions())
        if kind is StageKind.SWAP:
            self.parts = swapped(self.parts, self.holdings, holdings, self.mark, mark)
        elif kind is StageKind.PROTECT:
            self.parts = protected(self.parts, self.holdings, holdings, mark)
        else:
            self.parts = placed(self.parts, self.holdings, holdings, mark)
        self.mark, self.holdings = mark, holdings

    def paid_gas(self) -> None:
        """Gas has been paid, and nothing else has happened since the last look."""
        wallet0, wallet1 = self._account.held()
        holdings = self.holdings._replace(wallet0=wallet0, wallet1=wallet1)
        self.parts = paid_gas(self.parts, self.holdings, holdings, self.mark)
        self.holdings = holdings

    def _mark(self) -> Mark:
        return mark_at(self._pool.pool.sqrt_price_x96, quote_is_token0=self._quote_is_token0)

    def _look(self, positions: Iterable[Position]) -> Holdings:
        wallet0, wallet1 = self._account.held()
        principal0 = principal1 = owed0 = owed1 = 0
        for position in positions:
            principal0 += position.amount0
            principal1 += position.amount1
            owed0 += position.fees0
            owed1 += position.fees1
        return Holdings(wallet0, wallet1, principal0, principal1, owed0, owed1)

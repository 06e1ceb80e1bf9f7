"""Options on paper beside a real or a virtual account."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.adapters.options.paper import NAME
from keeper.core.model.option import NO_PROTECTION, HedgeWant, OptionMarket, ProtectionView
from keeper.core.model.plan import Bounds, NotDone, OpenOption, Simulated, Stage, StageOutcome
from keeper.core.model.pool import BlockRef
from keeper.core.model.record import Attempt, Intent
from keeper.core.model.token import TokenAmount
from keeper.ports.executor import AttemptLog, Executor
from keeper.ports.options import ProtectionDesk
from keeper.simulation.paper_desk import PaperDesk


class BookOptions:
    """The options of a virtual book, whichever book the desk has now.

    Args:
        desk: of paper trading.
    """

    def __init__(self, desk: PaperDesk) -> None:
        self._desk = desk

    def held(self, market: OptionMarket, owner: str, block: BlockRef) -> ProtectionView:
        """See the port."""
        options = self._desk.book.account.options
        return NO_PROTECTION if options is None else options.held(market, owner, block)

    def offers(self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef) -> ProtectionView:
        """See the port."""
        options = self._desk.book.account.options
        return NO_PROTECTION if options is None else options.offers(market, wants, block)


class SharedDesk:
    """Several desks as one.

    Args:
        desks: asked one after the other.
    """

    def __init__(self, desks: Sequence[ProtectionDesk]) -> None:
        self._desks = tuple(desks)

    def held(self, market: OptionMarket, owner: str, block: BlockRef) -> ProtectionView:
        """See the port."""
        return _joined([desk.held(market, owner, block) for desk in self._desks])

    def offers(self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef) -> ProtectionView:
        """See the port."""
        return _joined([desk.offers(market, wants, block) for desk in self._desks])


def _joined(views: Sequence[ProtectionView]) -> ProtectionView:
    return ProtectionView(
        positions=tuple(one for view in views for one in view.positions),
        quotes=tuple(one for view in views for one in view.quotes),
        absent=tuple(one for view in views for one in view.absent),
    )


class DryOptions:
    """An executor that simulates purchases on paper itself and hands everything else on: nothing is bought or signed.

    Args:
        inner: of the account.
    """

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        """See the port."""
        match stage.option:
            case OpenOption(quote=quote) if quote.contract.venue == NAME:
                paid = TokenAmount(token=quote.cost.token, raw=-quote.cost.raw)
                return Simulated(deltas=(paid,), minted=(), gas_units=quote.gas_open)
            case _:
                return self._inner.execute(stage, bounds, intent, log)

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:
        """See the port."""
        if isinstance(intent.option, OpenOption) and intent.option.quote.contract.venue == NAME:
            return NotDone(why="on paper nothing is on its way", tx_hashes=(), gas_wei=0)
        return self._inner.settle(intent, attempts, log)

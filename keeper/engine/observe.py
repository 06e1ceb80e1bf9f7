"""One view a cycle: what the chain says, joined with what the keeper remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.core.model.codec import digest
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Position
from keeper.core.model.policy import Adoption, Policy
from keeper.core.model.pool import BlockPrice, HistoryRef, PriceHistory
from keeper.core.model.record import Observation
from keeper.core.model.view import MarketView
from keeper.core.strategy.adoption import nearest_layer
from keeper.ports.chain import MarketSource
from keeper.ports.journal import ReadableJournal

NEWEST_TOKENS = 16
"""Position tokens that the source is told of, the newest: older ones that are still held it finds or remembers by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A view with the price history that it names and what is not yet in the journal."""

    view: MarketView
    history: PriceHistory
    new_prices: tuple[BlockPrice, ...]
    adopted: Mapping[int, LayerKind]
    """Positions that the journal did not know, and the layers that they join."""


def observe(source: MarketSource, journal: ReadableJournal, policy: Policy) -> Sight:
    """Look at the newest block. Reads only: nothing is written to the journal.

    Raises:
        Transient: the chain could not be read.
        Fault: the chain is not the configured one, or the wallet holds positions that the policy refuses.
    """
    known = journal.layer_tokens()
    seen = source.observe(
        token_ids=sorted(known)[-NEWEST_TOKENS:], prices_after_block=journal.last_price_block(policy.signal_pool)
    )
    memory = journal.memory()
    if memory.acted_block is not None and seen.block.number < memory.acted_block:
        raise Transient(f"the node is at block {seen.block.number}, the keeper's last transaction is in {memory.acted_block}")
    history = _history(journal, policy, seen)
    adopted = _adopt(seen, known, policy)
    view = MarketView(
        chain_id=seen.chain_id,
        block=seen.block,
        pools=seen.pools,
        wallet=seen.wallet,
        gas=seen.gas,
        ladder=_ladder(seen.positions, {**known, **adopted}),
        history=_reference(history, seen),
        memory=memory,
    )
    return Sight(view=view, history=history, new_prices=seen.prices, adopted=adopted)


def _history(journal: ReadableJournal, policy: Policy, seen: Observation) -> PriceHistory:
    since_s = seen.block.timestamp_s - policy.signals.lookback_s
    stored = journal.history(policy.signal_pool, since_s=since_s, up_to_block=seen.block.number)
    newest = stored.rows[-1].block if stored.rows else -1
    fresh = tuple(price for price in seen.prices if price.block > newest and price.timestamp_s >= since_s)
    return PriceHistory(pool=policy.signal_pool, rows=stored.rows + fresh)


def _reference(history: PriceHistory, seen: Observation) -> HistoryRef:
    rows = history.rows
    return HistoryRef(
        pool=history.pool,
        first_block=rows[0].block if rows else seen.block.number,
        last_block=rows[-1].block if rows else seen.block.number,
        rows=len(rows),
        digest=digest(history),
    )


def _adopt(seen: Observation, known: Mapping[int, LayerKind], policy: Policy) -> dict[int, LayerKind]:
    strangers = [position for position in seen.positions if position.token_id not in known]
    if not strangers or policy.adoption is Adoption.IGNORE:
        return {}
    if policy.adoption is Adoption.REFUSE:
        ids = ", ".join(str(position.token_id) for position in strangers)
        raise Fault(
            f"the wallet holds positions that the journal does not know: {ids}. Set wallet.adoption to adopt or ignore, "
            "or move them to another wallet"
        )
    spots = {pool.state.key.address: pool.state.tick for pool in seen.pools}
    return {position.token_id: nearest_layer(position, spots[position.pool], policy) for position in strangers}


def _ladder(positions: tuple[Position, ...], layers: Mapping[int, LayerKind]) -> Ladder:
    held = {kind: tuple(position for position in positions if layers.get(position.token_id) is kind) for kind in LayerKind}
    return Ladder(layers=tuple(Layer(kind=kind, positions=members) for kind, members in held.items() if members))

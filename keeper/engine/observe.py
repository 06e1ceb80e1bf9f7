"""One view a cycle: what the chain says, joined with what the keeper remembers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from keeper.core.model.bar import HOUR_S, MINUTE_S, MarketHistory, PriceBar, Quote, Sample
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Position
from keeper.core.model.policy import Adoption, Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Observation
from keeper.core.model.view import MarketView
from keeper.core.signals.bars import close_hours, close_minutes
from keeper.core.signals.state import SignalState
from keeper.core.strategy.adoption import nearest_layer
from keeper.engine.memo import SignalMemo
from keeper.ports.chain import MarketSource
from keeper.ports.journal import HistoryEnd, ReadableJournal

NEWEST_TOKENS = 16
"""Position tokens that the source is told of, those that the journal came to know last: older ones that are still held the
source finds or remembers by itself."""
_KINDS = tuple(LayerKind)
_BLOCK, _TIME = attrgetter("block"), attrgetter("timestamp_s")


class Sight(NamedTuple):
    """A view, the signals as of it, and what is not yet in the journal."""

    view: MarketView
    state: SignalState
    """Has taken in everything that the view names."""
    new_prices: tuple[BlockPrice, ...]
    news: MarketHistory
    """Bars that closed, the sample and the quotes of this cycle."""
    adopted: Mapping[int, LayerKind]
    """Positions that the journal did not know, and the layers that they join."""


def observe(source: MarketSource, journal: ReadableJournal, policy: Policy, memo: SignalMemo) -> Sight:
    """Look at the newest block. Reads only: nothing is written to the journal.

    Raises:
        Transient: the chain could not be read.
        Fault: the chain is not the configured one, or the wallet holds positions that the policy refuses.
    """
    known = journal.layer_tokens()
    stored = journal.history_end(policy.signal_pool)
    seen = source.observe(
        token_ids=sorted(islice(reversed(known), NEWEST_TOKENS)),
        prices_after_block=journal.last_price_block(policy.signal_pool),
        sample_after_s=0 if stored.sample_s is None else stored.sample_s + policy.outside.sample_every_s,
    )
    memory = journal.memory()
    if memory.acted_block is not None and seen.block.number < memory.acted_block:
        raise Transient(f"the node is at block {seen.block.number}, the keeper's last transaction is in {memory.acted_block}")
    news = _news(journal, policy, seen, stored)
    state = memo.advanced(journal, policy, seen.block.timestamp_s, news, stored)
    adopted = _adopt(seen, known, policy)
    view = MarketView(
        chain_id=seen.chain_id,
        block=seen.block,
        pools=seen.pools,
        wallet=seen.wallet,
        gas=seen.gas,
        ladder=_ladder(seen.positions, {**known, **adopted} if adopted else known),
        history=state.ref,
        memory=memory,
    )
    return Sight(view=view, state=state, new_prices=seen.prices, news=news, adopted=adopted)


def _news(journal: ReadableJournal, policy: Policy, seen: Observation, stored: HistoryEnd) -> MarketHistory:
    """What the observation adds to the stored series; nothing when it is of a block before what they know."""
    pool, now_s = policy.signal_pool, seen.block.timestamp_s
    if now_s < stored.known_until_s:
        return MarketHistory(pool=pool)
    minutes = _minutes(journal, policy, seen, stored.minute)
    return MarketHistory(
        pool=pool,
        minutes=minutes,
        hours=_hours(journal, pool, minutes),
        samples=_sample(seen, stored),
        quotes=_quotes(journal, seen.quotes, now_s),
    )


def _minutes(journal: ReadableJournal, policy: Policy, seen: Observation, last: PriceBar | None) -> tuple[PriceBar, ...]:
    pool, now_s = policy.signal_pool, seen.block.timestamp_s
    lookback_s = now_s - policy.signals.lookback_s
    since_s = lookback_s if last is None else last.end_s
    pending = journal.prices(pool, since_s=since_s, up_to_block=seen.block.number)
    newest = pending[-1].block if pending else -1
    first = max(bisect_right(seen.prices, newest, key=_BLOCK), bisect_left(seen.prices, since_s, key=_TIME))
    rows = pending + seen.prices[first:]
    complete_s = seen.prices_since_s
    if pending and pending[-1].timestamp_s >= since_s + MINUTE_S:
        # rows whose minutes were never closed: whether they follow on the last bar is known no further back than is looked
        complete_s = max(lookback_s, complete_s or 0)
    return close_minutes(rows, before=last, since_s=complete_s, now_s=now_s)


def _hours(journal: ReadableJournal, pool: str, minutes: tuple[PriceBar, ...]) -> tuple[PriceBar, ...]:
    if not minutes or minutes[-1].end_s // HOUR_S == minutes[0].start_s // HOUR_S:
        return ()
    begin_s = minutes[0].start_s // HOUR_S * HOUR_S
    earlier = journal.bars(pool, MINUTE_S, since_s=begin_s, before_s=minutes[0].start_s)
    return close_hours((*earlier, *minutes))


def _sample(seen: Observation, stored: HistoryEnd) -> tuple[Sample, ...]:
    """The sample, unless one or a quote of that second is stored: what was known at a second is not added to before its end."""
    known_s = max(stored.sample_s or 0, stored.quote_s or 0)
    return (seen.sample,) if seen.sample is not None and seen.sample.timestamp_s > known_s else ()


def _quotes(journal: ReadableJournal, quotes: tuple[Quote, ...], now_s: int) -> tuple[Quote, ...]:
    """Those that say something new: another time, another value, or another fault than the newest stored one."""
    stored = journal.newest_quotes([quote.name for quote in quotes])
    return tuple(replace(quote, seen_s=now_s) for quote in quotes if not _is_known(stored.get(quote.name), quote))


def _is_known(stored: Quote | None, quote: Quote) -> bool:
    """Whether nothing is new; that a source still fails is not, though the words of its fault may count the seconds."""
    if stored is None or (stored.value is None) != (quote.value is None):
        return False
    return quote.value is None or replace(stored, seen_s=0) == replace(quote, seen_s=0)


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
    held: dict[LayerKind | None, list[Position]] = {}
    for position in positions:
        held.setdefault(layers.get(position.token_id), []).append(position)
    return Ladder(layers=tuple([Layer(kind=kind, positions=tuple(held[kind])) for kind in _KINDS if kind in held]))

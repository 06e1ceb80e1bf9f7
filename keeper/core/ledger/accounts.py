"""Running totals over the cycles of a keeper, from its journal alone.

The account is taken to be the keeper's own: tokens that its owner adds or takes away show as gain or loss against holding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keeper.core.model.decision import ShiftLayer
from keeper.core.model.ladder import Position
from keeper.core.model.plan import CloseOption, Collect, Done, NotDone, OpenOption, Stage, StageKind, Swap
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord, StageRecord
from keeper.core.model.view import MarketView
from keeper.core.signals.prices import LOG_TICK, price_at_sqrt
from keeper.core.strategy.valuation import raw_to_quote, wei_to_quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Totals since the books were opened."""

    opened_s: int
    """Chain time."""
    opening0: int
    """Raw token0 held then: wallet, positions and what they were owed; all native currency counts as its wrapped token."""
    opening1: int
    opening_quote: float
    """Their worth at the price of that time, in tokens of the quote."""
    fees0: int
    """Raw token0 that collects have paid as fees."""
    fees1: int
    gas_wei: int
    gas_quote: float
    """Gas at the prices of its time, in tokens of the quote."""
    premium0: int
    """Raw token0 paid for options."""
    premium1: int
    payoff0: int
    """Raw token0 that ended options have brought."""
    payoff1: int
    protection_gas_wei: int
    """Of the gas, what buying and ending options took."""
    protection_gas_quote: float
    swap_cost_quote: float
    """Fees and own impact of the keeper's swaps: what came out short of what went in, at the price before each."""
    lvr_quote: float
    """Loss of the positions to arbitrage, from cycle to cycle; a lower bound, for what happens between is not seen."""
    cycles: int
    shifts: int
    """Layers placed anew."""
    prices: tuple[tuple[str, int], ...]
    """Square-root price of each pool at the last posted cycle, by address."""


def open_books(view: MarketView, policy: Policy) -> Books:
    """Books that begin with everything that the view says is held."""
    amount0, amount1 = holdings(view, policy)
    return Books(
        opened_s=view.now_s,
        opening0=amount0,
        opening1=amount1,
        opening_quote=raw_to_quote(policy, _price(view, policy), amount0, amount1),
        fees0=0,
        fees1=0,
        gas_wei=0,
        gas_quote=0.0,
        premium0=0,
        premium1=0,
        payoff0=0,
        payoff1=0,
        protection_gas_wei=0,
        protection_gas_quote=0.0,
        swap_cost_quote=0.0,
        lvr_quote=0.0,
        cycles=0,
        shifts=0,
        prices=_prices(view),
    )


def post(books: Books, record: CycleRecord) -> Books:
    """Add one ended cycle. Cycles are posted once each, in their order; dry ones change nothing but their count."""
    view, policy = record.view, record.policy
    price = _price(view, policy)
    gas_wei, option_gas_wei = _gas_wei(record.stages), _gas_wei(s for s in record.stages if s.kind is StageKind.PROTECT)
    done_stages = tuple(done_of(record))
    fees = [_fees(view, stage) for stage, _ in done_stages]
    swap_costs = [_swap_cost(view, policy, stage, done) for stage, done in done_stages]
    premiums = [_change(policy, done) for stage, done in done_stages if isinstance(stage.option, OpenOption)]
    payoffs = [_change(policy, done) for stage, done in done_stages if isinstance(stage.option, CloseOption)]
    placed = {minted.layer for _, done in done_stages for minted in done.minted}
    shifts = sum(isinstance(move, ShiftLayer) and move.target.kind in placed for move in record.decision.moves)
    return Books(
        opened_s=books.opened_s,
        opening0=books.opening0,
        opening1=books.opening1,
        opening_quote=books.opening_quote,
        fees0=books.fees0 + sum(fee0 for fee0, _ in fees),
        fees1=books.fees1 + sum(fee1 for _, fee1 in fees),
        gas_wei=books.gas_wei + gas_wei,
        gas_quote=books.gas_quote + wei_to_quote(policy, price, gas_wei),
        premium0=books.premium0 - sum(change0 for change0, _ in premiums),
        premium1=books.premium1 - sum(change1 for _, change1 in premiums),
        payoff0=books.payoff0 + sum(change0 for change0, _ in payoffs),
        payoff1=books.payoff1 + sum(change1 for _, change1 in payoffs),
        protection_gas_wei=books.protection_gas_wei + option_gas_wei,
        protection_gas_quote=books.protection_gas_quote + wei_to_quote(policy, price, option_gas_wei),
        swap_cost_quote=books.swap_cost_quote + math.fsum(swap_costs),
        lvr_quote=books.lvr_quote + _lvr(books, view, policy),
        cycles=books.cycles + 1,
        shifts=books.shifts + shifts,
        prices=_prices(view),
    )


def holdings(view: MarketView, policy: Policy) -> tuple[int, int]:
    """Raw token0 and token1 of the whole account: wallet, native currency with its reserve, positions and their fees."""
    native = None if policy.wrapped_native is None else policy.wrapped_native.address
    key = policy.pool(policy.signal_pool)
    amount0, amount1 = (
        view.wallet.raw(token.address) + (view.wallet.native_wei if token.address == native else 0)
        for token in (key.token0, key.token1)
    )
    for position in view.ladder.positions:
        amount0 += position.amount0 + position.fees0
        amount1 += position.amount1 + position.fees1
    return amount0, amount1


def done_of(record: CycleRecord) -> Iterator[tuple[Stage, Done]]:
    """The planned stages that are on the chain; stages are begun in the plan's order."""
    planned = () if record.plan is None else record.plan.stages
    for stage, went in zip(planned, record.stages, strict=False):
        if stage.kind is went.kind and isinstance(went.outcome, Done):
            yield stage, went.outcome


def _gas_wei(stages: Iterable[StageRecord]) -> int:
    return sum(stage.outcome.gas_wei for stage in stages if isinstance(stage.outcome, Done | NotDone))


def _change(policy: Policy, done: Done) -> tuple[int, int]:
    """Raw token0 and token1 of the pair that a stage brought, less what it took."""
    key = policy.pool(policy.signal_pool)
    change0, change1 = (
        sum(d.raw for d in done.deltas if d.token.address == token.address) for token in (key.token0, key.token1)
    )
    return change0, change1


def _fees(view: MarketView, stage: Stage) -> tuple[int, int]:
    """Fees that the stage collected, as they were owed at the view's block; the seconds until inclusion are left out."""
    collected = {step.token_id for step in stage.steps if isinstance(step, Collect)}
    paid = [position for position in view.ladder.positions if position.token_id in collected]
    return sum(position.fees0 for position in paid), sum(position.fees1 for position in paid)


def _swap_cost(view: MarketView, policy: Policy, stage: Stage, done: Done) -> float:
    swaps = [step for step in stage.steps if isinstance(step, Swap)]
    if stage.kind is not StageKind.SWAP or not swaps:
        return 0.0
    net0, net1 = _change(policy, done)
    before = price_at_sqrt(policy, view.pool(swaps[0].pool).state.sqrt_price_x96)
    return -raw_to_quote(policy, before, net0, net1)


def _lvr(books: Books, view: MarketView, policy: Policy) -> float:
    """What each position's amounts of the last cycle would be worth now, less what the position is worth.

    Never negative but for rounding: a position buys what falls and sells what rises. Summed over steps this is the exact
    difference to a rebalancing portfolio that trades at the prices of the cycles.

    Ref: Milionis, Moallemi, Roughgarden & Zhang 2022, section 3.
    """
    last = dict(books.prices)
    lost = 0.0
    for position in view.ladder.positions:
        if position.pool not in last:
            continue
        then, now = last[position.pool] / 2**96, view.pool(position.pool).state.sqrt_price_x96 / 2**96
        had0, had1 = _amounts(position, then)
        has0, has1 = _amounts(position, now)
        raw1 = (had0 - has0) * now * now + had1 - has1
        lost += raw_to_quote(policy, price_at_sqrt(policy, view.pool(position.pool).state.sqrt_price_x96), 0.0, raw1)
    return lost


def _amounts(position: Position, sqrt_price: float) -> tuple[float, float]:
    lower, upper = (math.exp(tick * LOG_TICK / 2) for tick in (position.range.lower, position.range.upper))
    at = min(max(sqrt_price, lower), upper)
    return position.liquidity * (1 / at - 1 / upper), position.liquidity * (at - lower)


def _price(view: MarketView, policy: Policy) -> float:
    return price_at_sqrt(policy, view.pool(policy.signal_pool).state.sqrt_price_x96)


def _prices(view: MarketView) -> tuple[tuple[str, int], ...]:
    return tuple((pool.state.key.address, pool.state.sqrt_price_x96) for pool in view.pools)

"""Ways to place what is wanted: as the funds are, or after a swap through one of the pair's pools; each priced, one taken.

A way costs its gas, its swap fee and its impact against the signal pool's spot, and what it leaves idle. Idle value is priced
at the fees that it would earn over the horizon with the price in its range, at the fair rate: what the range loses to
arbitrage, ``sigma^2 / 8 * concentration`` a year (Milionis et al. 2022). A range away from the price is priced at its nearer
end: it is held for the day when the price is there, and the decision's weight has already said how much that counts; a wing
priced at what it earns today would never be worth a swap, and its layer would be decided on again in every cycle. Without a
forecast the decision's wish prevails and idle value counts as lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from keeper.core.model.plan import Alternative, Cost, Increase, Mint, Stage, StageKind, Swap
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolView
from keeper.core.model.view import MarketView
from keeper.core.planning.bounds import Interval, sizing_interval, swap_limits
from keeper.core.planning.depth import depth, reach_x96, swap_in
from keeper.core.planning.funds import Purse
from keeper.core.planning.gas import gas_quote, gas_units
from keeper.core.planning.price import Price, root_of
from keeper.core.planning.ratio import Demand, Depth, RatioSwap, swap_to_ratio
from keeper.core.planning.sizing import Portion, Wish, place_step, portions
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.strategy.gas import step_gas
from keeper.core.v3math.pool_swap import SwapResult

_ZERO = Decimal(0)
_ROUNDS = 3
"""Of fitting liquidity to value at the price after the swap; each shrinks the rest by the swap's own price change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a way is made from."""

    view: MarketView
    policy: Policy
    price: Price
    """Protected: what is wanted is worth that much."""
    spot: Price
    """Of the signal pool: what a swap costs is measured against it."""
    pools: Mapping[str, PoolView]
    """By address, after the withdrawals and before our swap."""
    wishes: tuple[Wish, ...]
    volatility: float | None
    """Annualised forecast."""
    protected: Mapping[str, Interval]
    """By address: the prices that limits have to hold at."""
    before: tuple[Stage, ...]
    """Stages that come first, whatever the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way, with its steps and its price."""

    name: str
    swap: Swap | None
    places: tuple[Mint | Increase, ...]
    cost: Cost
    unplaced_quote: float
    unplaced_share: float
    """Of all that is wanted."""
    idle_quote: float
    """Price of leaving that idle."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of this way, none empty."""
        return _stages(self.swap, self.places)

    def alternative(self, *, taken: bool) -> Alternative:
        """As the plan reports it."""
        return Alternative(name=self.name, cost=self.cost, unplaced_quote=self.unplaced_quote, taken=taken)


def all_ways(market: Market, purse: Purse) -> tuple[Way, ...]:
    """Without a swap first, then through every pool that the policy allows and the protected price lets us use."""
    swapped = (swap_way(market, purse, address) for address in market.policy.execution.swap_pools if address in market.pools)
    return (plain_way(market, purse), *(way for way in swapped if way is not None))


def best_way(ways: Sequence[Way], tolerance: float) -> Way:
    """No swap where little enough stays idle; else the way with the least cost, idle value priced in; ties to the earlier."""
    if ways[0].unplaced_share <= tolerance:
        return ways[0]
    return min(ways, key=lambda way: way.cost.total_quote + way.idle_quote)


def plain_way(market: Market, purse: Purse) -> Way:
    """Place what the funds allow as they are."""
    return _priced(market, "no swap", purse.spendable, None, 0)


def swap_way(market: Market, purse: Purse, address: str) -> Way | None:
    """Swap in that pool to the ratio that the wishes need; None when no swap helps or the protected price forbids it."""
    pool, planned = market.pools[address], sizing_interval(market.view, market.policy, address)
    found = _fitted_swap(market, purse.spendable, depth(pool, planned), address)
    if found is None:
        return None
    return _selling(market, purse, address, int(found.amount_in.to_integral_value(ROUND_DOWN)), zero_for_one=found.zero_for_one)


def sales(market: Market, purse: Purse, amount: int, *, zero_for_one: bool) -> tuple[Way, ...]:
    """Sell so much, or what there is of it, through every pool that the policy allows and the protected price lets us use.

    The best first: what sells most, then what costs least. What a pool does not take counts as unplaced.

    Args:
        market: without wishes.
        purse: what there is.
        amount: raw units of the token sold, > 0.
        zero_for_one: which one that is.
    """
    found = []
    for address in market.policy.execution.swap_pools:
        way = _selling(market, purse, address, amount, zero_for_one=zero_for_one) if address in market.pools else None
        if way is not None and way.swap is not None:
            short = _value_of(market.price, amount - way.swap.amount_in, token0=zero_for_one)
            found.append(replace(way, unplaced_quote=float(short)))
    return tuple(sorted(found, key=lambda way: (way.unplaced_quote, way.cost.total_quote)))


def _selling(market: Market, purse: Purse, address: str, amount: int, *, zero_for_one: bool) -> Way | None:
    """The way with an exact-in swap of at most so much; None when the protected price lets none of it be sold."""
    pool = market.pools[address]
    lowest, highest = reach_x96(pool, sizing_interval(market.view, market.policy, address))
    held = purse.spendable[0 if zero_for_one else 1]
    limit = lowest if zero_for_one else highest
    stands = pool.state.sqrt_price_x96
    if min(amount, held) <= 0 or (stands <= limit if zero_for_one else stands >= limit):
        return None
    result = swap_in(pool, zero_for_one=zero_for_one, amount_specified=min(amount, held), sqrt_price_limit_x96=limit)
    amount_in = result.amount0 if zero_for_one else result.amount1
    if amount_in <= 0 or _bought(result) <= 0:
        return None
    least, limit_x96 = swap_limits(market.protected[address], pool.state.key, zero_for_one=zero_for_one, amount_in=amount_in)
    step = Swap(
        pool=address,
        zero_for_one=zero_for_one,
        amount_in=amount_in,
        amount_out_min=least,
        sqrt_price_limit_x96=limit_x96,
    )
    after = replace(market, pools=pools_after(market.pools, address, result))
    left = purse.plus(-result.amount0, -result.amount1).spendable
    return _priced(after, f"swap in {address}", left, step, _bought(result))


def executed_swap(pools: Mapping[str, PoolView], step: Swap) -> Mapping[str, PoolView]:
    """The pools after a swap that was planned, as it should have gone."""
    result = swap_in(
        pools[step.pool],
        zero_for_one=step.zero_for_one,
        amount_specified=step.amount_in,
        sqrt_price_limit_x96=step.sqrt_price_limit_x96,
    )
    return pools_after(pools, step.pool, result)


def pools_after(pools: Mapping[str, PoolView], address: str, result: SwapResult) -> Mapping[str, PoolView]:
    """The pools with one of them as a swap left it."""
    state = replace(pools[address].state, sqrt_price_x96=result.sqrt_price_x96, tick=result.tick, liquidity=result.liquidity)
    return {**pools, address: replace(pools[address], state=state)}


def _fitted_swap(market: Market, funds: tuple[int, int], curve: Depth, address: str) -> RatioSwap | None:
    """The closed form, with the wishes' liquidity fitted to the price after it; None when it comes to less than a raw unit."""
    root, found = curve.sqrt_price, None
    for _ in range(_ROUNDS):
        demands, fixed0, fixed1 = _demands(market, address, root)
        found = swap_to_ratio(amount0=funds[0], amount1=funds[1], depth=curve, demands=demands, fixed0=fixed0, fixed1=fixed1)
        if found is None or found.amount_in < 1:
            return None
        root = found.sqrt_price
    return found


def _demands(market: Market, address: str, root: Decimal) -> tuple[list[Demand], Decimal, Decimal]:
    """Wishes in the swap's pool by their liquidity, those in other pools by the amounts that their own price asks for."""
    demands: list[Demand] = []
    fixed0 = fixed1 = _ZERO
    for each in market.wishes:
        home = each.placement.band.pool
        if home == address:
            demands.append(Demand(lower=each.lower, upper=each.upper, liquidity=each.liquidity(root, market.price)))
        else:
            amount0, amount1 = each.amounts(root_of(market.pools[home].state.sqrt_price_x96), market.price)
            fixed0, fixed1 = fixed0 + amount0, fixed1 + amount1
    return demands, fixed0, fixed1


def _priced(market: Market, name: str, funds: tuple[int, int], step: Swap | None, amount_out: int) -> Way:
    """Size the placements from ``funds``, leave out those not worth their gas, and price the whole."""
    roots = {address: root_of(pool.state.sqrt_price_x96) for address, pool in market.pools.items()}
    places: list[Mint | Increase] = []
    wanted = placed = idle = _ZERO
    for portion in portions(market.wishes, funds, roots, market.price):
        worth = market.price.value(portion.amount0, portion.amount1)
        place = _place(market, portion, worth)
        if place is not None:
            places.append(place)
            placed += worth
        short = max(portion.wish.value - (worth if place is not None else _ZERO), _ZERO)
        wanted += portion.wish.value
        idle += short * _idle_rate(market, portion.wish, roots[portion.wish.placement.band.pool])
    unplaced = max(wanted - placed, _ZERO)
    return Way(
        name=name,
        swap=step,
        places=tuple(places),
        cost=_cost(market, step, tuple(places), amount_out),
        unplaced_quote=float(unplaced),
        unplaced_share=float(unplaced / wanted) if wanted else 0.0,
        idle_quote=float(idle),
    )


def _place(market: Market, portion: Portion, worth: Decimal) -> Mint | Increase | None:
    kind = Mint if portion.wish.placement.token_id is None else Increase
    if worth <= gas_quote(step_gas(kind), market.view, market.policy, market.price):
        return None
    address = portion.wish.placement.band.pool
    return place_step(portion, market.pools[address].state.sqrt_price_x96, market.protected[address])


def _idle_rate(market: Market, each: Wish, root: Decimal) -> Decimal:
    """Part of an idle value that is forgone over the horizon, at most all of it."""
    if market.volatility is None:
        return Decimal(1)
    variance = Decimal(market.volatility) ** 2 * market.policy.ladder.horizon_s / Decimal(SECONDS_A_YEAR)
    return min(variance / 8 * each.concentration(root), Decimal(1))


def _stages(step: Swap | None, places: tuple[Mint | Increase, ...]) -> tuple[Stage, ...]:
    swaps = (Stage(kind=StageKind.SWAP, steps=(step,)),) if step is not None else ()
    placed = (Stage(kind=StageKind.PLACE, steps=places),) if places else ()
    return swaps + placed


def _cost(market: Market, step: Swap | None, places: tuple[Mint | Increase, ...], amount_out: int) -> Cost:
    units = gas_units((*market.before, *_stages(step, places)))
    fee = impact = _ZERO
    if step is not None:
        paid = _value_of(market.spot, step.amount_in, token0=step.zero_for_one)
        fee = paid * market.pools[step.pool].state.key.fee_pips / 1_000_000
        impact = paid - fee - _value_of(market.spot, amount_out, token0=not step.zero_for_one)
    return Cost(
        gas_units=units,
        gas_quote=float(gas_quote(units, market.view, market.policy, market.price)),
        swap_fee_quote=float(fee),
        impact_quote=float(impact),
    )


def _value_of(price: Price, raw: int, *, token0: bool) -> Decimal:
    return price.value(raw, 0) if token0 else price.value(0, raw)


def _bought(result: SwapResult) -> int:
    return -min(result.amount0, result.amount1)

"""What a change of value is made of, in integers: the parts add up to the change exactly, whatever happened in between.

Value is told in units of 2**-64 raw quote tokens, so that one price rounds once and every product of it is exact. Between two
moments in which the account did nothing, with holdings ``h`` at marks ``m`` and ``h'`` at ``m'``::

    V' - V  =  h (m' - m)  +  (principal' - principal) m'  +  (owed' - owed) m'
               price          loss to arbitrage               fees

The second part is what liquidity bought as it fell and sold as it rose, at the later price: never above zero but for the
rounding of amounts. Summed over the steps it is the loss versus rebalancing at the prices of the steps; finer steps move value
between price and it, never out of the sum. Ref: Milionis, Moallemi, Roughgarden & Zhang 2022, section 3.
"""

from __future__ import annotations

from typing import NamedTuple

MARK_BITS = 64
_SQUARE_BITS = 192
_ONE = 1 << MARK_BITS
_ONE_SQUARED = 1 << (_SQUARE_BITS + MARK_BITS)


class Mark(NamedTuple):
    """Worth of one raw unit of each token, in 2**-64 raw quote tokens, rounded **down**."""

    of0: int
    of1: int

    def value(self, amount0: int, amount1: int) -> int:
        """Worth of raw amounts, exact."""
        return amount0 * self.of0 + amount1 * self.of1


def mark_at(sqrt_price_x96: int, *, quote_is_token0: bool) -> Mark:
    """The mark at a pool's square-root price, > 0."""
    square = sqrt_price_x96 * sqrt_price_x96
    if quote_is_token0:
        return Mark(_ONE, _ONE_SQUARED // square)
    return Mark(square >> (_SQUARE_BITS - MARK_BITS), _ONE)


class Holdings(NamedTuple):
    """Everything that an account has, raw units; native currency counts as its wrapped token."""

    wallet0: int
    wallet1: int
    principal0: int = 0
    """What full withdrawals would return of the positions' liquidity."""
    principal1: int = 0
    owed0: int = 0
    """Fees and principal that positions owe."""
    owed1: int = 0

    @property
    def total(self) -> tuple[int, int]:
        """Raw token0 and token1 in all."""
        return self.wallet0 + self.principal0 + self.owed0, self.wallet1 + self.principal1 + self.owed1

    def value(self, mark: Mark) -> int:
        """Worth of everything, exact."""
        return mark.value(*self.total)


class Attribution(NamedTuple):
    """Parts of the change of value so far, each in 2**-64 raw quote tokens."""

    price: int = 0
    """What the holdings gained by the price alone."""
    fees: int = 0
    lvr: int = 0
    """Loss to arbitrage, as a gain: never above zero but for rounding."""
    swaps: int = 0
    """Cost of own swaps: fee, impact and what a sandwich took, at the price before each."""
    gas: int = 0
    premiums: int = 0
    """Paid for protection."""
    payoffs: int = 0
    """Received from protection."""
    rounding: int = 0
    """Dust that pools and position manager keep at mints, burns and collects."""

    @property
    def total(self) -> int:
        """The whole change of value."""
        return self.price + self.fees + self.lvr + self.swaps + self.gas + self.premiums + self.payoffs + self.rounding


def moved(  # ruff: ignore[too-many-locals] - the names of five tuples: read one by one they cost half as much again
    so_far: Attribution, before: Holdings, after: Holdings, then: Mark, now: Mark
) -> Attribution:
    """Add a stretch in which only the market moved.

    Raises:
        ValueError: the wallet changed.
    """
    wallet0, wallet1, principal0, principal1, owed0, owed1 = before
    still0, still1, principal0_now, principal1_now, owed0_now, owed1_now = after
    if wallet0 != still0 or wallet1 != still1:
        raise ValueError("a wallet does not change by itself")
    price, fees, lvr, swaps, gas, premiums, payoffs, rounding = so_far
    (then0, then1), (of0, of1) = then, now
    return Attribution(
        price + (wallet0 + principal0 + owed0) * (of0 - then0) + (wallet1 + principal1 + owed1) * (of1 - then1),
        fees + (owed0_now - owed0) * of0 + (owed1_now - owed1) * of1,
        lvr + (principal0_now - principal0) * of0 + (principal1_now - principal1) * of1,
        swaps,
        gas,
        premiums,
        payoffs,
        rounding,
    )


def placed(so_far: Attribution, before: Holdings, after: Holdings, now: Mark) -> Attribution:
    """Add a mint, burn or collect: what it changes in all is dust."""
    return so_far._replace(rounding=so_far.rounding + after.value(now) - before.value(now))


def swapped(so_far: Attribution, before: Holdings, after: Holdings, then: Mark, now: Mark) -> Attribution:
    """Add a swap of ours, which moves the price from ``then`` to ``now``: its cost first, then what it does to positions."""
    between = before._replace(wallet0=after.wallet0, wallet1=after.wallet1)
    cost = between.value(then) - before.value(then)
    return moved(so_far._replace(swaps=so_far.swaps + cost), between, after, then, now)


def paid_gas(so_far: Attribution, before: Holdings, after: Holdings, now: Mark) -> Attribution:
    """Add gas."""
    return so_far._replace(gas=so_far.gas + after.value(now) - before.value(now))


def protected(so_far: Attribution, before: Holdings, after: Holdings, now: Mark) -> Attribution:
    """Add an option that was bought or ended: what it cost is a premium, what it brought a payoff."""
    change = after.value(now) - before.value(now)
    if change < 0:
        return so_far._replace(premiums=so_far.premiums + change)
    return so_far._replace(payoffs=so_far.payoffs + change)

"""The published table of one-shot swaps to ratio, range 1600 to 2500 at a price of 2000, to 1e-12."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from keeper.core.planning.ratio import Demand, Depth, swap_to_ratio

UNIT = 10**18
"""The table is in human units; amounts are integers here."""


def root(price: str | int) -> Decimal:
    with localcontext(prec=60):
        return Decimal(price).sqrt()


def depth(liquidity: str, fee: str, ticks: tuple[tuple[Decimal, Decimal], ...] = ()) -> Depth:
    return Depth(
        sqrt_price=root(2000),
        liquidity=Decimal(liquidity) * UNIT,
        ticks=ticks,
        fee=Decimal(fee),
        lowest=root(1),
        highest=root(10**7),
    )


WANTED = Demand(lower=root(1600), upper=root(2500), liquidity=Decimal(10**12 * UNIT))
"""More than any of the funds reach, so that all of them are placed."""


def close(found: Decimal, golden: str) -> bool:
    return abs(found / Decimal(golden) - 1) < Decimal("1e-12")


@pytest.mark.parametrize(
    ("amount0", "amount1", "pool", "sold", "bought", "price", "liquidity"),
    [
        (
            0,
            10_000,
            depth("1e4", "0.0005"),
            "4547.5970553170158",
            "2.2497954904492818",
            "2040.8612067626540",
            "1053.4228835628852",
        ),
        (
            5,
            0,
            depth("1e4", "0.003"),
            "2.2771376805170067",
            "4494.9745268795837",
            "1959.9977735630421",
            "1052.2283782784925",
        ),
        (
            1,
            8_000,
            depth("5e6", "0.0005"),
            "3000.1351208024110",
            "1.4992974205873519",
            "2000.0536415742226",
            "1058.8538752429329",
        ),
        (
            0,
            10_000,
            depth("1e4", "0.0005", ((root(2010), Decimal(-6_000 * UNIT)),)),
            "4134.598507075436",
            "2.032556653417096",
            "2078.17423736054",
            None,
        ),
    ],
)
def test_the_published_table(
    amount0: int, amount1: int, pool: Depth, sold: str, bought: str, price: str, liquidity: str | None
) -> None:
    swap = swap_to_ratio(amount0=amount0 * UNIT, amount1=amount1 * UNIT, depth=pool, demands=(WANTED,))
    assert swap is not None
    assert swap.zero_for_one == (amount1 == 0)
    assert close(swap.amount_in / UNIT, sold)
    assert close(swap.amount_out / UNIT, bought)
    assert close(swap.sqrt_price**2, price)
    by_x, by_y = placed(amount0, amount1, swap)
    assert abs(by_x / by_y - 1) < Decimal("1e-20")
    if liquidity is not None:
        assert close(by_x, liquidity)


def placed(amount0: int, amount1: int, swap: object) -> tuple[Decimal, Decimal]:
    """Liquidity that each token buys in the range after the swap; a perfect swap makes them equal."""
    s = swap.sqrt_price
    moved0, moved1 = (-swap.amount_in, swap.amount_out) if swap.zero_for_one else (swap.amount_out, -swap.amount_in)
    with localcontext(prec=60):
        x, y = amount0 + moved0 / UNIT, amount1 + moved1 / UNIT
        return x / (1 / s - 1 / WANTED.upper), y / (s - WANTED.lower)


def test_one_range_may_be_told_as_several() -> None:
    half = replace(WANTED, liquidity=WANTED.liquidity / 2)
    whole = swap_to_ratio(amount0=0, amount1=10_000 * UNIT, depth=depth("1e4", "0.0005"), demands=(WANTED,))
    halves = swap_to_ratio(amount0=0, amount1=10_000 * UNIT, depth=depth("1e4", "0.0005"), demands=(half, half))
    assert whole == halves


def test_the_swap_of_a_small_wish_covers_the_scarce_token_and_no_more() -> None:
    wish = replace(WANTED, liquidity=Decimal(100 * UNIT))
    swap = swap_to_ratio(amount0=0, amount1=10_000 * UNIT, depth=depth("1e4", "0.0005"), demands=(wish,))
    assert swap is not None
    with localcontext(prec=60):
        wanted = wish.liquidity * (1 / swap.sqrt_price - 1 / wish.upper)
    assert close(swap.amount_out, str(wanted))


def test_funds_that_suffice_are_not_swapped() -> None:
    wish = replace(WANTED, liquidity=Decimal(100 * UNIT))
    assert swap_to_ratio(amount0=UNIT, amount1=10_000 * UNIT, depth=depth("1e4", "0.0005"), demands=(wish,)) is None

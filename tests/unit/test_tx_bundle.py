"""Stages as calls: decoded again, argument by argument."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import Contract, contract
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import (
    EVERYTHING,
    Call,
    SignedSpending,
    Spending,
    approval,
    is_approval,
    spendings,
    stage_call,
)
from keeper.adapters.tx.signer import Signature
from keeper.core.model.errors import Refused
from keeper.core.model.plan import Burn, Collect, Decrease, Increase, Mint, Stage, StageKind, Swap, Unwrap, Wrap
from keeper.localchain.mainnet import POSITION_MANAGER, SWAP_ROUTER_02
from tests.fakes.executor_scene import account
from tests.pairs import USDC, USDC_WETH_500, USDC_WETH_3000, USDT, WALLET, WETH, WETH_USDT_500
from tests.plans import mint, place_stage, swap_stage, withdraw_stage

NPM = contract("NonfungiblePositionManager")
ROUTER = contract("SwapRouter02")
NOBODY = "0x" + "00" * 20
ROUTER_ITSELF = "0x" + "00" * 19 + "02"
DEADLINE_S = 1_759_320_300
GRANT = Signature(v=27, r=b"\x01" * 32, s=b"\x02" * 32)
REVOKE = Signature(v=28, r=b"\x03" * 32, s=b"\x04" * 32)

amounts = st.integers(min_value=0, max_value=2**120)


def inner(call: Call, source: Contract = NPM, multicall: str = "multicall") -> list[tuple[str, tuple[Any, ...]]]:
    """Names and arguments of what a multicall holds."""
    names = ["decreaseLiquidity", "collect", "burn", "mint", "increaseLiquidity", "exactInputSingle"]
    names += ["unwrapWETH9", "sweepToken", "refundETH", "selfPermit"]
    known = {}
    for name in names:
        try:
            known[source.function(name).selector] = source.function(name)
        except KeyError:
            continue
    parts = source.function(multicall).decode_arguments(call.data)[-1]
    return [(known[p[:4]].signature.partition("(")[0], known[p[:4]].decode_arguments(p)) for p in parts]


def routed(call: Call) -> list[tuple[str, tuple[Any, ...]]]:
    assert ROUTER.function("multicall(uint256,bytes[])").decode_arguments(call.data)[0] == DEADLINE_S
    return inner(call, ROUTER, "multicall(uint256,bytes[])")


def permit(spending: Spending) -> SignedSpending:
    return SignedSpending(spending=spending, deadline_s=DEADLINE_S, grant=GRANT, revoke=REVOKE)


def test_a_withdrawal_comes_back_as_native_currency_and_the_other_token() -> None:
    call = stage_call(withdraw_stage(11, 12), DEADLINE_S, account(), ())
    assert (call.to, call.value_wei) == (POSITION_MANAGER, 0)
    assert inner(call) == [
        ("decreaseLiquidity", ((11, 16_000_000_000_000_000, 1, 1, DEADLINE_S),)),
        ("collect", ((11, NOBODY, EVERYTHING, EVERYTHING),)),
        ("burn", (11,)),
        ("decreaseLiquidity", ((12, 16_000_000_000_000_000, 1, 1, DEADLINE_S),)),
        ("collect", ((12, NOBODY, EVERYTHING, EVERYTHING),)),
        ("burn", (12,)),
        ("sweepToken", (USDC.address, 2, WALLET)),
        ("unwrapWETH9", (2, WALLET)),
    ]


@pytest.mark.parametrize(
    ("owner", "last"),
    [(account(), (Wrap(amount_wei=0),)), (replace(account(), wrapped_native=None), ())],
    ids=["an exit", "a pair without wrapped native"],
)
def test_a_withdrawal_to_tokens_collects_to_the_wallet(owner: Account, last: tuple[Wrap, ...]) -> None:
    stage = Stage(kind=StageKind.WITHDRAW, steps=(*withdraw_stage(11).steps, *last))
    assert [name for name, _ in inner(stage_call(stage, DEADLINE_S, owner, ()))] == ["decreaseLiquidity", "collect", "burn"]
    assert inner(stage_call(stage, DEADLINE_S, owner, ()))[1][1] == ((11, WALLET, EVERYTHING, EVERYTHING),)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5))
def test_what_is_swept_is_at_least_what_the_decreases_must_give(mins: list[tuple[int, int]]) -> None:
    steps = [Decrease(token_id=7, liquidity=1, amount0_min=a, amount1_min=b) for a, b in mins]
    stage = Stage(kind=StageKind.WITHDRAW, steps=(*steps, Collect(token_id=7)))
    swept, unwrapped = inner(stage_call(stage, DEADLINE_S, account(), ()))[-2:]
    assert swept[1][1] == sum(a for a, _ in mins)
    assert unwrapped[1][0] == sum(b for _, b in mins)


def test_selling_ether_sends_its_value_and_takes_the_rest_back() -> None:
    call = stage_call(swap_stage(zero_for_one=False, amount_in=10**18), DEADLINE_S, account(), ())
    assert (call.to, call.value_wei) == (SWAP_ROUTER_02, 10**18)
    (_, (arguments,)), last = routed(call)
    assert arguments[:5] == (WETH.address, USDC.address, 500, WALLET, 10**18)
    assert last == ("refundETH", ())


def test_buying_ether_unwraps_it_to_the_wallet() -> None:
    (_, (arguments,)), last = routed(stage_call(swap_stage(), DEADLINE_S, account(), ()))
    assert arguments[:6] == (USDC.address, WETH.address, 500, ROUTER_ITSELF, 5_000 * 10**6, 124 * 10**16)
    assert last == ("unwrapWETH9", (124 * 10**16, WALLET))


def test_a_pair_without_wrapped_native_is_swapped_token_for_token() -> None:
    owner = replace(account(), wrapped_native=None)
    for zero_for_one in (True, False):
        call = stage_call(swap_stage(zero_for_one=zero_for_one), DEADLINE_S, owner, ())
        assert call.value_wei == 0
        ((_, (arguments,)),) = routed(call)
        assert arguments[3] == WALLET
        assert [need.amount for need in spendings(swap_stage(zero_for_one=zero_for_one), owner)] == [5_000 * 10**6]


def test_mints_and_increases_are_paid_in_native_currency() -> None:
    owner = replace(account(), pools=(USDC_WETH_500, USDC_WETH_3000))
    more = Increase(token_id=9, pool=USDC_WETH_3000.address, amount0=5, amount1=6, amount0_min=3, amount1_min=4)
    new = mint(pool=USDC_WETH_3000.address)
    call = stage_call(Stage(kind=StageKind.PLACE, steps=(new, more)), DEADLINE_S, owner, ())
    assert (call.to, call.value_wei) == (POSITION_MANAGER, new.amount1 + 6)
    first, second, third = inner(call)
    assert first == (
        "mint",
        (
            (
                USDC.address,
                WETH.address,
                3000,
                new.range.lower,
                new.range.upper,
                new.amount0,
                new.amount1,
                new.amount0_min,
                new.amount1_min,
                WALLET,
                DEADLINE_S,
            ),
        ),
    )
    assert second == ("increaseLiquidity", ((9, 5, 6, 3, 4, DEADLINE_S),))
    assert third == ("refundETH", ())


def test_permits_stand_first_and_last() -> None:
    stage = place_stage()
    (need,) = spendings(stage, account())
    call = stage_call(stage, DEADLINE_S, account(), [permit(need)])
    names = [name for name, _ in inner(call)]
    assert names == ["selfPermit", "mint", "refundETH", "selfPermit"]
    parts = inner(call)
    assert parts[0][1] == (USDC.address, need.amount, DEADLINE_S, GRANT.v, GRANT.r, GRANT.s)
    assert parts[-1][1] == (USDC.address, 0, DEADLINE_S, REVOKE.v, REVOKE.r, REVOKE.s)
    assert [name for name, _ in routed(stage_call(swap_stage(), DEADLINE_S, account(), [permit(need)]))] == [
        "selfPermit",
        "exactInputSingle",
        "unwrapWETH9",
        "selfPermit",
    ]


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5))
def test_a_token_is_allowed_exactly_what_the_mints_may_take(offers: list[tuple[int, int]]) -> None:
    steps = tuple(mint(amount0=a, amount1=b) for a, b in offers)
    needs = spendings(Stage(kind=StageKind.PLACE, steps=steps), account())
    total = sum(a for a, _ in offers)
    expected = (Spending(token=USDC, spender=POSITION_MANAGER, amount=total),) if total else ()
    assert needs == expected
    both = spendings(Stage(kind=StageKind.PLACE, steps=steps), replace(account(), wrapped_native=None))
    assert sum(need.amount for need in both) == total + sum(b for _, b in offers)


def test_the_router_is_allowed_only_what_a_swap_sells() -> None:
    assert spendings(swap_stage(), account()) == (Spending(token=USDC, spender=SWAP_ROUTER_02, amount=5_000 * 10**6),)
    assert spendings(swap_stage(zero_for_one=False), account()) == ()
    assert spendings(withdraw_stage(), account()) == ()


def test_wrapping_is_a_deposit_and_unwrapping_a_withdrawal() -> None:
    weth = contract("WETH9")
    wrap = stage_call(Stage(kind=StageKind.WRAP, steps=(Wrap(amount_wei=5),)), DEADLINE_S, account(), ())
    assert (wrap.to, wrap.value_wei, wrap.data) == (WETH.address, 5, weth.function("deposit").call_data())
    unwrap = stage_call(Stage(kind=StageKind.WRAP, steps=(Unwrap(amount_wei=5),)), DEADLINE_S, account(), ())
    assert (unwrap.to, unwrap.value_wei, unwrap.data) == (WETH.address, 0, weth.function("withdraw").call_data(5))


def test_an_approval_is_known_for_one() -> None:
    call = approval(USDT, POSITION_MANAGER, 17)
    assert call.to == USDT.address
    assert is_approval(call.data)
    assert not is_approval("0x")
    assert not is_approval(stage_call(place_stage(), DEADLINE_S, account(), ()).data)


@pytest.mark.parametrize(
    "stage",
    [
        Stage(kind=StageKind.WITHDRAW, steps=()),
        Stage(kind=StageKind.WITHDRAW, steps=swap_stage().steps),
        Stage(kind=StageKind.WITHDRAW, steps=(Wrap(amount_wei=0), Collect(token_id=1))),
        Stage(kind=StageKind.SWAP, steps=place_stage().steps),
        swap_stage(amount_in=0),
        swap_stage(pool=WETH_USDT_500.address),
        Stage(kind=StageKind.PLACE, steps=(Burn(token_id=1),)),
        Stage(kind=StageKind.PLACE, steps=(mint(pool=WALLET),)),
        Stage(kind=StageKind.WRAP, steps=(Wrap(amount_wei=1), Unwrap(amount_wei=1))),
        Stage(kind=StageKind.WRAP, steps=(Collect(token_id=1),)),
    ],
)
def test_what_does_not_belong_is_refused(stage: Stage) -> None:
    with pytest.raises(Refused):
        stage_call(stage, DEADLINE_S, account(), ())


def test_a_pair_without_wrapped_native_cannot_wrap() -> None:
    with pytest.raises(Refused, match="no wrapped"):
        stage_call(
            Stage(kind=StageKind.WRAP, steps=(Wrap(amount_wei=1),)), DEADLINE_S, replace(account(), wrapped_native=None), ()
        )


def test_an_account_keeps_to_one_pair() -> None:
    with pytest.raises(ValueError, match="2 pairs"):
        replace(account(), pools=(USDC_WETH_500, WETH_USDT_500))
    with pytest.raises(ValueError, match="0 pairs"):
        replace(account(), pools=())
    assert isinstance(swap_stage().steps[0], Swap)
    assert isinstance(place_stage().steps[0], Mint)

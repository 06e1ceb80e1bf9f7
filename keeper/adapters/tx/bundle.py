"""A stage as calls of an externally owned account: one transaction, and approvals around it where a token needs them.

The wrapped native token is paid with native currency, which position manager and router wrap themselves, and comes back
as native currency; so it never needs an allowance. Other tokens are allowed exactly what the stage may take. A mint takes
less than it was offered, depending on the price at inclusion: with permits the same transaction ends with a second permit,
of zero, so that no allowance outlives it.

Ref: v3-periphery ``NonfungiblePositionManager.sol``, ``PeripheryPayments.sol``, ``SelfPermit.sol``; swap-router-contracts
``V3SwapRouter.sol``, ``MulticallExtended.sol``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.adapters.evm.abi import contract
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.signer import Signature
from keeper.core.model.errors import Refused
from keeper.core.model.plan import (
    Burn,
    CloseOption,
    Collect,
    Decrease,
    Increase,
    Mint,
    OpenOption,
    Stage,
    StageKind,
    Step,
    Swap,
    Unwrap,
    Wrap,
)
from keeper.core.model.token import Token

_NPM = contract("NonfungiblePositionManager")
_ROUTER = contract("SwapRouter02")
_ERC20 = contract("ERC20")
_WETH = contract("WETH9")
_ROUTER_MULTICALL = _ROUTER.function("multicall(uint256,bytes[])")
_SELF_PERMIT = _NPM.function("selfPermit")
"""The router's is the same."""

EVERYTHING = 2**128 - 1
_KEEP_IN_MANAGER = "0x0000000000000000000000000000000000000000"
_KEEP_IN_ROUTER = "0x0000000000000000000000000000000000000002"
"""Constants.ADDRESS_THIS of SwapRouter02."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a transaction does, before nonce, gas and fees."""

    to: str
    value_wei: int
    data: str
    """0x-prefixed."""
    label: str
    """For people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The most of a token that a stage, or a venue's call, may take from the account."""

    token: Token
    spender: str
    amount: int
    """Raw units, > 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSpending:
    """A spending that is allowed, and disallowed again, by permits inside the stage's own transaction."""

    spending: Spending
    deadline_s: int
    grant: Signature
    revoke: Signature
    """Of a permit of zero, with the nonce after the grant's."""


def spendings(stage: Stage, account: Account) -> tuple[Spending, ...]:
    """What the stage takes by allowance, summed by token; tokens that it does not take are left out.

    Raises:
        Refused: a pool is not one of the account's.
    """
    totals: dict[str, int] = {}
    for step in stage.steps:
        for token, amount in _paid(step, account):
            totals[token.address] = totals.get(token.address, 0) + amount
    spender = account.swap_router if stage.kind is StageKind.SWAP else account.position_manager
    return tuple(
        Spending(token=token, spender=spender, amount=amount)
        for token in account.spent_tokens
        if (amount := totals.get(token.address, 0)) > 0
    )


def approval(token: Token, spender: str, amount: int) -> Call:
    """Set an allowance by a transaction of its own."""
    data = _ERC20.function("approve").call_data(spender, amount)
    return Call(to=token.address, value_wei=0, data=data, label=f"approve {amount} {token.symbol}")


def revocation(token: str, spender: str) -> Call:
    """Take an allowance back by a transaction of its own."""
    data = _ERC20.function("approve").call_data(spender, 0)
    return Call(to=token, value_wei=0, data=data, label=f"end the allowance of {spender} for {token}")


def is_approval(data: str) -> bool:
    """Whether call data is that of :func:`approval` or :func:`revocation`."""
    return bytes.fromhex(data[2:10]) == _ERC20.function("approve").selector


def approved_spender(data: str) -> str:
    """Whose allowance an approval sets.

    Raises:
        BadReply: it is not an approval.
    """
    spender: str = _ERC20.function("approve").decode_arguments(data)[0]
    return spender


def stage_call(stage: Stage, deadline_s: int, account: Account, permits: Sequence[SignedSpending]) -> Call:
    """The stage's own transaction.

    A withdrawal pays the wrapped native token out as native currency, unless its last step is a ``Wrap``: then everything
    comes as tokens, by plain collects.

    Args:
        stage: steps that belong to its kind.
        deadline_s: chain time after which it reverts, where the contracts know one.
        account: who calls what.
        permits: for spendings that are not approved beforehand.

    Raises:
        Refused: a step does not belong to the stage's kind, or names what is not the account's; or the stage is an option's,
            which has calls of its venue's.
    """
    if not stage.steps:
        raise Refused(f"a {stage.kind} stage without steps")
    match stage.kind:
        case StageKind.WITHDRAW:
            return _withdraw(stage, deadline_s, account)
        case StageKind.SWAP:
            return _swap(stage, deadline_s, account, permits)
        case StageKind.PLACE:
            return _place(stage, deadline_s, account, permits)
        case StageKind.WRAP:
            return _wrap(stage, account)
        case StageKind.PROTECT:
            raise Refused(f"a {stage.kind} stage is carried out at its venue")


def _misplaced(stage: Stage, step: Step) -> Refused:
    return Refused(f"a {stage.kind} stage cannot hold a {step.kind} here")


def _paid(step: Step, account: Account) -> tuple[tuple[Token, int], ...]:
    match step:
        case Swap():
            pool = account.pool(step.pool)
            return ((pool.token0 if step.zero_for_one else pool.token1, step.amount_in),)
        case Mint() | Increase():
            pool = account.pool(step.pool)
            return (pool.token0, step.amount0), (pool.token1, step.amount1)
        case Decrease() | Collect() | Burn() | Wrap() | Unwrap() | OpenOption() | CloseOption():
            return ()


def _native_value(stage: Stage, account: Account) -> int:
    return sum(amount for step in stage.steps for token, amount in _paid(step, account) if account.is_wrapped(token))


def _withdraw(stage: Stage, deadline_s: int, account: Account) -> Call:
    steps, as_tokens = stage.steps, account.wrapped_native is None
    if isinstance(steps[-1], Wrap):
        steps, as_tokens = steps[:-1], True
    recipient = account.address if as_tokens else _KEEP_IN_MANAGER
    inner: list[bytes] = []
    least = [0, 0]
    for step in steps:
        match step:
            case Decrease():
                arguments = (step.token_id, step.liquidity, step.amount0_min, step.amount1_min, deadline_s)
                inner.append(_NPM.function("decreaseLiquidity").encode(arguments))
                least = [least[0] + step.amount0_min, least[1] + step.amount1_min]
            case Collect():
                inner.append(_NPM.function("collect").encode((step.token_id, recipient, EVERYTHING, EVERYTHING)))
            case Burn():
                inner.append(_NPM.function("burn").encode(step.token_id))
            case _:
                raise _misplaced(stage, step)
    if not as_tokens:
        for token, amount_min in zip(account.tokens, least, strict=True):
            if account.is_wrapped(token):
                inner.append(_NPM.function("unwrapWETH9").encode(amount_min, account.address))
            else:
                inner.append(_NPM.function("sweepToken").encode(token.address, amount_min, account.address))
    data = _NPM.function("multicall").call_data(inner)
    return Call(to=account.position_manager, value_wei=0, data=data, label=_label(stage))


def _swap(stage: Stage, deadline_s: int, account: Account, permits: Sequence[SignedSpending]) -> Call:
    swaps: list[bytes] = []
    wrapped_min: int | None = None
    for step in stage.steps:
        if not isinstance(step, Swap):
            raise _misplaced(stage, step)
        if step.amount_in <= 0:
            # Zero would mean the router's whole balance to it.
            raise Refused("a swap of nothing")
        pool = account.pool(step.pool)
        sold, bought = (pool.token0, pool.token1) if step.zero_for_one else (pool.token1, pool.token0)
        recipient = account.address
        if account.is_wrapped(bought):
            recipient = _KEEP_IN_ROUTER
            wrapped_min = (wrapped_min or 0) + step.amount_out_min
        swaps.append(
            _ROUTER.function("exactInputSingle").encode(
                (
                    sold.address,
                    bought.address,
                    pool.fee_pips,
                    recipient,
                    step.amount_in,
                    step.amount_out_min,
                    step.sqrt_price_limit_x96,
                )
            )
        )
    if wrapped_min is not None:
        swaps.append(_ROUTER.function("unwrapWETH9").encode(wrapped_min, account.address))
    value = _native_value(stage, account)
    if value:
        swaps.append(_ROUTER.function("refundETH").encode())
    data = _ROUTER_MULTICALL.call_data(deadline_s, _with_permits(swaps, permits))
    return Call(to=account.swap_router, value_wei=value, data=data, label=_label(stage))


def _place(stage: Stage, deadline_s: int, account: Account, permits: Sequence[SignedSpending]) -> Call:
    inner: list[bytes] = []
    for step in stage.steps:
        match step:
            case Mint():
                inner.append(_NPM.function("mint").encode(_mint_arguments(step, deadline_s, account)))
            case Increase():
                arguments = (step.token_id, step.amount0, step.amount1, step.amount0_min, step.amount1_min, deadline_s)
                inner.append(_NPM.function("increaseLiquidity").encode(arguments))
            case _:
                raise _misplaced(stage, step)
    value = _native_value(stage, account)
    if value:
        inner.append(_NPM.function("refundETH").encode())
    data = _NPM.function("multicall").call_data(_with_permits(inner, permits))
    return Call(to=account.position_manager, value_wei=value, data=data, label=_label(stage))


def _mint_arguments(step: Mint, deadline_s: int, account: Account) -> tuple[object, ...]:
    pool = account.pool(step.pool)
    return (
        pool.token0.address,
        pool.token1.address,
        pool.fee_pips,
        step.range.lower,
        step.range.upper,
        step.amount0,
        step.amount1,
        step.amount0_min,
        step.amount1_min,
        account.address,
        deadline_s,
    )


def _wrap(stage: Stage, account: Account) -> Call:
    if account.wrapped_native is None:
        raise Refused("the pair has no wrapped native token")
    wrapped = account.wrapped_native.address
    match stage.steps:
        case (Wrap(amount_wei=wei),):
            return Call(to=wrapped, value_wei=wei, data=_WETH.function("deposit").call_data(), label=_label(stage))
        case (Unwrap(amount_wei=wei),):
            return Call(to=wrapped, value_wei=0, data=_WETH.function("withdraw").call_data(wei), label=_label(stage))
        case _:
            raise Refused("a wrap stage holds exactly one wrap or unwrap")


def _with_permits(inner: list[bytes], permits: Sequence[SignedSpending]) -> list[bytes]:
    grants = [_self_permit(one, one.spending.amount, one.grant) for one in permits]
    revokes = [_self_permit(one, 0, one.revoke) for one in permits]
    return [*grants, *inner, *revokes]


def _self_permit(one: SignedSpending, amount: int, signature: Signature) -> bytes:
    token = one.spending.token.address
    return _SELF_PERMIT.encode(token, amount, one.deadline_s, signature.v, signature.r, signature.s)


def _label(stage: Stage) -> str:
    return f"{stage.kind}: {', '.join(step.kind for step in stage.steps)}"

"""What to offer for inclusion, within the operator's ceilings."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.evm.fee_history import BLOCKS
from keeper.adapters.evm.rpc import Call
from keeper.core.model.view import Gas

BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8
"""A replacement raises both fields by 12.5 %: public nodes ask for 10 % on each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """An offer per unit of gas."""

    max_fee_wei: int
    tip_wei: int
    """At most ``max_fee_wei``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeLimits:
    """Ceilings that no offer passes."""

    max_fee_wei: int
    max_tip_wei: int


def newest_fees_call() -> Call:
    """The request for the fees of the newest blocks, whichever they are; its reply is for ``gas_of``."""
    return "eth_feeHistory", [hex(BLOCKS), "latest", [50]]


def first_fees(gas: Gas, limits: FeeLimits) -> Fees | None:
    """Twice the base fee (six full blocks of growth) and the usual tip; None when the base fee alone passes the ceiling.

    Args:
        gas: price of inclusion in the next block.
        limits: ceilings.
    """
    if gas.base_fee_wei > limits.max_fee_wei:
        return None
    tip = min(gas.tip_wei, limits.max_tip_wei, limits.max_fee_wei - gas.base_fee_wei)
    return Fees(max_fee_wei=min(2 * gas.base_fee_wei + tip, limits.max_fee_wei), tip_wei=tip)


def raised_fees(last: Fees, gas: Gas, limits: FeeLimits) -> Fees | None:
    """An offer that replaces ``last`` everywhere: each field 12.5 % higher, rounded up, or as high as a new offer would be.

    None when a ceiling does not leave room for that.
    """
    least = Fees(max_fee_wei=_bumped(last.max_fee_wei), tip_wei=_bumped(last.tip_wei))
    if least.max_fee_wei > limits.max_fee_wei or least.tip_wei > limits.max_tip_wei:
        return None
    fresh = first_fees(gas, limits)
    if fresh is None:
        return least
    return Fees(max_fee_wei=max(least.max_fee_wei, fresh.max_fee_wei), tip_wei=max(least.tip_wei, fresh.tip_wei))


def _bumped(wei: int) -> int:
    return max(-(-wei * BUMP_NUMERATOR // BUMP_DENOMINATOR), wei + 1)

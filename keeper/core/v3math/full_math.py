"""Products and quotients of 256-bit integers with a full-width intermediate. Ref: ``FullMath.sol``, ``UnsafeMath.sol``."""

from __future__ import annotations

from keeper.core.v3math.reverts import ArithmeticRevertError
from keeper.core.v3math.units import MAX_UINT256


def mul_div(a: int, b: int, denominator: int) -> int:
    """``a * b / denominator``, rounded **down**.

    Args:
        a: factor, 0 to 2**256 - 1.
        b: factor, 0 to 2**256 - 1.
        denominator: divisor, 1 to 2**256 - 1.

    Raises:
        ArithmeticRevertError: the divisor is zero, or the result leaves 256 bits.

    Ref: ``FullMath.sol`` mulDiv.
    """
    if denominator == 0:
        raise ArithmeticRevertError("division by zero")
    result = a * b // denominator
    if result > MAX_UINT256:
        raise ArithmeticRevertError(f"{a} * {b} / {denominator} leaves 256 bits")
    return result


def mul_div_rounding_up(a: int, b: int, denominator: int) -> int:
    """``a * b / denominator``, rounded **up**.

    Args:
        a: factor, 0 to 2**256 - 1.
        b: factor, 0 to 2**256 - 1.
        denominator: divisor, 1 to 2**256 - 1.

    Raises:
        ArithmeticRevertError: the divisor is zero, or the result leaves 256 bits.

    Ref: ``FullMath.sol`` mulDivRoundingUp.
    """
    if denominator == 0:
        raise ArithmeticRevertError("division by zero")
    result = -(-a * b // denominator)
    if result > MAX_UINT256:
        raise ArithmeticRevertError(f"{a} * {b} / {denominator} leaves 256 bits")
    return result


def div_rounding_up(numerator: int, denominator: int) -> int:
    """``numerator / denominator``, rounded **up**.

    The contract answers 0 to a division by zero; nothing here divides by zero and lives, so Python's error stands.

    Args:
        numerator: 0 to 2**256 - 1.
        denominator: 1 to 2**256 - 1.

    Ref: ``UnsafeMath.sol`` divRoundingUp.
    """
    return -(-numerator // denominator)

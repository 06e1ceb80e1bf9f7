"""What the contracts refuse, as exceptions.

ValueError
  RevertError                       code ""     a require without a message, or several meanings
    TickOutOfRangeError             code "T"    tick beyond MIN_TICK or MAX_TICK (TickMath)
    PriceOutOfRangeError            code "R"    sqrt price outside [MIN_SQRT_RATIO, MAX_SQRT_RATIO) (TickMath)
    LiquidityUnderflowError         code "LS"   more liquidity taken than there is (LiquidityMath)
    LiquidityOverflowError          code "LA"   liquidity beyond 128 bits (LiquidityMath)
    TickLiquidityError              code "LO"   a tick would hold more than its maximum (Tick)
    EmptyPositionError              code "NP"   a poke of a position without liquidity (Position)
    TicksNotOrderedError            code "TLU"  lower >= upper (UniswapV3Pool)
    LowerTickError                  code "TLM"  lower below MIN_TICK (UniswapV3Pool)
    UpperTickError                  code "TUM"  upper above MAX_TICK (UniswapV3Pool)
    AlreadyInitializedError         code "AI"   initialize twice (UniswapV3Pool)
    LockedError                     code "LOK"  used before initialize (UniswapV3Pool)
    ZeroAmountError                 code "AS"   swap of nothing (UniswapV3Pool)
    NoLiquidityError                code "L"    flash loan without liquidity in range (UniswapV3Pool)
    ObservationTooOldError          code "OLD"  observed before the oldest observation (Oracle)
    PriceLimitError                 code "SPL"  price limit on the wrong side, or out of range (UniswapV3Pool)
    ArithmeticRevertError           code ""     overflow, underflow or division by zero in a library
"""

from __future__ import annotations

from typing import ClassVar


class RevertError(ValueError):
    """The contract would revert, leaving its state untouched; ``code`` is its reason string."""

    code: ClassVar[str] = ""

    def __init__(self, detail: str) -> None:
        super().__init__(f"{self.code}: {detail}" if self.code else detail)


class ArithmeticRevertError(RevertError):
    """A library's integer operation has no result in its width (``FullMath.sol``, ``SafeCast.sol``, ``SqrtPriceMath.sol``)."""


class TickOutOfRangeError(RevertError):
    """A tick beyond MIN_TICK or MAX_TICK (``TickMath.sol``)."""

    code = "T"


class PriceOutOfRangeError(RevertError):
    """A sqrt price outside [MIN_SQRT_RATIO, MAX_SQRT_RATIO) (``TickMath.sol``)."""

    code = "R"


class LiquidityUnderflowError(RevertError):
    """More liquidity is taken than there is (``LiquidityMath.sol``)."""

    code = "LS"


class LiquidityOverflowError(RevertError):
    """Liquidity would leave 128 bits (``LiquidityMath.sol``)."""

    code = "LA"


class TickLiquidityError(RevertError):
    """A tick would reference more liquidity than the pool allows a tick (``Tick.sol``)."""

    code = "LO"


class EmptyPositionError(RevertError):
    """A poke (burn of zero) of a position that holds no liquidity (``Position.sol``)."""

    code = "NP"


class TicksNotOrderedError(RevertError):
    """A range whose lower tick is not below its upper tick (``UniswapV3Pool.sol``)."""

    code = "TLU"


class LowerTickError(RevertError):
    """A range that begins below MIN_TICK (``UniswapV3Pool.sol``)."""

    code = "TLM"


class UpperTickError(RevertError):
    """A range that ends above MAX_TICK (``UniswapV3Pool.sol``)."""

    code = "TUM"


class AlreadyInitializedError(RevertError):
    """A second initialize (``UniswapV3Pool.sol``)."""

    code = "AI"


class LockedError(RevertError):
    """A pool used before it has a price (``UniswapV3Pool.sol``, modifier lock)."""

    code = "LOK"


class ZeroAmountError(RevertError):
    """A swap of nothing (``UniswapV3Pool.sol``)."""

    code = "AS"


class PriceLimitError(RevertError):
    """A swap's price limit on the wrong side of the price, or outside the price range (``UniswapV3Pool.sol``)."""

    code = "SPL"


class NoLiquidityError(RevertError):
    """A flash loan while no liquidity is in range (``UniswapV3Pool.sol``)."""

    code = "L"


class ObservationTooOldError(RevertError):
    """A question about a time before the oldest observation (``Oracle.sol``)."""

    code = "OLD"

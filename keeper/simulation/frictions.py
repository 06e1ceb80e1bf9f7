"""What stands between a decision and its success, all of it on unless an operator says otherwise."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Frictions:
    """How a simulated transaction fares."""

    latency_blocks: int = 2
    """Blocks between the view and the inclusion of each stage, >= 1."""
    failure_rate: float = 0.01
    """Part of all transactions that are included and revert, in [0, 1]."""
    sandwich_share: float = 0.1
    """Part of the slippage bound that a sandwich around each swap of ours takes, in [0, 1]."""
    tip_wei: int = 100_000_000
    """Priority fee a unit of gas."""
    gas_multiple: float = 1.0
    """Of the table's gas units; 2 doubles the cost."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFees:
    """Base fee over time, in steps.

    Raises:
        ValueError: no step, or times that do not rise.
    """

    times_s: tuple[int, ...]
    """From when each fee holds."""
    wei: tuple[int, ...]
    described: str
    """Where they come from."""

    def __post_init__(self) -> None:
        if not self.times_s or len(self.times_s) != len(self.wei):
            raise ValueError("base fees need as many values as times, at least one")
        if any(later <= earlier for earlier, later in zip(self.times_s, self.times_s[1:], strict=False)):
            raise ValueError("times of base fees must rise")

    def at(self, now_s: int) -> int:
        """The fee in force; before the first step, that of the first."""
        return self.wei[max(bisect_right(self.times_s, now_s) - 1, 0)]

    @classmethod
    def constant(cls, wei: int) -> BaseFees:
        """The same at all times."""
        return cls(times_s=(0,), wei=(wei,), described=f"{wei / 1e9:g} gwei throughout")

    @classmethod
    def steps(cls, steps: Sequence[tuple[int, int]], described: str) -> BaseFees:
        """From pairs of time and fee, in order."""
        return cls(times_s=tuple(at for at, _ in steps), wei=tuple(wei for _, wei in steps), described=described)

"""What the page of a backtest is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.core.model.policy import Policy
from keeper.simulation.result import RunResult

BLOCK = "{block}"
"""Stands for the number in the address of a block explorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The keeper less a benchmark, in PnL without the price, paired by day."""

    name: str
    """Of the benchmark."""
    mean_bps: float
    """Of the capital a day."""
    lower_bps: float | None
    """End of the interval; None when the days are too few for one."""
    upper_bps: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A trial that shows whether a result is what it seems."""

    name: str
    passed: bool
    told: str
    """What was found, with its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the run shows, in a word."""

    word: str
    """Such as ``unproven``."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestPage:
    """One run, what it is compared with, and how it was made.

    Raises:
        ValueError: a track is not as long as the run has cycles, or ``block_url`` is no address with a place for the number.
    """

    policy: Policy
    """Names the pair and its decimals."""
    keeper: RunResult
    benchmarks: Mapping[str, RunResult]
    """By name; each may have its own cycles."""
    tracks: Mapping[str, Sequence[float]]
    """Value in quote tokens at each cycle of the keeper, of what needs no run: hold, a constant mix."""
    comparisons: tuple[Comparison, ...]
    checks: tuple[Check, ...] | None
    """None when they were not made."""
    verdict: Verdict
    settings: Mapping[str, object]
    """All that the run depends on; a mapping inside is told with dotted names."""
    block_url: str | None = None
    """Address of a block at an explorer, ``{block}`` in place of its number; without it nothing is linked."""

    def __post_init__(self) -> None:
        cycles = len(self.keeper.rows.time_s)
        for name, values in self.tracks.items():
            if len(values) != cycles:
                raise ValueError(f"track {name!r} has {len(values)} values, the run {cycles} cycles")
        url = self.block_url
        if url is not None and not (url.startswith(("https://", "http://")) and BLOCK in url):
            raise ValueError(f"address of a block must begin with https:// and hold {BLOCK}: {url!r}")

    @property
    def pair(self) -> str:
        """Base and quote by their symbols."""
        return f"{self.policy.base.symbol}/{self.policy.quote.symbol}"

    @property
    def quote(self) -> str:
        """Symbol of the token in which money is told."""
        return self.policy.quote.symbol

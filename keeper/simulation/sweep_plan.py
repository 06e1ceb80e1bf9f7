"""What a search is: everything that its result depends on but the number of its trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.core.model.policy import Policy
from keeper.core.quant.folds import Fold, walk_forward
from keeper.simulation.sweep_space import Space


class Sampling(StrEnum):
    """How the next trial is found."""

    GUIDED = "guided"
    """From what earlier trials earned on train days (a tree-structured Parzen estimator, after ten random ones)."""
    RANDOM = "random"
    """Without looking at any result: then no fold's test days had a part in what was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How the days are divided into train and test, see ``walk_forward``.

    Raises:
        ValueError: a number is out of its range, or the days do not suffice for one fold.
    """

    days: int
    """Whole days of the tape."""
    train: int
    test: int
    embargo: int

    def __post_init__(self) -> None:
        if not self.folds:
            raise ValueError(
                f"{self.days} days do not suffice for one fold: train {self.train}, embargo {self.embargo} and test {self.test}"
                f" take {self.train + self.embargo + self.test}"
            )

    def __str__(self) -> str:
        return f"{self.days} days: train {self.train}, embargo {self.embargo}, test {self.test}"

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Oldest first."""
        return walk_forward(days=self.days, train=self.train, test=self.test, embargo=self.embargo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is searched, and over what.

    Raises:
        ValueError: a varied setting has no current value, or the name is empty.
    """

    name: str
    """Of the study."""
    space: Space
    current: Mapping[str, str]
    """Value of each varied setting in the unchanged policy, which is the first trial."""
    split: Split
    sampling: Sampling = Sampling.GUIDED
    seed: int
    capital_quote: int
    tape_digest: str
    setting_digest: str
    """Of what a run assumes: cadence, frictions, presence."""
    policy_digest: str
    """Of the unchanged policy."""
    code_version: str

    def __post_init__(self) -> None:
        without = [key for key in self.space.keys if key not in self.current]
        if without or not self.name:
            raise ValueError(f"a study needs a name, and every varied setting a current value; {without} have none")

    @property
    def identity(self) -> dict[str, str]:
        """By what a study is known to be of this search: what is told when it is of another."""
        return {
            "version": self.code_version,
            "tape": self.tape_digest,
            "setting": self.setting_digest,
            "policy": self.policy_digest,
            "space": str(self.space),
            "folds": str(self.split),
            "capital": str(self.capital_quote),
            "sampling": self.sampling.value,
            "seed": str(self.seed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """How a trial is made; both go from process to process."""

    policy_of: Callable[[Mapping[str, str]], Policy]
    """The policy with some settings changed; with none, the unchanged one.

    Raises:
        ConfigError: these values are refused.
        ValueError: likewise.
    """
    simulate: Callable[[Policy], Sequence[float]]
    """Hedged PnL of each of the split's days in bps of the capital; causal: no day depends on a later one.

    Raises:
        ConfigError: no run can be made at all: the search ends.
        KeeperError: this run cannot be made: the trial has failed.
    """

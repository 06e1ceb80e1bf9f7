"""The venues whose benches the suite runs on, and which of them a case needs.

Forks of real chains are among them while the environment names their nodes: a case that nobody asked for is not there, instead
of skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pytest

from tests.nodes import ARBITRUM, ETHEREUM, Node
from tests.ports.fork_benches import HergeForkBench, running_gamma_fork, running_herge_fork
from tests.ports.gamma_bench import GammaBench, running_gamma_bench
from tests.ports.herge_bench import HergeBench, running_herge_bench
from tests.ports.panoptic_bench import PanopticBench, running_panoptic_bench
from tests.ports.paper_bench import PaperBench, running_paper_bench
from tests.ports.venues import Ability, VenueBench

FORK_TIMEOUT_S = 1_800
"""What a case reads first is fetched word by word from the real node."""


class Place(NamedTuple):
    """Where a venue is tried."""

    abilities: frozenset[Ability]
    running: Callable[[], AbstractContextManager[VenueBench]]
    node: Node | None = None
    """Of the real chain that it is on; None on a chain of our own."""

    @property
    def is_there(self) -> bool:
        """Whether it needs no node, or one that is named."""
        return self.node is None or bool(self.node.url)

    @property
    def marks(self) -> Sequence[pytest.MarkDecorator]:
        """Of the cases that run there."""
        if self.node is not None:
            return pytest.mark.chain, pytest.mark.outside, pytest.mark.timeout(FORK_TIMEOUT_S)
        return () if self.running is running_paper_bench else (pytest.mark.chain,)


PLACES = {
    "paper": Place(PaperBench.abilities, running_paper_bench),
    "gamma": Place(GammaBench.abilities, running_gamma_bench),
    "herge": Place(HergeBench.abilities, running_herge_bench),
    "panoptic": Place(PanopticBench.abilities, running_panoptic_bench),
    "gamma-fork": Place(GammaBench.abilities, running_gamma_fork, ETHEREUM),
    "herge-fork": Place(HergeForkBench.abilities, running_herge_fork, ARBITRUM),
}


def offering(*abilities: Ability) -> list[Any]:
    """The benches that offer all of these, as parameters; a case that none offers would be skipped unseen."""
    found = {name: place for name, place in PLACES.items() if place.is_there and place.abilities >= set(abilities)}
    assert found, abilities
    return [pytest.param(name, marks=place.marks) for name, place in found.items()]


def needs(*abilities: Ability) -> pytest.MarkDecorator:
    """Run a case on the benches that offer all of these, and on no others."""
    return pytest.mark.parametrize("stage", offering(*abilities), indirect=True)

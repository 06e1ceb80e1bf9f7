"""The venues whose benches the suite runs on, and which of them a case needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pytest

from tests.ports.gamma_bench import GammaBench, running_gamma_bench
from tests.ports.herge_bench import HergeBench, running_herge_bench
from tests.ports.panoptic_bench import PanopticBench, running_panoptic_bench
from tests.ports.paper_bench import PaperBench, running_paper_bench
from tests.ports.venues import Ability, VenueBench

PAPER = "paper"


class Place(NamedTuple):
    """Where a venue is tried."""

    abilities: frozenset[Ability]
    running: Callable[[], AbstractContextManager[VenueBench]]


PLACES = {
    PAPER: Place(PaperBench.abilities, running_paper_bench),
    "gamma": Place(GammaBench.abilities, running_gamma_bench),
    "herge": Place(HergeBench.abilities, running_herge_bench),
    "panoptic": Place(PanopticBench.abilities, running_panoptic_bench),
}


def offering(*abilities: Ability) -> list[Any]:
    """The benches that offer all of these, as parameters; a case that none offers would be skipped unseen."""
    names = [name for name, place in PLACES.items() if place.abilities >= set(abilities)]
    assert names, abilities
    return [pytest.param(name, marks=() if name == PAPER else pytest.mark.chain) for name in names]


def needs(*abilities: Ability) -> pytest.MarkDecorator:
    """Run a case on the benches that offer all of these, and on no others."""
    return pytest.mark.parametrize("stage", offering(*abilities), indirect=True)

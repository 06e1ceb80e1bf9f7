"""Which option venues a keeper opens: where it buys, and where its options are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app.bootstrap import is_hedging
from keeper.app.settings import load, to_policy
from keeper.app.venues import open_venues, venues_known
from keeper.core.model.view import NO_MEMORY, Exercisable, HedgeMemory
from keeper.localchain.gamma import OTOKEN_FACTORY
from tests.pairs import NOW_S, WALLET

ARBITRUM = {"chain": "arbitrum", "pool": "arbitrum_weth_usdce_500"}
DUTY = Exercisable(venue="hegic", id="0", act_before_s=NOW_S, worth_quote=1.0)


def remembering(**fields):
    return replace(NO_MEMORY, hedge=HedgeMemory(**fields))


def opened(memory, names=None, **flags):
    settings = load(
        flags={path.replace("__", "."): value for path, value in flags.items()}, environ={}, **(names or {})
    ).settings
    return open_venues(settings, to_policy(settings), None, WALLET, memory)  # nothing is asked while venues are opened


def names(found):
    return [venue.name for venue in found.venues]


def test_where_nothing_is_held_only_named_venues_are_opened():
    assert names(opened(NO_MEMORY)) == ["opyn"]
    assert names(opened(NO_MEMORY, ARBITRUM)) == ["hegic"]
    none = opened(NO_MEMORY, hedge__venues=[])
    assert (none.venues, none.desk, none.lost) == ((), None, {})


def test_where_to_look_first_is_handed_on():
    pool = "0x00000000000000000000000000000000ba9Ce702"
    told = {"chain__venues__opyn__first_block": 11_000_000, "chain__venues__panoptic__deployed": pool}
    opyn, panoptic = opened(NO_MEMORY, hedge__venues=["opyn", "panoptic"], **told).venues
    assert (opyn._rules.otoken_factory, opyn._rules.first_block) == (OTOKEN_FACTORY, 11_000_000)
    assert panoptic._market.deployed == pool
    (shipped,) = opened(NO_MEMORY).venues
    assert shipped._rules.first_block is None


@pytest.mark.parametrize("memory", [remembering(venues=("hegic",)), remembering(exercisable=(DUTY,))])
def test_where_something_is_held_the_venue_is_opened_though_it_is_not_named(memory):
    found = opened(memory, ARBITRUM, hedge__venues=["opyn"])
    assert names(found) == ["hegic"]
    assert found.desk is not None
    assert found.lost == {}


def test_where_something_is_held_and_the_chain_does_not_know_the_venue_it_is_told_what_to_do():
    found = opened(remembering(venues=("hegic", "panoptic")))
    assert names(found) == ["opyn", "panoptic"]
    assert list(found.lost) == ["hegic"]
    assert "put [chain.venues.hegic] back as it was" in found.lost["hegic"]
    assert opened(remembering(venues=("hegic",)), hedge__venues=[]).desk is not None


def test_what_is_held_on_paper_is_nothing_on_the_chain():
    assert venues_known(remembering(venues=("hegic", "paper"))) == {"hegic"}


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(NO_MEMORY, False), (remembering(venues=("hegic",)), True), (remembering(exercisable=(DUTY,)), True)],
)
def test_only_who_holds_something_or_buys_opens_any(memory, expected):
    class Journal:
        @staticmethod
        def memory():
            return memory

    assert is_hedging(to_policy(load(environ={}).settings), Journal()) is expected

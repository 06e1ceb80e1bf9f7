"""One view a cycle: chain facts joined with memory, strangers treated as the policy says, and nothing written."""

from __future__ import annotations

import pytest

from keeper.core.model.codec import digest
from keeper.core.model.errors import Fault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import Adoption
from keeper.core.model.record import CycleState
from keeper.engine.observe import NEWEST_TOKENS, observe
from tests.builders import block_price, history, ladder, memory, policy, position, view
from tests.histories import history_ref
from tests.pairs import BLOCK, TICK
from tests.plans import shift_decision
from tests.unit.engine_world import HELD, World, laddered

STRANGER = position(77)
POOL = policy().signal_pool


def test_positions_come_into_the_layers_that_the_journal_names() -> None:
    world = laddered()
    sight = observe(world.source, world.journal, policy())
    assert sight.view.ladder == ladder()
    assert sight.adopted == {}


def test_an_empty_journal_adopts_the_ladder_that_is_there() -> None:
    """By the widths of the policy at its usual volatility: 680, 1360 and 2720 ticks."""
    bands = (position(1, TICK - 600, TICK + 600), position(2, TICK - 1_400, TICK + 1_400))
    wings = (position(3, TICK - 3_000, TICK - 1_400), position(4, TICK + 1_400, TICK + 3_000))
    world = World(*bands, *wings)
    sight = observe(world.source, world.journal, policy(adoption=Adoption.ADOPT))
    assert [(layer.kind, layer.positions) for layer in sight.view.ladder.layers] == [
        (LayerKind.CORE, bands[:1]),
        (LayerKind.SECONDARY, bands[1:]),
        (LayerKind.INSURANCE, wings),
    ]
    assert list(sight.adopted) == [1, 2, 3, 4]
    assert world.journal.layer_tokens() == {}


def test_strangers_are_refused_by_name() -> None:
    world = laddered()
    world.source.seen = World(*HELD, STRANGER).source.seen
    with pytest.raises(Fault, match=r"journal does not know: 77\. Set wallet\.adoption"):
        observe(world.source, world.journal, policy(adoption=Adoption.REFUSE))


def test_strangers_are_ignored_when_that_is_wanted() -> None:
    world = laddered()
    world.source.seen = World(*HELD, STRANGER).source.seen
    sight = observe(world.source, world.journal, policy(adoption=Adoption.IGNORE))
    assert sight.view.ladder == ladder()
    assert sight.adopted == {}


def test_a_ladder_that_is_known_is_neither_refused_nor_adopted_again() -> None:
    world = laddered()
    for adoption in Adoption:
        assert observe(world.source, world.journal, policy(adoption=adoption)).adopted == {}


def test_a_layer_whose_positions_are_gone_is_absent() -> None:
    world = laddered()
    world.source.seen = World(*HELD[1:]).source.seen
    sight = observe(world.source, world.journal, policy())
    assert sight.view.ladder.layer(LayerKind.CORE) is None
    assert [layer.kind for layer in sight.view.ladder.layers] == [LayerKind.SECONDARY, LayerKind.INSURANCE]


def test_the_source_is_told_the_newest_positions_only() -> None:
    world = World()
    for token_id in range(1, 41):
        world.journal.adopt(token_id, LayerKind.CORE)
    observe(world.source, world.journal, policy())
    ((told, after),) = world.source.asked
    assert told == tuple(range(41 - NEWEST_TOKENS, 41))
    assert after is None


def test_the_view_names_stored_and_new_prices_as_one_history() -> None:
    world = laddered()
    rows = history().rows
    world.journal.append_prices(POOL, rows[:-5])
    sight = observe(world.source, world.journal, policy())
    assert sight.history == history()
    assert sight.new_prices == rows[-5:]
    assert sight.view.history == history_ref(history())
    assert sight.view.history.digest == digest(sight.history)


def test_prices_older_than_the_look_back_are_left_out() -> None:
    world = laddered()
    old = block_price(BLOCK - 15_000)
    world.journal.append_prices(POOL, [old])
    sight = observe(world.source, world.journal, policy())
    assert old not in sight.history.rows
    assert sight.history == history()


def test_prices_of_a_branch_that_is_gone_are_not_known_twice() -> None:
    """A row at or below the newest stored block is not appended: what is stored was read at that block."""
    world = laddered()
    rows = history().rows
    world.journal.append_prices(POOL, rows)
    world.source.observe = lambda **_: world.source.seen  # type: ignore[method-assign]
    assert observe(world.source, world.journal, policy()).history.rows == rows


def test_the_memory_is_what_the_last_ended_cycle_left() -> None:
    world = laddered()
    seen = view(history=history_ref(history()))
    world.journal.append_prices(POOL, history().rows)
    cycle_id = world.journal.begin_cycle(policy(), seen, [], shift_decision(), None)
    world.journal.end_cycle(cycle_id, CycleState.HELD, memory())
    assert observe(world.source, world.journal, policy()).view.memory == memory()


def test_looking_writes_nothing() -> None:
    world = World(*HELD)
    observe(world.source, world.journal, policy(adoption=Adoption.ADOPT))
    assert world.journal.layer_tokens() == {}
    assert world.journal.last_price_block(POOL) is None
    assert world.journal.open_cycle() is None

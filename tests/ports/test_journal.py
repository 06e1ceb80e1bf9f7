"""What every journal promises, run on the double and on the real one."""

from __future__ import annotations

import pytest

from keeper.core.model.bar import MINUTE_S, MarketHistory
from keeper.core.model.codec import digest, encode
from keeper.core.model.errors import JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Stage, StageKind, StageOutcome
from keeper.core.model.record import CycleState, StageRecord
from keeper.core.model.view import NO_MEMORY
from keeper.core.signals.windows import since
from keeper.ports.journal import HistoryEnd, Journal
from tests.builders import decision, history_ref, ladder, memory, policy, prices, reading, view
from tests.options import buying, ending
from tests.pairs import NOW_S, USDC_WETH_500
from tests.plans import (
    attempt,
    bounds,
    done,
    not_done,
    place_stage,
    plan,
    shift_decision,
    simulated,
    swap_stage,
    unknown,
    withdraw_stage,
)
from tests.ports.journals import Steerable
from tests.surroundings import surrounded

POOL = USDC_WETH_500.address
KNOWN = surrounded(3.0)
NOTHING_KNOWN = MarketHistory(pool=POOL)


def begin(journal: Journal, *, acting: bool = True) -> int:
    journal.append_prices(POOL, prices(1.0))
    journal.append_history(KNOWN)
    seen = view(held=ladder(), remembered=memory(), history=history_ref(KNOWN))
    if not acting:
        return journal.begin_cycle(policy(), seen, [reading()], decision(), None)
    return journal.begin_cycle(policy(), seen, [reading()], shift_decision(), plan(digest(seen)))


def test_a_journal_that_never_ran_knows_nothing(journal: Steerable) -> None:
    assert journal.last_price_block(POOL) is None
    assert journal.prices(POOL, since_s=0, up_to_block=2**62) == ()
    assert journal.history_end(POOL) == HistoryEnd(minute=None, hour_s=None, sample_s=None, quote_s=None)
    assert journal.history_end(POOL).known_until_s == 0
    assert journal.bars(POOL, MINUTE_S, since_s=0, before_s=2**62) == ()
    assert journal.newest_quotes(["chainlink_eth_usd"]) == {}
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == NOTHING_KNOWN
    assert journal.memory() == NO_MEMORY
    assert journal.layer_tokens() == {}
    assert journal.open_intents() == ()
    assert journal.open_cycle() is None
    assert journal.control() is None
    with pytest.raises(KeyError):
        journal.cycle(1)


# cycles


def test_a_cycle_comes_back_bit_for_bit(journal: Steerable) -> None:
    journal.append_history(KNOWN)
    seen = view(held=ladder(), remembered=memory(), history=history_ref(KNOWN))
    wanted = plan(digest(seen))
    poor = reading("volatility.implied", None, note="no earlier sample of fee growth")
    readings = (reading(z=-0.1 - 0.2), reading("gas.base_fee", 1.1e-9), poor)
    cycle_id = journal.begin_cycle(policy(), seen, list(readings), shift_decision(), wanted)
    journal.end_cycle(cycle_id, CycleState.BLOCKED, memory())

    found = journal.cycle(cycle_id)
    assert (found.id, found.state, found.stages) == (cycle_id, CycleState.BLOCKED, ())
    assert (found.policy, found.readings, found.decision, found.plan) == (policy(), readings, shift_decision(), wanted)
    assert journal.named_history(found.view) == KNOWN
    assert encode(found.view) == encode(seen)


def test_a_hold_is_a_cycle_too(journal: Steerable) -> None:
    cycle_id = begin(journal, acting=False)
    journal.end_cycle(cycle_id, CycleState.HELD, memory())
    assert journal.cycle(cycle_id).plan is None
    assert journal.cycle(cycle_id).state is CycleState.HELD


def test_memory_is_what_the_last_ended_cycle_left(journal: Steerable) -> None:
    first, second = memory(), memory(shifts_s=(NOW_S,))
    journal.end_cycle(begin(journal), CycleState.DONE, first)
    open_id = begin(journal)
    assert journal.memory() == first
    journal.end_cycle(open_id, CycleState.HELD, second)
    assert journal.memory() == second


def test_a_cycle_that_was_never_ended_is_found_and_must_be_ended_first(journal: Steerable) -> None:
    cycle_id = begin(journal)
    found = journal.open_cycle()
    assert found is not None
    assert (found.id, found.state) == (cycle_id, CycleState.UNKNOWN)
    with pytest.raises(JournalFault, match="never ended"):
        begin(journal)
    journal.end_cycle(cycle_id, CycleState.BLOCKED, NO_MEMORY)
    assert journal.open_cycle() is None
    assert begin(journal) > cycle_id


@pytest.mark.parametrize("which", ["ended", "missing"])
def test_only_an_open_cycle_can_be_acted_in_and_ended(journal: Steerable, which: str) -> None:
    cycle_id = begin(journal)
    journal.end_cycle(cycle_id, CycleState.HELD, memory())
    wrong = cycle_id if which == "ended" else cycle_id + 1
    with pytest.raises(JournalFault, match="not open"):
        journal.record_intent(wrong, withdraw_stage(), bounds())
    with pytest.raises(JournalFault, match="not open"):
        journal.end_cycle(wrong, CycleState.DONE, NO_MEMORY)
    assert journal.memory() == memory()
    assert journal.cycle(cycle_id).state is CycleState.HELD


# intents and attempts


def test_an_intent_names_its_stage_and_the_layers_of_its_mints(journal: Steerable) -> None:
    cycle_id = begin(journal)
    stage = place_stage(LayerKind.CORE, LayerKind.INSURANCE, LayerKind.INSURANCE)
    intent = journal.record_intent(cycle_id, stage, bounds(deadline_s=NOW_S + 77))
    assert intent.layers == (LayerKind.CORE, LayerKind.INSURANCE, LayerKind.INSURANCE)
    assert (intent.cycle_id, intent.stage, intent.deadline_s) == (cycle_id, StageKind.PLACE, NOW_S + 77)
    assert intent.steps_digest == digest(stage)
    assert journal.open_intents() == ((intent, ()),)


@pytest.mark.parametrize("stage", [buying(extra_raw=1), ending()], ids=["purchase", "exit"])
def test_an_intent_of_protection_carries_its_option(journal: Steerable, stage: Stage) -> None:
    intent = journal.record_intent(begin(journal), stage, bounds())
    assert (intent.option,) == stage.steps
    assert journal.open_intents() == ((intent, ()),)


def test_attempts_come_back_by_sequence_then_in_the_order_of_their_bumps(journal: Steerable) -> None:
    intent = journal.record_intent(begin(journal), withdraw_stage(), bounds())
    approve, call = attempt(intent.id, sequence=0, number=1), attempt(intent.id, sequence=1, number=2)
    bumped = attempt(intent.id, sequence=0, number=3, max_fee_wei=2**70)
    for one in (approve, call, bumped):
        journal.record_attempt(one)
    assert journal.open_intents() == ((intent, (approve, bumped, call)),)


def test_the_same_attempt_again_changes_nothing(journal: Steerable) -> None:
    intent = journal.record_intent(begin(journal), withdraw_stage(), bounds())
    journal.record_attempt(attempt(intent.id))
    journal.record_attempt(attempt(intent.id))
    assert journal.open_intents() == ((intent, (attempt(intent.id),)),)


def test_an_attempt_must_fit_what_is_known(journal: Steerable) -> None:
    intent = journal.record_intent(begin(journal), withdraw_stage(), bounds())
    journal.record_attempt(attempt(intent.id))
    wrong = (
        attempt(intent.id, number=2, nonce=8),  # a fee bump with another nonce is a second transaction
        attempt(intent.id, number=2, sequence=1, nonce=7),  # two transactions cannot share a nonce
        attempt(intent.id, raw="0x00"),  # other bytes under a known hash
        attempt(intent.id + 1, number=2),
    )
    for one in wrong:
        with pytest.raises(JournalFault):
            journal.record_attempt(one)
    assert journal.open_intents() == ((intent, (attempt(intent.id),)),)


def test_no_new_intent_while_one_may_still_be_pending(journal: Steerable) -> None:
    cycle_id = begin(journal)
    intent = journal.record_intent(cycle_id, withdraw_stage(), bounds())
    journal.record_attempt(attempt(intent.id))
    journal.record_outcome(intent, unknown(), now_s=NOW_S)
    with pytest.raises(JournalFault, match="no final outcome"):
        journal.record_intent(cycle_id, swap_stage(), bounds())
    journal.record_outcome(intent, done(), now_s=NOW_S + 12)
    assert journal.record_intent(cycle_id, swap_stage(), bounds()).id > intent.id


# outcomes


@pytest.mark.parametrize("outcome", [done(), simulated(), not_done()], ids=lambda one: one.kind)
def test_a_final_outcome_closes_an_intent_for_good(journal: Steerable, outcome: StageOutcome) -> None:
    cycle_id = begin(journal)
    intent = journal.record_intent(cycle_id, withdraw_stage(), bounds())
    journal.record_attempt(attempt(intent.id))
    journal.record_outcome(intent, outcome, now_s=NOW_S)
    assert journal.open_intents() == ()
    for again in (unknown(), not_done(), outcome):
        with pytest.raises(JournalFault, match="not open"):
            journal.record_outcome(intent, again, now_s=NOW_S)
    with pytest.raises(JournalFault, match="not open"):
        journal.record_attempt(attempt(intent.id, number=2))
    assert journal.cycle(cycle_id).stages == (StageRecord(kind=StageKind.WITHDRAW, outcome=outcome),)


def test_an_unknown_outcome_outlives_its_cycle_until_it_is_settled(journal: Steerable) -> None:
    cycle_id = begin(journal)
    intent = journal.record_intent(cycle_id, place_stage(), bounds())
    journal.record_attempt(attempt(intent.id))
    journal.record_outcome(intent, unknown(), now_s=NOW_S)
    journal.end_cycle(cycle_id, CycleState.UNKNOWN, memory())
    assert journal.open_intents() == ((intent, (attempt(intent.id),)),)

    bump = attempt(intent.id, number=2)
    journal.record_attempt(bump)
    journal.record_outcome(intent, unknown(2), now_s=NOW_S)
    journal.record_outcome(intent, done((5001, LayerKind.CORE), number=2), now_s=NOW_S + 60)
    assert journal.open_intents() == ()
    assert journal.layer_tokens() == {5001: LayerKind.CORE}
    assert [record.outcome for record in journal.cycle(cycle_id).stages] == [done((5001, LayerKind.CORE), number=2)]


def test_stages_without_an_outcome_are_told_by_open_intents_alone(journal: Steerable) -> None:
    cycle_id = begin(journal)
    journal.record_outcome(journal.record_intent(cycle_id, withdraw_stage(), bounds()), done(), now_s=NOW_S)
    journal.record_intent(cycle_id, place_stage(), bounds())
    found = journal.open_cycle()
    assert found is not None
    assert [record.kind for record in found.stages] == [StageKind.WITHDRAW]
    assert [intent.stage for intent, _ in journal.open_intents()] == [StageKind.PLACE]


def test_only_positions_that_were_really_minted_join_a_layer(journal: Steerable) -> None:
    cycle_id = begin(journal)
    for outcome in (
        simulated((1, LayerKind.CORE)),
        not_done(),
        done((2**200, LayerKind.SECONDARY), (3, LayerKind.INSURANCE)),
    ):
        journal.record_outcome(journal.record_intent(cycle_id, place_stage(), bounds()), outcome, now_s=NOW_S)
    assert journal.layer_tokens() == {2**200: LayerKind.SECONDARY, 3: LayerKind.INSURANCE}


def test_a_position_can_be_adopted_and_assigned_anew(journal: Steerable) -> None:
    journal.adopt(7, LayerKind.CORE)
    journal.adopt(8, LayerKind.INSURANCE)
    journal.adopt(7, LayerKind.SECONDARY)
    journal.adopt(7, LayerKind.SECONDARY)
    assert journal.layer_tokens() == {7: LayerKind.SECONDARY, 8: LayerKind.INSURANCE}


# control


def test_a_halt_outlives_a_pause_and_its_end(journal: Steerable) -> None:
    journal.halt("another sender used the nonce")
    journal.pause("lunch")
    assert journal.control() == "halted: another sender used the nonce"
    journal.resume()
    assert journal.control() == "halted: another sender used the nonce"
    journal.clear_halt()
    assert journal.control() is None


def test_clearing_a_halt_leaves_a_pause(journal: Steerable) -> None:
    journal.pause("lunch")
    journal.halt("deep reorg")
    journal.clear_halt()
    assert journal.control() == "paused: lunch"
    journal.pause("dinner")
    assert journal.control() == "paused: dinner"
    journal.resume()
    assert journal.control() is None

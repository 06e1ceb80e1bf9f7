"""The model of a pool's observations against Uniswap's own bytecode: every place of the ring, and what it answers."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import starmap

import pytest

from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import Call, RpcRefused
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.oracle import Observation, Oracle
from keeper.core.v3math.reverts import ObservationTooOldError
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import running_twin
from tests.parity.bytecode_chain import DIRECTOR, POOL, Batch, Fleet, Tier
from tests.parity.bytecode_generator import Climate, Crowd
from tests.parity.bytecode_operations import Burn, Initialize, Mint, Operation, Swap

pytestmark = [pytest.mark.long, pytest.mark.chain]

SEED = 20240228
BLOCKS = 160
MOST_A_BATCH = 4
QUESTIONS = 16
LAST_TIME_S = (1 << 32) - 1
TIER = Tier(fee_pips=500, tick_spacing=10)
HOMES = (193_380, -60, 887_000)
"""Prices of the pools, in ticks: as mainnet's, where cumulatives change sign, and where they grow fastest."""
GROWTH = {0: 3, 12: 5, 40: 5, 60: 24, 110: 60}
"""In which block more places are asked for, and how many."""


@dataclass(slots=True, kw_only=True)
class Subject:
    address: str
    crowd: Crowd
    oracle: Oracle | None = None


@dataclass(slots=True, kw_only=True)
class Parity:
    answers: int = 0
    refusals: int = 0
    written: int = 0
    wrapped: int = 0
    """Answers about the time before 2**32 seconds, given after it."""
    rounds: Counter[str] = field(default_factory=Counter)
    """How often each pool's ring came round."""
    difference: str | None = None


def apply(subject: Subject, operation: Operation, actor: str, now_s: int) -> bool:
    """Do it to the model, and let it write an observation where the contract does; whether it wrote."""
    pool = subject.crowd.pool
    tick, liquidity = pool.tick, pool.liquidity
    if operation.foretell(pool, actor).refusal is not None:
        return False
    if isinstance(operation, Initialize):
        subject.oracle = Oracle(now_s)
        return True
    moved = isinstance(operation, Swap) and pool.tick != tick
    touched = (
        isinstance(operation, Mint | Burn) and operation.amount > 0 and operation.tick_lower <= tick < operation.tick_upper
    )
    if not (moved or touched):
        return False
    before = subject.oracle.snapshot()
    subject.oracle.write(now_s, tick, liquidity)
    return subject.oracle.snapshot() != before


def grow(fleet: Fleet, subjects: Sequence[Subject], places: int) -> None:
    data = POOL.function("increaseObservationCardinalityNext").call_data(places)
    ready = [subject for subject in subjects if subject.oracle is not None]
    fleet.chain.mine_all_succeed([LocalTx(sender=DIRECTOR, to=subject.address, data=data) for subject in ready])
    for subject in ready:
        subject.oracle.grow(places)


def difference_of_rings(fleet: Fleet, subject: Subject) -> str | None:
    oracle = subject.oracle
    ((_, _, index, cardinality, cardinality_next, _, _),) = fleet.read([(subject.address, POOL.function("slot0"), ())])
    found = (index, cardinality, cardinality_next)
    if found != (oracle.index, oracle.cardinality, oracle.cardinality_next):
        return f"slot0 {found}, model {(oracle.index, oracle.cardinality, oracle.cardinality_next)}"
    places = [(subject.address, POOL.function("observations"), (place,)) for place in range(cardinality_next)]
    ring = tuple(starmap(Observation, fleet.read(places)))
    model = oracle.snapshot().observations
    return None if ring == model else f"ring {ring}\nmodel {model}"


def asked(rng: random.Random, oracle: Oracle, now_s: int) -> list[int]:
    """Seconds ago: now, each observation's own time, beside it, between, and before them all."""
    ages = [(now_s - each.timestamp_s) & LAST_TIME_S for each in oracle.snapshot().observations if each.initialized]
    chosen = [rng.choice(ages) + rng.choice([-1, 0, 0, 1]) for _ in range(QUESTIONS // 2)]
    chosen += [rng.randint(0, max(ages)) for _ in range(QUESTIONS // 2 - 2)]
    return [0, max(ages), max(ages) + rng.randint(1, 50), *(max(age, 0) for age in chosen)]


def answers_of_chain(fleet: Fleet, subject: Subject, seconds_agos: Sequence[int]) -> Iterator[tuple[int, int] | str]:
    """One call a question, since one question that is too old refuses them all."""
    observe = POOL.function("observe")
    calls: list[Call] = [
        ("eth_call", [{"to": subject.address, "input": observe.call_data([ago])}, "latest"]) for ago in seconds_agos
    ]
    for reply in fleet.chain.rpc.batch_outcomes(calls):
        if isinstance(reply, RpcRefused):
            yield revert_reason(reply.data)
        else:
            (tick_sum,), (seconds_sum,) = observe.decode(reply)
            yield tick_sum, seconds_sum


def answer_of_model(subject: Subject, now_s: int, seconds_ago: int) -> tuple[int, int] | str:
    pool = subject.crowd.pool
    try:
        return subject.oracle.observe_single(now_s, seconds_ago, tick=pool.tick, liquidity=pool.liquidity)
    except ObservationTooOldError as refusal:
        return refusal.code


def difference_of_answers(parity: Parity, fleet: Fleet, subject: Subject, now_s: int) -> str | None:
    questions = asked(subject.crowd.rng, subject.oracle, now_s)
    for seconds_ago, chain in zip(questions, answers_of_chain(fleet, subject, questions), strict=True):
        model = answer_of_model(subject, now_s, seconds_ago)
        if model != chain:
            return f"{seconds_ago} s before {now_s}: model {model}, chain {chain}"
        parity.answers += not isinstance(model, str)
        parity.refusals += model == "OLD"
        parity.wrapped += not isinstance(model, str) and seconds_ago > now_s - LAST_TIME_S > 0
    return None


def step(parity: Parity, fleet: Fleet, subjects: Sequence[Subject], now_s: int) -> None:
    """One block at ``now_s``, and all comparisons after it."""
    batches = []
    for subject in subjects:
        actor = subject.crowd.rng.choice(subject.crowd.actors)
        operations = []
        for _ in range(subject.crowd.rng.randint(0, MOST_A_BATCH)):
            operations.append(subject.crowd.operation(actor))
            before = subject.oracle.index if subject.oracle else 0
            parity.written += apply(subject, operations[-1], actor, now_s)
            parity.rounds[subject.address] += subject.oracle is not None and subject.oracle.index < before
        batches.append(Batch(pool=subject.address, actor=actor, operations=tuple(operations)))
    fleet.run(batches, now_s)
    for subject in subjects:
        if parity.difference is None and subject.oracle is not None:
            parity.difference = difference_of_rings(fleet, subject) or difference_of_answers(parity, fleet, subject, now_s)


@pytest.fixture(scope="module")
def parity(anvil_base: Anvil) -> Parity:
    """Three pools live through the end of 32-bit time: half of the blocks before it, half after."""
    found = Parity()
    rng = random.Random(SEED)
    gaps = [rng.choice([0, 1, 12, 12, 12, 24, 600, 86_400]) for _ in range(BLOCKS)]
    with running_twin(AnvilOptions(automine=False, prune_history=8), base=anvil_base) as twin:
        fleet = Fleet(twin, [TIER], pools_a_tier=len(HOMES))
        subjects = []
        for home, address in zip(HOMES, fleet.pools[TIER], strict=True):
            pool = ExactPool(fee_pips=TIER.fee_pips, tick_spacing=TIER.tick_spacing)
            at = Climate(home_tick=home, liquidity_bits=(30, 60), protocol=False)
            crowd = Crowd(rng=random.Random(SEED + home), pool=pool, climate=at, actors=fleet.actors)
            subjects.append(Subject(address=address, crowd=crowd))
        now_s = LAST_TIME_S - sum(gaps[: BLOCKS // 2]) - 60 * len(GROWTH)
        for number, gap_s in enumerate(gaps):
            if found.difference is None:
                now_s = max(now_s, fleet.chain.last_mined_s) + gap_s
                step(found, fleet, subjects, now_s)
                if number in GROWTH:
                    grow(fleet, subjects, GROWTH[number])
    return found


def test_ring_and_answers_agree_with_the_bytecode(parity: Parity, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(
            f"[{parity.answers} answers, {parity.wrapped} of them across 2**32, "
            f"{parity.refusals} too old for both, {parity.written} writes] "
        )
    assert parity.difference is None


def test_rings_came_round_and_time_wrapped(parity: Parity) -> None:
    assert parity.answers > 3_000
    assert parity.refusals > 200
    assert parity.written > 150
    assert parity.wrapped > 300
    assert len(parity.rounds) == len(HOMES)
    assert min(parity.rounds.values()) >= 3

"""The model of a pool against Uniswap's own bytecode: some thousand operations, each equal to the wei.

``KEEPER_PARITY_OPERATIONS`` asks for more of them than the usual; every run begins with the same ones.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from dataclasses import dataclass, field

import pytest

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick import tick_spacing_to_max_liquidity_per_tick
from keeper.core.v3math.tick_bitmap import words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import FEE_PIPS_ONE, MAX_TICK, MAX_UINT128, MAX_UINT256, MIN_TICK
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.twin import running_twin
from tests.parity.bytecode_chain import PURSE, Batch, Fleet, Tier, read_positions, read_ticks, read_words
from tests.parity.bytecode_generator import HIGHEST, LOWEST, Climate, Crowd
from tests.parity.bytecode_operations import Operation, Outcome, State, Swap, state_of

pytestmark = pytest.mark.chain

SEED = 20251001
LEAST = 5_000
OPERATIONS = max(LEAST, int(os.environ.get("KEEPER_PARITY_OPERATIONS", "5500")))
MOST_A_BATCH = 12
ROUNDS_BETWEEN_INSPECTIONS = 4
OPERATIONS_A_SECOND = 50
"""At the very least: for the time that a long run is given."""

TIERS = (
    Tier(fee_pips=100, tick_spacing=1),
    Tier(fee_pips=500, tick_spacing=10),
    Tier(fee_pips=3_000, tick_spacing=60),
    Tier(fee_pips=10_000, tick_spacing=200),
    # The ends of what a factory lets its owner enable.
    Tier(fee_pips=0, tick_spacing=16_383),
    Tier(fee_pips=999_999, tick_spacing=2_000),
)
WRAPPING = ("fee_growth_global0_x128", "fee_growth_global1_x128", "protocol_fees0", "protocol_fees1")
REFUSALS = {
    "initialize": {"AI", "R"},
    "swap": {"AS", "LOK", "SPL"},
    "mint": {"", "LO", "LOK", "TLM", "TLU", "TUM"},
    "burn": {"", "LOK", "LS", "NP", "TLM", "TLU"},
    "collect": {"LOK"},
    "flash": {"", "L", "LOK"},
    "setFeeProtocol": {""},
    "collectProtocol": set(),
}
"""Every reason that the contract has, but for what only a payer that does not pay or a stranger to the factory would meet."""
HOMES = ("lowest", "middle", "highest")


@dataclass(slots=True, kw_only=True)
class Subject:
    """A pool on the chain and its model."""

    address: str
    tier: Tier
    crowd: Crowd
    raw0: int
    """What the pool holds of token0, from the flows that the model told."""
    raw1: int


@dataclass(slots=True, kw_only=True)
class Parity:
    """How far the two went together, and what they met."""

    operations: int = 0
    inspections: int = 0
    difference: str | None = None
    """The first; nothing was done after it."""
    tiers: Counter[Tier] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    """By function and refusal, None for what was done."""
    swaps: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By direction, kind, and what ended them: the amount, the limit, or the end of all prices."""
    crossed: int = 0
    """Initialised ticks that swaps went across."""
    most_crossed: int = 0
    """Of one swap."""
    wrapped: Counter[str] = field(default_factory=Counter)
    """Fee growths that passed their greatest value, and protocol's fees that did."""
    shared: int = 0
    """Swaps of whose fee the protocol took a share."""
    coarse: int = 0
    """Swaps of one step in which amount times price passed 256 bits, so that the contract rounds more coarsely."""


def climate(number: int, tier: Tier) -> Climate:
    """Every tier meets every home, and every size of liquidity meets every home."""
    home = HOMES[number % 3]
    bits = tick_spacing_to_max_liquidity_per_tick(tier.tick_spacing).bit_length() - 1
    sizes = ((bits - 14, bits), (0, 16), (40, 75))
    return Climate(
        home_tick={"lowest": MIN_TICK + 700, "middle": 193_380, "highest": MAX_TICK - 700}[home],
        liquidity_bits=sizes[(number + number // 3) % 3],
        protocol=number % 2 == 0,
    )


def aged(tier: Tier, at: Climate) -> PoolSnapshot:
    """A pool without liquidity, late in its life: fee growths and the protocol's fees are about to begin anew."""
    return PoolSnapshot(
        fee_pips=tier.fee_pips,
        tick_spacing=tier.tick_spacing,
        sqrt_price_x96=get_sqrt_ratio_at_tick(at.home_tick),
        tick=at.home_tick,
        liquidity=0,
        fee_growth_global0_x128=MAX_UINT256 - (1 << 20),
        fee_growth_global1_x128=MAX_UINT256 - (1 << 20),
        fee_protocol=4 + (10 << 4),
        protocol_fees0=MAX_UINT128 - 2,
        protocol_fees1=MAX_UINT128 - 2,
    )


def subjects_of(fleet: Fleet) -> list[Subject]:
    found: list[Subject] = []
    for tier, addresses in fleet.pools.items():
        for address in addresses:
            number = len(found)
            at, raw = climate(number, tier), 0
            pool = ExactPool(fee_pips=tier.fee_pips, tick_spacing=tier.tick_spacing)
            if number % 5 == 0:
                snapshot, raw = aged(tier, at), PURSE
                fleet.continue_from(address, snapshot)
                pool = ExactPool.restore(snapshot)
            crowd = Crowd(rng=random.Random(SEED + number), pool=pool, climate=at, actors=fleet.actors)
            found.append(Subject(address=address, tier=tier, crowd=crowd, raw0=raw, raw1=raw))
    return found


def count(parity: Parity, subject: Subject, operation: Operation, before: State, expected: Outcome) -> None:
    """Book what the operation is an example of."""
    after = expected.state
    parity.tiers[subject.tier] += 1
    parity.outcomes[operation.function, expected.refusal] += 1
    if not isinstance(operation, Swap) or expected.refusal is not None:
        return
    if after.sqrt_price_x96 in {LOWEST, HIGHEST}:
        end = "end"
    else:
        end = "limit" if after.sqrt_price_x96 == operation.sqrt_price_limit_x96 else "amount"
    way, kind = "down" if operation.zero_for_one else "up", "exact in" if operation.amount_specified > 0 else "exact out"
    parity.swaps[way, kind, end] += 1
    low, high = sorted((before.tick, after.tick))
    crossed = sum(low < tick <= high for tick in subject.crowd.pool.snapshot().ticks)
    parity.crossed += crossed
    parity.most_crossed = max(parity.most_crossed, crossed)
    parity.wrapped.update(name for name in WRAPPING if getattr(after, name) < getattr(before, name))
    parity.shared += after[6:] != before[6:]
    word = subject.tier.tick_spacing << 8
    if (way, kind, end, crossed) == ("down", "exact in", "amount", 0) and after.tick // word == before.tick // word:
        less_fee = operation.amount_specified * (FEE_PIPS_ONE - subject.tier.fee_pips) // FEE_PIPS_ONE
        parity.coarse += less_fee * before.sqrt_price_x96 + (before.liquidity << 96) > MAX_UINT256


def foretold(parity: Parity, subject: Subject) -> tuple[Batch, list[Outcome]]:
    """A batch, done to the model."""
    crowd = subject.crowd
    actor = crowd.rng.choice(crowd.actors)
    operations: list[Operation] = []
    outcomes: list[Outcome] = []
    for _ in range(crowd.rng.randint(1, MOST_A_BATCH)):
        before = state_of(crowd.pool)
        operations.append(crowd.operation(actor))
        outcomes.append(operations[-1].foretell(crowd.pool, actor))
        count(parity, subject, operations[-1], before, outcomes[-1])
        subject.raw0 += outcomes[-1].flow[0]
        subject.raw1 += outcomes[-1].flow[1]
    return Batch(pool=subject.address, actor=actor, operations=tuple(operations)), outcomes


def compared(parity: Parity, fleet: Fleet, subjects: list[Subject]) -> str | None:
    """One block, a batch for every pool; the first difference."""
    made = [foretold(parity, subject) for subject in subjects]
    told = fleet.run([batch for batch, _ in made])
    for subject, (batch, expected), found in zip(subjects, made, told, strict=True):
        for operation, one, other in zip(batch.operations, expected, found, strict=True):
            parity.operations += 1
            if one != other:
                where = f"operation {parity.operations} by {batch.actor} in {subject.tier}"
                return f"{where}: {operation}\n model {one}\n chain {other}"
    return None


def inspected(fleet: Fleet, subject: Subject) -> str | None:
    """Ticks, bitmap, positions and tokens of a pool; the first difference."""
    pool, keys = subject.crowd.pool, subject.crowd.keys
    if pool.sqrt_price_x96 == 0:
        return None
    snapshot = pool.snapshot()
    ends = sorted({end for key in keys for end in key[1:]} | set(snapshot.ticks))
    words = words_of(snapshot.ticks, pool.tick_spacing)
    places = sorted({end // pool.tick_spacing >> 8 for end in ends})
    pairs = {
        "ticks": (dict(snapshot.ticks), read_ticks(fleet, subject.address, ends)),
        "words": (words, read_words(fleet, subject.address, places)),
        "positions": ({key: pool.position(*key) for key in keys}, read_positions(fleet, subject.address, keys)),
        "tokens": ((subject.raw0, subject.raw1), fleet.balances(subject.address)),
    }
    subject.crowd.forget()
    for what, (model, chain) in pairs.items():
        if model != chain:
            return f"{what} of {subject.tier}\n model {model}\n chain {chain}"
    return None


@pytest.fixture(scope="module")
def parity(anvil_base: Anvil) -> Parity:
    found = Parity()
    with running_twin(AnvilOptions(automine=False, prune_history=8), base=anvil_base) as twin:
        fleet = Fleet(twin, TIERS, pools_a_tier=len(HOMES))
        subjects = subjects_of(fleet)
        rounds = 0
        while found.difference is None and found.operations < OPERATIONS:
            found.difference = compared(found, fleet, subjects)
            rounds += 1
            if found.difference is None and (rounds % ROUNDS_BETWEEN_INSPECTIONS == 0 or found.operations >= OPERATIONS):
                found.inspections += 1
                found.difference = next(filter(None, (inspected(fleet, subject) for subject in subjects)), None)
    return found


@pytest.mark.timeout(120 + OPERATIONS // OPERATIONS_A_SECOND)
def test_model_and_bytecode_agree_to_the_wei(parity: Parity, capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts, events and state after every operation; ticks, bitmap, positions and tokens at every inspection."""
    refused = sum(number for (_, refusal), number in parity.outcomes.items() if refusal is not None)
    with capsys.disabled():
        sys.stdout.write(
            f"[{parity.operations} operations, {sum(parity.swaps.values())} swaps, {parity.crossed} ticks crossed, "
            f"{refused} refused by both, {parity.inspections} inspections] "
        )
    assert parity.difference is None
    assert parity.operations >= OPERATIONS >= LEAST


def test_every_function_was_done_and_refused_in_every_way(parity: Parity) -> None:
    assert {function for function, refusal in parity.outcomes if refusal is None} == set(REFUSALS)
    for function, refusals in REFUSALS.items():
        assert {refusal for name, refusal in parity.outcomes if name == function} - {None} == refusals, function


def test_every_tier_and_every_kind_of_swap_was_met(parity: Parity) -> None:
    assert set(parity.tiers) == set(TIERS)
    assert min(parity.tiers.values()) > LEAST // (2 * len(TIERS))
    assert len(parity.swaps) == 2 * 2 * 3
    assert min(parity.swaps.values()) >= 20
    assert parity.crossed > 1_000
    assert parity.most_crossed >= 10
    assert parity.shared > 300
    assert parity.coarse > 0
    assert set(parity.wrapped) == set(WRAPPING)

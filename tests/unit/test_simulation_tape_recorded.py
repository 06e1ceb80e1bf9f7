"""A stored history becomes a tape only when every event follows from the one before, and is then read back as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.history.store import PoolWriter
from keeper.core.model.bar import DAY_S
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick import TickInfo
from keeper.simulation.playing import play
from keeper.simulation.preparing import PREPARED
from keeper.simulation.recorded import RecordedTape, open_tape
from keeper.simulation.stored import NEEDED
from keeper.simulation.tape import FeeEvent, FeeProtocolEvent, LiquidityEvent, SwapEvent, TapeError
from tests.event_rows import BEGIN_S, covered
from tests.pairs import USDC_WETH_3000
from tests.recorded_pool import DAY_BLOCKS, KEY, Life, changed, lived, state, store, whole

END_S = BEGIN_S + 2 * DAY_S


def opened(root: Path, from_s: int = BEGIN_S, to_s: int = END_S) -> RecordedTape:
    return open_tape(root, KEY, 1, from_s, to_s)


def played(tape: RecordedTape) -> PoolSnapshot:
    pool = ExactPool.restore(tape.start.pool)
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
    return pool.snapshot()


def refusal(root: Path, rows: Sequence, life: Life) -> str:
    store(root, rows, [state(life.start, 0)])
    with pytest.raises(TapeError) as refused:
        opened(root)
    return str(refused.value)


def first(life: Life, kind: EventKind, since: int = 0) -> int:
    return next(place for place, row in enumerate(life.rows) if place >= since and row.event is kind)


def test_a_tape_leads_from_the_stored_state_to_where_the_pool_ended(tmp_path: Path) -> None:
    life = whole(tmp_path)
    tape = opened(tmp_path)
    assert (tape.start.pool, tape.start.timestamp_s, tape.end_s) == (life.start, BEGIN_S, END_S)
    assert tape.exact
    assert played(tape) == life.after[-1]


def test_every_kind_of_event_is_on_it_in_the_order_of_the_chain(tmp_path: Path) -> None:
    life = whole(tmp_path, seed=5)
    blocks = list(opened(tmp_path).blocks())
    assert {type(event) for block in blocks for event in block.events} == {
        SwapEvent,
        LiquidityEvent,
        FeeEvent,
        FeeProtocolEvent,
    }
    assert [block.number for block in blocks] == sorted({row.block_number for row in life.rows})
    assert all(one.timestamp_s < after.timestamp_s for one, after in pairwise(blocks))
    prices = [event.sqrt_price_after_x96 for block in blocks for event in block.events if isinstance(event, SwapEvent)]
    assert prices == [row.sqrt_price_x96 for row in life.rows if row.event is EventKind.SWAP]


@pytest.mark.parametrize(
    ("from_s", "to_s"), [(BEGIN_S + 50_000, END_S), (BEGIN_S + DAY_S, END_S), (BEGIN_S + 1, END_S - 40_000)]
)
def test_a_tape_may_begin_and_end_between_states(tmp_path: Path, from_s: int, to_s: int) -> None:
    life = whole(tmp_path)
    tape = opened(tmp_path, from_s, to_s)
    begin, end = (-(-(time_s - BEGIN_S) // 12) for time_s in (from_s, to_s))
    assert tape.start.pool == life.pool_before(begin)
    assert tape.start.timestamp_s == from_s - 1
    assert played(tape) == life.pool_before(end)
    assert all(from_s <= block.timestamp_s < to_s for block in tape.blocks())


def test_what_was_prepared_once_is_read_without_the_events(tmp_path: Path) -> None:
    life = whole(tmp_path)
    steps: list[tuple[int, int]] = []
    before = open_tape(tmp_path, KEY, 1, BEGIN_S, END_S, on_progress=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 2), (1, 2), (2, 2)]
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    again = opened(tmp_path)
    assert again == before
    assert played(again) == life.after[-1]


@pytest.mark.parametrize("spoil", ["cut", "change", "remove", "empty"])
def test_a_damaged_prepared_file_is_made_anew_when_a_tape_is_opened(tmp_path: Path, spoil: str) -> None:
    life = whole(tmp_path)
    tape = opened(tmp_path)
    path = sorted(tmp_path.rglob(f"{PREPARED}/*.tape"))[1]
    raw = path.read_bytes()
    if spoil == "remove":
        path.unlink()
    else:
        path.write_bytes({"cut": raw[:-9], "change": raw[:-1] + b"\0", "empty": b""}[spoil])
    with pytest.raises(TapeError, match="open it again"):
        list(tape.blocks())
    assert opened(tmp_path) == tape
    assert path.read_bytes() == raw
    assert played(tape) == life.after[-1]


def test_new_events_leave_no_prepared_file_of_the_old_ones(tmp_path: Path) -> None:
    life = lived(3.0)
    store(tmp_path, life.rows, [state(life.start, 0)], days=3.0, skip=[2])
    opened(tmp_path)
    store(tmp_path, life.rows, [], days=3.0)
    tape = opened(tmp_path, to_s=BEGIN_S + 3 * DAY_S)
    assert played(tape) == life.after[-1]
    assert len(list(tmp_path.rglob("*.tape"))) == 3


def test_equal_data_have_equal_digests_and_others_have_others(tmp_path: Path) -> None:
    whole(tmp_path / "one")
    whole(tmp_path / "same")
    whole(tmp_path / "other", seed=2)
    digests = [opened(tmp_path / name).digest for name in ("one", "same", "other")]
    digests.append(opened(tmp_path / "one", BEGIN_S + 40_000).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_missing_day_is_refused_by_name(tmp_path: Path) -> None:
    life = lived(3.0)
    store(tmp_path, life.rows, [state(life.start, 0)], days=3.0, skip=[1])
    with pytest.raises(TapeError) as refused:
        opened(tmp_path, to_s=BEGIN_S + 3 * DAY_S)
    assert [problem.partition(" are not")[0] for problem in refused.value.problems] == [
        f"the {kind} events of 2025-10-02 00:00:00 to 2025-10-03 00:00:00 (blocks 7200 to 14399)" for kind in NEEDED
    ]
    assert opened(tmp_path, to_s=BEGIN_S + DAY_S).exact


def test_what_was_never_stored_is_refused_with_what_to_do(tmp_path: Path) -> None:
    life = lived()
    with pytest.raises(TapeError, match="holds no history: keeper data download"):
        opened(tmp_path)
    store(tmp_path, life.rows, [])
    with pytest.raises(TapeError, match=r"there is none.*keeper data download --state"):
        opened(tmp_path)
    store(tmp_path, [], [state(life.start, 0)])
    with pytest.raises(TapeError, match="the first is of 2025-10-01"):
        opened(tmp_path, BEGIN_S - 1)
    with pytest.raises(TapeError, match="no time in it"):
        opened(tmp_path, END_S, END_S)
    with pytest.raises(TapeError, match="2025-10-03 00:00:00 to 2025-10-03 00:00:01"):
        opened(tmp_path, to_s=END_S + 1)


def test_an_event_that_is_missing_is_told_by_the_swap_after_it(tmp_path: Path) -> None:
    life = lived()
    gone = first(life, EventKind.SWAP, since=20)
    after = life.rows[first(life, EventKind.SWAP, since=gone + 1)]
    rows = [row for place, row in enumerate(life.rows) if place != gone]
    told = refusal(tmp_path, rows, life)
    assert f"log {after.log_index} of block {after.block_number} (SWAP)" in told
    assert "an event before it is missing, or one of them is wrong" in told
    assert "is recorded as" in told


def test_a_state_that_does_not_fit_the_first_event_is_named(tmp_path: Path) -> None:
    life = lived(seed=3)
    assert life.rows[0].event is EventKind.SWAP
    other = replace(
        life.start,
        liquidity=life.start.liquidity + 5,
        ticks={
            **life.start.ticks,
            -887_270: TickInfo(liquidity_gross=5, liquidity_net=5),
            887_270: TickInfo(liquidity_gross=5, liquidity_net=-5),
        },
    )
    store(tmp_path, life.rows, [state(other, 0)])
    with pytest.raises(TapeError, match=r"log 0 of block 200 .*does not follow on the stored state of block 0"):
        opened(tmp_path)


@pytest.mark.parametrize("token", ["amount0", "amount1"])
@pytest.mark.parametrize(("power", "told"), [(6, "multiplied by 10^6"), (-12, "divided by 10^12")])
def test_decimals_that_are_wrong_by_a_factor_are_told_with_the_factor(
    tmp_path: Path, token: str, power: int, told: str
) -> None:
    """Of the record; what is told is how its amounts must be mended."""
    life = lived()
    wanted = 10**power if power > 0 else 1
    place = next(
        place for place, row in enumerate(life.rows) if row.event is EventKind.SWAP and getattr(row, token) % wanted == 0
    )
    amount = getattr(life.rows[place], token)
    recorded = amount // 10**power if power > 0 else amount * 10**-power
    assert f"it follows once {token} is {told}" in refusal(tmp_path, changed(life, place, **{token: recorded}), life)


def test_a_tape_of_another_pool_is_told_by_its_price(tmp_path: Path) -> None:
    life = lived()
    price = life.rows[first(life, EventKind.SWAP)].sqrt_price_x96 or 0
    rows = changed(life, first(life, EventKind.SWAP), sqrt_price_x96=3 * price)
    assert "is it another pool's?" in refusal(tmp_path, rows, life)


def test_a_state_off_the_spacing_is_another_pools(tmp_path: Path) -> None:
    life = lived()
    store(tmp_path, life.rows, [state(life.start, 0)])
    wider = replace(KEY, fee_pips=USDC_WETH_3000.fee_pips, tick_spacing=USDC_WETH_3000.tick_spacing)
    with pytest.raises(TapeError, match="does not lie on the pool's spacing 60: it is another pool's"):
        open_tape(tmp_path, wider, 1, BEGIN_S, END_S)


def test_a_swap_that_is_there_twice_is_told_as_that(tmp_path: Path) -> None:
    life = lived()
    place = first(life, EventKind.SWAP)
    twice = life.rows[place]._replace(log_index=life.rows[place].log_index + 1)
    told = refusal(tmp_path, [*life.rows, twice], life)
    assert f"it repeats log {twice.log_index - 1} of block {twice.block_number}" in told


def test_a_mint_with_other_amounts_is_refused(tmp_path: Path) -> None:
    life = lived()
    place = first(life, EventKind.BURN)
    told = refusal(tmp_path, changed(life, place, amount1=life.rows[place].amount1 + 1), life)
    assert f"block {life.rows[place].block_number} (BURN): it moved" in told


def test_a_burn_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    life = lived()
    place = first(life, EventKind.BURN)
    told = refusal(tmp_path, changed(life, place, liquidity_delta=-(10**30)), life)
    assert "the pool refuses it" in told


def test_a_record_without_liquidity_can_only_be_rebuilt(tmp_path: Path) -> None:
    life = lived()
    told = refusal(tmp_path, changed(life, first(life, EventKind.SWAP), liquidity=None), life)
    assert "can only be rebuilt" in told


def test_a_torn_event_file_is_refused(tmp_path: Path) -> None:
    whole(tmp_path)
    path = next(tmp_path.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(TapeError, match="missing, torn or was changed"):
        opened(tmp_path)


def test_a_torn_state_is_refused(tmp_path: Path) -> None:
    whole(tmp_path)
    path = next(tmp_path.rglob("states/*"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(TapeError, match="was changed since it was written"):
        opened(tmp_path)


def middle(life: Life) -> PoolSnapshot:
    return life.pool_before(DAY_BLOCKS)


def with_states(root: Path, life: Life, second: PoolSnapshot, kinds: Sequence[EventKind] | None = None) -> RecordedTape:
    states = [state(life.start, 0), state(second, DAY_BLOCKS - 1)]
    store(root, life.rows, states, **({} if kinds is None else {"kinds": kinds}))
    return opened(root)


def test_a_later_state_must_be_what_the_events_lead_to(tmp_path: Path) -> None:
    life = lived()
    tape = with_states(tmp_path / "right", life, middle(life))
    assert played(tape) == life.after[-1]
    assert len(list((tmp_path / "right").rglob("*.tape"))) == 2
    wrong = replace(middle(life), fee_protocol=0x55)
    with pytest.raises(TapeError, match="state of block 7199 has fee_protocol 85"):
        with_states(tmp_path / "share", life, wrong)
    ticks = dict(middle(life).ticks)
    lowest = min(ticks)
    ticks[lowest] = replace(ticks[lowest], liquidity_gross=ticks[lowest].liquidity_gross + 2)
    with pytest.raises(TapeError, match=f"at tick {lowest}"):
        with_states(tmp_path / "ticks", life, replace(middle(life), ticks=ticks))


def test_fee_growth_that_no_event_explains_is_a_fault_where_all_are_stored_and_told_where_not(tmp_path: Path) -> None:
    life = lived(everything=False)
    more = replace(middle(life), fee_growth_global0_x128=middle(life).fee_growth_global0_x128 + 7)
    with pytest.raises(TapeError, match="a fee growth that is 7 and 0"):
        with_states(tmp_path / "all", life, more)
    tape = with_states(tmp_path / "some", life, more, kinds=NEEDED)
    assert not tape.exact
    assert "a fee growth that is 7 and 0 / 2^128 above what the events lead to" in tape.described


def test_without_flash_loans_a_tape_is_exact_only_where_a_later_state_shows_that_there_were_none(tmp_path: Path) -> None:
    life = lived(everything=False)
    tape = with_states(tmp_path, life, middle(life), kinds=NEEDED)
    assert not tape.exact
    assert "fees may be short" in tape.described
    first_day = opened(tmp_path, to_s=BEGIN_S + DAY_S - 12)
    assert first_day.exact
    assert "shows none" in first_day.described


def test_blocks_that_may_still_be_replaced_are_not_on_a_tape(tmp_path: Path) -> None:
    life = lived()
    store(tmp_path, life.rows, [state(life.start, 0)], days=1.0)
    with PoolWriter(tmp_path, chain_id=1, pool=KEY.address) as writer:
        newest = [row for row in life.rows if row.block_number >= DAY_BLOCKS]
        writer.replace_tail(newest, covered(DAY_BLOCKS, 2 * DAY_BLOCKS, from_s=BEGIN_S + DAY_S, to_s=END_S))
    with pytest.raises(TapeError, match="2025-10-02 00:00:00 to 2025-10-03 00:00:00"):
        opened(tmp_path)
    assert opened(tmp_path, to_s=BEGIN_S + DAY_S).exact

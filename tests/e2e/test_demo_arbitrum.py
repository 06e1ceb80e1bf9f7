"""A fall on Arbitrum's twin: a keeper of the demo buys Hegic's puts before it, and exercises them before they are lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.store.reader import open_reader
from keeper.app.cli.replay import differences, think_again
from keeper.app.demo import Frame, Outcome, play
from keeper.app.demo_protection import ProtectionTold
from keeper.app.demo_protection_view import summary
from keeper.app.demo_scene import DemoOptions
from keeper.app.demo_stage import ON_ARBITRUM
from keeper.core.ledger.accounts import holdings
from keeper.core.model.decision import BuyProtection, EndProtection
from keeper.core.model.option import CloseHow, OptionPosition
from keeper.core.model.plan import Done, NotDone, StageKind
from keeper.core.model.record import CycleRecord
from keeper.localchain import arbitrum
from keeper.localchain.artifacts import interface
from keeper.localchain.herge import TREASURY
from keeper.simulation.weather import Scenario
from tests.fakes.executor_scene import Telling

pytestmark = [pytest.mark.long, pytest.mark.chain]

BEGIN_S = 1_760_054_400
"""2025-10-10 00:00 UTC."""
FALL = ((0.0, 4370.0), (10.0, 4350.0), (14.0, 3400.0), (15.0, 3850.0), (180.0, 3800.0))
FALL_S = BEGIN_S + 10 * 3_600
WIGGLE = 0.0015
DAYS = 7.25
COARSE = replace(ON_ARBITRUM, block_slots=50)
"""A block in ten minutes."""


@dataclass
class Played:
    """A run, its cycles, and what the treasury may still take at its end."""

    options: DemoOptions
    records: list[CycleRecord] = field(default_factory=list)
    telling: Telling = field(default_factory=Telling)
    allowance: int | None = None
    outcome: Outcome | None = None

    @property
    def told(self) -> ProtectionTold:
        assert self.outcome is not None
        assert self.outcome.protection is not None
        return self.outcome.protection

    def show(self, frame: Frame) -> None:
        if frame.fresh and frame.record is not None:
            self.records.append(frame.record)

    def at_the_end(self, url: str) -> None:
        data = interface("Token").function("allowance").call_data(self.records[-1].view.wallet.address, TREASURY)
        rpc = Rpc(url)
        self.allowance = int(rpc.call("eth_call", {"to": arbitrum.USDC_E, "input": data}, "latest"), 16)
        rpc.close()

    def exercises(self) -> list[tuple[CycleRecord, OptionPosition]]:
        return [
            (record, move.position)
            for record in self.records
            for move in record.decision.moves
            if isinstance(move, EndProtection) and move.how is CloseHow.EXERCISE
        ]


def _prices(path: Path) -> Path:
    """The fall as a file of prices that jump every ten minutes, to and fro as in a market of about 70 % a year."""
    rows = ["timestamp,price"]
    for place in range(int(DAYS * 144) + 2):
        hour = place / 6
        (low_h, low), (high_h, high) = next(pair for pair in pairwise(FALL) if pair[0][0] <= hour <= pair[1][0])
        price = low * (high / low) ** ((hour - low_h) / (high_h - low_h)) * (1 + WIGGLE * (-1) ** place)
        at_s = BEGIN_S + place * 600
        rows += [f"{at_s},{price:.6f}", f"{at_s + 588},{price:.6f}"]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _run(folder: Path, days: float) -> Played:
    """Few traders, blocks and cycles: what is to be seen takes a week of chain time."""
    options = DemoOptions(
        stage=COARSE,
        state_dir=folder / "state",
        scenario=Scenario.CRASH,
        seed=1,
        days=days,
        prices=_prices(folder / "prices.csv"),
        protect=True,
        activity=0.05,
        cycle_s=3_600,
    )
    played = Played(options)
    played.outcome = play(options, played.telling, played.show, until_stopped=played.at_the_end)
    return played


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return _run(tmp_path_factory.mktemp("arbitrum"), DAYS)


def test_tiers_buy_hegics_puts_before_the_fall(played: Played) -> None:
    told = played.told
    assert {one.tier for one in told.woke if one.at_s < FALL_S} == {"near", "middle", "far"}
    assert told.bought
    assert told.bought[0].tier == "near"
    assert told.bought[0].at_s < FALL_S
    moves = [move for record in played.records for move in record.decision.moves if isinstance(move, BuyProtection)]
    assert {move.quote.contract.venue for move in moves} == {"hegic"}
    assert {move.quote.contract.chain_id for move in moves} == {arbitrum.CHAIN_ID}


def test_the_keepers_own_cycles_exercise_before_the_expiry_and_not_before_it_is_due(played: Played) -> None:
    done = played.exercises()
    assert done
    margin_s = played.records[0].policy.hedge.exercise_margin_s
    for record, put in done:
        assert put.act_before_s is not None
        assert put.act_before_s - margin_s <= record.view.now_s < put.act_before_s < (put.contract.expiry_s or 0)
        assert put.id not in {one.id for one in played.records[-1].view.protection.positions}
    assert len(played.told.ended) == len(done)
    assert {one.how for one in played.told.ended} == {"exercise"}
    assert not {"protection.deadline", "protection.lost"} & set(played.telling.names())


def test_what_is_paid_is_the_strike_less_the_feeds_price(played: Played) -> None:
    for one, (record, put) in zip(played.told.ended, played.exercises(), strict=True):
        price = one.strike - one.payoff_raw / 10**6 / one.size
        assert price == pytest.approx(3_800.0, rel=0.03)
        assert one.payoff_raw == pytest.approx(put.claimable.raw, rel=0.02)
        assert record.stages[0].kind is StageKind.PROTECT


def test_no_allowance_is_left(played: Played) -> None:
    assert played.allowance == 0


def test_the_books_add_up_to_the_last_unit(played: Played) -> None:
    records, outcome = played.records, played.outcome
    assert outcome is not None
    assert outcome.books is not None
    assert not records[-1].stages
    outcomes = [(stage.kind, stage.outcome) for record in records for stage in record.stages]
    done = [(kind, one) for kind, one in outcomes if isinstance(one, Done)]
    gas_wei = sum(one.gas_wei for _, one in outcomes if isinstance(one, Done | NotDone))
    assert outcome.books.gas_wei == gas_wei
    opening, last = records[0].view, records[-1].view
    moved = {
        token: sum(delta.raw for _, one in done for delta in one.deltas if delta.token.address == token)
        for token in (arbitrum.USDC_E, arbitrum.WETH)
    }
    assert last.wallet.raw(arbitrum.USDC_E) == opening.wallet.raw(arbitrum.USDC_E) + moved[arbitrum.USDC_E]
    wrapped = last.wallet.raw(arbitrum.WETH) + last.wallet.native_wei
    assert wrapped == opening.wallet.raw(arbitrum.WETH) + opening.wallet.native_wei + moved[arbitrum.WETH] - gas_wei
    # WETH is token0 of this pool, dollars are token1.
    assert outcome.books.premium1 == sum(one.premium_raw for one in played.told.bought) > 0
    assert outcome.books.payoff1 == sum(one.payoff_raw for one in played.told.ended) > 0
    assert (outcome.books.premium0, outcome.books.payoff0) == (0, 0)
    assert (outcome.books.opening0, outcome.books.opening1) == holdings(opening, records[0].policy)


def test_the_summary_sets_the_ladder_alone_beside_the_whole_in_the_names_of_the_pair(played: Played) -> None:
    told, outcome = played.told, played.outcome
    assert outcome is not None
    assert outcome.marks is not None
    assert outcome.books is not None
    assert outcome.asked is not None
    assert told.ladder_quote < 0
    assert told.premium_quote == sum(one.premium_raw for one in told.bought) / 10**6
    assert told.payoff_quote == sum(one.payoff_raw for one in told.ended) / 10**6
    assert told.net_quote == pytest.approx(told.payoff_quote + told.held_quote - told.premium_quote - told.gas_quote)
    change = outcome.marks.value_quote - outcome.books.opening_quote
    assert told.together_quote == pytest.approx(told.ladder_quote + told.net_quote) == pytest.approx(change + told.held_quote)
    said = [getattr(part, "plain", "") for part in summary(outcome, outcome.books.opening_quote)]
    assert said[0].startswith("Protection, puts sold at 60% a year")
    assert any("exercise of" in text and text.endswith("USDCe") for text in said)


def test_every_cycle_decides_the_same_again(played: Played) -> None:
    with open_reader(played.options.state_dir / "journal.sqlite") as reader:
        for record in played.records:
            if record.stages:
                stored = reader.cycle(record.id)
                assert differences(stored, think_again(stored, reader.named_history(stored.view))) == ()


def test_the_same_seed_comes_to_the_same_protection(played: Played, tmp_path: Path) -> None:
    """As far as a shorter market goes."""
    again = _run(tmp_path, 0.2)
    until_s = again.records[-1].view.now_s
    assert again.told.bought
    assert again.told.bought == tuple(one for one in played.told.bought if one.at_s <= until_s)
    assert [record.view for record in again.records] == [record.view for record in played.records[: len(again.records)]]

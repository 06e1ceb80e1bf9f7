"""A fall with protection: a keeper of the demo buys puts from real pools before it, and redeems them after it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Call, Rpc
from keeper.adapters.store.reader import open_reader
from keeper.app.cli.replay import differences, think_again
from keeper.app.demo import Frame, Outcome, play
from keeper.app.demo_protection import ProtectionTold
from keeper.app.demo_protection_view import summary
from keeper.app.demo_scene import DemoOptions
from keeper.core.ledger.accounts import holdings
from keeper.core.model.plan import Done, NotDone, StageKind
from keeper.core.model.record import CycleRecord
from keeper.localchain import mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.gamma import ORACLE
from keeper.simulation.weather import Scenario
from tests.fakes.executor_scene import Telling

pytestmark = [pytest.mark.long, pytest.mark.chain]

BEGIN_S = 1_760_054_400
"""2025-10-10 00:00 UTC."""
FALL = ((0.0, 4370.0), (10.0, 4350.0), (11.0, 4100.0), (13.0, 4050.0), (14.0, 3400.0), (15.0, 3850.0), (36.0, 3850.0))
FALL_S = BEGIN_S + 10 * 3_600
TROUGH_S = BEGIN_S + 14 * 3_600
WIGGLE = 0.0015
OTOKEN_ONE = 10**8
"""Also of its strike, and of a price of the oracle."""


@dataclass
class Played:
    """A run, its cycles, and what the chain said at its end."""

    options: DemoOptions
    records: list[CycleRecord] = field(default_factory=list)
    allowances: list[int] = field(default_factory=list)
    otokens: dict[str, int] = field(default_factory=dict)
    """Of every option that was bought: what the wallet holds of it."""
    settled_e8: dict[int, int] = field(default_factory=dict)
    """Expiry -> dollars per ether, final."""
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
        rpc = Rpc(url)
        wallet = self.records[-1].view.wallet.address
        quotes = [
            stage.option.quote
            for record in self.records
            for stage in (record.plan.stages if record.plan else ())
            if stage.kind is StageKind.PROTECT and hasattr(stage.option, "quote")
        ]
        otokens = sorted({quote.contract.native[0] for quote in quotes})
        token = contract("ERC20")
        spenders = (mainnet.SWAP_ROUTER_02, mainnet.POSITION_MANAGER)
        pairs = [(held, spender) for held in (mainnet.USDC, mainnet.WETH, *otokens) for spender in spenders]
        asked = [_call(held, token.function("allowance").call_data(wallet, spender)) for held, spender in pairs]
        self.allowances = [int(reply, 16) for reply in rpc.batch(asked)]
        held = rpc.batch([_call(otoken, token.function("balanceOf").call_data(wallet)) for otoken in otokens])
        self.otokens = {otoken: int(reply, 16) for otoken, reply in zip(otokens, held, strict=True)}
        price = interface("GammaOracle").function("getExpiryPrice")
        for expiry_s in {quote.contract.expiry_s for quote in quotes}:
            found, final = price.decode(rpc.batch([_call(ORACLE, price.call_data(mainnet.WETH, expiry_s))])[0])
            if final:
                self.settled_e8[expiry_s] = found
        rpc.close()


def _call(to: str, data: str) -> Call:
    return "eth_call", [{"to": to, "input": data}, "latest"]


def _prices(path: Path) -> Path:
    """The fall as a file of prices that jump every ten minutes, to and fro as in a market of about 70 % a year."""
    rows = ["timestamp,price"]
    for place in range(36 * 6 + 1):
        hour = place / 6
        (low_h, low), (high_h, high) = next(pair for pair in pairwise(FALL) if pair[0][0] <= hour <= pair[1][0])
        price = low * (high / low) ** ((hour - low_h) / (high_h - low_h)) * (1 + WIGGLE * (-1) ** place)
        at_s = BEGIN_S + place * 600
        rows += [f"{at_s},{price:.6f}", f"{at_s + 588},{price:.6f}"]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _run(folder: Path, days: float) -> Played:
    """Few traders and few cycles: what is to be seen takes a day and a half of chain time."""
    options = DemoOptions(
        state_dir=folder / "state",
        scenario=Scenario.CRASH,
        seed=1,
        days=days,
        prices=_prices(folder / "prices.csv"),
        protect=True,
        activity=0.05,
        cycle_s=1_200,
    )
    played = Played(options)
    played.outcome = play(options, Telling(), played.show, until_stopped=played.at_the_end)
    return played


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return _run(tmp_path_factory.mktemp("protected"), 1.47)


def test_tiers_wake_and_buy_before_the_fall_and_during_it(played: Played) -> None:
    told = played.told
    calm = [one for one in told.woke if one.at_s < FALL_S]
    falling = [one for one in told.woke if FALL_S <= one.at_s < TROUGH_S]
    assert {one.tier for one in calm} == {"near", "middle", "far"}
    assert all("mandate" in one.why for one in calm)
    walked = [int(found[1]) for one in falling if (found := re.search(r"gone (\d+)% of the way", one.why))]
    assert walked
    assert all(27 <= part <= 100 for part in walked)
    tiers = [one.tier for one in told.bought]
    assert tiers[0] == "near"
    assert len(set(tiers)) >= 2
    assert _refused_for_budget(played, {"near", "middle", "far"} - set(tiers))
    assert max(one.at_s for one in told.bought) < TROUGH_S
    at_the_trough = [record for record in played.records if abs(record.view.now_s - TROUGH_S) < 1_800]
    assert any(record.decision.awake for record in at_the_trough)


def _refused_for_budget(played: Played, tiers: set[str]) -> bool:
    """Tiers that were never bought for were refused by what fees allow: the nearest alone had met the mandate."""
    refused = {veto.unit.split(", ")[-1] for one in played.records for veto in one.decision.vetoes if veto.gate == "hedge_fees"}
    return tiers <= refused


def test_what_was_bought_while_it_was_calm_gets_dear(played: Played) -> None:
    """By the fall, and by the volatility that is asked in it."""
    calm = [one.implied_volatility for one in played.told.bought if one.at_s < FALL_S]
    assert all(volatility is not None and 0.55 < volatility < 0.65 for volatility in calm)
    held = [
        (record.view.now_s, position.claimable.raw / position.size.raw)
        for record in played.records
        for position in record.view.protection.positions
        if position.contract.legs[0].strike == Decimal(played.told.bought[0].strike)
    ]
    before = max(worth for at_s, worth in held if at_s < FALL_S)
    assert max(worth for at_s, worth in held if abs(at_s - TROUGH_S) < 1_800) > 5 * before


def test_what_is_paid_is_the_strike_less_the_settled_price(played: Played) -> None:
    told = played.told
    assert told.ended
    for one in told.ended:
        settled_e8 = played.settled_e8[one.expiry_s]
        size_e8 = round(one.size * OTOKEN_ONE)
        strike_e8 = round(one.strike * OTOKEN_ONE)
        assert settled_e8 < strike_e8
        assert one.payoff_raw == (strike_e8 - settled_e8) * size_e8 * 10**6 // OTOKEN_ONE**2
        assert one.how == "redeem"
        assert one.at_s > one.expiry_s + 7_200
    assert sum(1 for held in played.otokens.values() if held == 0) == len({one.expiry_s for one in told.ended})
    still = sum(round(one.size * OTOKEN_ONE) for one in told.held)
    assert sum(played.otokens.values()) == still


def test_no_allowance_is_left(played: Played) -> None:
    assert played.allowances
    assert not any(played.allowances)


def test_the_books_add_up_to_the_last_unit(played: Played) -> None:
    """What the wallet has is what it had and what every stage brought or took, premiums and payoffs among it."""
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
        for token in (mainnet.USDC, mainnet.WETH)
    }
    assert last.wallet.raw(mainnet.USDC) == opening.wallet.raw(mainnet.USDC) + moved[mainnet.USDC]
    wrapped = last.wallet.raw(mainnet.WETH) + last.wallet.native_wei
    assert wrapped == opening.wallet.raw(mainnet.WETH) + opening.wallet.native_wei + moved[mainnet.WETH] - gas_wei
    of_options = [one for kind, one in done if kind is StageKind.PROTECT]
    change = sum(delta.raw for one in of_options for delta in one.deltas if delta.token.address == mainnet.USDC)
    assert outcome.books.payoff0 - outcome.books.premium0 == change
    assert outcome.books.premium0 == sum(one.premium_raw for one in played.told.bought) > 0
    assert outcome.books.payoff0 == sum(one.payoff_raw for one in played.told.ended) > 0
    assert (outcome.books.opening0, outcome.books.opening1) == holdings(opening, records[0].policy)


def test_the_summary_sets_the_ladder_alone_beside_the_whole(played: Played) -> None:
    told, outcome = played.told, played.outcome
    assert outcome is not None
    assert outcome.marks is not None
    assert outcome.books is not None
    assert told.ladder_quote < 0
    assert told.net_quote == pytest.approx(told.payoff_quote + told.held_quote - told.premium_quote - told.gas_quote)
    assert told.together_quote == pytest.approx(told.ladder_quote + told.net_quote)
    change = outcome.marks.value_quote - outcome.books.opening_quote
    assert told.together_quote == pytest.approx(change + told.held_quote)
    assert told.net_quote > 0
    said = [getattr(part, "plain", "") for part in summary(outcome, outcome.books.opening_quote)]
    assert any(f"paid {told.net_quote:,.2f} USDC more than it cost" in text for text in said)
    worse = replace(told, net_quote=-12.5)
    said = [getattr(part, "plain", "") for part in summary(replace(outcome, protection=worse), outcome.books.opening_quote)]
    assert any("cost 12.50 USDC more than it paid" in text for text in said)


def test_every_cycle_decides_the_same_again(played: Played) -> None:
    """The purchase and the redemption among them."""
    with open_reader(played.options.state_dir / "journal.sqlite") as reader:
        for record in played.records:
            if record.stages:
                stored = reader.cycle(record.id)
                assert differences(stored, think_again(stored, reader.named_history(stored.view))) == ()


def test_the_same_seed_comes_to_the_same_protection(played: Played, tmp_path: Path) -> None:
    """As far as a shorter market goes: until the ladder is covered."""
    again = _run(tmp_path, 0.12)
    until_s = again.records[-1].view.now_s
    assert again.told.bought
    assert again.told.bought == tuple(one for one in played.told.bought if one.at_s <= until_s)
    assert [record.view for record in again.records] == [record.view for record in played.records[: len(again.records)]]
    assert math.isclose(again.told.premium_quote, sum(one.premium_raw for one in again.told.bought) / 10**6)

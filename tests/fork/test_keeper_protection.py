"""A whole keeper that buys protection: the double of Gamma, a real pool for its puts, and the shipped mainnet configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from keeper.app.cli.replay import differences, think_again
from keeper.core.model.decision import BuyProtection, EndProtection, OpenLayer, ShiftLayer
from keeper.core.model.option import CloseHow, OptionKind, PositionState
from keeper.core.model.plan import Done, NotDone, StageKind
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.quant.black_scholes import option_price
from keeper.engine.cycle import run_cycle
from keeper.localchain import mainnet
from keeper.localchain.anvil import Anvil
from keeper.localchain.artifacts import interface
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.gamma import LocalGamma, expiry_after, put_gamma
from keeper.localchain.otoken_market import open_otoken_pool, reprice_pool
from keeper.localchain.twin import running_twin
from tests.fork.keeper_scene import PRICE_USD, Scene, cycle, opened

STRIKE_USD = 3_800.0
DEPTH_E8 = 60 * 10**8
FALLEN_USD = 3_300.0
HEDGED = {"hedge__enabled": True, "hedge__loss_cap": "0.01", "hedge__capital_year": "0.1", "hedge__dear": "3"}
"""A mandate that binds: no more than 1 % may be lost at the quantile, so that the tiers wake while it is calm."""


@dataclass
class Insured:
    scene: Scene
    gamma: LocalGamma
    otoken: str
    pool: str
    expiry_s: int

    def puts_e8(self) -> int:
        return self.scene.twin.balance_raw(self.scene.wallet, self.otoken)

    def dollars(self) -> int:
        return self.scene.purse()[0]

    def allowed(self) -> int:
        """What router, oToken market and controller may still take."""
        data = interface("Token").function("allowance").call_data
        spenders = (mainnet.SWAP_ROUTER_02, mainnet.POSITION_MANAGER)
        calls = [
            ("eth_call", [{"to": token, "input": data(self.scene.wallet, spender)}, "latest"])
            for token in (mainnet.USDC, self.otoken)
            for spender in spenders
        ]
        return sum(int(reply, 16) for reply in self.scene.twin.chain.rpc.batch(calls))


@pytest.fixture
def insured(anvil_base: Anvil, tmp_path) -> Iterator[Insured]:
    with running_twin(base=anvil_base) as twin:
        scene = opened(twin, tmp_path)
        gamma = put_gamma(twin, put_feed(twin, ETH_USD, PRICE_USD))
        expiry_s = expiry_after(twin.chain.timestamp_s(), 10)
        otoken = gamma.create_series(STRIKE_USD, expiry_s)
        years = (expiry_s - twin.chain.timestamp_s()) / (365 * 86_400)
        fair = option_price(OptionKind.PUT, spot=scene.usd, strike=STRIKE_USD, years=years, volatility=0.55)
        pool = open_otoken_pool(gamma, otoken, fair, DEPTH_E8)
        yield Insured(scene=scene, gamma=gamma, otoken=otoken, pool=pool, expiry_s=expiry_s)


def lived(insured: Insured, keeper, cycles: int = 3) -> list[CycleRecord]:
    records = []
    for _ in range(cycles):
        records.append(cycle(keeper))
        insured.scene.quarters(1)
    return records


def bought(records: list[CycleRecord]) -> CycleRecord:
    found = [one for one in records if any(isinstance(move, BuyProtection) for move in one.decision.moves)]
    assert found, [[reason.trigger for reason in one.decision.reasons] for one in records]
    return found[0]


def test_puts_are_bought_within_the_quoted_cost_and_redeemed_for_what_they_pay(insured: Insured) -> None:
    with insured.scene.keeper(**HEDGED) as keeper:
        records = lived(insured, keeper)
        record = bought(records)
        (move,) = [one for one in record.decision.moves if isinstance(one, BuyProtection)][:1]
        protect = [stage for stage in record.stages if stage.kind is StageKind.PROTECT]
        assert all(isinstance(stage.outcome, Done) for stage in protect)
        paid = -sum(delta.raw for delta in protect[0].outcome.deltas if delta.token.address == mainnet.USDC)
        assert 0 < paid <= move.max_cost.raw
        assert insured.puts_e8() * 10**10 >= move.quote.size.raw > 0
        assert insured.allowed() == 0
        assert sum(one.raw for one in keeper.journal.memory().hedge.premiums) >= paid
        assert differences(record, think_again(record, keeper.journal.named_history(record.view))) == ()

        held_e8 = insured.puts_e8()
        insured.gamma.settle(insured.expiry_s, FALLEN_USD)
        insured.scene.go_to(FALLEN_USD)
        before = insured.dollars()
        after = cycle(keeper)
        (way,) = [one for one in after.decision.moves if isinstance(one, EndProtection)]
        assert (way.how, way.position.state) == (CloseHow.REDEEM, PositionState.REDEEMABLE)
        payoff = int((STRIKE_USD - FALLEN_USD) * held_e8 * 10**6 // 10**8)
        assert after.stages[0].kind is StageKind.PROTECT
        (gained,) = [d.raw for d in after.stages[0].outcome.deltas if d.token.address == mainnet.USDC]
        assert gained == payoff
        assert insured.puts_e8() == 0
        assert insured.dollars() >= before
        assert keeper.journal.verify() == ()


def test_when_the_put_cannot_be_had_at_its_price_the_ladder_is_left_as_it_was(insured: Insured) -> None:
    """Protected or unchanged: the price of the puts is pushed up between the view and the purchase."""
    with insured.scene.keeper(**HEDGED) as keeper:
        lived(insured, keeper, cycles=2)
        held = insured.scene.held()
        source = keeper.ports.executor

        class Dearer:
            def execute(self, stage, bounds, intent, log):
                if stage.kind is StageKind.PROTECT:
                    reprice_pool(insured.scene.twin, insured.pool, insured.otoken, 1.5)
                return source.execute(stage, bounds, intent, log)

            def settle(self, intent, attempts, log):
                return source.settle(intent, attempts, log)

        insured.scene.quarters(1)
        record = run_cycle(replace(keeper.ports, executor=Dearer()), keeper.policy)
        assert any(isinstance(move, BuyProtection) for move in record.decision.moves)
        assert record.state is CycleState.NOT_DONE
        assert [stage.kind for stage in record.stages] == [StageKind.PROTECT]
        assert isinstance(record.stages[0].outcome, NotDone)
        assert [one.liquidity for one in insured.scene.held()] == [one.liquidity for one in held]
        assert insured.puts_e8() == 0
        assert insured.allowed() == 0


def test_without_a_seller_nothing_new_is_placed_and_the_reason_is_journaled(insured: Insured) -> None:
    insured.gamma.blacklist(insured.otoken)
    with insured.scene.keeper(**HEDGED) as keeper:
        records = lived(insured, keeper, cycles=3)
        last = records[-1]
        assert not any(isinstance(move, BuyProtection) for record in records for move in record.decision.moves)
        refused = {veto.gate: veto.unit for veto in last.decision.vetoes}
        assert "opyn" in refused["hedge_no_quote"]
        assert "uncovered" in refused or not any(isinstance(move, OpenLayer | ShiftLayer) for move in last.decision.moves)
        assert any(absent.venue == "opyn" for absent in keeper.journal.cycle(last.id).view.protection.absent)


def test_a_keeper_that_does_not_hedge_asks_no_venue(insured: Insured) -> None:
    with insured.scene.keeper() as keeper:
        assert keeper.ports.desk is None
        records = lived(insured, keeper, cycles=2)
        assert all(math.isclose(len(record.view.protection.quotes), 0) for record in records)

"""Options bought and ended by the account at a venue that is not of its house: exact allowances, and none left on any path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from keeper.adapters.evm.rpc import Call, Rpc
from keeper.adapters.tx.bundle import approval
from keeper.adapters.tx.signer import decode_transaction
from keeper.core.model.errors import Transient
from keeper.core.model.option import CloseHow, OptionQuote, PositionState
from keeper.core.model.plan import Done, NotDone, Simulated, Stage, StageKind, StageOutcome, Unknown
from keeper.core.model.record import Attempt
from keeper.core.model.token import TokenAmount
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin
from keeper.ports.options import VenueCall, VenuePlan
from tests.fakes.executor_scene import Attempts, Scene, mirrored
from tests.fakes.option_shop import SHOP_AT, OpenShop, charge
from tests.options import SHOP, buying, ending, held, put, quote
from tests.pairs import USDC, WALLET, WETH

pytestmark = pytest.mark.chain

DEPOSIT = TokenAmount(token=WETH, raw=3 * 10**18)


@pytest.fixture
def shop(twin: Twin) -> OpenShop:
    return OpenShop(Scene(twin))


def with_deposit() -> Stage:
    """Two calls: ether first, then the premium with something to spare."""
    return buying(quote(collateral=(DEPOSIT,)), extra_raw=10**6)


def purchases(scene: Scene) -> dict[str, Stage]:
    contract = put(quote=scene.stable)
    return {
        "exactly": buying(quote(contract=contract)),
        "for less than the limit": buying(quote(contract=contract), extra_raw=10**6),
        "with collateral": buying(quote(contract=contract, collateral=(DEPOSIT,)), extra_raw=10**6),
        "paid in the quote": ending(held(contract=contract)),
        "paid in the base": ending(held(TokenAmount(token=WETH, raw=10**18), contract=contract)),
    }


TRANSACTIONS = {
    "exactly": 2,
    "for less than the limit": 3,
    "with collateral": 5,
    "paid in the quote": 1,
    "paid in the base": 1,
}


class Meddling(Attempts):
    """A log in whose writing of the nth attempt, after its simulation and before its broadcast, something happens."""

    def __init__(self, nth: int, happens: Callable[[], object]) -> None:
        super().__init__()
        self.nth = nth
        self.happens = happens

    def record_attempt(self, attempt: Attempt) -> None:
        super().record_attempt(attempt)
        if len(self.kept) == self.nth:
            self.happens()


def before_simulation(nth: int, happens: Callable[[], object]) -> Callable[[], str | None]:
    """Asked twice a transaction, before its simulation and before its broadcast; at the former of the nth something happens."""
    asked = count(1)

    def may_send() -> str | None:
        if next(asked) == 2 * nth - 1:
            happens()
        return None

    return may_send


def run(shop: OpenShop, stage: Stage, log: Attempts, may_send: Callable[[], str | None] = lambda: None) -> StageOutcome:
    bounds = shop.scene.bounds()
    return shop.scene.live(may_send=may_send).execute(stage, bounds, shop.scene.intent(stage, bounds), log)


def refused(outcome: StageOutcome) -> str:
    assert isinstance(outcome, NotDone), outcome
    return outcome.why


@pytest.mark.parametrize("name", TRANSACTIONS)
@pytest.mark.parametrize("build", [Scene, mirrored])
def test_what_is_told_is_what_the_balances_say_dry_as_live(twin: Twin, build: Callable[[Twin], Scene], name: str) -> None:
    scene = build(twin)
    shop, stage = OpenShop(scene), purchases(scene)[name]
    before = (scene.holdings(), scene.nonce(), shop.allowances())
    dry = scene.run(stage, scene.dry())
    assert (scene.holdings(), scene.nonce(), shop.allowances()) == before
    (stable, wrapped, native), *_ = before
    done = scene.run(stage)
    assert isinstance(done, Done), done
    stable_after, wrapped_after, native_after = scene.holdings()
    told = {delta.token.address: delta.raw for delta in done.deltas}
    assert told[scene.stable.address] == stable_after - stable
    assert told[WETH.address] == wrapped_after - wrapped
    assert native - native_after == done.gas_wei
    assert any(told.values())
    assert len(done.tx_hashes) == TRANSACTIONS[name]
    assert shop.allowances() == [0] * 6
    assert isinstance(dry, Simulated), dry
    assert dry.deltas == done.deltas
    assert dry.gas_units == pytest.approx(done.gas_units, rel=0.02)


def test_each_call_is_allowed_exactly_what_it_may_take_and_only_while_it_runs(shop: OpenShop) -> None:
    log = Attempts()
    assert isinstance(run(shop, with_deposit(), log), Done)
    sent = [decode_transaction(attempt.raw) for attempt in log.kept]
    assert [(one.to, one.data) for one in sent if one.to != SHOP_AT] == [
        (call.to, call.data)
        for call in (approval(WETH, SHOP_AT, DEPOSIT.raw), approval(USDC, SHOP_AT, 1_001 * 10**6), approval(USDC, SHOP_AT, 0))
    ]
    assert [one.to == SHOP_AT for one in sent] == [False, True, False, True, False]


def test_a_price_that_moved_above_the_allowance_buys_nothing(shop: OpenShop) -> None:
    log = Attempts()
    moved = before_simulation(2, lambda: shop.raise_price(USDC, 2 * 10**6))
    outcome = run(shop, buying(extra_raw=10**6), log, moved)
    assert "exceeds allowance" in refused(outcome)
    assert shop.held(USDC) == 100_000 * 10**6
    assert shop.allowances() == [0] * 6
    assert len(log.kept) == 2


def test_a_price_that_moved_within_the_allowance_is_paid(shop: OpenShop) -> None:
    log = Attempts()
    outcome = run(shop, buying(extra_raw=10**6), log, before_simulation(2, lambda: shop.raise_price(USDC, 10**6)))
    assert isinstance(outcome, Done)
    assert outcome.deltas[0].raw == -1_001 * 10**6
    assert shop.allowances() == [0] * 6


def test_a_call_that_is_mined_and_reverts_leaves_no_allowance(shop: OpenShop) -> None:
    log = Meddling(2, shop.close)
    outcome = run(shop, buying(), log)
    assert "reverted in block" in refused(outcome)
    assert len(log.kept) == 3
    assert shop.allowances() == [0] * 6


@pytest.mark.parametrize("mined", [False, True], ids=["in simulation", "mined"])
def test_some_of_the_calls_are_not_the_purchase(shop: OpenShop, mined: bool) -> None:
    """The deposit stands, and the next view tells of it; the stage is not done, also not for who settles it later."""
    scene, stage = shop.scene, with_deposit()
    log = Meddling(4, shop.close) if mined else Attempts()
    bounds = scene.bounds()
    intent = scene.intent(stage, bounds)
    executor = scene.live() if mined else scene.live(may_send=before_simulation(4, shop.close))
    outcome = executor.execute(stage, bounds, intent, log)
    assert ("reverted in block" if mined else "the shop is closed") in refused(outcome)
    assert shop.held(WETH) == 50 * 10**18 + DEPOSIT.raw
    assert shop.allowances() == [0] * 6
    for account in (scene.live(), scene.dry()):
        later = account.settle(intent, log.kept, log)
        assert isinstance(later, NotDone)
        assert later.tx_hashes == outcome.tx_hashes


def test_settling_tells_what_was_told(shop: OpenShop) -> None:
    scene, stage, log, bounds = shop.scene, with_deposit(), Attempts(), shop.scene.bounds()
    intent = scene.intent(stage, bounds)
    outcome = scene.live().execute(stage, bounds, intent, log)
    assert isinstance(outcome, Done)
    assert scene.live().settle(intent, log.kept, log) == outcome
    assert scene.dry().settle(intent, log.kept, log) == outcome
    scene.venues = {}
    assert "not a configured venue" in refused(scene.live().settle(intent, log.kept, log))


def test_an_allowance_that_cannot_be_taken_back_keeps_the_intent_open(shop: OpenShop) -> None:
    """No later stage would look at the shop's allowances, so nothing else begins before they are gone."""
    scene, stage, log, bounds = shop.scene, buying(), Attempts(), shop.scene.bounds()
    intent = scene.intent(stage, bounds)
    orders: list[str] = []
    halt = before_simulation(2, lambda: orders.append("halted"))

    def may_send() -> str | None:
        return halt() or next(iter(orders), None)

    executor = scene.live(may_send=may_send)
    outcome = executor.execute(stage, bounds, intent, log)
    assert outcome == Unknown(tx_hash=log.kept[0].tx_hash)
    assert shop.allowances()[0] == 1_000 * 10**6
    assert executor.settle(intent, log.kept, log) == outcome
    assert scene.dry().settle(intent, log.kept, log) == outcome
    orders.clear()
    assert "0 of 1" in refused(executor.settle(intent, log.kept, log))
    assert shop.allowances() == [0] * 6


def test_a_node_that_dies_after_the_approval_keeps_the_intent_open(shop: OpenShop) -> None:
    scene, stage, log, bounds = shop.scene, buying(), Attempts(), shop.scene.bounds()
    intent = scene.intent(stage, bounds)

    def dies() -> None:
        raise Transient("nobody answers")

    outcome = scene.live(may_send=before_simulation(2, dies)).execute(stage, bounds, intent, log)
    assert isinstance(outcome, Unknown)
    assert isinstance(scene.live().settle(intent, log.kept, log), NotDone)
    assert shop.allowances() == [0] * 6


def test_what_was_allowed_before_is_taken_back_first(shop: OpenShop) -> None:
    chain, log, left = shop.scene.twin.chain, Attempts(), approval(USDC, SHOP_AT, 7)
    chain.impersonate(WALLET)
    chain.mine_all_succeed([LocalTx(sender=WALLET, to=left.to, data=left.data)])
    assert isinstance(run(shop, buying(), log), Done)
    assert decode_transaction(log.kept[0].raw).data == approval(USDC, SHOP_AT, 0).data
    assert shop.allowances() == [0] * 6


def test_what_a_call_does_not_take_is_taken_back(shop: OpenShop) -> None:
    scene, log = shop.scene, Attempts()
    scene.venues[SHOP] = Generous(scene.venues[SHOP])
    assert isinstance(run(shop, buying(), log), Done)
    last = decode_transaction(log.kept[-1].raw)
    assert (last.to, last.data) == (WETH.address, approval(WETH, SHOP_AT, 0).data)
    assert shop.allowances() == [0] * 6


def test_an_approval_is_never_set_on_top_of_what_another_left(shop: OpenShop) -> None:
    """There are tokens that do not take it."""

    class Twice:
        def plan_open(self, wanted: OptionQuote, most: TokenAmount) -> VenuePlan:
            return VenuePlan(calls=(charge(wanted.cost, most.raw), charge(wanted.cost, most.raw)))

    shop.scene.venues[SHOP] = Twice()
    log = Attempts()
    assert isinstance(run(shop, buying(extra_raw=1), log), Done)
    approved = [one.data for one in map(decode_transaction, (attempt.raw for attempt in log.kept)) if one.to == USDC.address]
    limit = 1_000 * 10**6 + 1
    assert approved == [approval(USDC, SHOP_AT, amount).data for amount in (limit, 0, limit, 0)]


class Generous:
    """Allows what its call does not take."""

    def __init__(self, shop) -> None:
        self.shop = shop

    def plan_open(self, *asked) -> VenuePlan:
        (call,) = self.shop.plan_open(*asked).calls
        (premium,) = call.allowances
        return VenuePlan(calls=(replace(call, allowances=(premium, replace(premium, token=WETH, amount=5))),))


class OutOfStep(Rpc):
    """Answers once an approval was handed out as if it had not been mined, ``lag`` times."""

    log: Attempts
    lag: int
    before: list[Any]

    def batch_outcomes(self, calls: Sequence[Call]) -> list[Any]:
        outcomes = super().batch_outcomes(calls)
        if calls[0][0] != "eth_chainId":
            return outcomes
        if not self.log.kept:
            self.before = outcomes
        elif self.lag:
            self.lag -= 1
            return self.before
        return outcomes


@pytest.mark.parametrize(("lag", "kind"), [(3, "done"), (100, "unknown")])
def test_a_call_is_simulated_on_the_state_after_its_approval(shop: OpenShop, lag: int, kind: str) -> None:
    scene, stage, log, bounds = shop.scene, buying(), Attempts(), shop.scene.bounds()
    intent = scene.intent(stage, bounds)
    with closing(OutOfStep(scene.twin.rpc_url)) as rpc:
        rpc.log, rpc.lag = log, lag
        outcome = scene.live(rpc).execute(stage, bounds, intent, log)
    assert outcome.kind == kind
    assert isinstance(scene.live().settle(intent, log.kept, log), Done if kind == "done" else NotDone)
    assert shop.allowances() == [0] * 6


def test_what_the_venue_does_not_plan_is_not_begun(shop: OpenShop) -> None:
    scene = shop.scene
    (step,) = buying().steps
    dear = replace(step, max_cost=TokenAmount(token=USDC, raw=1))
    impossible = {
        "it costs more": (dear,),
        "cannot sell": ending(how=CloseHow.SELL).steps,
        "not final": ending(held(state=PositionState.AWAITING_PRICE)).steps,
        "elsewhere is not a configured venue": buying(quote(contract=put(venue="elsewhere"))).steps,
        "exactly one": (step, step),
        "exactly one purchase": (),
        "exactly one purchase or exit": scene.swap(sell_stable=True, amount_in=1).steps,
    }
    for why, steps in impossible.items():
        stage = Stage(kind=StageKind.PROTECT, steps=steps)
        log = Attempts()
        assert why in refused(run(shop, stage, log))
        assert why in refused(scene.run(stage, scene.dry()))
        assert log.kept == []
    stray = Stage(kind=StageKind.SWAP, steps=(step,))
    assert "cannot hold" in refused(scene.run(stray))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"value_wei": 1}, "native currency"),
        ({"data": approval(USDC, SHOP_AT, 5).data, "to": USDC.address}, "approves by itself"),
    ],
)
def test_a_call_whose_effect_no_receipt_would_tell_is_refused(shop: OpenShop, fields: dict, why: str) -> None:
    class Careless:
        def plan_open(self, *_) -> VenuePlan:
            call = VenueCall(to=SHOP_AT, value_wei=0, data="0x", label="careless")
            return VenuePlan(calls=(replace(call, **fields),))

    shop.scene.venues[SHOP] = Careless()
    log = Attempts()
    assert why in refused(run(shop, buying(), log))
    assert log.kept == []


def test_the_deadline_holds_before_every_signature(shop: OpenShop) -> None:
    scene, log, bounds = shop.scene, Attempts(), shop.scene.bounds()
    late = before_simulation(3, lambda: scene.twin.chain.mine(timestamp_s=bounds.deadline_s))
    stage = with_deposit()
    outcome = scene.live(may_send=late).execute(stage, bounds, scene.intent(stage, bounds), log)
    assert "deadline" in refused(outcome)
    assert shop.held(USDC) == 100_000 * 10**6
    assert shop.allowances() == [0] * 6

"""Trouble for a whole keeper: one clear error or a clean recovery, and the wallet whole in any case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.adapters.tx.signer import decode_transaction
from keeper.app.bootstrap import Keeper
from keeper.core.model.errors import ConfigError, Fault, Refused, Transient
from keeper.core.model.plan import NotDone, StageKind
from keeper.core.model.record import CycleRecord, CycleState
from keeper.engine.cycle import run_cycle
from keeper.localchain.twin import Twin
from tests.fakes.rpc_server import Forward, Reply, Respond, RpcServer
from tests.fork.keeper_scene import BASE_FEE_WEI, TWO_POOLS, Between, Scene, cycle, leave, opened, opens_one_ladder

pytestmark = pytest.mark.chain

NOBODY = "0x00000000000000000000000000000000000007E5"


@pytest.fixture
def scene(twin: Twin, tmp_path: Path) -> Scene:
    return opened(twin, tmp_path)


def why(record: CycleRecord) -> str:
    """Why the cycle's last stage did not happen."""
    outcome = record.stages[-1].outcome
    assert isinstance(outcome, NotDone), outcome
    return outcome.why


def vetoes(record: CycleRecord) -> set[str]:
    return {veto.gate for veto in record.decision.vetoes}


# --- what the configuration says is not what is there


def test_the_wrong_chain_is_named_and_nothing_is_begun(scene: Scene) -> None:
    with scene.keeper(use__chain="local") as keeper:
        with pytest.raises(Fault, match="is on chain 1, configured is 31337"):
            cycle(keeper)
        assert keeper.journal.open_cycle() is None
    assert scene.sent == []


def test_a_key_of_another_address_is_refused(scene: Scene) -> None:
    other = scene.twin.accounts[3].address
    message = f"wallet.address: is {other}, the key is that of {scene.wallet}"
    with pytest.raises(ConfigError, match=re.escape(message)), scene.keeper(wallet__address=other):
        pass


def test_a_pool_that_does_not_exist_is_never_acted_on(scene: Scene) -> None:
    shipped = Path(__file__).resolve().parents[2] / "config" / "pools" / "usdc_weth_500.toml"
    own = scene.folder / "pool.toml"
    own.write_text(shipped.read_text("utf-8").replace("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640", NOBODY), "utf-8")
    with scene.keeper(settings=scene.settings(pair=str(own))) as keeper:
        with pytest.raises(Transient):
            cycle(keeper)
        assert keeper.journal.open_cycle() is None
    assert scene.sent == []


def test_a_pool_without_a_price_is_named(scene: Scene) -> None:
    with (
        scene.keeper(settings=scene.settings(pair=TWO_POOLS.name)) as keeper,
        pytest.raises(Transient, match="0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8 has no price: it is not initialised"),
    ):
        cycle(keeper)
    assert scene.sent == []


def test_a_mean_over_more_than_the_pool_remembers_is_waited_for(scene: Scene) -> None:
    with scene.keeper(gates__twap_window_s=86_400) as keeper:
        record = cycle(keeper)
    assert record.state is CycleState.HELD
    assert vetoes(record) == {"twap_missing"}
    assert scene.sent == []


# --- an empty purse


def test_an_empty_wallet_is_left_alone(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path, funds=False)
    twin.chain.rpc.call("anvil_setBalance", scene.wallet, hex(15 * 10**16))
    with scene.keeper() as keeper:
        record = cycle(keeper)
    assert record.state is CycleState.HELD
    assert vetoes(record) == {"min_value"}
    assert scene.sent == []


def test_without_money_for_gas_nothing_is_signed_and_both_sums_are_told(scene: Scene) -> None:
    rpc = scene.twin.chain.rpc
    rpc.call("anvil_setBalance", scene.wallet, hex(10**12))
    with scene.keeper() as keeper:
        record = cycle(keeper)
        assert record.state is CycleState.NOT_DONE
        assert re.fullmatch(r"wrap: unwrap: native balance of 1000000000000 wei does not cover \d+ wei", why(record))
        assert scene.sent == []
        rpc.call("anvil_setBalance", scene.wallet, hex(10**18))
        opens_one_ladder(scene, keeper)


def test_gas_that_is_dearer_than_the_ceiling_is_waited_out(scene: Scene) -> None:
    scene.twin.chain.mine(base_fee_wei=200 * 10**9)
    with scene.keeper() as keeper:
        record = cycle(keeper)
        assert record.state is CycleState.HELD
        assert "base_fee" in vetoes(record)
        assert scene.sent == []
        scene.wait(60)
        scene.wait(60)
        opens_one_ladder(scene, keeper)


# --- a node that goes away


def well(body: bytes, respond: Respond) -> Reply:
    return Reply(respond(body))


def gone(_body: bytes, _respond: Respond) -> Reply:
    return Reply(None)


def deaf(body: bytes, respond: Respond) -> Reply:
    """Sends are carried out, and their replies lost."""
    reply = respond(body)
    return Reply(None if b"eth_sendRawTransaction" in body else reply)


@pytest.fixture
def line(twin: Twin) -> Iterator[RpcServer]:
    forward = Forward(twin.rpc_url)
    with RpcServer(forward) as server:
        yield server
    forward.close()


def hasty(keeper: Keeper) -> None:
    """Reads are repeated without waiting."""
    keeper.rpc._pause = lambda _: None


def test_a_node_that_is_dead_at_the_start_is_named_without_its_key(scene: Scene) -> None:
    with scene.keeper(rpc__url="http://127.0.0.1:9/v3/secret") as keeper:
        hasty(keeper)
        with pytest.raises(Transient, match=r"^http://127\.0\.0\.1:9 did not answer: ConnectError$"):
            cycle(keeper)
        assert keeper.journal.open_cycle() is None


@pytest.mark.parametrize("requests", [0, 4, 8, 9, 10, 14, 17, 20, 23])
def test_a_node_that_dies_in_mid_cycle_leaves_one_ladder(scene: Scene, line: RpcServer, requests: int) -> None:
    """It answers so often and then no more, for longer than the keeper is patient; then it is back."""
    wealth = scene.wealth()
    with scene.keeper(rpc__url=line.url) as keeper:
        hasty(keeper)
        line.misbehave(*[well] * requests, *[gone] * 2_000)
        try:
            record = cycle(keeper)
        except Transient:
            assert keeper.journal.open_cycle() is None
        else:
            assert record.state in {CycleState.NOT_DONE, CycleState.UNKNOWN}
            assert len(keeper.journal.open_intents()) == (record.state is CycleState.UNKNOWN)
        line.behave()
        opens_one_ladder(scene, keeper)
    assert wealth - scene.wealth() < 10


def test_a_send_that_is_lost_on_its_way_is_not_made_twice(scene: Scene, line: RpcServer) -> None:
    """The reply of every send is lost; what counts is what the chain says."""
    nonce = scene.nonce
    with scene.keeper(rpc__url=line.url) as keeper:
        hasty(keeper)
        line.misbehave(*[deaf] * 500)
        assert cycle(keeper).state is CycleState.DONE
        assert scene.nonce - nonce == 2
        opens_one_ladder(scene, keeper)


def test_fees_that_rise_after_the_send_are_followed_to_the_ceiling_and_no_further(scene: Scene) -> None:
    """Above the ceiling nothing of ours is mined; the stage ends with its deadline or its patience, and is settled later."""
    with scene.keeper() as keeper:
        scene.clock.base_fee_wei = 100 * 10**9
        record = cycle(keeper)
        assert record.state in {CycleState.UNKNOWN, CycleState.NOT_DONE}
        assert scene.nonce == 0
        offers = [decode_transaction(one.raw).max_fee_wei for one in scene.sent]
        assert max(offers) <= keeper.policy.execution.max_fee_wei
        assert len(set(offers)) > 3
        scene.clock.base_fee_wei = BASE_FEE_WEI
        scene.wait(12)
        opens_one_ladder(scene, keeper)


# --- a market, or somebody else, in between


def before_placing(keeper: Keeper, happens: Callable[[], object]) -> CycleRecord:
    return run_cycle(replace(keeper.ports, executor=Between(keeper, StageKind.PLACE, happens)), keeper.policy)


def test_a_price_that_ran_away_is_found_out_by_simulation(scene: Scene) -> None:
    with scene.keeper() as keeper:
        record = before_placing(keeper, lambda: scene.go_to(scene.usd * 1.03))
        assert record.state is CycleState.NOT_DONE
        assert why(record).endswith("simulation reverted: Price slippage check")
        assert len(scene.sent) == 1
        scene.wait(12)
        assert vetoes(cycle(keeper)) == {"twap_deviation"}
        scene.wait(3_600)
        opens_one_ladder(scene, keeper)


def test_a_price_that_runs_away_in_the_same_block_reverts_and_is_paid_for(scene: Scene) -> None:
    """Signed at one price, mined behind somebody else's swap at another."""
    rpc = scene.twin.chain.rpc

    def run_away() -> None:
        waiting = int(rpc.call("eth_getTransactionCount", scene.wallet, "pending"), 16) - scene.nonce
        if waiting and scene.nonce == 1:
            scene.go_to(scene.usd * 1.03)

    with scene.keeper() as keeper:
        scene.clock.before = run_away
        record = cycle(keeper)
        scene.clock.before = lambda: None
        assert record.state is CycleState.NOT_DONE
        assert re.fullmatch(r"reverted in block \d+", why(record))
        assert record.stages[-1].outcome.gas_wei > 0
        assert keeper.journal.memory().gas_paid[-1].wei == sum(stage.outcome.gas_wei for stage in record.stages)
        assert scene.live_ids() == set()
        scene.wait(3_600)
        opens_one_ladder(scene, keeper)


def foreign(scene: Scene, *, max_fee_wei: int = 10**9) -> None:
    """Somebody else with our key hands in a transaction."""
    rpc = scene.twin.chain.rpc
    rpc.call("anvil_impersonateAccount", scene.wallet)
    fees = {"maxFeePerGas": hex(max_fee_wei), "maxPriorityFeePerGas": "0x1"}
    rpc.call("eth_sendTransaction", {"from": scene.wallet, "to": scene.wallet, "gas": "0x5208", "value": "0x1", **fees})


def test_somebody_elses_waiting_transaction_is_waited_for(scene: Scene) -> None:
    foreign(scene)
    with scene.keeper() as keeper:
        record = cycle(keeper)
        assert why(record) == "a transaction of this account that is not ours is waiting"
        assert scene.sent == []
        scene.wait(12)
        opens_one_ladder(scene, keeper)


def test_a_stage_between_two_foreign_transactions_is_planned_afresh(scene: Scene) -> None:
    def spend_a_nonce() -> None:
        foreign(scene, max_fee_wei=10**10)
        scene.wait(12)

    with scene.keeper() as keeper:
        record = before_placing(keeper, spend_a_nonce)
        assert record.state is CycleState.DONE
        scene.wait(12)
        opens_one_ladder(scene, keeper)


# --- orders of a person


@pytest.mark.parametrize("order", ["pause", "halt"])
def test_an_order_holds_over_restarts_until_it_is_taken_back(scene: Scene, order: str) -> None:
    with scene.keeper() as keeper:
        getattr(keeper.journal, order)("enough")
        assert cycle(keeper).state is CycleState.BLOCKED
    with scene.keeper() as keeper:
        record = cycle(keeper)
        assert record.state is CycleState.BLOCKED
        assert record.plan is not None
        assert scene.sent == []
        keeper.journal.resume()
        keeper.journal.clear_halt()
        opens_one_ladder(scene, keeper)


@pytest.mark.parametrize("order", ["pause", "halt"])
def test_an_order_in_mid_cycle_lets_no_further_transaction_out(scene: Scene, order: str) -> None:
    with scene.keeper() as keeper:
        record = before_placing(keeper, lambda: getattr(keeper.journal, order)("stop now"))
        assert record.state is CycleState.NOT_DONE
        assert "stop now" in why(record)
        assert len(scene.sent) == 1
        assert scene.live_ids() == set()
        scene.wait(12)
        assert cycle(keeper).state is CycleState.BLOCKED
        keeper.journal.resume()
        keeper.journal.clear_halt()
        scene.wait(12)
        opens_one_ladder(scene, keeper)


def test_an_exit_without_a_mean_price_is_refused_in_words(scene: Scene) -> None:
    with scene.keeper() as keeper:
        cycle(keeper)
    held = scene.held()
    with scene.keeper(gates__twap_window_s=86_400) as keeper, pytest.raises(Refused, match="time-weighted price"):
        leave(keeper)
    assert [one.liquidity for one in scene.held()] == [one.liquidity for one in held]

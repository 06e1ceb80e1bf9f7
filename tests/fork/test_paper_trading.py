"""Paper trading on the twin: a virtual book in the real market, exact, that outlives restarts, kills and reorganisations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.evm.multicall import PinnedReader
from keeper.adapters.evm.rpc import BadReply, Rpc
from keeper.app.bootstrap import Keeper
from keeper.core.model.errors import ConfigError, Fault, LeaseHeld, Transient
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import StageKind
from keeper.core.model.record import CycleState
from keeper.core.v3math.fee_growth import fees_owed
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.twin import Twin, attach, running_base
from keeper.simulation.account import VIRTUAL
from keeper.simulation.paper_feed import LOOKS
from tests.fork.keeper_scene import cycle
from tests.fork.paper_scene import NO_LUCK, POOL, PaperScene, book_of, market_opened, shadow, truth
from tests.fork.test_history_download import entries, meddled
from tests.unit.paper_books import contents

pytestmark = pytest.mark.chain

MakeTwin = Callable[[AnvilOptions], Twin]
LADDER = [LayerKind.CORE, LayerKind.SECONDARY, LayerKind.INSURANCE, LayerKind.INSURANCE]
"""Layers of its four positions."""


class Killed(BaseException):
    """The process ends here."""


def layers_held(keeper: Keeper) -> list[LayerKind]:
    known = keeper.journal.layer_tokens()
    return sorted((known[one.token_id] for one in book_of(keeper).account.manager.positions()), key=list(LayerKind).index)


@pytest.mark.long
def test_a_working_day_of_the_market_opens_a_ladder_that_earns_and_the_shadow_is_the_chain(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path, days=0.4)
    begin_s = twin.chain.timestamp_s()
    with scene.keeper(**NO_LUCK) as keeper:
        states = [cycle(keeper).state]
        assert layers_held(keeper) == LADDER
        while twin.chain.timestamp_s() < begin_s + 8 * 3_600:
            scene.trade(60)
            states.append(cycle(keeper).state)
            if states[-1] is CycleState.HELD and len(states) % 8 == 0:
                assert shadow(keeper) == truth(twin)
        watch = book_of(keeper).watch
        assert states[0] is CycleState.DONE
        assert set(states) <= {CycleState.DONE, CycleState.HELD}
        assert watch.parts.fees > 0 > watch.parts.lvr
        assert watch.parts.total == watch.value - watch.opened.value(watch.opened_mark)
        assert keeper.journal.verify() == ()
        assert keeper.journal.open_intents() == ()
        told = [fields for name, fields in scene.telling.events if name == "paper.valued"]
        assert told[-1]["fees"] > 20
    assert twin.chain.nonce(VIRTUAL) == 0


def test_a_restart_in_the_middle_gives_the_same_book_as_none(make_twin: MakeTwin, tmp_path: Path) -> None:
    ends = []
    for name, restarts in (("through", False), ("anew", True)):
        scene = market_opened(make_twin(AnvilOptions(automine=False)), tmp_path / name)
        with scene.keeper() as keeper:
            for _ in range(0 if restarts else 6):
                cycle(keeper)
                scene.trade(20)
            ends.append(contents(book_of(keeper)))
        for _ in range(6 if restarts else 0):
            with scene.keeper() as keeper:
                cycle(keeper)
                scene.trade(20)
                ends[-1] = contents(book_of(keeper))
    # hashes apart: two nodes never make the same block
    through, anew = ([replace(end[0], hash=""), *end[1:]] for end in ends)
    assert anew == through
    assert through[7]


@pytest.mark.parametrize("point", ["outcome", "save"])
def test_a_stage_that_a_kill_cut_off_is_settled_once(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Before the save it never was; after it the book knows how it went, and the journal learns it."""
    scene = market_opened(twin, tmp_path)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with scene.keeper(**NO_LUCK) as keeper, monkeypatch.context() as patched:
        if point == "outcome":
            patched.setattr(keeper.journal, "record_outcome", killed)
        else:
            patched.setattr("keeper.simulation.paper_executor.PaperDesk.save", killed)
            patched.setattr("keeper.simulation.paper_desk.PaperDesk.follow", lambda desk, block: desk._moved(block))
        with pytest.raises(Killed):
            cycle(keeper)
    with scene.keeper(**NO_LUCK) as keeper:
        for _ in range(2):
            scene.trade(5)
            cycle(keeper)
        assert scene.telling.names().count("intent.done" if point == "outcome" else "intent.not_done") == 1
        assert layers_held(keeper) == LADDER
        assert book_of(keeper).account.nonce == 1
        assert keeper.journal.open_intents() == ()
        assert keeper.journal.verify() == ()
        assert keeper.journal.cycle(1).state is (CycleState.DONE if point == "outcome" else CycleState.NOT_DONE)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[PaperScene]:
    """On a twin that forks nothing: on a fork a reorganisation does not give slots back that were zero before."""
    with running_base() as node:
        twin = attach(node.url, automine=False)
        yield market_opened(twin, tmp_path)
        twin.chain.close()


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_a_reorganisation_leads_back_to_a_book_that_the_chain_still_has(root: PaperScene, depth: int) -> None:
    """The ladder is opened in the second block after the first book, nine blocks before the reorganisation."""
    with root.keeper(**NO_LUCK) as keeper:
        cycle(keeper)
        for _ in range(7):
            root.trade(1)
            cycle(keeper)
        root.reorganise(depth)
        record = cycle(keeper)
        assert root.telling.names().count("paper.reorganised") == 1
        assert record.state is (CycleState.DONE if depth == 9 else CycleState.HELD)
        root.trade(1)
        cycle(keeper)
        assert layers_held(keeper) == LADDER
        assert shadow(keeper) == truth(root.twin)
        assert keeper.journal.verify() == ()


def test_a_reorganisation_of_everything_halts_and_says_what_to_do(root: PaperScene) -> None:
    with root.keeper(**NO_LUCK) as keeper:
        cycle(keeper)
        root.reorganise(20)
        with pytest.raises(Fault, match="begin a new one"):
            cycle(keeper)


def test_logs_that_a_node_forgets_cost_a_cycle_and_never_a_wrong_book(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path)
    forgets = [False]

    def forgetful(request: Any, answer: dict[str, Any]) -> dict[str, Any]:
        is_ours = "address" in request["params"][0] and len(request["params"][0]["topics"][0]) > 1
        return {**answer, "result": answer["result"][1:]} if forgets[0] and is_ours else answer

    with meddled(twin.rpc_url, "eth_getLogs", forgetful) as server:
        settings = {**NO_LUCK, "rpc__url": server.url}
        with scene.keeper(**settings) as keeper:
            cycle(keeper)
            scene.trade(10)
            forgets[0] = True
            with pytest.raises(Transient, match=r"events lead to|log .* of block"):
                cycle(keeper)
            forgets[0] = False
            assert cycle(keeper).state is CycleState.HELD
            assert shadow(keeper) == truth(twin)


def test_a_long_absence_is_made_up_for_in_stretches_that_the_node_bears(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path)

    def strict(request: Any, answer: dict[str, Any]) -> dict[str, Any]:
        asked = request["params"][0]
        if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) < 40 or len(asked["topics"][0]) == 1:
            return answer
        return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32005, "message": "block range too large"}}

    with scene.keeper(**NO_LUCK) as keeper:
        cycle(keeper)
    scene.trade(250)
    with meddled(twin.rpc_url, "eth_getLogs", strict) as server, scene.keeper(**NO_LUCK, rpc__url=server.url) as keeper:
        cycle(keeper)
        lengths = [
            int(one["params"][0]["toBlock"], 16) - int(one["params"][0]["fromBlock"], 16) + 1
            for body in server.bodies
            for one in entries(body)
            if one["method"] == "eth_getLogs" and len(one["params"][0]["topics"][0]) > 1
        ]
        assert max(lengths) > 40 >= lengths[-1]
        assert shadow(keeper) == truth(twin)


def test_a_real_position_of_the_same_liquidity_earns_what_ours_does(twin: Twin, tmp_path: Path) -> None:
    """From the block on in which somebody mints the same, but for our own small part of the market, which the chain lacks."""
    scene = market_opened(twin, tmp_path)
    little = {
        **NO_LUCK,
        "backtest__capital_quote": 2_000,
        "backtest__presence": "amounts_kept",
        "backtest__sandwich_share": "0",
    }
    with scene.keeper(**little) as keeper:
        cycle(keeper)
        pool = book_of(keeper).market.pools[POOL]
        same = [one for one in book_of(keeper).account.manager.positions() if one.range.contains(pool.pool.tick)]
        scene.provide(*same)
        cycle(keeper)
        chain = book_of(keeper).market._shadows[POOL].pool
        before = {one.token_id: chain.fee_growth_inside(one.range.lower, one.range.upper) for one in same}
        held = {one.token_id: one for one in book_of(keeper).account.manager.positions()}
        assert all(held[one.token_id].liquidity == one.liquidity for one in same)
        scene.trade(150)
        cycle(keeper)
        assert shadow(keeper) == truth(twin)
        chain = book_of(keeper).market._shadows[POOL].pool
        now = {one.token_id: one for one in book_of(keeper).account.manager.positions()}
        assert len(same) == 2
        share = sum(one.liquidity for one in same) / chain.liquidity
        assert share < 5e-4
        for one in (held[one.token_id] for one in same):
            inside = chain.fee_growth_inside(one.range.lower, one.range.upper)
            theirs = [
                fees_owed(liquidity=one.liquidity, inside_x128=at, inside_last_x128=last)
                for at, last in zip(inside, before[one.token_id], strict=True)
            ]
            ours = [now[one.token_id].fees0 - one.fees0, now[one.token_id].fees1 - one.fees1]
            assert min(theirs) > 1_000
            for fees, wanted in zip(ours, theirs, strict=True):
                assert wanted * (1 - 2 * share) - 2 <= fees <= wanted


def test_two_paper_keepers_do_not_share_a_book(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path)
    with scene.keeper(), pytest.raises(LeaseHeld, match="another keeper"), scene.keeper():
        pass


def test_a_book_is_not_taken_up_with_other_frictions(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path)
    with scene.keeper(**NO_LUCK):
        pass
    with pytest.raises(ConfigError, match=r"\[backtest\]"), scene.keeper():
        pass


def test_a_steady_cycle_asks_the_node_four_times(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path)
    with scene.keeper(**NO_LUCK) as keeper:
        for _ in range(2):
            cycle(keeper)
            scene.trade(3)
        before = keeper.rpc.requests
        assert cycle(keeper).state is CycleState.HELD
        assert keeper.rpc.requests - before == 4


def test_no_transaction_ever_leaves(twin: Twin, tmp_path: Path) -> None:
    scene = market_opened(twin, tmp_path)
    with meddled(twin.rpc_url, "eth_sendRawTransaction", lambda _, answer: answer) as server:
        with scene.keeper(**NO_LUCK, rpc__url=server.url) as keeper:
            record = cycle(keeper)
        methods = {one["method"] for body in server.bodies for one in entries(body)}
    assert [stage.kind for stage in record.stages][-1] is StageKind.PLACE
    assert methods <= {"eth_chainId", "eth_getBlockByNumber", "eth_getLogs", "eth_call", *READS}
    with closing(Rpc(twin.rpc_url)) as rpc:
        assert rpc.call("eth_getTransactionCount", VIRTUAL, "pending") == "0x0"


READS = {"eth_getBalance", "eth_getTransactionCount", "eth_feeHistory", "eth_getCode"}


@pytest.mark.parametrize("wrong", [1, LOOKS])
def test_a_node_that_answers_from_another_block_is_asked_anew_and_not_believed(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    scene = market_opened(twin, tmp_path)
    looks = []

    class Elsewhere(PinnedReader):
        """Reads the block before for so many looks."""

        def __init__(self, rpc: Rpc, multicall: str, block_hash: str) -> None:
            looks.append(block_hash)
            before = rpc.call("eth_getBlockByHash", block_hash, False)["parentHash"]
            super().__init__(rpc, multicall, before if len(looks) <= wrong else block_hash)

    with scene.keeper(**NO_LUCK) as keeper:
        monkeypatch.setattr("keeper.simulation.paper_feed.PinnedReader", Elsewhere)
        if wrong == LOOKS:
            with pytest.raises(BadReply, match="from another block"):
                cycle(keeper)
        assert cycle(keeper).state is CycleState.DONE
        assert len(looks) > wrong

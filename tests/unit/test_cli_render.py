"""What a person and a program are shown of a ladder, a cycle and a journal."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.store.reader import CycleLine, JournalStatus, Standing
from keeper.app.cli import explain, positions, sentences, status
from keeper.app.cli.output import Output
from keeper.core.model.decision import BuyProtection, Decision, EndProtection, ExitAll, Reason, Veto
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.option import CloseHow, Leg, OptionKind
from keeper.core.model.plan import NotDone, Simulated, Unknown
from keeper.core.model.record import CycleRecord, CycleState, StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.planning.planner import plan as make_plan
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide
from tests.builders import TICK, history, ladder, memory, policy, pool_view, view
from tests.options import buying, ending, held, put, quote
from tests.pairs import NOW_S, USDC, WETH_USDT_500
from tests.plans import done

MOVED = TICK + 590


def told(*renderables) -> str:
    stream = io.StringIO()
    Output(as_json=False, stream=stream).show({}, *renderables)
    return stream.getvalue()


@pytest.fixture(scope="module")
def record() -> CycleRecord:
    seen = view(remembered=memory(layers=()))
    readings = read(seen, history(), policy())
    decision = decide(seen, readings, policy())
    plan = make_plan(seen, decision, policy())
    assert plan is not None
    return CycleRecord(
        id=7,
        state=CycleState.DONE,
        policy=policy(),
        view=seen,
        readings=readings,
        decision=decision,
        plan=plan,
        stages=tuple(StageRecord(kind=stage.kind, outcome=done()) for stage in plan.stages),
    )


def test_positions_tell_range_in_prices_and_distance_to_each_edge():
    seen = view(held=ladder())
    document = positions.document(seen, policy())
    core = document["positions"][0]
    assert core["layer"] == "core"
    assert core["in_range"] is True
    assert core["price_lower"] < core["price"] < core["price_upper"]
    assert core["to_lower"] == pytest.approx(1.0001**-600 - 1, abs=2e-3)
    assert core["to_upper"] == pytest.approx(1.0001**600 - 1, abs=2e-3)
    assert set(core["amounts"]) == set(core["fees"]) == {"USDC", "WETH"}
    assert core["fees"]["USDC"] == "12.345678"
    held = sum(one["value_quote"] for one in document["positions"])
    assert held + document["wallet_quote"] == pytest.approx(document["total_quote"])
    text = told(*positions.render(seen, policy()))
    assert "core" in text
    assert "in range" in text
    assert "12.345678 USDC + 0.003086 WETH" in text


def test_in_either_token_order_the_lower_price_is_the_lower_edge():
    rules = policy(
        pools=(WETH_USDT_500,), signal_pool=WETH_USDT_500.address, base=WETH_USDT_500.token0, quote=WETH_USDT_500.token1
    )
    tick = -TICK
    held = ladder(tick, pool=WETH_USDT_500)
    seen = view(held=held, pools=(pool_view(tick, key=WETH_USDT_500, centre=tick, positions=held.positions, twap_tick=tick),))
    for one in positions.document(seen, rules)["positions"]:
        assert one["price_lower"] < one["price_upper"]
        assert one["in_range"] == (one["price_lower"] <= one["price"] < one["price_upper"])


@given(st.integers(min_value=-900, max_value=900))
def test_in_range_and_distances_agree_with_the_price(moved):
    seen = view(TICK + moved, held=ladder(TICK + moved, centre=TICK))
    for one in positions.document(seen, policy())["positions"]:
        inside = one["to_lower"] < 0 < one["to_upper"]
        on_edge = abs(one["to_lower"]) < 1e-9 or abs(one["to_upper"]) < 1e-9
        assert on_edge or one["in_range"] == inside


def test_a_cycle_is_laid_open_whole(record):
    document = explain.document(record)
    assert json.loads(json.dumps(document)) == document
    assert {reading["name"] for reading in document["readings"]} >= {"volatility_forecast", "price", "spot"}
    assert document["rules"]["gates"]["cooldown_s"] == record.policy.gates.cooldown_s
    assert document["plan"]["alternatives"]
    text = told(*explain.render(record))
    for words in ("volatility forecast", "cooldown_s", "twap_limit_ticks", "open core", "Alternatives", "taken", "mint core"):
        assert words in text
    for outcome in record.stages:
        assert outcome.outcome.tx_hashes[0] in text
    for reason in record.decision.reasons:
        assert reason.trigger in text


def test_the_price_of_data_is_told_where_there_is_one(record):
    assert "L1 data" not in told(*explain.render(record))
    gas = replace(record.view.gas, data_wei=19_200_000)
    assert "L1 data 0.019 gwei a gas" in told(*explain.render(replace(record, view=replace(record.view, gas=gas))))


@pytest.mark.parametrize(("outcome", "words"), [
    (Simulated(deltas=(), minted=(), gas_units=21_000), "simulated, nothing was signed"),
    (NotDone(why="Too little received", tx_hashes=(), gas_wei=0), "not done: Too little received"),
    (Unknown(tx_hash="0x" + "cd" * 32), "unknown: recovery settles it first"),
])  # fmt: skip
def test_every_outcome_has_words(record, outcome, words):
    stage = StageRecord(kind=record.stages[0].kind, outcome=outcome)
    assert words in told(*explain.render(replace(record, stages=(stage,))))


def hold(**fields) -> Decision:
    whole = {"moves": (), "reasons": (), "vetoes": (), "regime": Regime.NORMAL, "lower_regime_since_s": None, "volatility": 0.6}
    return Decision(**{**whole, **fields})


def test_a_hold_explains_itself():
    drift = Reason(trigger="drift", layer=LayerKind.CORE, found=0.8, limit=0.75, unit="of half width")
    cooldown = Veto(gate="cooldown", layer=LayerKind.CORE, found=1200, limit=3600, unit="s")
    assert sentences.decision(hold()) == "Hold: no trigger fired"
    assert sentences.decision(hold(reasons=(drift,))) == "Hold: core is 80% of the way to its edge, past 75% for long enough"
    refused = sentences.decision(hold(reasons=(drift,), vetoes=(cooldown,)))
    assert refused.endswith(", but refused: core: placed 20 min 0 s ago, rests for 1 h 0 min")
    assert sentences.decision(hold(moves=(ExitAll(token_ids=(1, 2)),))) == "Act: exit 2 positions"


def test_options_are_named_by_their_terms() -> None:
    terms = "10.000000 WETH of a put at 3,600.00 USDC, until 2025-10-15 12:00:00 UTC, at shop"
    most = TokenAmount(token=USDC, raw=1_001 * 10**6)
    assert sentences.move(BuyProtection(tier="near", quote=quote(), max_cost=most)) == f"buy {terms} for the near tier"
    (bought,) = buying(extra_raw=10**6).steps
    assert sentences.step(bought, policy()) == f"buy {terms} for at most 1,001.00 USDC"
    for how in CloseHow:
        (ended,) = ending(how=how).steps
        assert sentences.step(ended, policy()).endswith(f" {terms} for at least 2,500.00 USDC")
        move = EndProtection(position=held(), how=how, min_out=most)
        assert f"{sentences.move(move)} for" in sentences.step(ended, policy())
    strangle = put(legs=(*put().legs, Leg(kind=OptionKind.CALL, strike=Decimal(4_400))), expiry_s=None)
    name = sentences.option(quote(contract=strangle))
    assert name.endswith("put at 3,600.00 USDC and call at 4,400.00 USDC, perpetual, at shop")


def line(**fields) -> CycleLine:
    whole = {"id": 3, "started_s": NOW_S, "ended_s": NOW_S + 1, "block": 9, "timestamp_s": NOW_S, "state": CycleState.HELD}
    return CycleLine(**{**whole, "decision": hold(), **fields})


def standing(**fields) -> JournalStatus:
    whole = {"chain_id": 1, "account": "0xAb", "cycles": 3, "last_ended": line(), "open_cycle": None, "open_intents": 0}
    return JournalStatus(**{**whole, "standing": (), **fields})


def test_the_mode_is_the_strictest_order():
    order = Standing(action="pause", why="tea", who="ann", at_s=NOW_S)
    assert status.mode(standing(last_ended=None)) == "new"
    assert status.mode(standing()) == "working"
    assert status.mode(standing(standing=(order,))) == "paused"
    assert status.mode(standing(standing=(replace(order, action="halt"), order))) == "halted"
    text = told(*status.render(standing(standing=(order,), open_cycle=4, open_intents=1), now_s=NOW_S + 62))
    assert "pause by ann" in text
    assert "last cycle 3, 1 min 1 s ago" in text
    assert "cycle 4 is open, with 1 unsettled" in text


def test_the_age_is_that_of_the_last_completed_cycle():
    assert status.age_s(standing(), NOW_S + 11) == 10
    assert status.age_s(standing(), NOW_S) == 0
    assert status.age_s(standing(last_ended=None), NOW_S) is None


def test_a_journal_is_a_list_newest_first():
    text = told(*status.render_journal((line(id=4, state=None, ended_s=None), line())))
    assert "open" in text
    assert "held" in text
    assert told(*status.render_journal(())) == "no cycle yet\n"


def test_a_program_gets_one_object_in_one_line():
    stream = io.StringIO()
    Output(as_json=True, stream=stream).show({"b": 1, "a": "é"}, "not shown")
    assert stream.getvalue() == '{"a": "é", "b": 1}\n'


def test_what_is_no_number_is_null_to_a_program_and_a_decimal_is_text():
    stream = io.StringIO()
    Output(as_json=True, stream=stream).show({"a": [math.nan, (1.5, {"b": -math.inf})], "c": Decimal("1.10")})
    assert stream.getvalue() == '{"a": [null, [1.5, {"b": null}]], "c": "1.10"}\n'


def test_colours_are_for_terminals_only(monkeypatch):
    class Terminal(io.StringIO):
        isatty = staticmethod(lambda: True)

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = view(held=ladder())
    colored, plain, forbidden = Terminal(), io.StringIO(), Terminal()
    Output(as_json=False, stream=colored).show({}, *positions.render(seen, policy()))
    Output(as_json=False, stream=plain).show({}, *positions.render(seen, policy()))
    assert "\x1b[" in colored.getvalue()
    assert "\x1b[" not in plain.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    Output(as_json=False, stream=forbidden).show({}, *positions.render(seen, policy()))
    assert "\x1b[3" not in forbidden.getvalue()

"""Stress, calendar, surroundings and outside data: what is refused at the door, and what comes of what is taken."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from keeper.app.settings import Settings, load, to_policy
from keeper.app.settings.problems import inner
from keeper.app.settings.show import listing, schema, visible
from keeper.core.model.errors import ConfigError
from keeper.core.signals import names
from keeper.core.signals.risk import MOVABLE_CAP, RISKS

WBTC_WETH = "outside.universe.wbtc_weth_500"
FEED = "chain.feeds.chainlink_eth_usd"
ADDRESS = "0x4585FE77225b41b697C938B018E2Ac67Ac5a20c0"
SECTIONS = ("stress", "calendar", "outside", "deribit", FEED)


def problems(flags, *, environ=None, chain=None):
    with pytest.raises(ConfigError) as refused:
        load(flags=flags, environ=environ or {}, chain=chain)
    return list(refused.value.problems)


def bounded():
    """Every new number with its range: path, lowest, highest, what it must be."""
    for section in SECTIONS:
        model = Settings
        for step in section.split("."):
            if isinstance(model, type) and step in model.model_fields:
                model = inner(model.model_fields[step].annotation)
            else:
                model = model.__args__[1]
        if not hasattr(model, "model_fields"):
            model = model.__args__[1]
        for name, field in model.model_fields.items():
            limits = {type(limit).__name__: limit for limit in field.metadata}
            if "Ge" in limits:
                yield f"{section}.{name}", limits["Ge"].ge, limits["Le"].le, field.json_schema_extra


NUMBERS = list(bounded())


@pytest.mark.parametrize(("path", "low", "high", "extra"), NUMBERS, ids=[path for path, *_ in NUMBERS])
def test_a_number_beyond_its_range_is_refused_with_name_unit_and_rule(path, low, high, extra):
    below, above = low - 1, high + 1
    for value in (below, above):
        (problem, *_) = problems({path: str(value) if isinstance(low, Decimal) else value})
        assert f"command line: {path}: " in problem
        assert f"must be {extra['must_be']}" in problem
        assert extra["unit"]
        assert f"({extra['unit']})" in problem


def test_all_new_numbers_are_looked_at():
    assert len(NUMBERS) == 5 + 2 + 3 + 3 + 5


RULES = [
    ({"stress.weights.rsy": "0"}, "stress.weights.rsy", "did you mean rsi?"),
    (
        {"stress.weights.moon_phase": "0"},
        "stress.weights.moon_phase",
        "is no signal that can be scored; there are accumulation",
    ),
    ({"stress.weights.rsi": "0.16"}, "stress.weights.rsi", "at most 0.15: somebody can move it on chain"),
    ({"stress.weights.calendar": "1.1"}, "stress.weights.calendar", "from 0 to 1"),
    ({"stress.weights.calendar": "-0.1"}, "stress.weights.calendar", "from 0 to 1"),
    ({"stress.weights.calendar": 0.35}, "stress.weights.calendar", "a decimal in quotes"),
    ({"stress.weights": 5}, "stress.weights", "must be a table"),
    ({"stress.weight": "1"}, "stress.weight", "did you mean stress.weights?"),
    ({"calendar.file": "nowhere.toml"}, "calendar.file", "nowhere.toml: cannot be read"),
    ({f"{WBTC_WETH}.base": "LINK"}, f"{WBTC_WETH}.base", "must be WBTC or WETH"),
    ({f"{WBTC_WETH}.base": "WETH"}, f"{WBTC_WETH}.base", "must be told in WETH or USDC, the tokens of the pair"),
    ({f"{WBTC_WETH}.token1": "LINK"}, f"{WBTC_WETH}.base", "must be told in WETH or USDC"),
    ({f"{WBTC_WETH}.token0": "FRAX"}, WBTC_WETH, "tokens must be of chain.tokens: WETH, USDC"),
    (
        {f"{WBTC_WETH}.token0": "WETH", f"{WBTC_WETH}.token1": "WBTC"},
        f"{WBTC_WETH}.token0",
        "wrong order: WBTC has the lower address",
    ),
    (
        {"outside.universe.reth_weth_500.address": ADDRESS},
        "outside.universe.reth_weth_500.address",
        f"same address as {WBTC_WETH}.address",
    ),
    ({"chain.tokens.LINK.address": "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"}, "chain.tokens.LINK.address", "same address"),
    ({"outside.lending": ["FRAX"]}, "outside.lending", "must be symbols of chain.tokens: WETH, USDC"),
    ({"outside.lending": "WETH"}, "outside.lending", 'a list like ["WETH", "USDC"]'),
    ({"outside.marks": ["nobody"]}, "outside.marks", "nobody tells such a quote; there are chainlink_eth_usd"),
    ({"outside.marks": ["deribit_index"]}, "outside.marks", "deribit.enabled"),
    ({"outside.marks": ["deribit_dvol"], "deribit.enabled": True}, "outside.marks", "chainlink_eth_usd, deribit_index"),
    ({"outside.implied": "deribit_dvol"}, "outside.implied", "deribit.enabled"),
    ({"outside.implied": "deribit_index", "deribit.enabled": True}, "outside.implied", "chainlink_eth_usd, deribit_dvol"),
    ({"deribit.url": "http://example.org/api"}, "deribit.url", "must be https unless it is on this machine"),
    ({"deribit.url": "https://me:word@example.org"}, "deribit.url", "must not carry a user name or password"),
    ({"deribit.url": "here"}, "deribit.url", "must be an http or https URL"),
    ({"deribit.currency": "SOL"}, "deribit.currency", "BTC or ETH"),
    ({"deribit.enabled": "yes"}, "deribit.enabled", "true or false"),
    ({f"{FEED}.max_value": "50"}, f"{FEED}.min_value", "must be below max_value, 50"),
    ({f"{FEED}.address": "0x1234"}, f"{FEED}.address", "40 hex digits"),
    ({f"{FEED}.sequencer": "0x1234"}, f"{FEED}.sequencer", "40 hex digits"),
    ({"chain.aave_pool": "0x1234"}, "chain.aave_pool", "40 hex digits"),
    ({"chain.gas_info": "0x1234"}, "chain.gas_info", "40 hex digits"),
    ({"chain.gas_info": "0x000000000000000000000000000000000000006c"}, "chain.gas_info", "EIP-55 checksum"),
    ({"chain.gas_info": 108}, "chain.gas_info", "must be an address"),
    ({"data.dir": 5}, "data.dir", "must be"),
]


@pytest.mark.parametrize(("flags", "path", "words"), RULES, ids=[f"{path}-{words[:24]}" for _, path, words in RULES])
def test_a_broken_rule_is_named(flags, path, words):
    found = problems(flags)
    assert any(f": {path}: " in problem and words in problem for problem in found), found


# ---- the weights of the score


def test_weights_that_do_not_add_up_are_told_with_their_sum_and_what_is_not_zero():
    found = problems({"stress.weights.rsi": "0.1"})
    (problem,) = found
    assert "stress.weights: '1.10': must add up to 1, or be 0 all together for no score" in problem
    assert problem.endswith("volatility_forecast 0.50, calendar 0.35, implied_over_realised 0.15, rsi 0.1")


def test_one_weight_may_be_given_when_another_gives_way():
    loaded = load(flags={"stress.weights.rsi": "0.1", "stress.weights.volatility_forecast": "0.4"}, environ={})
    rules = to_policy(loaded.settings).stress
    assert (rules.weight("rsi"), rules.weight("volatility_forecast"), rules.weight("calendar")) == (0.1, 0.4, 0.35)
    assert sum(one.weight for one in rules.weights) == pytest.approx(1.0)


def test_no_weight_at_all_is_no_score():
    none = dict.fromkeys(("volatility_forecast", "calendar", "implied_over_realised"), "0")
    rules = to_policy(load(flags={f"stress.weights.{name}": value for name, value in none.items()}, environ={}).settings).stress
    assert all(one.weight == 0 for one in rules.weights)


def test_every_signal_that_can_be_scored_is_shipped_and_only_evidence_has_weight():
    weights = load(environ={}).settings.stress.weights
    assert weights.keys() == {*RISKS, names.CALENDAR}
    assert {name for name, weight in weights.items() if weight} == {
        names.VOLATILITY_FORECAST,
        names.IMPLIED_OVER_REALISED,
        names.CALENDAR,
    }
    assert all(weight <= Decimal(str(MOVABLE_CAP)) for name, weight in weights.items() if name in RISKS and RISKS[name].movable)


def test_the_environment_spells_a_weight_in_capitals():
    environ = {"KEEPER__STRESS__WEIGHTS__RSI": "0.15", "KEEPER__STRESS__WEIGHTS__VOLATILITY_FORECAST": "0.35"}
    loaded = load(environ=environ)
    assert loaded.settings.stress.weights["rsi"] == Decimal("0.15")
    assert loaded.origins["stress.weights.rsi"] == "environment KEEPER__STRESS__WEIGHTS__RSI"
    unknown = problems({}, environ={"KEEPER__STRESS__WEIGHTS__RSY": "0"})
    assert unknown[0].startswith("environment KEEPER__STRESS__WEIGHTS__RSY: stress.weights.rsy: ")


# ---- the calendar's file

BROKEN = """
[kinds.fomc]
title = "FOMC"
time_zone = "America/Nowhere"
kappa = "0.5"
before_s = -1
after_s = 10
rhythm_s = 0
[[events]]
kind = "cpi"
status = "perhaps"
source = "me"
at = [2026-01-01]
"""


def test_a_broken_calendar_tells_all_that_is_wrong_with_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(BROKEN, encoding="utf-8")
    found = problems({"calendar.file": str(path)})
    for words in ("time_zone", "kappa", "before_s", "kind: 'cpi'", "status"):
        assert any(words in problem for problem in found), (words, found)
    assert all(problem.startswith(f"command line: calendar.file: {path}: ") for problem in found)


def test_a_calendar_that_is_no_toml_is_told(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[kinds\n", encoding="utf-8")
    (problem,) = problems({"calendar.file": str(path)})
    assert "not TOML" in problem


def test_an_own_calendar_becomes_the_policys(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[kinds.moon]\ntitle = "Moon"\ntime_zone = "UTC"\nkappa = "3"\nbefore_s = 60\nafter_s = 60\nrhythm_s = 0\n'
        '[[events]]\nkind = "moon"\nstatus = "official"\nsource = "me"\nat = [2026-01-01T00:00:00Z]\n',
        encoding="utf-8",
    )
    rules = to_policy(load(flags={"calendar.file": str(path), "calendar.lead_s": 7200}, environ={}).settings).calendar
    assert [event.kind for event in rules.calendar.events] == ["moon"]
    assert (rules.lead_s, rules.width_change) == (7200, 0.1)


# ---- surroundings


@pytest.mark.parametrize("pool", ["usdc_weth_500", "usdc_weth_500_3000", "weth_usdt_500"])
def test_a_local_chain_follows_nothing_and_is_right(pool):
    rules = to_policy(load(chain="local", pool=pool, environ={}).settings).outside
    assert (rules.universe, rules.lending, rules.marks, rules.implied) == ((), (), (), None)


def test_reserves_without_a_lending_market_are_refused():
    found = problems({"outside.lending": ["WETH"]}, chain="local")
    assert found == ["command line: outside.lending: ['WETH']: needs chain.aave_pool, the lending market"]


def test_the_policy_says_what_the_settings_say_of_the_surroundings():
    flags = {
        "deribit.enabled": True,
        "outside.implied": "deribit_dvol",
        "outside.marks": ["deribit_index", "chainlink_eth_usd"],
    }
    rules = to_policy(load(environ={}, flags=flags).settings).outside
    assert rules.marks == ("deribit_index", "chainlink_eth_usd")
    assert rules.implied == "deribit_dvol"
    assert [token.symbol for token in rules.lending] == ["WETH", "USDC", "USDT"]
    wbtc = next(pool for pool in rules.universe if pool.base.symbol == "WBTC")
    assert (wbtc.other.symbol, wbtc.key.fee_pips) == ("WETH", 500)
    assert (rules.sample_every_s, rules.basket_cap, rules.mark_max_age_s) == (900, 0.4, 120)


def test_a_feed_of_ones_own_can_be_a_mark():
    own = {"address": ADDRESS, "decimals": 8, "heartbeat_s": 90_000, "min_value": "1", "max_value": "2", "grace_s": 0}
    flags = {f"chain.feeds.mine.{name}": value for name, value in own.items()}
    assert load(environ={}, flags={**flags, "outside.marks": ["mine"]}).settings.outside.marks == ("mine",)


# ---- shown


def test_the_new_tables_are_shown_with_sources_and_units():
    loaded = load(environ={})
    shown = {row.path: row for row in listing(loaded)}
    for path, value, unit, source in (
        ("stress.weights.calendar", "0.35", "fraction", "default.toml"),
        ("stress.raise_from", "0.40", "stress score", "default.toml"),
        ("calendar.lead_s", 21600, "seconds", "default.toml"),
        ("calendar.file", "calendar", "", "default.toml"),
        (f"{WBTC_WETH}.fee_pips", 500, "pips, 1e-6 of the input", "chains/mainnet.toml"),
        (f"{FEED}.heartbeat_s", 4200, "seconds", "chains/mainnet.toml"),
        (f"{FEED}.sequencer", None, "", "not set"),
        ("outside.lending", ["WETH", "USDC", "USDT"], "", "chains/mainnet.toml"),
        ("deribit.enabled", False, "", "default.toml"),
        ("data.dir", ".keeper/data", "", "default.toml"),
    ):
        row = shown[path]
        assert (row.value, row.unit, row.source) == (value, unit, source)
    assert json.loads(json.dumps(visible(loaded.settings))).keys() == shown.keys()


def test_the_schema_describes_the_new_tables():
    document = json.loads(schema())
    assert document["properties"].keys() >= {"stress", "calendar", "outside", "deribit", "data"}
    definitions = document["$defs"]
    assert definitions["StressSettings"]["properties"]["weights"]["additionalProperties"]["type"] == "string"
    assert (
        definitions["OutsideSettings"]["properties"]["universe"]["additionalProperties"]["$ref"] == "#/$defs/UniverseSettings"
    )
    assert definitions["DeribitSettings"]["properties"]["currency"]["pattern"] == "^(BTC|ETH)$"

"""Protection and option venues: what is refused at the door, and what comes of what is taken."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.app.settings import Settings, load, to_policy
from keeper.app.settings.problems import inner
from keeper.core.model.errors import ConfigError
from keeper.core.model.hedge import Against, Anchor, Uncovered

ARBITRUM = {"chain": "arbitrum", "pool": "arbitrum_weth_usdce_500"}
HEGIC = "chain.venues.hegic"
NEAR = "hedge.tiers.near"
SECTIONS = ("hedge", NEAR, f"{NEAR}.wake", "hedge.paper")


def problems(flags, **names):
    with pytest.raises(ConfigError) as refused:
        load(flags=flags, environ={}, **names)
    return list(refused.value.problems)


def bounded():
    """Every number with its range: path, lowest, highest, what it must be."""
    for section in SECTIONS:
        model = Settings
        for step in section.split("."):
            fields = getattr(model, "model_fields", {})
            model = inner(fields[step].annotation) if step in fields else model.__args__[1]
        for name, field in model.model_fields.items():
            limits = {type(limit).__name__: limit for limit in field.metadata}
            if "Ge" in limits:
                yield f"{section}.{name}", limits["Ge"].ge, limits["Le"].le, field.json_schema_extra


NUMBERS = list(bounded())


@pytest.mark.parametrize(("path", "low", "high", "extra"), NUMBERS, ids=[path for path, *_ in NUMBERS])
def test_a_number_beyond_its_range_is_refused_with_name_unit_and_rule(path, low, high, extra):
    for value in (low - 1, high + 1):
        (problem, *_) = problems({path: str(value) if isinstance(low, Decimal) else value})
        assert f"command line: {path}: " in problem
        assert f"must be {extra['must_be']}" in problem
        assert f"({extra['unit']})" in problem


def test_all_numbers_are_looked_at():
    assert len(NUMBERS) >= 17 + 3 + 3 + 3


RULES = [
    ({f"{NEAR}.tenor_from_s": 1_382_400}, f"{NEAR}.tenor_from_s", "must not exceed tenor_to_s, 1296000 seconds"),
    ({f"{NEAR}.tenor_from_s": 86_400}, f"{NEAR}.tenor_from_s", "must exceed hedge.roll_before_s, 86400 seconds"),
    ({"hedge.roll_before_s": 518_400}, f"{NEAR}.tenor_from_s", "or it is replaced when it is bought"),
    ({"hedge.pays.lyra": "0.9"}, "hedge.pays.lyra", "must be one of hegic, opyn, panoptic, paper"),
    ({"hedge.pays.opyn": "1.1"}, "hedge.pays.opyn", "must be from 0 to 1"),
    ({"hedge.pays.opyn": "-0.1"}, "hedge.pays.opyn", "must be from 0 to 1"),
    ({"hedge.pays.opyn": 0.9}, "hedge.pays.opyn", "a decimal in quotes"),
    ({"hedge.venues": ["lyra"]}, "hedge.venues", "must be of hegic, opyn, panoptic"),
    ({"hedge.venues": ["paper"]}, "hedge.venues", "must be of hegic, opyn, panoptic"),
    ({"hedge.venues": "opyn"}, "hedge.venues", "a list like"),
    ({"hedge.against": "gold"}, "hedge.against", "cash"),
    ({"hedge.uncovered": "pray"}, "hedge.uncovered", "hold"),
    ({f"{NEAR}.anchor": "middle"}, f"{NEAR}.anchor", "break_even"),
    ({"hedge.enabled": "yes"}, "hedge.enabled", "true or false"),
    ({f"{NEAR}.wakes.walked": "1"}, f"{NEAR}.wakes", "did you mean"),
    ({"chain.venues.opyn.base": "LINK2"}, "chain.venues.opyn.base", "must be one of WETH, USDC"),
    ({"chain.venues.opyn.quote": "FRAX2"}, "chain.venues.opyn.quote", "must be one of WETH, USDC"),
    ({"chain.venues.opyn.address_book": "0x1234"}, "chain.venues.opyn.address_book", "40 hex digits"),
]


@pytest.mark.parametrize(("flags", "path", "words"), RULES, ids=[f"{path}-{words[:24]}" for _, path, words in RULES])
def test_a_broken_rule_is_named(flags, path, words):
    found = problems(flags)
    assert any(f": {path}: " in problem and words in problem for problem in found), found


OF_HEGIC = [
    ({f"{HEGIC}.feed": "nobody"}, f"{HEGIC}.feed", "must be one of chain.feeds: chainlink_eth_usd"),
    ({f"{HEGIC}.quote": "USDC"}, f"{HEGIC}.quote", "must be one of WETH, USDCe"),
    ({f"{HEGIC}.puts.put_90_1.min_days": 15}, f"{HEGIC}.puts.put_90_1.min_days", "must not exceed max_days, 14 days"),
    ({f"{HEGIC}.puts.put_90_1.scale": 0}, f"{HEGIC}.puts.put_90_1.scale", "(1e-4 of the spot price)"),
    ({f"{HEGIC}.treasury": "0x1234"}, f"{HEGIC}.treasury", "40 hex digits"),
]


@pytest.mark.parametrize(("flags", "path", "words"), OF_HEGIC, ids=[path for _, path, _ in OF_HEGIC])
def test_a_broken_rule_of_hegic_is_named(flags, path, words):
    found = problems(flags, **ARBITRUM)
    assert any(f": {path}: " in problem and words in problem for problem in found), found


def test_all_problems_are_told_at_once():
    broken = {
        "hedge.pays.lyra": "0.9",
        "hedge.venues": ["lyra"],
        f"{NEAR}.tenor_from_s": 1_382_400,
        f"{HEGIC}.feed": "nobody",
        f"{HEGIC}.base": "ETH",
        f"{HEGIC}.puts.put_90_1.min_days": 15,
        f"{HEGIC}.puts.put_80_1.min_days": 15,
    }
    found = problems(broken, **ARBITRUM)
    assert len(found) == len(broken)
    for path in broken:
        assert any(f": {path}: " in problem for problem in found), path


def test_as_shipped_nothing_is_bought_and_what_is_held_is_still_ended_by_the_rules():
    rules = to_policy(load(flags={"hedge.exercise_margin_s": 14_400, "hedge.slippage_bps": 250}, environ={}).settings).hedge
    assert rules.tiers == ()
    assert (rules.exercise_margin_s, rules.slippage_bps) == (14_400, 250)
    assert rules.reserve == 0


def test_the_band_of_the_lean_is_off_as_shipped_and_holds_without_options():
    shipped = to_policy(load(environ={}).settings).hedge
    assert (shipped.lean_target, shipped.lean_band) == (0.5, 1.0)
    for enabled in (False, True):
        flags = {"hedge.enabled": enabled, "hedge.lean_target": "0.4", "hedge.lean_band": "0.1"}
        rules = to_policy(load(flags=flags, environ={}).settings).hedge
        assert (rules.lean_target, rules.lean_band) == (pytest.approx(0.4), pytest.approx(0.1))


@pytest.mark.parametrize("value", ["0", "nan", "wide", 0.1, True])
def test_a_band_that_is_none_is_refused(value):
    assert any(": hedge.lean_band: " in problem for problem in problems({"hedge.lean_band": value}))


def test_switched_on_the_shipped_tiers_become_rules_the_near_one_first():
    rules = to_policy(load(flags={"hedge.enabled": True}, environ={}).settings).hedge
    assert [tier.name for tier in rules.tiers] == ["near", "middle", "far"]
    assert [tier.anchor for tier in rules.tiers] == [Anchor.BREAK_EVEN, Anchor.SECONDARY_EDGE, Anchor.INSURANCE_EDGE]
    assert (rules.against, rules.uncovered) == (Against.CASH, Uncovered.WIDEN)
    assert rules.least_part == pytest.approx(0.1)
    assert rules.tiers[0].wake.score == pytest.approx(0.3)
    assert rules.tiers[1].wake.score is None
    assert rules.pays_with("hegic") == pytest.approx(0.8)
    assert rules.capital_year == pytest.approx(0.02)


def test_tokens_may_call_themselves_otherwise_than_here():
    tokens = load(environ={}, **ARBITRUM).settings.chain.tokens
    assert tokens["USDCe"].symbols == ("USDC", "USDC.e")
    assert tokens["WETH"].symbols == ()

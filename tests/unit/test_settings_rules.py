"""Rules between settings: one wrong relation, one problem that names it."""

from __future__ import annotations

import pytest

from keeper.app.settings import load, to_policy
from keeper.app.settings.show import HIDDEN, differences, is_reloadable, listing, take_over, visible
from keeper.core.model.errors import ConfigError
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.policy import Shape

WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
USDC_WETH = "pools.usdc_weth_500"
KEYSTORE = {"wallet.keystore": "key.json", "wallet.passphrase_file": "passphrase"}

RULES = [
    ({"ladder.weights.crisis.idle": "0.4"}, "ladder.weights.crisis", "must add up to 1 (fractions of the ladder's value)"),
    ({"ladder.core.shape": "wings"}, "ladder.core.shape", "must be band"),
    ({"ladder.secondary.half_width_sigmas": "1"}, "ladder.secondary.half_width_sigmas", "core lies inside secondary"),
    ({"ladder.insurance.half_width_sigmas": "1.5"}, "ladder.insurance.half_width_sigmas", "secondary lies inside insurance"),
    ({"ladder.secondary.min_half_width_ticks": 50}, "ladder.secondary.min_half_width_ticks", "50 ticks"),
    ({"ladder.insurance.max_half_width_ticks": 4000}, "ladder.insurance.max_half_width_ticks", "4000 ticks"),
    ({"ladder.core.min_half_width_ticks": 2000}, "ladder.core.min_half_width_ticks", "below max_half_width_ticks"),
    ({"ladder.core.max_half_width_ticks": 1999}, "ladder.core.max_half_width_ticks", "multiple of the tick spacing"),
    ({"ladder.core.min_half_width_ticks": 10}, "ladder.core.min_half_width_ticks", "at least 2 tick spacings"),
    ({"ladder.core.pool": "other"}, "ladder.core.pool", "no such pool"),
    ({"pair.signal_pool": "other"}, "pair.signal_pool", "no such pool"),
    ({"execution.swap_pools": ["other"]}, "execution.swap_pools", "no such pool"),
    ({"execution.swap_pools": []}, "execution.swap_pools", "at least one"),
    ({"execution.swap_pools": ["usdc_weth_500", "usdc_weth_500"]}, "execution.swap_pools", "2 times"),
    ({"chain.wrapped_native": "FRAX"}, "chain.wrapped_native", "one of WETH, USDC, USDT"),
    ({"chain.tokens.USDC.address": WETH}, "chain.tokens.USDC.address", "same address as chain.tokens.WETH.address"),
    ({"chain.addresses.quoter": WETH}, "chain.addresses.quoter", "same address"),
    ({"chain.tokens.USDT.permit_name": "x"}, "chain.tokens.USDT", "together"),
    ({"chain.fees.max_tip_gwei": "61"}, "chain.fees.max_tip_gwei", "60 gwei"),
    ({"chain.fees.max_base_fee_gwei": "61"}, "chain.fees.max_base_fee_gwei", "60 gwei"),
    ({f"{USDC_WETH}.token0": "WETH", f"{USDC_WETH}.token1": "USDC"}, f"{USDC_WETH}.token0", "wrong order: USDC has the lower"),
    ({f"{USDC_WETH}.token0": "USDT"}, USDC_WETH, "must hold WETH and USDC"),
    ({"pair.quote": "FRAX"}, "pair.quote", "must be one of"),
    ({"pair.quote": "DAI"}, USDC_WETH, "must hold WETH and DAI"),
    ({"chain.local": True}, "chain.local", "exactly when chain.id is 1337 or 31337"),
    ({"chain.id": 31337}, "chain.local", "exactly when"),
    (
        {"signals.sample_interval_s": 3600, "signals.min_history_s": 3599},
        "signals.sample_interval_s",
        "min_history_s, 3599 seconds",
    ),
    ({"signals.sample_interval_s": 90}, "signals.sample_interval_s", "whole minutes, in seconds"),
    ({"signals.min_history_s": 172801}, "signals.min_history_s", "lookback_s, 172800 seconds"),
    ({"signals.ewma_half_life_s": 172801}, "signals.ewma_half_life_s", "lookback_s"),
    ({"regimes.stressed_from": "0.75"}, "regimes.stressed_from", "clear of regimes.normal_from"),
    ({"regimes.band": "0.3"}, "regimes.crisis_from", "bands included"),
    ({"gates.price_min_quote": "50000"}, "gates.price_min_quote", "below gates.price_max_quote"),
    ({"execution.confirm_timeout_s": 301}, "execution.confirm_timeout_s", "deadline_s, 300 seconds"),
    ({"run.live": True}, "wallet.keystore", "when run.live is true"),
    ({"wallet.keystore": "key.json"}, "wallet.keystore", "come together"),
    ({"run.cron": "every minute"}, "run.cron", "five crontab fields"),
    ({"run.cron": "61 * * * *"}, "run.cron", "five crontab fields"),
    ({"run.healthy_within_s": 60}, "run.healthy_within_s", "exceed run.interval_s, 60 seconds"),
]


@pytest.mark.parametrize(("flags", "path", "words"), RULES, ids=[f"{path}-{words[:20]}" for _, path, words in RULES])
def test_a_broken_rule_is_named(flags, path, words):
    with pytest.raises(ConfigError) as refused:
        load(flags=flags, environ={})
    assert any(f": {path}: " in problem and words in problem for problem in refused.value.problems), refused.value.problems


def test_pools_of_one_pair_differ():
    same = {"token0": "USDC", "token1": "WETH", "fee_pips": 500, "tick_spacing": 10}
    address = "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"
    twice = {f"pools.again.{key}": value for key, value in {**same, "address": address}.items()}
    with pytest.raises(ConfigError) as refused:
        load(flags=twice, environ={})
    assert len(refused.value.problems) == 3
    assert any("same address" in problem for problem in refused.value.problems)
    assert any("same fee" in problem for problem in refused.value.problems)


def test_spacing_is_the_one_of_the_layers_own_pool():
    with pytest.raises(ConfigError, match="multiple of the tick spacing of usdc_weth_3000, 60 ticks"):
        load(pool="usdc_weth_500_3000", flags={"ladder.insurance.min_half_width_ticks": 250}, environ={})


def test_a_local_chain_is_on_this_machine():
    with pytest.raises(ConfigError, match=r"rpc\.url: must be on this machine"):
        load(chain="local", environ={"KEEPER__RPC__URL": "https://node.example/x"})
    assert load(chain="local", environ={"KEEPER__RPC__URL": "http://127.0.0.1:8545"}, flags={"run.live": True})


def test_relations_are_checked_beside_broken_values():
    with pytest.raises(ConfigError) as refused:
        load(flags={"gates.cooldown_s": 0, "ladder.core.shape": "wings"}, environ={})
    assert len(refused.value.problems) == 2


def test_the_policy_says_what_the_settings_say():
    policy = to_policy(load(pool="usdc_weth_500_3000", environ={}).settings)
    core, secondary, insurance = policy.ladder.layers
    assert [core.kind, secondary.kind, insurance.kind] == list(LayerKind)
    assert insurance.pool == "0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8"
    assert insurance.shape is Shape.WINGS
    assert policy.pool(insurance.pool).tick_spacing == 60
    assert policy.ladder.weights_in(Regime.CRISIS).idle == pytest.approx(0.5, abs=0)
    assert (policy.base.symbol, policy.quote.symbol) == ("WETH", "USDC")
    assert policy.wrapped_native == policy.base
    assert policy.gates.max_base_fee_wei == 40 * 10**9
    assert policy.gates.max_gas_day_wei == 2 * 10**16
    assert policy.execution.max_tip_wei == 3 * 10**9
    assert policy.execution.native_reserve_wei == 10**17
    assert policy.execution.confirmations == 3


def test_wei_are_exact_and_cut_off():
    settings = load(
        environ={}, flags={"chain.fees.max_fee_gwei": "59.1234567899", "chain.fees.max_gas_day": "0.020000000000000001"}
    )
    policy = to_policy(settings.settings)
    assert policy.execution.max_fee_wei == 59_123_456_789
    assert policy.gates.max_gas_day_wei == 20_000_000_000_000_001


def test_weth_may_be_the_first_token():
    policy = to_policy(load(pool="weth_usdt_500", environ={}).settings)
    (pool,) = policy.pools
    assert (pool.token0.symbol, pool.token1.symbol) == ("WETH", "USDT")
    assert policy.wrapped_native == pool.token0


def test_the_listing_shows_sources_and_units_and_hides_secrets():
    url = "https://node.example/key-of-mine"
    loaded = load(environ={"KEEPER__RPC__URL": url})
    shown = {row.path: row for row in listing(loaded)}
    assert (shown["gates.cooldown_s"].value, shown["gates.cooldown_s"].unit) == (3600, "seconds")
    assert shown["gates.cooldown_s"].source == "default.toml"
    assert shown["rpc.url"].value == HIDDEN
    assert shown["rpc.url"].source == "environment KEEPER__RPC__URL"
    assert shown["wallet.address"].source == "not set"
    assert shown["chain.tokens.USDC.decimals"].unit == "decimal places"
    assert url not in str(visible(loaded.settings))


def test_a_difference_tells_old_and_new_and_hides_secrets():
    old = load(environ={"KEEPER__RPC__URL": "https://node.example/old-key"}).settings
    new = load(environ={"KEEPER__RPC__URL": "https://node.example/new-key"}, flags={"gates.cooldown_s": 7200}).settings
    gates, rpc = differences(old, new)
    assert (gates.path, gates.old, gates.new, gates.reloadable) == ("gates.cooldown_s", 3600, 7200, True)
    assert (rpc.path, rpc.old, rpc.new, rpc.reloadable) == ("rpc.url", HIDDEN, HIDDEN, False)
    assert differences(old, old) == ()


def test_a_running_keeper_takes_over_rules_but_never_chain_key_pool_or_mode():
    old = load(environ={}).settings
    assert take_over(old, load(environ={}, flags={"gates.cooldown_s": 7200}).settings) == ("gates.cooldown_s: 3600 -> 7200",)
    with pytest.raises(ConfigError, match=r"run\.live: False -> True: needs a restart"):
        take_over(old, load(environ={}, flags={"run.live": True, **KEYSTORE}).settings)
    for path in (
        "chain.id",
        "pools.usdc_weth_500.address",
        "wallet.keystore",
        "wallet.address",
        "run.live",
        "rpc.url",
        "pair.base",
        "chain.aave_pool",
        "chain.gas_info",
        "chain.feeds.chainlink_eth_usd.heartbeat_s",
        "outside.universe.wbtc_weth_500.address",
        "outside.lending",
        "deribit.enabled",
        "chain.venues.opyn.address_book",
        "hedge.enabled",
        "hedge.venues",
        "hedge.orders",
        "hedge.paper.enabled",
    ):
        assert not is_reloadable(path)
    for path in (
        "chain.fees.max_fee_gwei",
        "ladder.core.pool",
        "gates.cooldown_s",
        "execution.slippage_bps",
        "chain.confirmations",
        "stress.weights.rsi",
        "calendar.lead_s",
        "outside.basket_cap",
        "hedge.capital_year",
        "hedge.tiers.near.share",
    ):
        assert is_reloadable(path)


def test_settings_do_not_change():
    settings = load(environ={}).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.gates.cooldown_s = 1

"""What is refused at the door, and how it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.settings import Need, load
from keeper.core.model.errors import ConfigError

NODE = {"KEEPER__RPC__URL": "https://node.example/v3/api-key-of-somebody"}


def problems(*, config: Path | None = None, environ=None, needs=frozenset(), **flags) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(config=config, environ=environ or {}, needs=needs, flags={k.replace("__", "."): v for k, v in flags.items()})
    return list(refused.value.problems)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keeper.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("pool", ["usdc_weth_500", "usdc_weth_500_3000", "weth_usdt_500"])
@pytest.mark.parametrize("chain", ["mainnet", "local"])
def test_every_shipped_combination_is_right(chain, pool):
    settings = load(chain=chain, pool=pool, environ={}).settings
    assert settings.use.chain == chain
    assert settings.run.live is False


def test_the_stronger_source_wins_and_is_named(tmp_path):
    config = write(tmp_path, "[gates]\ncooldown_s = 7200\nshifts_per_day = 3\ntwap_limit_ticks = 80\n")
    environ = {"KEEPER__GATES__COOLDOWN_S": "900", "KEEPER__GATES__SHIFTS_PER_DAY": "2"}
    loaded = load(config=config, environ=environ, flags={"gates.cooldown_s": 600})
    gates = loaded.settings.gates
    assert (gates.cooldown_s, gates.shifts_per_day, gates.twap_limit_ticks, gates.twap_window_s) == (600, 2, 80, 1800)
    assert loaded.origins["gates.cooldown_s"] == "command line"
    assert loaded.origins["gates.shifts_per_day"] == "environment KEEPER__GATES__SHIFTS_PER_DAY"
    assert loaded.origins["gates.twap_limit_ticks"] == str(config)
    assert loaded.origins["gates.twap_window_s"] == "default.toml"
    assert loaded.origins["gates.price_min_quote"] == "pools/usdc_weth_500.toml"
    assert loaded.origins["chain.id"] == "chains/mainnet.toml"


def test_the_operators_file_may_choose_chain_and_pool(tmp_path):
    config = write(tmp_path, '[use]\nchain = "local"\npool = "weth_usdt_500"\n')
    settings = load(config=config, environ={}).settings
    assert (settings.chain.id, settings.pair.quote) == (31337, "USDT")
    assert load(config=config, chain="mainnet", environ={}).settings.chain.id == 1


def test_all_problems_come_at_once_each_with_source_path_value_and_unit(tmp_path):
    config = write(
        tmp_path, '[gates]\ncooldown_s = -5\ncooldown = 1\n[run]\ninterval_s = 0\nstate_dir = 5\n[wallet]\nadoption = "steal"\n'
    )
    environ = {"KEEPER__EXECUTION__SLIPPAGE_BPS": "101", "KEEPER__DRYRUN": "true"}
    found = problems(config=config, environ=environ, ladder__weights__calm__core="0.5")
    assert f"{config}: gates.cooldown_s: -5: must be a whole number from 60 to 604800 (seconds)" in found
    assert f"{config}: gates.cooldown: unknown setting; did you mean gates.cooldown_s?" in found
    assert f"{config}: run.interval_s: 0: must be a whole number from 1 to 86400 (seconds)" in found
    assert any(problem.startswith(f"{config}: run.state_dir: 5: ") for problem in found)
    assert f"{config}: wallet.adoption: 'steal': must be one of adopt, ignore, refuse" in found
    assert any(
        problem.startswith("environment KEEPER__EXECUTION__SLIPPAGE_BPS: execution.slippage_bps: 101: ") for problem in found
    )
    assert any(problem.startswith("environment: KEEPER__DRYRUN: unknown setting") for problem in found)
    assert any(problem.startswith("command line: ladder.weights.calm: '0.90': ") for problem in found)
    assert len(found) == 8
    assert not any("pydantic" in problem or "https://" in problem for problem in found)


FLOATS = [float("nan"), float("inf"), 1e400, -0.0, 0.75]
NOT_DECIMALS = ["nan", "inf", "1E+400", "1e-30", "", " 1", "0,5", "50%", "\u0660.\u0665", "0x1", "1_0", "0." + "1" * 19]


@pytest.mark.parametrize("value", [*FLOATS, *NOT_DECIMALS, True, 1, "-0.5", "1.01"])
def test_a_decimal_is_text_of_bounded_digits(value):
    (problem,) = problems(triggers__drift_share=value)
    assert "triggers.drift_share" in problem
    assert 'a decimal in quotes, like "0.1", from 0.1 to 1 (fraction of the half width)' in problem


@pytest.mark.parametrize("value", [True, 1.0, "1.0", "3600", "1_000", float("inf"), 10**400, None])
def test_a_whole_number_is_written_as_one(value):
    (problem,) = problems(gates__cooldown_s=value)
    assert "must be a whole number from 60 to 604800 (seconds)" in problem


@pytest.mark.parametrize(
    "text", ["1_000", "1.0", "0x10", "1e18", "", "\uff13\uff16\uff10\uff10", "0,5", "50%", "true", " 3600"]
)
def test_a_whole_number_in_the_environment_is_digits_only(text):
    (problem,) = problems(environ={"KEEPER__GATES__COOLDOWN_S": text})
    assert "(seconds)" in problem


@pytest.mark.parametrize("text", ["yes", "1", "True", "False ", "", "2", "on"])
def test_a_switch_is_true_or_false(text):
    (problem,) = problems(environ={"KEEPER__RUN__LIVE": text})
    assert "must be true or false" in problem


def test_the_environment_speaks_every_kind():
    environ = {
        "KEEPER__GATES__COOLDOWN_S": "7200",
        "KEEPER__TRIGGERS__DRIFT_SHARE": "0.5",
        "KEEPER__EXECUTION__SWAP_POOLS": '["usdc_weth_500"]',
        "KEEPER__CHAIN__TOKENS__USDC__PERMIT_VERSION": "3",
        "KEEPER__LADDER__CORE__SHAPE": "band",
        "KEEPER_ANVIL": "/not/a/setting",
    }
    settings = load(environ=environ).settings
    assert settings.gates.cooldown_s == 7200
    assert str(settings.triggers.drift_share) == "0.5"
    assert settings.execution.swap_pools == ("usdc_weth_500",)
    assert settings.chain.tokens["USDC"].permit_version == "3"


@pytest.mark.parametrize(
    "variable",
    [
        "KEEPER__DRYRUN",
        "KEEPER__GATES",
        "KEEPER__GATES__COOLDOWN",
        "KEEPER__gates_COOLDOWN_S",
        "keeper__gates__cooldown_s",
        "KEEPER__POOLS__X",
        "KEEPER__GATES__COOLDOWN_S__X",
        "KEEPER__",
    ],
)
def test_a_variable_that_names_no_setting_is_refused(variable):
    (problem,) = problems(environ={variable: "sEcReT"})
    assert problem.startswith(f"environment: {variable}: unknown setting")
    assert "sEcReT" not in problem


def test_a_list_in_the_environment_is_json():
    (problem,) = problems(environ={"KEEPER__EXECUTION__SWAP_POOLS": "a,b"})
    assert 'must be a list like ["usdc_weth_500"]' in problem


@pytest.mark.parametrize(("address", "word"), [
    ("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "checksum"),
    ("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB49", "checksum"),
    ("0x" + "0" * 40, "nobody"),
    ("0x000000000000000000000000000000000000dEaD", "nobody"),
    ("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "40 hex digits"),
    ("0x1234", "40 hex digits"),
    (5, "40 hex digits"),
])  # fmt: skip
def test_an_address_is_checksummed_and_somebodys(address, word):
    (problem,) = problems(wallet__address=address)
    assert word in problem


@pytest.mark.parametrize(("url", "word"), [
    ("http://node.example/key-of-mine", "https"),
    ("http://169.254.169.254/latest/key-of-mine", "link-local"),
    ("https://169.254.1.1/key-of-mine", "link-local"),
    ("https://[fe80::1]/key-of-mine", "link-local"),
    ("https://user:key-of-mine@node.example", "user name"),
    ("https://key-of-mine@node.example", "user name"),
    ("ftp://node.example/key-of-mine", "http or https"),
    ("key-of-mine", "http or https"),
    ("https://node.example:notaport/key-of-mine", "not a URL"),
])  # fmt: skip
def test_a_node_is_reached_safely_or_not_at_all(url, word):
    (problem,) = problems(environ={"KEEPER__RPC__URL": url})
    assert word in problem
    assert "key-of-mine" not in problem


@pytest.mark.parametrize(
    "url", ["https://node.example/x", "http://127.0.0.1:8545", "http://localhost:8545", "http://[::1]:8545"]
)
def test_a_good_node_is_taken_and_hidden(url):
    settings = load(environ={"KEEPER__RPC__URL": url}).settings
    assert settings.rpc.url is not None
    assert settings.rpc.url.get_secret_value() == url
    assert url not in repr(settings)


def secret_file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "url"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_the_url_may_stand_in_a_file_of_its_own(tmp_path):
    path = secret_file(tmp_path, "https://node.example/key-of-mine\n")
    loaded = load(environ={}, flags={"rpc.url_file": str(path)})
    assert loaded.settings.rpc.url is not None
    assert loaded.settings.rpc.url.get_secret_value() == "https://node.example/key-of-mine"
    assert loaded.origins["rpc.url"] == f"file {path}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secret_file_is_its_owners_alone(tmp_path, mode):
    path = secret_file(tmp_path, "https://node.example/key-of-mine", mode)
    (problem,) = problems(rpc__url_file=str(path))
    assert "chmod 600" in problem
    assert "key-of-mine" not in problem


def test_a_secret_file_is_no_link_and_not_missing(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(secret_file(tmp_path, "https://node.example"))
    assert "links are not followed" in problems(rpc__url_file=str(link))[0]
    assert "cannot be read" in problems(rpc__url_file=str(tmp_path / "none"))[0]


def test_a_secret_given_twice_is_refused(tmp_path):
    path = secret_file(tmp_path, "https://node.example/key-of-mine")
    (problem,) = problems(environ=NODE, rpc__url_file=str(path))
    assert "not both" in problem
    assert "api-key-of-somebody" not in problem


def test_an_unknown_key_never_shows_its_value(tmp_path):
    config = write(tmp_path, '[rpc]\nulr = "https://node.example/key-of-mine"\n')
    assert problems(config=config) == [f"{config}: rpc.ulr: unknown setting; did you mean rpc.url?"]


@pytest.mark.parametrize("text", ["[gates\n", "a = = 1\n", "[gates]\ncooldown_s = 1\ncooldown_s = 2\n"])
def test_a_file_that_is_no_toml_tells_the_line(tmp_path, text):
    (problem,) = problems(config=write(tmp_path, text))
    assert "not TOML" in problem
    assert "line" in problem


def test_files_that_are_not_there_are_told(tmp_path):
    assert "cannot be read" in problems(config=tmp_path / "none.toml")[0]
    with pytest.raises(ConfigError, match="there are arbitrum, local, mainnet"):
        load(chain="minnet", environ={})
    with pytest.raises(ConfigError, match="shipped file"):
        load(pool="../../etc/passwd", environ={})


def test_a_table_where_a_value_belongs_and_the_reverse():
    (problem,) = problems(gates=5)
    assert "must be a table of settings" in problem
    assert problems(gates__cooldown_s={"a": 1})


def test_what_a_command_needs_is_asked_for_with_the_remedy():
    found = problems(needs=frozenset(Need))
    assert [problem.partition(": is needed")[0] for problem in found] == [
        "not set: rpc.url",
        "not set: wallet.address",
        "not set: wallet.keystore",
    ]


PATHS = [
    "gates.cooldown_s",
    "triggers.drift_share",
    "run.live",
    "rpc.url",
    "pools",
    "use.chain",
    "new.key",
    "chain.tokens.USDC",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = scalars | st.lists(st.integers()) | st.dictionaries(st.text(), st.text())


def refusals(flags) -> tuple[str, ...]:
    try:
        load(flags=flags, environ={})
    except ConfigError as refused:
        return refused.problems
    return ()


@given(st.dictionaries(st.sampled_from(PATHS), values, max_size=3))
def test_whatever_is_written_is_taken_or_refused_in_words(flags):
    assert all(": " in problem for problem in refusals(flags))


def test_no_guard_can_be_switched_off():
    ceilings = {
        "execution.slippage_bps": 101,
        "gates.twap_limit_ticks": 501,
        "gates.cooldown_s": 0,
        "gates.shifts_per_day": 49,
        "gates.cost_multiple": "0.9",
        "chain.fees.max_fee_gwei": "0",
        "chain.fees.max_gas_day": "0",
        "chain.confirmations": 0,
        "execution.deadline_s": 1801,
    }
    found = problems(**{path.replace(".", "__"): value for path, value in ceilings.items()})
    assert {problem.split(": ")[1] for problem in found} == set(ceilings)


def test_the_schema_lets_every_shipped_file_stand_alone():
    from keeper.app.settings.show import schema

    document = json.loads(schema())
    assert document["properties"].keys() >= {"gates", "chain", "rpc"}
    assert "required" not in json.dumps(document)
    definitions = document["$defs"]
    assert definitions["GateSettings"]["properties"]["cooldown_s"] == {
        "description": "Between two placements of one layer",
        "maximum": 604800,
        "minimum": 60,
        "must_be": "a whole number from 60 to 604800 (seconds)",
        "title": "Cooldown S",
        "type": "integer",
        "unit": "seconds",
    }
    drift = definitions["TriggerSettings"]["properties"]["drift_share"]
    assert drift["type"] == "string"

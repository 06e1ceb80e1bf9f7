"""Protection as a person orders it: from a venue that nobody has asked yet to an option that is paid, on a twin of Arbitrum."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keeper.adapters.tx import keystore
from keeper.app import bootstrap
from keeper.app.cli.main import app
from keeper.localchain import arbitrum, herge, mainnet
from keeper.localchain.accounts import DEVELOPER_ACCOUNTS
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.pools import EthPool, open_pools
from keeper.localchain.twin import BANKER, Twin, running_twin

pytestmark = [pytest.mark.long, pytest.mark.chain, pytest.mark.usefixtures("restored_logging")]
OWNER = DEVELOPER_ACCOUNTS[1]
POOL = EthPool(address=arbitrum.WETH_USDC_E_500, fee_pips=500, tick_spacing=10, eth_is_token0=True)
USD = 2_500.0
BASE_FEE_WEI = 10**7
CONFIRMATIONS = 20
WEEK = {"KEEPER__HEDGE__EXERCISE_MARGIN_S": "604800"}
"""So long before its deadline is an option to be exercised that one of a week is due at once."""
UNNAMED = {"KEEPER__HEDGE__VENUES": '["opyn"]'}
"""Nothing is bought at the only venue of the chain."""
SETTINGS = """
[use]
chain = "arbitrum"
pool = "arbitrum_weth_usdce_500"
[rpc]
url = "{url}"
[wallet]
keystore = "key.json"
passphrase_file = "passphrase"
[run]
live = true
[hedge]
enabled = true
capital_year = "0.1"
dear = "3"
[execution]
deadline_s = 1800
[chain.venues.hegic]
first_block = 0
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict:
        return json.loads(self.stdout)


@dataclass
class Desk:
    """A folder with settings for the twin, and the market in it."""

    twin: Twin
    folder: Path
    local: herge.LocalHerge
    usd: float = USD
    swaps: int = field(default=0)

    def keeper(self, *arguments: str, **environ: str) -> Ended:
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "220", **environ})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def quarters(self, count: int, drift: float = 0.0) -> None:
        """Quarters of an hour with a swap each, and the feed at the price at their end."""
        for _ in range(count):
            self.swaps += 1
            self._go_to(self.usd * math.exp(drift + (0.0028 if self.swaps % 2 else -0.0028)))
        self.local.feed.set_answer(self.usd)

    def _go_to(self, usd: float) -> None:
        sold, bought = (arbitrum.WETH, arbitrum.USDC_E) if usd < self.usd else (arbitrum.USDC_E, arbitrum.WETH)
        plenty = 10**23 if sold == arbitrum.WETH else 10**14
        terms = sold, bought, POOL.fee_pips, BANKER, plenty, 0, POOL.sqrt_price_x96(usd)
        swap = interface("SwapRouter02").function("exactInputSingle").call_data(terms)
        tx = LocalTx(sender=BANKER, to=mainnet.SWAP_ROUTER_02, data=swap, gas=3_000_000)
        at_s = self.twin.chain.timestamp_s() + 900
        self.twin.chain.mine([tx], timestamp_s=at_s, base_fee_wei=BASE_FEE_WEI)
        self.usd = usd

    def dollars(self) -> int:
        return self.twin.balance_raw(OWNER.address, arbitrum.USDC_E)

    @contextlib.contextmanager
    def without_code(self, address: str) -> Generator[None]:
        """A contract that is gone for a while."""
        rpc = self.twin.chain.rpc
        code = rpc.call("eth_getCode", address, "latest")
        rpc.call("anvil_setCode", address, "0x")
        self.twin.chain.mine(base_fee_wei=BASE_FEE_WEI)
        try:
            yield
        finally:
            rpc.call("anvil_setCode", address, code)
            self.twin.chain.mine(base_fee_wei=BASE_FEE_WEI)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("hedge")
    with (
        running_twin(AnvilOptions(chain_id=arbitrum.CHAIN_ID), recipe=arbitrum.ARBITRUM) as twin,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(bootstrap, "SystemClock", lambda: BlockClock(twin))
        twin.chain.set_automine(False)
        open_pools(twin, [POOL], USD, owner=BANKER)
        made = Desk(twin, folder, herge.put_herge(twin, USD, treasury_raw=250_000 * 10**6))
        provide(twin)
        made.quarters(30)
        write_settings(folder, twin.rpc_url)
        yield made


class BlockClock:
    """Waiting makes as many blocks as a transaction is to be confirmed by."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    def pause(self, seconds: float) -> None:  # ruff: ignore[unused-method-argument] - blocks are what passes
        for _ in range(CONFIRMATIONS):
            self.twin.chain.mine(base_fee_wei=BASE_FEE_WEI)

    def monotonic_s(self) -> float:
        return float(self.twin.chain.timestamp_s())


def provide(twin: Twin) -> None:
    """Tokens for the market and for the wallet."""
    for token, market, wallet in ((arbitrum.USDC_E, 10**15, 60_000 * 10**6), (arbitrum.WETH, 10**24, 20 * 10**18)):
        twin.fund(BANKER, token, market)
        twin.fund(OWNER.address, token, wallet)
        approve = interface("Token").function("approve").call_data(mainnet.SWAP_ROUTER_02, 2**256 - 1)
        twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=token, data=approve, gas=200_000)])
    twin.chain.rpc.call("anvil_setBalance", OWNER.address, hex(10**18))


def write_settings(folder: Path, url: str) -> None:
    (folder / "keeper.toml").write_text(SETTINGS.format(url=url), encoding="utf-8")
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text("of a test", encoding="utf-8")
    keystore.create(folder / "key.json", OWNER.key, "of a test", scrypt_rounds=2)


def events(ended: Ended, name: str) -> list[dict]:
    """Lines of the log with that name."""
    lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def test_before_there_is_a_ladder_venues_are_examined_and_no_tier_wants_anything(desk: Desk) -> None:
    (venue,) = desk.keeper("hedge", "doctor", "--json").document["venues"]
    assert (venue["venue"], venue["reachable"], venue["paused"], venue["offers"]) == ("hegic", True, False, len(herge.PUTS))
    assert venue["price_age_s"] < 3_600
    assert venue["payable"] == {"amount": "250000", "token": "USDCe"}
    assert venue["best"]["paid_after_fall"] > float(venue["best"]["cost"]["amount"])
    listed = desk.keeper("hedge", "list")
    assert listed.returncode == 0
    assert "no options are held" in listed.stdout
    assert "no tier wants anything: there is no ladder" in listed.stdout
    elsewhere = desk.keeper("hedge", "list", **UNNAMED)
    assert elsewhere.returncode == 3
    assert "no venue of arbitrum sells options on WETH/USDCe" in elsewhere.stderr


def test_a_person_buys_for_a_tier_dry_first_and_then_for_good(desk: Desk) -> None:
    assert desk.keeper("run", "--once", "--live", "-q").returncode == 0
    desk.quarters(2)
    quoted = desk.keeper("hedge", "quote", "--json")
    near = [one for one in quoted.document["offers"] if one["tier"] == "near"]
    assert {one["verdict"] for one in near} & {"fair"}
    shown = desk.keeper("hedge", "quote").stdout
    assert all(words in shown for words in ("put at", "USDCe", "sound", "firm"))
    before = desk.dollars()
    dry = desk.keeper("hedge", "buy", "near", "-q")
    assert dry.returncode == 0, dry.stderr
    assert "a dry run, nothing was signed" in dry.stdout
    unasked = desk.keeper("hedge", "buy", "near", "--live", "-q")
    assert unasked.returncode == 3
    assert "hedge buy --live asks before it acts; without a terminal say --yes" in unasked.stderr
    assert desk.dollars() == before
    done = desk.keeper("hedge", "buy", "near", "--live", "--yes", "-q", "--json")
    assert (done.returncode, done.document["state"]) == (0, "done"), done.stderr
    (option,) = desk.keeper("hedge", "list", "--json").document["positions"]
    assert (option["venue"], option["id"], option["state"]) == ("hegic", "0", "open")
    paid = (before - desk.dollars()) / 10**6
    status = desk.keeper("status", "--json").document["protection"]
    assert status["premiums_year"] == pytest.approx(paid)
    assert desk.keeper("replay").returncode == 0
    far = desk.keeper("hedge", "buy", "far", "--live", "--yes", "-q", "--json")
    assert (far.returncode, far.document["state"]) == (0, "done"), far.stderr


def test_rubbish_is_refused_with_what_to_do(desk: Desk) -> None:
    url = "http://127.0.0.1:1"
    refusals = [
        (3, "there is no tier 'nope'; there are near, middle, far", ["hedge", "buy", "nope"], {}),
        (3, "option 99 is not held; held are: 0, 1", ["hedge", "exercise", "99"], {}),
        (5, "option 0 is not in the money: exercising it would pay nothing", ["hedge", "exercise", "0"], {}),
        (5, "say --how to end it early", ["hedge", "close", "0"], {}),
        (5, "has not expired: release is for after", ["hedge", "close", "0", "--how", "release"], {}),
        (3, "--how: 'burn': must be one of exercise, redeem", ["hedge", "close", "0", "--how", "burn"], {}),
        (3, "--size: 'much': must be a number above 0", ["hedge", "quote", "--size", "much"], {}),
        (3, "--live needs the configuration's consent", ["hedge", "exercise", "0", "--live"], {"KEEPER__RUN__LIVE": "false"}),
        (3, "hedge.enabled: is false", ["hedge", "buy", "near"], {"KEEPER__HEDGE__ENABLED": "false"}),
        (3, "hedge.enabled: is false", ["hedge", "quote"], {"KEEPER__HEDGE__ENABLED": "false"}),
        (5, f"{url} did not answer", ["hedge", "list"], {"KEEPER__RPC__URL": url}),
        (5, f"{url} did not answer", ["hedge", "exercise", "0"], {"KEEPER__RPC__URL": url}),
    ]
    for code, words, arguments, environ in refusals:
        ended = desk.keeper(*arguments, **environ)
        assert words in ended.stderr, (arguments, ended.stderr)
        assert ended.returncode == code, arguments
    halted = desk.keeper("halt", "--why", "a test")
    assert halted.returncode == 0
    blocked = desk.keeper("hedge", "exercise", "0", "--live")
    assert blocked.returncode == 6
    assert "keeper resume --clear-halt" in blocked.stderr
    assert desk.keeper("resume", "--clear-halt").returncode == 0


def test_what_is_held_where_nothing_is_bought_any_more_is_looked_after(desk: Desk) -> None:
    listed = desk.keeper("hedge", "list", **UNNAMED)
    assert listed.returncode == 0
    assert "nothing is bought at hegic: it is not in hedge.venues; what is held there is looked after" in listed.stdout
    off = {**UNNAMED, "KEEPER__HEDGE__ENABLED": "false"}
    document = desk.keeper("hedge", "list", "--json", **off).document
    assert ([one["id"] for one in document["positions"]], document["only_held"]) == (["0", "1"], ["hegic"])
    examined = desk.keeper("hedge", "doctor", "--json", **UNNAMED)
    (venue,) = examined.document["venues"]
    assert (examined.returncode, venue["reachable"], venue["bought_at"], venue["held"]) == (0, True, False, 2)
    assert "not asked: it is not in hedge.venues" in desk.keeper("hedge", "doctor", **UNNAMED).stdout
    assert desk.keeper("hedge", "quote", "--json").document["offers"]
    assert desk.keeper("hedge", "quote", "--json", **UNNAMED).document["offers"] == []


def test_a_venue_that_the_chain_file_does_not_know_any_more_is_told_with_what_to_do(desk: Desk) -> None:
    shipped = resources.files("keeper.config").joinpath("chains/arbitrum.toml").read_text(encoding="utf-8")
    own = (desk.folder / "keeper.toml").read_text(encoding="utf-8").replace('"arbitrum"', '"bare_chain.toml"')
    for name, text in (("bare_chain.toml", shipped), ("bare.toml", own)):
        (desk.folder / name).write_text(text[: text.index("[chain.venues.hegic]")], encoding="utf-8")
    bare = ("-c", "bare.toml")
    listed = desk.keeper("hedge", "list", *bare)
    assert listed.returncode == 5
    assert "put [chain.venues.hegic] back as it was" in listed.stdout
    assert "✗  reachable" in desk.keeper("hedge", "doctor", *bare).stdout
    checks = {one["name"]: one for one in desk.keeper("check", "--skip-clock", "--json", *bare).document["checks"]}
    assert "put [chain.venues.hegic] back as it was" in checks["venue hegic"]["remedy"]
    assert desk.keeper("pause").returncode == 0
    ran = desk.keeper("run", "--once", "--live", "--json", *bare)
    (alarm,) = events(ran, "venue.lost")
    assert (alarm["level"], alarm["venue"]) == ("critical", "hegic")
    assert "put [chain.venues.hegic] back" in desk.keeper("status").stdout
    assert desk.keeper("resume").returncode == 0
    assert [one["id"] for one in desk.keeper("hedge", "list", "--json").document["positions"]] == ["0", "1"]


def test_a_venue_that_is_gone_leaves_what_is_held_unknown_and_not_nothing(desk: Desk) -> None:
    with desk.without_code(herge.POSITIONS):
        listed = desk.keeper("hedge", "list")
        assert listed.returncode == 5
        assert "what is held is not known" in listed.stdout
        ended = desk.keeper("hedge", "exercise", "0")
        assert ended.returncode == 5
        assert "cannot be read now" in ended.stderr
        examined = desk.keeper("hedge", "doctor")
        assert examined.returncode == 5
        assert "✗  reachable" in examined.stdout


def test_an_option_that_is_due_and_not_exercised_is_the_highest_alarm_until_it_is(desk: Desk) -> None:
    desk.quarters(3, drift=-0.03)
    assert desk.keeper("pause").returncode == 0
    run = desk.keeper("run", "--once", "--live", "--json", **WEEK)
    assert run.returncode == 6
    (alarm,) = events(run, "protection.deadline")
    assert (alarm["level"], alarm["venue"], alarm["option"]) == ("critical", "hegic", "0")
    assert 0 < alarm["left_s"] < 604_800
    sick = desk.keeper("health")
    assert sick.returncode == 6
    assert "EXERCISE NOW: option 0 at hegic" in sick.stdout
    assert "EXERCISE NOW" in desk.keeper("status").stdout
    assert desk.keeper("resume").returncode == 0
    before = desk.dollars()
    off = {"KEEPER__HEDGE__ENABLED": "false"}
    done = desk.keeper("hedge", "exercise", "0", "--live", "--yes", "--json", **WEEK, **off, **UNNAMED)
    assert (done.returncode, done.document["state"]) == (0, "done"), done.stderr
    assert desk.dollars() - before == pytest.approx(alarm["worth"] * 10**6, abs=10**4)
    assert events(done, "protection.deadline") == []
    assert desk.keeper("health").returncode == 0
    assert "exercise" in desk.keeper("positions").stdout
    assert [one["id"] for one in desk.keeper("hedge", "list", "--json").document["positions"]] == ["1"]


def test_an_option_that_expired_in_the_money_is_told_once_as_lost_and_cleared_away_by_hand(desk: Desk) -> None:
    desk.quarters(2, drift=-0.05)
    assert desk.keeper("pause").returncode == 0
    assert events(desk.keeper("run", "--once", "--live", "--json"), "protection.deadline") == []
    option = desk.keeper("positions", "--json").document["options"][0]
    desk.twin.chain.mine(timestamp_s=option["expiry_s"] + 60, base_fee_wei=BASE_FEE_WEI)
    desk.quarters(2)
    told = desk.keeper("run", "--once", "--live", "--json")
    (lost,) = events(told, "protection.lost")
    assert (lost["level"], lost["option"]) == ("critical", option["id"])
    assert lost["worth"] > 0
    assert desk.keeper("health").returncode == 6
    assert events(desk.keeper("run", "--once", "--live", "--json"), "protection.lost") == []
    assert desk.keeper("health").returncode == 0
    assert desk.keeper("resume").returncode == 0
    cleared = desk.keeper("hedge", "close", option["id"], "--live", "--yes", "-q", "--json", **UNNAMED)
    assert (cleared.returncode, cleared.document["state"]) == (0, "done"), cleared.stderr

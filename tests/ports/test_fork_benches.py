"""The suite's places on forks of real chains, tried on a chain of ours: a twin with a double on it stands for the real one.

What this shows is the machinery: that a fork is made of whatever node is named, that roles, feeds, dollars, series and pauses
are steered there without having been built there, and that every case of the suite runs. What it does not show is how the
venues' own bytecode behaves: that is shown by whoever names a node of Ethereum or Arbitrum (``make test-outside``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from keeper.adapters.evm.rpc import endpoint_name
from keeper.core.model.errors import ConfigError
from keeper.localchain import arbitrum, gamma, herge, otoken_market
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalChainError, LocalTx
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.forks import ADMIN_ROLE, account_of_ours, grant_admin, running_fork
from keeper.localchain.twin import BANKER, Twin, running_twin
from tests.nodes import ARBITRUM, ETHEREUM, Node, hide_addresses
from tests.ports.option_benches import PLACES, offering

ROOT = Path(__file__).resolve().parents[2]
SUITE = ("tests/ports/test_option_venue.py", "tests/ports/test_option_venue_ends.py")
KEYED = "http://name:pass-word@127.0.0.1:9/v2/0123456789abcdef?token=fedcba"
KEYS = ("pass-word", "0123456789abcdef", "fedcba")
OLD_SERIES_DAYS = 90

pytestmark = pytest.mark.chain


@contextmanager
def ethereum() -> Generator[Twin]:
    """Gamma as others left it: paused by two who are not its owner, with a series of theirs and another price."""
    with running_twin() as twin:
        local = gamma.put_gamma(twin, put_feed(twin, ETH_USD, 1_234.5), locking_s=400, dispute_s=5_000)
        otoken_market.put_airswap(twin)
        local.write(local.create_series(1_000.0, gamma.expiry_after(twin.chain.timestamp_s(), OLD_SERIES_DAYS)), BANKER, 10**8)
        setters = [interface("GammaController").function(f"set{which}Pauser") for which in ("Full", "Partial")]
        pausers = [account_of_ours(which) for which in ("full pauser", "partial pauser")]
        calls = [setter.call_data(pauser) for setter, pauser in zip(setters, pausers, strict=True)]
        twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=gamma.CONTROLLER, data=data) for data in calls])
        local.pause(fully=False)
        local.pause(fully=True)
        yield twin


@contextmanager
def arbitrum_one() -> Generator[Twin]:
    """Herge as others left it: nothing for sale, a cover pool with dollars, and another price."""
    with running_twin(AnvilOptions(chain_id=arbitrum.CHAIN_ID), recipe=arbitrum.ARBITRUM) as twin:
        local = herge.put_herge(twin, 1_234.5, treasury_raw=0)
        local.set_cover(70_000 * 10**6)
        for put in herge.PUTS:
            local.set_limit(put, 0)
        yield twin


def ran(node: Node, url: str, *only: str) -> tuple[int, int, str]:
    """Run what ``-m outside`` selects of the suite with that node named and no other; code, cases, words."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("KEEPER_FORK_RPC", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-m", "outside", *(only or SUITE)]
    run = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env={**environ, node.variable: url}, timeout=1_200
    )
    summary = run.stdout.strip().splitlines()[-1] if run.stdout.strip() else ""
    passed = re.search(r"^(\d+) passed, \d+ deselected in", summary)
    return run.returncode, int(passed[1]) if passed else 0, run.stdout[-6_000:] + run.stderr[-2_000:]


@pytest.mark.long
@pytest.mark.timeout(1_300)
@pytest.mark.parametrize(
    ("node", "chain", "cases"),
    [
        pytest.param(ETHEREUM, ethereum, 26, id="gamma"),
        pytest.param(ARBITRUM, arbitrum_one, 27, id="herge"),
    ],
)
def test_every_case_runs_on_a_fork_of_a_chain_that_has_the_venue(
    node: Node, chain: Callable[[], AbstractContextManager[Twin]], cases: int
) -> None:
    with chain() as twin:
        before = twin.chain.timestamp_s()
        code, passed, words = ran(node, twin.rpc_url)
        assert (code, passed) == (0, cases), words
        assert twin.chain.timestamp_s() == before


@pytest.mark.long
@pytest.mark.parametrize("node", [ETHEREUM, ARBITRUM], ids=lambda node: node.variable)
def test_a_node_that_does_not_answer_is_told_without_its_keys(node: Node) -> None:
    case = f"{SUITE[0]}::test_a_purchase_is_read_back"
    code, passed, words = ran(node, KEYED, case)
    assert (code, passed) == (1, 0), words
    assert endpoint_name(KEYED) in words
    assert not [key for key in KEYS if key in words]


def test_what_is_told_of_a_failure_has_no_key_of_a_node_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ETHEREUM.variable, KEYED)
    report = pytest.TestReport("nodeid", ("file", 1, "name"), {}, "failed", f"url = '{KEYED}'", "call")
    report.sections = [("Captured stderr call", "POST /v2/0123456789abcdef?token=fedcba by name:pass-word")]
    hide_addresses(report)
    told = f"{report.longrepr} {report.sections}"
    assert endpoint_name(KEYED) in told
    assert not [key for key in KEYS if key in told]


def test_forks_are_places_while_their_nodes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        return {param.values[0] for param in offering()}

    for node in (ETHEREUM, ARBITRUM):
        monkeypatch.delenv(node.variable, raising=False)
    ours = names()
    assert ours == {name for name, place in PLACES.items() if place.node is None}
    monkeypatch.setenv(ETHEREUM.variable, KEYED)
    assert names() - ours == {"gamma-fork"}
    monkeypatch.setenv(ARBITRUM.variable, KEYED)
    assert names() - ours == {"gamma-fork", "herge-fork"}


def test_a_node_of_another_chain_is_refused(twin: Twin) -> None:
    options = AnvilOptions(chain_id=arbitrum.CHAIN_ID, fork_url=twin.rpc_url)
    with pytest.raises(ConfigError, match="is of chain 1, a node of chain 42161 is needed"), running_fork(options):
        pass
    with pytest.raises(ConfigError, match="needs a node"), running_fork(AnvilOptions()):
        pass


def test_a_role_is_given_to_whom_it_is_meant_for_and_to_nobody_else() -> None:
    has_role = interface("HergeTreasury").function("hasRole")
    with arbitrum_one() as twin, running_fork(AnvilOptions(chain_id=arbitrum.CHAIN_ID, fork_url=twin.rpc_url)) as fork:
        for contract in (herge.TREASURY, herge.PUTS[0].address):
            grant_admin(fork.chain, contract, account_of_ours("admin"))
            asked = [account_of_ours("admin"), account_of_ours("buyer"), BANKER]
            told = [fork.chain.read(contract, has_role, ADMIN_ROLE, one)[0] for one in asked]
            assert told == [True, False, True]
        with pytest.raises(LocalChainError, match="where they are not found"):
            grant_admin(fork.chain, account_of_ours("nothing there"), account_of_ours("admin"))

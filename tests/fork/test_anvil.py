"""Real processes: a node never outlives its owner, and never passes for another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.localchain.anvil import Anvil, AnvilFailed, AnvilOptions

pytestmark = pytest.mark.chain

ROOT = Path(__file__).resolve().parents[2]
OWNER = """
import time
from keeper.localchain.anvil import Anvil
with Anvil() as node:
    print(node.pid, node._watcher.pid, flush=True)
    time.sleep(60)
"""


def is_gone(pid: int) -> bool:
    """No such process, or only its corpse, which whoever adopted it may be slow to bury."""
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    except ProcessLookupError:
        return True
    return not state.strip() or state.strip().startswith("Z")


def gone_within(seconds: float, *pids: int) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(is_gone(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def owner_process() -> tuple[subprocess.Popen[str], list[int]]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(is_gone(pid) for pid in pids)
    return owner, pids


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_node_dies_with_its_owner(death: signal.Signals) -> None:
    owner, pids = owner_process()
    with owner:
        owner.send_signal(death)
        owner.wait(10)
        assert gone_within(5, *pids)


def test_ctrl_c_in_a_terminal_leaves_nothing() -> None:
    """A terminal signals the whole foreground group at once; node and watcher are not in it, and still go."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        os.killpg(owner.pid, signal.SIGINT)
        owner.wait(10)
        assert gone_within(5, *pids)


def test_a_busy_port_is_an_error_and_the_node_on_it_is_left_alone() -> None:
    with Anvil() as first:
        with pytest.raises(AnvilFailed, match="in use"):
            Anvil(AnvilOptions(port=first.port))
        assert first.alive()
        rpc = Rpc(first.url)
        assert rpc.call("eth_blockNumber") == "0x0"
        rpc.close()


def test_a_program_that_is_not_anvil_is_an_error() -> None:
    with pytest.raises(AnvilFailed, match="ended with code"):
        Anvil(program=Path("/bin/false"))


def test_stopping_twice_is_stopping_once() -> None:
    node = Anvil()
    pids = (node.pid, node._watcher.pid)
    node.stop()
    node.stop()
    assert gone_within(5, *pids)


def test_a_node_is_made_as_asked() -> None:
    with Anvil(AnvilOptions(chain_id=31337, genesis_timestamp_s=1_700_000_000, automine=False, base_fee_wei=7)) as node:
        rpc = Rpc(node.url)
        assert rpc.call("eth_chainId") == hex(31337)
        block = rpc.call("eth_getBlockByNumber", "latest", False)
        assert int(block["timestamp"], 16) == 1_700_000_000
        assert int(block["baseFeePerGas"], 16) == 7
        assert rpc.call("anvil_getAutomine") is False
        rpc.close()

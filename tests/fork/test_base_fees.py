"""What gas cost, from a real node into the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history.base_fee_download import download_base_fees
from keeper.adapters.history.base_fees import path_of, read_base_fees
from keeper.core.model.errors import ConfigError
from keeper.localchain.twin import Twin

pytestmark = pytest.mark.chain
CHAIN = 1


def mined(twin: Twin, count: int) -> dict[int, int]:
    """Blocks twenty minutes apart, each with a base fee of its own; time -> fee."""
    fees = {}
    for place in range(count):
        twin.chain.mine(base_fee_wei=10**9 + place, timestamp_s=twin.chain.timestamp_s() + 1_200)
        fees[twin.chain.timestamp_s()] = 10**9 + place
    return fees


def test_about_one_an_hour_is_stored_as_the_chain_tells_it_and_once(twin: Twin, rpc: Rpc, tmp_path: Path) -> None:
    since_s = twin.chain.timestamp_s() + 1
    made = mined(twin, 30)
    assert download_base_fees(rpc, tmp_path, CHAIN, since_s=since_s, until_s=None) == 10
    stored = dict(read_base_fees(tmp_path, CHAIN))
    assert stored.items() <= made.items()
    assert download_base_fees(rpc, tmp_path, CHAIN, since_s=since_s, until_s=None) == 0


def test_nothing_after_the_end_is_stored(twin: Twin, rpc: Rpc, tmp_path: Path) -> None:
    since_s = twin.chain.timestamp_s() + 1
    mined(twin, 12)
    until_s = since_s + 6_000
    download_base_fees(rpc, tmp_path, CHAIN, since_s=since_s, until_s=until_s)
    assert max(dict(read_base_fees(tmp_path, CHAIN))) <= until_s


def test_nothing_is_known_without_a_file_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert read_base_fees(tmp_path, CHAIN) == []
    path = path_of(tmp_path, CHAIN)
    path.parent.mkdir()
    for text in ("timestamp,wei\n5,1\n4,1\n", "timestamp,wei\n5,x\n", "time,wei\n5,1\n", ""):
        path.write_text(text, encoding="ascii")
        with pytest.raises(ConfigError, match="damaged"):
            read_base_fees(tmp_path, CHAIN)

"""The nodes of real chains that a person may name for the tests; their addresses carry keys and are never shown."""

from __future__ import annotations

import os
from typing import NamedTuple

import pytest

from keeper.adapters.evm.rpc import without_keys


class Node(NamedTuple):
    """A node as the environment names it."""

    variable: str
    chain_id: int

    @property
    def url(self) -> str:
        """Its address; empty when it is not named."""
        return os.environ.get(self.variable, "")


ETHEREUM = Node("KEEPER_FORK_RPC", 1)
ARBITRUM = Node("KEEPER_FORK_RPC_ARBITRUM", 42_161)


def hide_addresses(report: pytest.TestReport) -> None:
    """Let nothing that is told of a test hold the address of a node."""
    for node in (ETHEREUM, ARBITRUM):
        if not node.url or isinstance(report.longrepr, tuple):
            continue
        told = "" if report.longrepr is None else str(report.longrepr)
        if (hidden := without_keys(told, node.url)) != told:
            report.longrepr = hidden
        report.sections = [(name, without_keys(text, node.url)) for name, text in report.sections]

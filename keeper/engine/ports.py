"""The adapters that one keeper runs on: choosing them is choosing the mode."""

from __future__ import annotations

from dataclasses import dataclass, field

from keeper.engine.memo import SignalMemo
from keeper.ports.chain import MarketSource
from keeper.ports.executor import Executor
from keeper.ports.journal import Journal
from keeper.ports.options import ProtectionDesk
from keeper.ports.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a cycle reads from, writes to and acts through."""

    source: MarketSource
    journal: Journal
    executor: Executor
    telemetry: Telemetry
    memo: SignalMemo = field(default_factory=SignalMemo)
    """The signals as of the last cycle."""
    desk: ProtectionDesk | None = None
    """Where protection is bought; None without any venue."""

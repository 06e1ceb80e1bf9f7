"""The long-lived service: triggers set an event, one worker runs the cycle, repeats coalesce."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from keeper.core.model.errors import ConfigError, Fault, Refused, Transient
from keeper.core.model.plan import CloseOption, NotDone
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord, CycleState
from keeper.engine.cycle import run_cycle
from keeper.engine.ports import Ports

PATIENCE = 3
"""Consecutive plans that were not carried out before the keeper halts and asks for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """A new policy, and what it changes, for the log."""

    policy: Policy
    changes: tuple[str, ...]


class Daemon:
    """Runs cycles until it is asked to stop.

    Args:
        ports: the adapters; they are not closed here.
        policy: rules to start with.
        trigger: when a cycle is due.
        reload: reads the configuration anew; raises ConfigError when it must not be taken over while running.
        on_cycle: told every completed cycle.
    """

    def __init__(
        self,
        ports: Ports,
        policy: Policy,
        *,
        trigger: BaseTrigger,
        reload: Callable[[], Reload],
        on_cycle: Callable[[CycleRecord], None] = lambda _: None,
    ) -> None:
        self._ports = ports
        self._policy = policy
        self._trigger = trigger
        self._reload = reload
        self._on_cycle = on_cycle
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._reload_asked = threading.Event()
        self._not_done = 0

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for: nothing new may be signed any more."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Make a cycle due; several calls before it starts are one."""
        self._due.set()

    def stop(self) -> None:
        """Ask for the end: the cycle in hand is finished first."""
        self._stopping.set()
        self._due.set()

    def ask_reload(self) -> None:
        """Have the configuration read anew before the next cycle."""
        self._reload_asked.set()
        self._due.set()

    def run(self) -> None:
        """Work until :meth:`stop`; the first cycle starts at once.

        Raises:
            Exception: whatever a cycle raises that is neither Transient nor Fault; the process must end and be started anew.
        """
        scheduler = BackgroundScheduler(daemon=True)
        # misfire_grace_time None: a late tick still counts, and coalesce makes any number of late ones a single one.
        scheduler.add_job(self.wake, self._trigger, coalesce=True, max_instances=1, misfire_grace_time=None)
        scheduler.add_listener(self._tell_job, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        scheduler.start()
        self._ports.telemetry.event("daemon.started")
        self.wake()
        try:
            while True:
                self._due.wait()
                if self._stopping.is_set():
                    break
                self._due.clear()
                if self._reload_asked.is_set():
                    self._reload_asked.clear()
                    self._take_over()
                self._cycle()
        finally:
            scheduler.shutdown(wait=False)
            self._ports.telemetry.event("daemon.stopped")

    def handle_signals(self) -> None:
        """Stop on SIGTERM and SIGINT, reload on SIGHUP; main thread only."""

        def on_stop(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        def on_reload(_number: int, _frame: FrameType | None) -> None:
            self.ask_reload()

        signal.signal(signal.SIGTERM, on_stop)
        signal.signal(signal.SIGINT, on_stop)
        signal.signal(signal.SIGHUP, on_reload)

    def _cycle(self) -> None:
        try:
            record = run_cycle(self._ports, self._policy)
        except (Transient, Refused) as error:
            self._ports.telemetry.event("cycle.postponed", why=str(error))
        except Fault as error:
            self._ports.journal.halt(str(error))
            self._ports.telemetry.event("keeper.halted", why=str(error))
        else:
            self._count(record)
            self._on_cycle(record)

    def _count(self, record: CycleRecord) -> None:
        if record.state is CycleState.NOT_DONE:
            # an exit of an option is tried again and has an alarm of its own: a halt would keep it from succeeding
            self._not_done += _has_failed(record)
        elif record.state in {CycleState.DONE, CycleState.SIMULATED}:
            self._not_done = 0
        if self._not_done >= PATIENCE:
            why = f"{self._not_done} plans in a row were not carried out; the last: {_last_refusal(record)}"
            self._ports.journal.halt(why)
            self._ports.telemetry.event("keeper.halted", why=why)
            self._not_done = 0

    def _take_over(self) -> None:
        try:
            new = self._reload()
        except ConfigError as error:
            self._ports.telemetry.event("config.refused", problems=list(error.problems))
            return
        self._policy = new.policy
        self._ports.telemetry.event("config.reloaded", changes=list(new.changes))

    def _tell_job(self, event: JobEvent) -> None:
        self._ports.telemetry.event("schedule.failed", why=str(getattr(event, "exception", None) or "a trigger was missed"))


def _has_failed(record: CycleRecord) -> bool:
    """Whether anything but the exit of an option was not carried out."""
    planned = () if record.plan is None else record.plan.stages
    return any(
        isinstance(went.outcome, NotDone) and not isinstance(stage.option, CloseOption)
        for stage, went in zip(planned, record.stages, strict=False)
    )


def _last_refusal(record: CycleRecord) -> str:
    outcomes: Sequence[object] = [stage.outcome for stage in record.stages]
    return str(getattr(outcomes[-1], "why", "unknown")) if outcomes else "unknown"

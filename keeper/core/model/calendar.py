"""Scheduled events: what is known ahead of time about the market's variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class EventStatus(StrEnum):
    """How sure the time of an event is."""

    OFFICIAL = "official"
    """Published by the one who makes the event."""
    EXPECTED = "expected"
    """By the usual pattern; it may be days off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledEvent:
    """A moment known in advance."""

    kind: str
    title: str
    at_s: int
    """Unix time of the release."""
    status: EventStatus
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """What the events of one kind do.

    Raises:
        ValueError: kappa below 1 or not finite, a negative number of seconds, or an empty window.
    """

    kind: str
    time_zone: str
    """IANA name of the zone in which the times of the kind are told."""
    kappa: float
    """Variance inside the window over ordinary variance; at 1 the kind is shown and does not act."""
    before_s: int
    """The window opens so long before the release."""
    after_s: int
    """It closes so long after the release."""
    rhythm_s: int
    """No two events of the kind lie further apart; 0 for a kind without rhythm."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.kappa) and self.kappa >= 1):
            raise ValueError(f"kappa of {self.kind} must be finite and at least 1, not {self.kappa}")
        if min(self.before_s, self.after_s, self.rhythm_s) < 0 or self.window_s == 0:
            raise ValueError(f"the window of {self.kind} must not be empty, and no length of time below zero")

    @property
    def window_s(self) -> int:
        """Length of the window, in seconds, above zero."""
        return self.before_s + self.after_s

    @property
    def acts(self) -> bool:
        """Whether events of the kind raise the variance."""
        return self.kappa > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """All events that are known, with the rules of their kinds.

    Raises:
        ValueError: events out of order or twice, a kind with two rules, or an event of a kind without a rule.
    """

    events: tuple[ScheduledEvent, ...]
    """By time, then kind."""
    rules: tuple[EventRule, ...]
    """One for each kind."""

    def __post_init__(self) -> None:
        if not all((a.at_s, a.kind) < (b.at_s, b.kind) for a, b in pairwise(self.events)):
            raise ValueError("events must be in order of time, then kind, none twice")
        kinds = [rule.kind for rule in self.rules]
        if len(set(kinds)) != len(kinds):
            raise ValueError("every kind must have one rule")
        if lawless := {event.kind for event in self.events} - set(kinds):
            raise ValueError(f"no rule for events of kind {', '.join(sorted(lawless))}")

    def rule(self, kind: str) -> EventRule:
        """The rule of that kind.

        Raises:
            KeyError: there is none.
        """
        for rule in self.rules:
            if rule.kind == kind:
                return rule
        raise KeyError(kind)


NO_CALENDAR = Calendar(events=(), rules=())
"""Nothing is scheduled, and nothing is expected to be."""

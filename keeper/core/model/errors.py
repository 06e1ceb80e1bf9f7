"""Errors, named by what the daemon does next.

::

    KeeperError
    ├── Transient        try again next cycle: the world was unreachable or moved under us
    │   └── Reorged      the block that was read is no longer canonical
    ├── Refused          skip this plan and count it: the chain, a limit or a venue says no
    ├── Fault            halt and page: going on could lose money
    │   └── JournalFault the journal cannot be written or contradicts the chain
    └── ConfigError      do not start; carries every problem at once
        ├── LeaseHeld    do not start beside the keeper that runs already
        └── NotAsConfigured  the chain is not what the settings say

Gates refuse by value (``Veto``), never by raising.
"""

from __future__ import annotations

from collections.abc import Sequence


class KeeperError(Exception):
    """Root of all errors that the keeper raises on purpose."""


class Transient(KeeperError):
    """The cycle could not be completed; the next one may succeed."""


class Reorged(Transient):
    """A block that was read is no longer canonical."""


class Refused(KeeperError):
    """The plan is not carried out; nothing was changed."""


class Fault(KeeperError):
    """Something that must not happen did; a person must look before the keeper acts again."""


class JournalFault(Fault):
    """The journal cannot be written, or what it says contradicts the chain."""


class ConfigError(KeeperError):
    """The keeper must not start.

    Args:
        problems: one line each, every problem found.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class LeaseHeld(ConfigError):
    """Another keeper works on this journal."""


class NotAsConfigured(ConfigError):
    """The node is on another chain, or contracts, pools or tokens are not what the settings say."""

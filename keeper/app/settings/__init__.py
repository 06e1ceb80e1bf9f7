"""The door where configuration becomes a policy: read, checked at once and completely, then frozen."""

from keeper.app.settings.load import Loaded, Need, load
from keeper.app.settings.policy import to_policy
from keeper.app.settings.schema import Settings

__all__ = ["Loaded", "Need", "Settings", "load", "to_policy"]

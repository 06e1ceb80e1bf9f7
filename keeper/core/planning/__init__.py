from keeper.core.planning.planner import plan, resize

__all__ = ["plan", "resize"]

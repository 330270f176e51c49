"""Moved to `registry.wishes`."""

from registry.wishes.priorities import PRIORITIES, rank_priority

__all__ = ["PRIORITIES", "rank_priority"]

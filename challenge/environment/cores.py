"""How much of the machine is ours. Standard library only: the server's program asks too."""

from __future__ import annotations

import os


def cores() -> int:
    """Say how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

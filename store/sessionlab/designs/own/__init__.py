"""A design of the user's own in a process of its own, which may end, hang or raise anything.

Rule: nothing of the user's is imported in the process that compares. Read `compare_own`, `process`
(starting, waiting, ending), `protocol`, then `worker` and `watchdog`, which run in that process.
"""

from __future__ import annotations

from .compare_own import DEFAULT_TIMEOUT, compare_own, load_own
from .process import end_all

__all__ = ["DEFAULT_TIMEOUT", "compare_own", "end_all", "load_own"]

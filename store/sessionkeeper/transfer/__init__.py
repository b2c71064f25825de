"""Sessions from one place to another: export, import and copy, in bounded memory.

Rule: a session arrives whole or not at all. Read `json_lines`, then `copy_store`, `copy_session`,
`copy_frames`, and `next_frames`, which notices that a log was replaced between two pages.
"""

from .copy_store import CopyReport, copy_sessions

__all__ = ["CopyReport", "copy_sessions"]

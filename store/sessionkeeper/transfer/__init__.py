"""Sessions from one open store into another: resumable, verified, in bounded memory."""

from .copy_store import CopyReport, copy_sessions

__all__ = ["CopyReport", "copy_sessions"]

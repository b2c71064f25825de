"""The load harness: how fast a store is on this machine, and what it really kept."""

from __future__ import annotations

from .subject import Kept, Subject, Work

__all__ = ["Kept", "Subject", "Work"]

"""The wrong designs: each breaks one guarantee by a mistake that programs really make.

Rule: one file and one mistake per design, and the docstring begins with the name of its anomaly.
"""

from __future__ import annotations

from .acknowledged_before_commit import AcknowledgedBeforeCommit
from .append_or_create import AppendOrCreate
from .autocommit_a_frame import AutocommitAFrame
from .bare_set_result import BareSetResult
from .batch_one_by_one import BatchOneByOne
from .cancelled_under_lock import CancelledUnderLock
from .check_then_create import CheckThenCreate
from .count_apart import CountApart
from .frames_without_session import FramesWithoutSession
from .late_cache import LateCache
from .limit_outside import LimitOutside
from .listing_over_awaits import ListingOverAwaits
from .lock_on_write_only import LockOnWriteOnly
from .number_from_a_clock import NumberFromAClock
from .read_modify_write import ReadModifyWrite
from .refused_and_applied import RefusedAndApplied
from .revision_reset import RevisionReset

__all__ = [
    "AcknowledgedBeforeCommit",
    "AppendOrCreate",
    "AutocommitAFrame",
    "BareSetResult",
    "BatchOneByOne",
    "CancelledUnderLock",
    "CheckThenCreate",
    "CountApart",
    "FramesWithoutSession",
    "LateCache",
    "LimitOutside",
    "ListingOverAwaits",
    "LockOnWriteOnly",
    "NumberFromAClock",
    "ReadModifyWrite",
    "RefusedAndApplied",
    "RevisionReset",
]

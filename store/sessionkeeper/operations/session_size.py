"""How large a session may be in a store. Its texts are bounded in `values/bounds.py`."""

from __future__ import annotations

from operator import is_

from ..values.bounds import MAX_TAG_BYTES
from ..values.errors import LimitExceeded
from ..values.frozen import json_size, json_text
from ..values.limits import StoreLimits
from ..values.session import Session

__all__ = ["check_size", "tag_bytes"]


def check_size(limits: StoreLimits, before: Session | None, session: Session) -> None:
    """Raise `LimitExceeded` unless a session fits, or what is too large in it was so `before`."""
    _check_metadata(limits, before, session)
    _check_tags(limits, before, session)


def tag_bytes(session: Session) -> int:
    """Count the bytes of all tags."""
    return sum([len(tag.encode()) for tag in session.tags])


def _check_metadata(limits: StoreLimits, before: Session | None, session: Session) -> None:
    held = (session.metadata, session.client_info, session.server_info)
    former = None if before is None else (before.metadata, before.client_info, before.server_info)
    if former is not None and all(map(is_, held, former)):
        return
    size = sum([json_size(part) for part in held if part])
    maximum = limits.max_metadata_bytes
    if size <= maximum:
        return
    # The same JSON is no change, whatever object it comes in; that is all a server can compare.
    if former is None or [*map(json_text, held)] != [*map(json_text, former)]:
        raise LimitExceeded("max_metadata_bytes", current=size, maximum=maximum, field="metadata")


def _check_tags(limits: StoreLimits, before: Session | None, session: Session) -> None:
    count, maximum = len(session.tags), limits.max_metadata_bytes
    if count <= limits.max_tags and count * MAX_TAG_BYTES <= maximum:
        return
    if before is not None and session.tags == before.tags:
        return
    if count > limits.max_tags:
        raise LimitExceeded("max_tags", current=count, maximum=limits.max_tags, field="tags")
    size = tag_bytes(session)
    if size > maximum:
        raise LimitExceeded("max_metadata_bytes", current=size, maximum=maximum, field="tags")

"""Sessions that are above a limit which was lowered after they came."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sessionkeeper import AtomicSessionStore, LimitExceeded, Session, StoreLimits
from sessionkeeper.values.session import CALLER_FIELDS

from tests.support.sessions import new_session

__all__ = ["check_lowered_limits"]


async def check_lowered_limits(
    store: Callable[[StoreLimits], AbstractAsyncContextManager[AtomicSessionStore]],
) -> None:
    """Tags and metadata above them stay while they do not change, in whatever object they come."""
    held: dict[str, Any] = {
        "tags": [f"{n:04}" for n in range(50)],
        "metadata": {"a": "x" * 500},
        "failure": "é" * 1_024,
    }
    async with store(StoreLimits()) as before:
        for key in "abc":
            await before.create_session(new_session(key, **held))
    async with store(StoreLimits(max_tags=10, max_metadata_bytes=100)) as after:
        session = await after.get_session("a")
        assert session.tags == frozenset(held["tags"])
        session = await after.update_session(session.model_copy(update={"principal": "p"}))
        sent = session.model_dump_json(include={*CALLER_FIELDS, "revision"})
        again = Session.model_validate_json(sent)
        session = await after.update_session(again.model_copy(update={"state": "active"}))
        smaller: list[dict[str, Any]] = [
            {"tags": session.tags - {"0000"}},
            {"metadata": {"a": "x" * 499}},
        ]
        for wrong in smaller:
            with pytest.raises(LimitExceeded):
                await after.update_session(session.model_copy(update=wrong))
        fewer = {"tags": frozenset({"0001"}), "metadata": {}}
        await after.update_session(session.model_copy(update=fewer))
        await after.modify_session("b", lambda s: s.model_copy(update={"state": "closed"}))
        assert {each.id for each in await after.expire_sessions(age=0)} == {"a", "c"}
        await after.delete_session("c")
        assert await after.purge_sessions(ended_for=0) == 2

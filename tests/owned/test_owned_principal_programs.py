"""Whatever a principal calls on a third party's store: others cannot be told from none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from principal_programs import run_programs
from sessionkeeper import (
    Clock,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionNotFound,
    SessionsFull,
    SessionStore,
    StoreLimits,
)
from sessionkeeper.stores.third_party.principal_filter import PrincipalFilter

if TYPE_CHECKING:
    from tests.conftest import TenMethodStore


class OwnBatch(PlainSessionStore):
    """A batch of its own, which names the last that is not there."""

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        found = {session.id: session for session in await self.list_sessions()}
        for session_id in reversed(session_ids):
            if session_id not in found:
                raise SessionNotFound(session_id)
        return [found[session_id] for session_id in session_ids]


@pytest.mark.parametrize("managers", [False, True], ids=["store", "manager"])
@pytest.mark.parametrize("batch", ["of the interface", "of its own"])
async def test_another_principals_sessions_look_like_missing_ones(
    batch: str, managers: bool, only_ten: Callable[[SessionStore], TenMethodStore]
) -> None:
    """Random programs, as on the other stores: the same answers, errors and end."""

    def make(limits: StoreLimits, clock: Clock) -> OwnedSessionStore:
        if managers:  # which is not told what an inner store evicts by itself
            limits = limits.model_copy(update={"sessions_full": SessionsFull.REJECT})
        if batch == "of its own":
            return OwnedSessionStore(OwnBatch(limits=limits, clock=clock), clock=clock)
        return OwnedSessionStore(
            only_ten(PlainSessionStore(limits=limits, clock=clock)), clock=clock
        )

    await run_programs(make, range(10), managers=managers)


async def test_a_view_that_leaks_missing_ids_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test above can fail: here the inner store's batch says which id it does not have."""

    async def leak(self: PrincipalFilter, session_ids: Sequence[str], /) -> list[Session]:
        return [self._seen(each) for each in await self._inner.get_sessions_batch(session_ids)]

    monkeypatch.setattr(PrincipalFilter, "get_sessions_batch", leak)
    with pytest.raises(AssertionError, match="instead, after"):
        await run_programs(
            lambda limits, clock: OwnedSessionStore(
                PlainSessionStore(limits=limits, clock=clock), clock=clock
            ),
            range(50),
        )

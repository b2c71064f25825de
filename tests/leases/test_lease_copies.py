"""Nobody records into a copy: it has no lease, and heartbeats at the source make no difference."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sessionkeeper import ActorSessionStore, Lease, SessionState, lease_of
from sessionkeeper.leases import own_lease
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.export_format import StoredSession
from sessionkeeper.transfer.export_session import export_session
from sessionkeeper.transfer.import_session import import_session
from sessionkeeper.values.lease import with_lease, without_lease

from tests.support.sessions import new_session, note


def beat(lease: Lease, minutes: int) -> Lease:
    """The lease so many minutes later."""
    return lease.renewed(lease.seen + timedelta(minutes=minutes))


async def test_a_session_that_is_recorded_can_be_copied_again_and_again() -> None:
    """While heartbeats come, and after its end."""
    lease = own_lease()
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await source.create_session(with_lease(new_session(metadata={"x": 1}), lease))
        for n in range(3):
            await source.modify_session("a", partial(with_lease, lease=beat(lease, n)))
            await source.add_frame(note(n + 1))
            report = await copy_sessions(source, target)
            assert (report.differences, report.added) == ([], 1)
            copied = await target.get_session("a")
            assert copied.metadata == {"x": 1}
        ended = {"state": SessionState.FAILED, "failure": "gone"}
        await source.modify_session("a", lambda s: without_lease(s).model_copy(update=ended))
        assert (await copy_sessions(source, target)).differences == []
        assert (await target.get_session("a")).failure == "gone"


async def test_an_export_and_an_import_have_no_lease() -> None:
    """Neither the lines, nor what is made of a session that has one."""
    recorded = with_lease(new_session(metadata={"x": 1}), own_lease())
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await source.create_session(recorded)
        assert "recorder" not in (await export_session(source, "a"))[0]
        await import_session(target, StoredSession(recorded, (), trimmed=0))
        imported = await target.get_session("a")
    assert imported.metadata == {"x": 1}
    assert lease_of(imported) is None

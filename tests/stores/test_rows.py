"""The snapshot that a row keeps."""

from __future__ import annotations

import gc

from sessionkeeper import ActorSessionStore, Session
from sessionkeeper.operations.session_row import SessionRow


def test_repeated_reads_return_the_same_object() -> None:
    """Until something changes; what is shown once is its caller's alone."""
    session = Session.new(transport_type="stdio", id="a")
    row = SessionRow(session, incarnation="", number=1, revision=1, wall=0.0, steady=0.0)
    for seconds in (1.0, 2.0):
        row.touch(seconds, seconds)
        once, twice, again = row.snapshot(), row.snapshot(), row.snapshot()
        assert once == twice
        assert once is not twice
        assert twice is again
        assert once.last_activity.timestamp() == seconds
    row.change(session, 7)
    listed = row.snapshot(again=True)
    assert listed.revision == 7
    assert row.snapshot() is listed


async def test_reading_many_sessions_leaves_no_garbage() -> None:
    """Each changed before it is looked at again: the young objects do not pile up."""
    async with ActorSessionStore() as store:
        for n in range(2_000):
            await store.create_session(Session.new(transport_type="stdio", id=str(n)))
        gc.collect()
        gc.disable()
        try:
            for n in range(2_000):
                await store.touch_session(str(n))
                await store.get_session(str(n))
            young = sum(type(each) is Session for each in gc.get_objects(generation=0))
        finally:
            gc.enable()
        assert young < 100

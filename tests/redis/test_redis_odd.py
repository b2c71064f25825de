"""Whatever crossed the wire is a frame on a server, byte for byte, and counted there."""

from __future__ import annotations

import asyncio
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore, Session
from sessionlab.conformance.samples import gap, new, note, odd, tagged

from tests.stores.test_odd_frames import ANY_BYTES, CONTEXTS, frames_of, keeps_all

_PREFIXES = count(1)


def store_on(server: RedisServer, **options: object) -> RedisSessionStore:
    """A new store."""
    return RedisSessionStore(server.url, prefix=f"odd-{next(_PREFIXES)}", **options)  # type: ignore[arg-type]  # its own


@settings(max_examples=25)
@given(lines=st.lists(st.tuples(ANY_BYTES, CONTEXTS), max_size=9))
def test_any_bytes_at_all_come_back_from_a_server(
    server: RedisServer, lines: list[tuple[bytes, dict[str, object]]]
) -> None:
    """With their context, media type and reason; and they are counted."""

    async def check() -> None:
        async with store_on(server) as store:
            await keeps_all(store, frames_of(lines))

    asyncio.run(check())


async def test_a_change_sees_the_odd_frames_before_it(server: RedisServer) -> None:
    """This includes appends in the same round trip: the prediction equals the server's state."""
    seen: list[tuple[int, int, int]] = []

    def look(session: Session) -> Session:
        seen.append((session.last_seq, session.odd_frames, session.gap_frames))
        return tagged(session, str(session.last_seq))

    async with store_on(server) as store:
        await store.create_session(new("a"))
        await store.modify_session("a", look)
        for _ in range(5):
            await asyncio.gather(
                store.add_frame(odd()[0]),
                store.modify_session("a", look),
                store.add_frames("a", [note(1), gap()], change=look),
                store.modify_session("a", look),
            )
        session = await store.get_session("a")
        assert (session.odd_frames, session.gap_frames, session.last_seq) == (5, 5, 15)
        last = dict.fromkeys(
            seen
        )  # a prediction that was wrong is made again, with the same result
        assert {(odd_frames, gaps) for seq, odd_frames, gaps in last if seq == 15} == {(5, 5)}
        for seq, odd_frames, gaps in last:
            assert (seq, odd_frames) in {(3 * n, n) for n in range(6)} | {
                (3 * n + 1, n + 1) for n in range(5)
            }
            assert gaps == seq // 3


async def test_a_prediction_with_other_counts_is_made_again(server: RedisServer) -> None:
    """Two logs of the same length are not the same session where one has more odd frames."""
    seen: list[tuple[int, int]] = []

    def look(session: Session) -> Session:
        seen.append((session.odd_frames, session.gap_frames))
        return tagged(session, "y")

    async with store_on(server) as store:
        await store.create_session(new("a"))
        await store.add_frames("a", [odd()[0], gap()])
        for wrong in ({"odd_frames": 0}, {"gap_frames": 2}):
            session = await store.modify_session("a", lambda each: tagged(each, "x"))
            seen.clear()
            # As another process could leave it: the right length, of other frames.
            predictions = store._runner.resources.plan_context.predictions
            _, digest = predictions.get("a") or (session, "")
            predictions.forget("a")
            predictions.note_session(Session.trusted(session.__dict__ | wrong), 100, digest)
            await store.modify_session("a", look)
            assert seen == [(0, 1) if "odd_frames" in wrong else (1, 2), (1, 1)]

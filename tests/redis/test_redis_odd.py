"""Whatever crossed the wire is a frame on a server, byte for byte, and counted there."""

from __future__ import annotations

import asyncio
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_server import RedisServer
from sessionkeeper import MessageEnvelope, RedisSessionStore, Session
from sessionlab.conformance.samples import gap, new, note, odd, tagged

from tests.stores.test_odd_frames import ANY_BYTES, CONTEXTS, frames_of, keeps_all

_PREFIXES = count(1)


def store_on(server: RedisServer, **options: object) -> RedisSessionStore:
    """A new store."""
    return RedisSessionStore(server.url, prefix=f"odd-{next(_PREFIXES)}", **options)  # type: ignore[arg-type]  # its own


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
    """Also of appends that are on their way with it: what was predicted is what the server has."""
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


async def test_a_prediction_without_another_ones_odd_frame_is_made_again(
    server: RedisServer,
) -> None:
    """Two logs of the same length are not the same session where one has an odd frame."""
    prefix = f"odd-{next(_PREFIXES)}"
    async with (
        RedisSessionStore(server.url, prefix=prefix) as mine,
        RedisSessionStore(server.url, prefix=prefix) as other,
    ):
        await mine.create_session(new("a"))
        await mine.modify_session("a", lambda session: tagged(session, "x"))
        seen: list[int] = []

        def look(session: Session) -> Session:
            seen.append(session.odd_frames)
            return tagged(session, "y")

        # Mine is refused because the other one's came first: the length that was predicted is
        # right, and what is in the log is not.
        await other.add_frame(MessageEnvelope.of("a", b"noise", direction="server-to-client"))
        await asyncio.gather(
            mine.add_frames("a", [note(1)], expected_last_seq=0),
            mine.modify_session("a", look),
            return_exceptions=True,
        )
        session = await mine.get_session("a")
        assert (session.last_seq, session.odd_frames) == (1, 1)
        assert seen[-1] == 1

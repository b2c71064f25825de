"""Sessions from one store into another: whatever breaks in between, each frame comes over once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    MessageEnvelope,
    OutcomeUnknown,
    Session,
    StoreUnavailable,
)
from sessionkeeper.transfer import CopyReport, copy_sessions

NOT_KEPT = {"revision", "incarnation"}
STEPS = "add_frames get_or_create_session get_session archive_session read_frames trim_frames"


def sent(session_id: str, number: int) -> MessageEnvelope:
    """A message that tells which one it is."""
    return MessageEnvelope.of(
        session_id,
        {"jsonrpc": "2.0", "id": number, "method": "x" * (number % 7 + 1)},
        direction="client-to-server" if number % 2 else "server-to-client",
        metadata={"number": str(number)},
    )


async def fill(store: ActorSessionStore) -> None:
    """A live session, a closed one, an empty one, and two whose first frames are gone."""
    for name, frames, gone, state in (
        ("live", 20, 0, "active"),
        ("closed", 9, 0, "closed"),
        ("empty", 0, 0, "initializing"),
        ("trimmed", 30, 11, "failed"),
        ("cleared", 5, 5, "active"),
    ):
        session = Session.new(
            id=name,
            transport_type="stdio",
            state="initializing" if state == "initializing" else "active",
            principal="alice",
            tags={"b", "a"},
            metadata={"z": [1, {"big": 2**70}]},
        )
        await store.create_session(session)
        await store.add_frames(name, [sent(name, number) for number in range(frames)])
        await store.trim_frames(name, up_to=gone)
        await store.modify_session(name, partial(move, state=state))


def move(session: Session, state: str) -> Session:
    """The session in another state."""
    return Session.model_validate(session.model_dump() | {"state": state})


def other_metadata(session: Session) -> Session:
    """The session with none."""
    return session.model_copy(update={"metadata": {}})


async def held(store: ActorSessionStore) -> list[Any]:
    """The content of a store, without values that differ between stores."""
    return [
        (each.model_dump(exclude=NOT_KEPT), await store.read_frames(each.id))
        for each in await store.list_sessions()
    ]


def by_id(one: Any) -> str:
    """The sort key if the order of creation does not matter."""
    return str(one[0]["id"])


class Cut(ActorSessionStore):
    """A store whose k-th operation fails: before it is applied, or after."""

    def __init__(self, at: int, error: Callable[[], Exception], *, after: bool) -> None:
        super().__init__()
        self.at, self.error, self.after = at, error, after
        self.calls = count(1)
        self.cut = False

    def mend(self) -> None:
        """From now on nothing fails."""
        self.at = 0


def _step(name: str) -> Any:
    async def step(self: Cut, *arguments: Any, **options: Any) -> Any:
        here = next(self.calls) == self.at
        self.cut = self.cut or here
        if here and not self.after:
            raise self.error()
        answer = await getattr(ActorSessionStore, name)(self, *arguments, **options)
        if here:
            raise self.error()
        return answer

    return step


for _name in STEPS.split():
    setattr(Cut, _name, _step(_name))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_copy_stopped_at_any_operation_resumes_without_duplicates(*, after: bool) -> None:
    """For every k the k-th operation at the target is the last; the same call finishes the work."""
    async with ActorSessionStore() as source:
        await fill(source)
        expected = await held(source)
        for at in count(1):
            async with Cut(at, lambda: StoreUnavailable("cut"), after=after) as target:
                try:
                    await copy_sessions(source, target)
                except StoreUnavailable:
                    assert target.cut
                target.mend()
                report = await copy_sessions(source, target)
                # A creation that fails alone comes after those that did not.
                assert sorted(await held(target), key=by_id) == sorted(expected, key=by_id)
                assert (report.sessions, report.differences) == (5, [])
            if not target.cut:
                assert at > 30
                break
        assert await held(source) == expected


async def test_a_lost_answer_is_looked_up_without_duplicates() -> None:
    """`OutcomeUnknown` at any operation: the copy finds out itself and goes on."""
    async with ActorSessionStore() as source:
        await fill(source)
        for at in count(1):
            async with Cut(at, lambda: OutcomeUnknown("x"), after=True) as target:
                report = await copy_sessions(source, target)
                target.mend()
                assert await held(target) == await held(source)
                assert (report.sessions, report.frames) == (5, 48)
            if not target.cut:
                break


async def test_copying_again_adds_nothing() -> None:
    """The second run compares everything, and has the digest of the first."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        first = await copy_sessions(source, target)
        again = await copy_sessions(source, target)
        assert (first.added, again.added) == (48, 0)
        assert again.digest == first.digest
        back = await copy_sessions(target, source)
        assert (back.digest, back.added, back.differences) == (first.digest, 0, [])


async def test_two_copies_at_once_bring_each_frame_once() -> None:
    """Each step depends on the end of the target's log: the second copier is refused."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        await source.add_frames("live", [sent("live", number) for number in range(20, 400)])
        await asyncio.gather(*(copy_sessions(source, target) for _ in range(3)))
        report = await copy_sessions(source, target)
        assert (report.sessions, report.differences) == (5, [])
        assert await held(target) == await held(source)


async def test_new_frames_are_copied_the_next_time() -> None:
    """Frames, an end, and a log that has been trimmed in between."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        await copy_sessions(source, target)
        await source.add_frames("live", [sent("live", number) for number in range(20, 45)])
        await source.trim_frames("live", up_to=13)
        await source.modify_session("live", lambda it: move(it, "closed"))
        report = await copy_sessions(source, target)
        assert (report.added, report.differences) == (25, [])
        assert await held(target) == await held(source)


async def other_session(target: ActorSessionStore) -> None:
    """Another session of the same fields has the same id."""
    session = await target.get_session("cleared")
    await target.delete_session("live")
    await target.create_session(session.model_copy(update={"id": "live"}))
    await target.add_frames("live", [sent("live", number) for number in (0, 1, 7)])


BEGINNING = "its log at the target is not the beginning of the one at the source"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_session, "its created_at at the target is not the same"),
        (lambda target: target.add_frame(sent("live", 99)), BEGINNING),
        (lambda target: target.trim_frames("live", up_to=3), BEGINNING),
        (
            lambda target: target.modify_session("live", partial(move, state="failed")),
            "it is failed at the target, and active at the source",
        ),
        (
            lambda target: target.modify_session("live", other_metadata),
            "its metadata at the target is not the same",
        ),
    ],
    ids=["session", "more", "fewer", "state", "metadata"],
)
async def test_other_content_at_the_target_is_reported_and_stays(change: Any, reason: str) -> None:
    """One sentence names the session and says why; the others are copied all the same."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        await copy_sessions(source, target)
        await change(target)
        there = await held(target)
        await source.create_session(Session.new(id="new", transport_type="stdio"))
        report = await copy_sessions(source, target)
        assert await held(target) == [*there, (await held(source))[-1]]
        assert report.sessions == 5
        assert report.differences == [f"session live: {reason}"]
        # Nothing is added to it either, when the source has more.
        await source.add_frame(sent("live", 500))
        report = await copy_sessions(source, target)
        (said,) = report.differences
        assert said.startswith("session live: ")
        assert await held(target) == [*there, (await held(source))[-1]]


async def test_removals_are_copied_the_next_time() -> None:
    """What was removed at the source is removed at the target too, of an ended session as well."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        await source.remove_frames("closed", [2])
        await copy_sessions(source, target)
        assert await held(target) == await held(source)
        await source.remove_frames("live", [1, 20])
        await source.remove_frames("closed", range(3, 7))
        await source.remove_frames("trimmed", [12, 13])
        await source.add_frames("live", [sent("live", 20)])
        report = await copy_sessions(source, target)
        assert report.differences == []
        assert await held(target) == await held(source)


async def test_a_removal_is_brought_over_only_into_a_copy() -> None:
    """Another session with the id loses nothing; a frame removed at the target is reported."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        await copy_sessions(source, target)
        await target.delete_session("live")
        [live] = [each for each in await source.list_sessions() if each.id == "live"]
        await target.create_session(live)
        await target.add_frames("live", [sent("live", 99 + number) for number in range(20)])
        await target.remove_frames("closed", [3])
        before = await held(target)
        await source.remove_frames("live", [1])
        report = await copy_sessions(source, target)
        assert sorted(str(reason) for reason in report.differences)
        assert len(report.differences) == 2
        assert await held(target) == before


async def test_a_copy_goes_on_past_a_removal_at_the_source() -> None:
    """A frame that loses its content between two reads is still of the same log."""

    class Removing(ActorSessionStore):
        reads = 0

        async def read_frames(self, session_id: str, /, **options: Any) -> Any:
            frames = await super().read_frames(session_id, **options)
            self.reads += 1
            if frames and session_id == "live" and self.reads < 9:
                await super().remove_frames(session_id, [frames[-1].seq])
            return frames

    async with Removing() as source, ActorSessionStore() as target:
        await fill(source)
        report = await copy_sessions(source, target)
        assert (report.sessions, report.differences) == (5, [])
        await copy_sessions(source, target)
        assert await held(target) == await held(source)


async def test_a_session_that_ended_at_the_target_with_another_log_is_reported() -> None:
    """Nothing can follow there, and that is the reason given."""
    async with ActorSessionStore() as source, ActorSessionStore() as target:
        await fill(source)
        await copy_sessions(source, target)
        await target.modify_session("live", partial(move, state="closed"))
        await source.add_frame(sent("live", 20))
        await source.modify_session("live", partial(move, state="closed"))
        report = await copy_sessions(source, target)
        assert report.differences == ["session live: it has ended at the target with another log"]


async def test_a_copy_compares_what_the_target_reads_back() -> None:
    """A target that loses a byte is found out."""

    class Forgetful(ActorSessionStore):
        async def read_frames(self, session_id: str, /, **options: Any) -> Any:
            frames = await super().read_frames(session_id, **options)
            wrong = sent(session_id, 1_000)
            return [
                each if each.seq != 7 else each.model_copy(update={"envelope": wrong})
                for each in frames
            ]

    async with ActorSessionStore() as source, Forgetful() as target:
        await fill(source)
        report: CopyReport = await copy_sessions(source, target)
        assert report.sessions == 3
        named = [said.split(":")[0] for said in report.differences]
        assert named == ["session closed", "session live"]


async def test_reading_restarts_when_the_log_is_trimmed() -> None:
    """Both then begin at the same number, with the same frames."""

    class Trimming(ActorSessionStore):
        reads = 0

        async def read_frames(self, session_id: str, /, **options: Any) -> Any:
            if session_id == "live":
                self.reads += 1
                if self.reads in (1, 3):
                    await self.trim_frames("live", up_to=3 * self.reads)
            return await super().read_frames(session_id, **options)

    async with Trimming() as source, ActorSessionStore() as target:
        await fill(source)
        report = await copy_sessions(source, target)
        assert (report.sessions, report.differences) == (5, [])
        assert await held(target) == await held(source)
        assert [frame.seq for frame in await target.read_frames("live")] == [*range(10, 21)]


class Remade(ActorSessionStore):
    """Once two slices of a log were read, a session of the same id and length is there instead."""

    reads = 0

    async def read_frames(self, session_id: str, /, **options: Any) -> Any:
        if session_id == "live":
            self.reads += 1
            if self.reads == 3:
                session = await self.get_session("live")
                await self.delete_session("live")
                await self.create_session(session)
                await self.add_frames("live", [sent("live", n + 100) for n in range(20)])
        return await super().read_frames(session_id, **options)


async def test_a_log_replaced_during_a_copy_is_not_copied_in_part() -> None:
    """The beginning of one and the end of another are no log: it is copied as it is now."""
    async with Remade() as source, ActorSessionStore() as target:
        await fill(source)
        report = await copy_sessions(source, target)
        assert (report.sessions, report.differences) == (5, [])
        assert sorted(await held(target), key=by_id) == sorted(await held(source), key=by_id)


async def test_a_session_deleted_during_a_copy_is_deleted_at_the_target() -> None:
    """This call deletes what it had created of it."""

    class Leaving(ActorSessionStore):
        async def read_frames(self, session_id: str, /, **options: Any) -> Any:
            if session_id == "live":
                await self.delete_session("live")
            return await super().read_frames(session_id, **options)

    async with Leaving() as source, ActorSessionStore() as target:
        await fill(source)
        report = await copy_sessions(source, target)
        assert (report.sessions, report.gone, report.differences) == (4, 1, [])
        assert await held(target) == await held(source)

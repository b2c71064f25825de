"""What is whole of a damaged export comes back, and what is not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from sessionkeeper import ActorSessionStore
from sessionkeeper.transfer.json_lines import (
    SALVAGED,
    Damage,
    DamageKind,
    MalformedExport,
    StoredSession,
    export_session,
    header_line,
    last_line,
    read_export,
    salvage_export,
)
from sessionkeeper.transfer.line_reader import read_lines
from sessionkeeper.transfer.read_export import read_sessions
from sessionkeeper.transfer.salvage import salvage_sessions

from tests.support.sessions import new_session, note, numbers

Lines = list[bytes]
Edit = Callable[[Lines], bytes]


async def exported() -> Lines:
    """An export of three sessions with five frames each: 20 lines, without their ends."""
    async with ActorSessionStore() as store:
        lines = [header_line()]
        for key in "abc":
            await store.create_session(new_session(key))
            await store.add_frames(key, [note(n, key) for n in range(5)])
            lines += await export_session(store, key)
        return [line.encode() for line in [*lines, last_line(3)]]


def joined(lines: Lines) -> bytes:
    """The bytes of a file."""
    return b"".join(line + b"\n" for line in lines)


def without(*places: int) -> Edit:
    """The file without these lines."""
    return lambda lines: joined([each for n, each in enumerate(lines, 1) if n not in places])


def replaced(place: int, *by: bytes) -> Edit:
    """The file with other lines in the place of one."""
    return lambda lines: joined([*lines[: place - 1], *by, *lines[place:]])


def glued(place: int) -> Edit:
    """The file with two lines on one."""
    return lambda lines: joined(
        [*lines[: place - 1], lines[place - 1] + lines[place], *lines[place + 1 :]]
    )


def torn_and_glued(lines: Lines) -> bytes:
    """A line breaks off, and the next one follows on it."""
    return joined([*lines[:3], lines[3][:40] + lines[4], *lines[5:]])


def swapped(lines: Lines) -> bytes:
    """Two frames change places."""
    return joined([*lines[:3], lines[4], lines[3], *lines[5:]])


def found_in(data: bytes) -> tuple[dict[str, StoredSession], list[Damage]]:
    """The sessions of a damaged file by id, and its damages."""
    found = [*salvage_sessions(read_lines(BytesIO(data)))]
    sessions = {each.session.id: each for each in found if isinstance(each, StoredSession)}
    return sessions, [each for each in found if isinstance(each, Damage)]


KIND = DamageKind


@pytest.mark.parametrize(
    ("edit", "left", "named"),
    [
        (lambda lines: joined(lines), {}, []),
        (lambda lines: joined(lines)[:-1], {}, []),
        (
            lambda lines: b"\xef\xbb\xbf" + joined(lines).replace(b"\n", b"\r\n"),
            {},
            [],
        ),
        (without(20), {}, [(20, KIND.NO_END, "without its last line")]),
        (
            lambda lines: joined(lines[:18]) + lines[18][:40],
            {"c": [0, 1, 2, 3]},
            [
                (19, KIND.NOT_EXPORTED, "not a whole record"),
                (14, KIND.MISSING_FRAMES, "session c: frame 5 is missing"),
                (20, KIND.NO_END, "without its last line"),
            ],
        ),
        (
            replaced(5, b""),
            {"a": [0, 1, 3, 4]},
            [(2, KIND.MISSING_FRAMES, "session a: frame 3 is missing")],
        ),
        (
            without(4, 5, 7),
            {"a": [0, 3]},
            [(2, KIND.MISSING_FRAMES, "session a: frames 2 to 3, 5 are missing")],
        ),
        (
            lambda lines: joined(lines[:9]) + bytes(300) + b"\n" + joined(lines[9:]),
            {},
            [(10, KIND.NUL_BYTES, "300 NUL bytes")],
        ),
        (
            lambda lines: joined(lines[:9]) + bytes(4096) + joined(lines[9:]),
            {},
            [(10, KIND.NUL_BYTES, "4096 NUL bytes")],
        ),
        (glued(5), {}, [(5, KIND.GLUED, "2 records on one line, all of them whole")]),
        (glued(7), {}, [(7, KIND.GLUED, "2 records on one line, all of them whole")]),
        (
            torn_and_glued,
            {"a": [0, 2, 3, 4]},
            [
                (4, KIND.NOT_EXPORTED, "1 piece that is no whole record"),
                (2, KIND.MISSING_FRAMES, "session a: frame 2 is missing"),
            ],
        ),
        (swapped, {}, [(5, KIND.OUT_OF_ORDER, "frame 2 comes after frame 3")]),
        (
            lambda lines: joined([*lines[:4], lines[3], *lines[4:]]),
            {},
            [(5, KIND.OUT_OF_ORDER, "frame 2 is there twice")],
        ),
        (
            without(8),
            {"b": None},
            [
                (8, KIND.NO_SESSION, "5 frames (1 to 5) belong to a session"),
                (19, KIND.MISSING_SESSIONS, "1 of 3 sessions are missing"),
            ],
        ),
        (
            without(1),
            {},
            [(1, KIND.NO_HEADER, "begins here without its first line")],
        ),
        (
            replaced(4, b'{"seq":2,"message":"hunter2"}'),
            {"a": [0, 2, 3, 4]},
            [
                (4, KIND.WRONG_RECORD, "frame 2: a frame is expected"),
                (2, KIND.MISSING_FRAMES, "session a: frame 2 is missing"),
            ],
        ),
        (
            replaced(8, b'{"session":{"id":"\\u001b[31m"},"frames":5,"trimmed":0}'),
            {"b": None},
            [
                (8, KIND.WRONG_RECORD, "no session: "),
                (9, KIND.NO_SESSION, "5 frames (1 to 5) belong to a session"),
                (20, KIND.MISSING_SESSIONS, "1 of 3 sessions are missing"),
            ],
        ),
        (
            lambda lines: joined(lines[:6]) + joined(lines),
            {"a": None},
            [
                (2, KIND.MISSING_FRAMES, "session a: frame 5 is missing"),
                (7, KIND.NO_END, "another export begins here"),
            ],
        ),
        (
            lambda lines: joined(lines).replace(b"trimmed", b"tr\xffmmed", 1),
            {"a": None},
            [
                (2, KIND.NOT_EXPORTED, "not a whole record: not UTF-8"),
                (3, KIND.NO_SESSION, "5 frames (1 to 5) belong"),
                (20, KIND.MISSING_SESSIONS, "1 of 3 sessions are missing"),
            ],
        ),
    ],
)
async def test_a_damaged_export_gives_what_is_whole_and_names_the_rest(
    edit: Edit, left: dict[str, list[int] | None], named: list[tuple[int, DamageKind, str]]
) -> None:
    """Frames that are left come in their order, and each damage has its line and offset."""
    data = edit(await exported())
    sessions, damages = found_in(data)
    for key in "abc":
        if left.get(key, [0]) is None:
            continue
        assert numbers(sessions[key].frames) == (left.get(key) or [0, 1, 2, 3, 4])
        assert (SALVAGED in sessions[key].session.tags) is (key in left)
    assert [(each.line, each.kind) for each in damages] == [each[:2] for each in named]
    begins = [0]
    for line in data.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for damage, (_, _, text) in zip(damages, named, strict=True):
        assert text in damage.text
        assert "hunter2" not in damage.text
        assert damage.offset == begins[damage.line - 1]


@pytest.mark.parametrize("place", range(2, 20))
async def test_without_salvage_a_session_with_a_lost_line_is_not_given(place: int) -> None:
    """The sessions before it are, and the error names the line."""
    data = without(place)(await exported())
    whole: list[str] = []
    sessions = read_sessions(read_lines(BytesIO(data)))
    with pytest.raises(MalformedExport) as refused:
        whole.extend(stored.session.id for stored in sessions)
    assert whole == [*"abc"[: (place - 2) // 6]]
    assert refused.value.line >= place


async def test_of_random_damage_nothing_whole_is_lost() -> None:
    """Whatever part of a file is overwritten: sessions and frames beside it come back."""
    lines = await exported()
    data = joined(lines)
    for start in range(0, len(data), 97):
        for size in (1, 30, 400, 2_000):
            broken = data[:start] + b"\0" * len(data[start : start + size]) + data[start + size :]
            sessions, _ = found_in(broken)
            ends = [*_ends(data)]
            for key, first in (("a", 1), ("b", 7), ("c", 13)):
                if ends[first - 1] < start + size and start < ends[first]:
                    continue  # the session's own line is touched
                there = numbers(sessions[key].frames)
                for n in range(5):
                    from_, to = ends[first + n], ends[first + n + 1]
                    touched = from_ < start + size and start < to
                    assert touched or n in there, (start, size, key, n)


def _ends(data: bytes) -> list[int]:
    """Where each line ends."""
    ends: list[int] = []
    at = 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        ends.append(at)
    return ends


def test_a_log_of_many_numbers_is_not_counted_one_by_one() -> None:
    """A session that says it has 10^12 frames, and has one of them."""
    session = {"session": {"id": "a", "transport_type": "stdio"}, "frames": 10**12, "trimmed": 0}
    found = [*salvage_export([header_line(), json.dumps(session), last_line(1)])]
    (damage,) = [each for each in found if isinstance(each, Damage)]
    assert damage.text == "session a: frames 1 to 1000000000000 are missing"


async def test_an_export_of_the_first_version_is_read() -> None:
    """It had no times: those of its sessions are of now."""
    lines = [line.decode() for line in await exported()]
    lines[0] = lines[0].replace('"version":2', '"version":1')
    for place in (1, 7, 13):
        fields = json.loads(lines[place])
        del fields["times"]
        lines[place] = json.dumps(fields)
    assert [stored.session.id for stored in read_export(lines)] == ["a", "b", "c"]

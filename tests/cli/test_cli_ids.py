"""Sessions are named by `last`, `last~2`, an id, or a prefix that only one id has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sessionkeeper import Session, SessionNotFound, SessionPage, SessionQuery, SQLiteSessionStore
from sessionkeeper.cli.app import run
from sessionkeeper.cli.find_session import find_session
from sessionkeeper.cli.newest_sessions import newest_sessions, sessions_by_activity

Capture = pytest.CaptureFixture[str]


class CountingStore(SQLiteSessionStore):
    """A store that counts the sessions it was asked for."""

    listed = 0

    async def find_sessions(self, *arguments: object, **options: object) -> SessionPage:
        page = await super().find_sessions(*arguments, **options)  # type: ignore[arg-type]
        self.listed += len(page.sessions)
        return page


async def fill(path: Path, *ids: str) -> None:
    """Sessions with these ids, in this order of creation."""
    async with SQLiteSessionStore(path) as store:
        for each in ids:
            await store.create_session(Session.new(id=each, transport_type="stdio"))


async def test_last_is_the_newest_by_creation(tmp_path: Path) -> None:
    """However recently others were used; the walk is lazy."""
    ids = [f"{number:04}" for number in range(1_500)]
    await fill(tmp_path / "a.db", *ids)
    async with CountingStore(tmp_path / "a.db") as store:
        for used in ("0700", "0003"):
            await store.touch_session(used)
        assert [each.id async for each in newest_sessions(store)] == ids[::-1]
        assert [
            each.id
            async for each in newest_sessions(store, SessionQuery(tags_any=frozenset({"x"})))
        ] == []
        store.listed = 0
        for asked, found in ("last", "1499"), ("last~0", "1499"), ("last~2", "1497"):
            assert (await find_session(store, asked)).id == found
        assert store.listed < 200
        assert (await find_session(store, "last~1499")).id == "0000"


async def test_a_walk_since_a_moment_ends_there(tmp_path: Path) -> None:
    """It does not read the sessions that are older."""
    await fill(tmp_path / "a.db", *(f"{number:04}" for number in range(1_500)))
    async with CountingStore(tmp_path / "a.db") as store:
        since = (await store.get_session("1499")).last_activity
        await fill(tmp_path / "a.db", "new")
        query = SessionQuery(active_from=since)
        for walk in newest_sessions, sessions_by_activity:
            store.listed = 0
            assert [each.id async for each in walk(store, query)] == ["new", "1499"]
            assert store.listed < 100


async def test_an_id_comes_before_last(tmp_path: Path) -> None:
    """A session may be called so."""
    await fill(tmp_path / "a.db", "last", "lasting")
    async with SQLiteSessionStore(tmp_path / "a.db") as store:
        assert (await find_session(store, "last")).id == "last"
        assert (await find_session(store, "last~0")).id == "lasting"
        assert (await find_session(store, "lasti")).id == "lasting"
        with pytest.raises(SessionNotFound):
            await find_session(store, "last~")


def test_an_ambiguous_prefix_is_answered_with_candidates(tmp_path: Path, capsys: Capture) -> None:
    """One line, which shows so much of some of them that one can choose."""
    url = f"sqlite:///{tmp_path}/a.db"
    asyncio.run(fill(tmp_path / "a.db", "abcde-1", "abcxyz", "abcxyz-2", "other"))
    assert run(["show", url, "abc"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3 ids start with it: abcd… of " in said
    assert ", abcxyz of " in said
    assert ", abcxyz-… of " in said
    asyncio.run(fill(tmp_path / "a.db", *(f"abc{number}" for number in range(10))))
    assert run(["end", url, "abc"]) == 2
    assert " and 8 more; give more characters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ids", "asked", "said"),
    [
        ((), "last", "the store has no session"),
        (("a",), "last~1", "the store has 1 session: the oldest one is last"),
        (("a", "b"), "last~9", "the store has 2 sessions: the oldest one is last~1"),
    ],
)
def test_a_last_one_that_does_not_exist_is_refused(
    ids: tuple[str, ...], asked: str, said: str, tmp_path: Path, capsys: Capture
) -> None:
    """Exit code 2, and how many there are."""
    asyncio.run(fill(tmp_path / "a.db", *ids))
    assert run(["show", f"sqlite:///{tmp_path}/a.db", asked]) == 2
    assert said in capsys.readouterr().err

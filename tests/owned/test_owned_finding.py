"""Pages of a third party's sessions: the owner's own places, in the order of its listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessionkeeper import Session, SessionPage, SessionQuery
from sessionkeeper.operations.sweep_rules import LOOKS

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.owned.conftest import StoreSetup

ALL = SessionQuery()


def ids(page: SessionPage) -> list[str]:
    """The ids that were found."""
    return [session.id for session in page.sessions]


async def test_existing_sessions_come_first(setup: StoreSetup) -> None:
    """In order of creation, whatever was looked at or created before the first page."""
    for key in "abc":
        await setup.elsewhere.create_session(new_session(key))
    await setup.store.get_session("c")
    await setup.create("d")
    await setup.store.get_session("b")
    assert ids(await setup.store.find_sessions(ALL)) == [*"abcd"]


async def test_a_session_recreated_elsewhere_is_a_different_session(setup: StoreSetup) -> None:
    """It comes after the existing ones, and is not mistaken for the deleted one."""
    await setup.create(*"abc")
    page = await setup.store.find_sessions(ALL, limit=2)
    assert ids(page) == ["a", "b"]
    await setup.elsewhere.delete_session("b")
    setup.wait(1)
    await setup.elsewhere.create_session(new_session("b"))
    page = await setup.store.find_sessions(ALL, cursor=page.cursor)
    assert ids(page) == ["c", "b"]
    assert ids(await setup.store.find_sessions(ALL)) == ["a", "c", "b"]


async def test_a_session_recreated_in_the_same_moment_is_a_different_session(
    setup: StoreSetup,
) -> None:
    """Through the owner, even the time of creation may be the same."""
    await setup.create(*"ab")
    cursor = (await setup.store.find_sessions(ALL, limit=1)).cursor
    await setup.store.delete_session("a")
    await setup.create("a")
    assert ids(await setup.store.find_sessions(ALL, cursor=cursor)) == ["b", "a"]


async def test_a_store_that_lists_in_any_order_can_be_paged(setup: StoreSetup) -> None:
    """The places are the owner's: each is seen exactly once, also if the listing is shuffled."""
    await setup.create(*"abcdefgh")
    method = type(setup.inner).list_sessions
    lists = 0

    async def shuffled(self: Any) -> list[Session]:
        nonlocal lists
        lists += 1
        sessions = await method(self)
        return sessions[lists % 8 :] + sessions[: lists % 8]

    type(setup.inner).list_sessions = shuffled  # type: ignore[method-assign]  # out of order
    seen: list[str] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = await setup.store.find_sessions(ALL, cursor=cursor, limit=3)
        seen += ids(page)
        cursor = page.cursor
    assert sorted(seen) == [*"abcdefgh"]


async def test_a_page_of_a_third_partys_store_reads_a_bounded_number(setup: StoreSetup) -> None:
    """Pages without a match are empty, go on, and come to an end."""
    for n in range(LOOKS + 11):
        await setup.elsewhere.create_session(new_session(f"s{n}", tags={"t"} if n > LOOKS else ()))
    query = SessionQuery(tags_any=frozenset({"t"}))
    first = await setup.store.find_sessions(query, limit=5)
    assert ids(first) == [f"s{n}" for n in range(LOOKS + 1, LOOKS + 5)]
    assert first.cursor == str(LOOKS + 5)
    second = await setup.store.find_sessions(query, cursor=first.cursor, limit=6)
    assert ids(second) == [f"s{n}" for n in range(LOOKS + 5, LOOKS + 11)]
    assert second.cursor is None


async def test_the_bookkeeping_of_the_owner_is_bounded_by_the_sessions(setup: StoreSetup) -> None:
    """Sessions that come and go, here or elsewhere, leave nothing behind."""
    index = setup.store._bookkeeping.index
    for n in range(20):
        await setup.create(f"s{n}")
        await setup.store.add_frame(note(1, f"s{n}"))
    for n in range(10):
        await setup.store.delete_session(f"s{n}")
    assert len(index) == 10
    for n in range(10, 20):
        await setup.elsewhere.delete_session(f"s{n}")
    assert await setup.store.find_sessions(ALL) == SessionPage((), None)
    assert len(index) == 0

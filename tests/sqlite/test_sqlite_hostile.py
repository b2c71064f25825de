"""A hostile string in every place of every method: a string, or an error of the contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    HttpDelivery,
    MessageEnvelope,
    Session,
    SessionError,
    SessionQuery,
    SQLiteSessionStore,
    SseDelivery,
    StdioDelivery,
)

from tests.support.sessions import new_session, note

Call: TypeAlias = Callable[[Any, str], Any]

HOSTILE = [
    *("'OR'1'='1", "a'--", "';DELETE/**/FROM/**/sessions;--"),
    *("'; DROP TABLE sessions; --", '"', "' OR 1=1 --", "%", "_", "*", "[a]", "a' --", "`", "\\"),
    *("a\0b", "\0", "\ud800", "🦑" * 40, "\u202e", "\r\n", "x" * 100_000, "", " ", "NULL"),
    *(":memory:", "file:x?mode=memory", "?1", ":id", "@id", "$id", "{}", "../../etc/passwd", "-1"),
    *("9" * 400, "1e999", "NaN", "a;", "/*", "*/", "0x41", "main.sessions", "rowid"),
]


def hostile_note(text: str, id: str = "a", **context: Any) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": text, "params": {text: text}}
    return MessageEnvelope.of(id, message, direction="client-to-server", **context)


def tagged(text: str) -> Callable[[Session], Session]:
    return lambda session: session.model_copy(update={"id": text})


async def watched(store: Any, text: str) -> object:
    return await anext(store.watch_frames(text))


CALLS: dict[str, list[Call]] = {
    "create_session": [lambda store, text: store.create_session(text)],
    "get_session": [lambda store, text: store.get_session(text)],
    "update_session": [lambda store, text: store.update_session(text)],
    "put_session": [lambda store, text: store.put_session(text)],
    "delete_session": [lambda store, text: store.delete_session(text)],
    "get_sessions_batch": [
        lambda store, text: store.get_sessions_batch([text]),
        lambda store, text: store.get_sessions_batch(["a", *[text] * 100]),
        lambda store, text: store.get_sessions_batch(text),
    ],
    "update_sessions_batch": [
        lambda store, text: store.update_sessions_batch([text]),
        lambda store, text: store.update_sessions_batch(text),
    ],
    "modify_session": [
        lambda store, text: store.modify_session(text, lambda s: s),
        lambda store, text: store.modify_session("a", text),
        lambda store, text: store.modify_session("a", lambda _: text),
        lambda store, text: store.modify_session("a", tagged(text)),
    ],
    "get_or_create_session": [lambda store, text: store.get_or_create_session(text)],
    "touch_session": [lambda store, text: store.touch_session(text)],
    "archive_session": [
        lambda store, text: store.archive_session(text, expected_last_seq=0),
        lambda store, text: store.archive_session(new_session("a"), expected_last_seq=text),
    ],
    "add_frame": [lambda store, text: store.add_frame(text)],
    "add_frames": [
        lambda store, text: store.add_frames(text, []),
        lambda store, text: store.add_frames("a", text),
        lambda store, text: store.add_frames("a", [text]),
        lambda store, text: store.add_frames(text, [hostile_note("x")]),
        lambda store, text: store.add_frames("a", [hostile_note("x")], expected_last_seq=text),
        lambda store, text: store.add_frames("a", [hostile_note("x")], change=text),
    ],
    "get_frames": [lambda store, text: store.get_frames(text)],
    "read_frames": [
        lambda store, text: store.read_frames(text),
        lambda store, text: store.read_frames("a", after=text),
        lambda store, text: store.read_frames("a", limit=text),
    ],
    "count_frames": [lambda store, text: store.count_frames(text)],
    "delete_frames": [lambda store, text: store.delete_frames(text)],
    "trim_frames": [
        lambda store, text: store.trim_frames(text, up_to=1),
        lambda store, text: store.trim_frames("a", up_to=text),
    ],
    "search_frames": [
        lambda store, text: store.search_frames(text, containing=[b"a"]),
        lambda store, text: store.search_frames("a", containing=text),
        lambda store, text: store.search_frames("a", containing=[text]),
        lambda store, text: store.search_frames(
            "a", containing=[text.encode(errors="surrogatepass")[:1024] or b"x"]
        ),
        lambda store, text: store.search_frames("a", containing=[b"a"], after=text),
        lambda store, text: store.search_frames("a", containing=[b"a"], limit=text),
        lambda store, text: store.search_frames("a", containing=[b"a"], incarnation=text),
    ],
    "remove_frames": [
        lambda store, text: store.remove_frames(text, [1]),
        lambda store, text: store.remove_frames("a", text),
        lambda store, text: store.remove_frames("a", [text]),
    ],
    "find_sessions": [
        lambda store, text: store.find_sessions(text),
        lambda store, text: store.find_sessions(SessionQuery(), cursor=text),
        lambda store, text: store.find_sessions(SessionQuery(), limit=text),
        lambda store, text: store.find_sessions(SessionQuery(principal=text)),
        lambda store, text: store.find_sessions(SessionQuery(tags_any=frozenset({text}))),
        lambda store, text: store.find_sessions(SessionQuery(tags_all=frozenset({text}))),
        lambda store, text: store.find_sessions(SessionQuery.model_validate({"states": [text]})),
        lambda store, text: store.find_sessions(SessionQuery.model_validate({"statuses": [text]})),
    ],
    "expire_sessions": [
        lambda store, text: store.expire_sessions(idle=text),
        lambda store, text: store.expire_sessions(age=text),
        lambda store, text: store.expire_sessions(idle=1e9, limit=text),
    ],
    "purge_sessions": [
        lambda store, text: store.purge_sessions(ended_before=text),
        lambda store, text: store.purge_sessions(ended_for=text),
        lambda store, text: store.purge_sessions(ended_for=1, limit=text),
    ],
    "watch_frames": [
        watched,
        lambda store, text: store.watch_frames("a", after=text),
    ],
    "for_principal": [
        lambda store, text: store.for_principal(text).count_sessions(),
        lambda store, text: store.for_principal(text).list_sessions(),
        lambda store, text: store.for_principal(text).get_session("a"),
        lambda store, text: store.for_principal(text).delete_session("a"),
        lambda store, text: store.for_principal(text).expire_sessions(idle=0),
        lambda store, text: store.for_principal(text).purge_sessions(ended_for=0),
    ],
    "subscribe": [lambda store, text: store.subscribe(text)],
    "observe": [lambda store, text: store.observe(text)],
}
REFUSED = (SessionError, ValueError, TypeError, NotImplementedError)
"""The last is what a principal's view says of what concerns the whole store."""
SILENT = {
    *("list_sessions", "count_sessions", "statistics", "vacuum", "checkpoint", "check", "open"),
    "settle",
}
"""What takes nothing."""
ELSEWHERE = {"backup", "aclose", "bridge", "loop_port"}
"""A path, which is tested below; a time; what the facade and the stores for threads ask for."""


def test_no_method_is_left_out() -> None:
    """Every public method of the store is called with them, or takes no argument."""
    public = {
        name
        for name, _ in inspect.getmembers(SQLiteSessionStore, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == CALLS.keys() | SILENT | ELSEWHERE


async def held(store: AtomicSessionStore) -> object:
    """All that could have changed."""
    sessions = [each.model_dump(exclude={"last_activity"}) for each in await store.list_sessions()]
    return sessions, await store.get_frames("a"), (await store.statistics()).sessions


@pytest.mark.parametrize("whose", [None, "me"])
async def test_a_hostile_string_does_nothing(file: Path, whose: str | None) -> None:
    """Everywhere, through the store and through a principal's view; nothing is stored or lost."""
    async with SQLiteSessionStore(file) as whole:
        await whole.create_session(new_session(principal="me"))
        await whole.add_frames("a", [note(n) for n in range(3)])
        before = await held(whole)
        store = whole if whose is None else whole.for_principal(whose)
        for text in HOSTILE:
            for name, calls in CALLS.items():
                if not hasattr(store, name):
                    continue
                for call in calls:
                    try:
                        found = call(store, text)
                        found = await found if inspect.isawaitable(found) else found
                    except REFUSED:
                        continue
                    assert name in ("get_sessions_batch", "update_sessions_batch") or not (
                        isinstance(found, Session | MessageEnvelope)
                    )
            assert await held(whole) == before, ascii(text[:20])
        assert await whole.check() == []
        assert await whole.add_frame(note()) == 4


FIELDS = [
    *("failure", "principal", "upstream_session_id", "tags", "metadata", "client_info"),
    *("server_info", "version_state"),
]
CONTEXTS: dict[str, Callable[[str], Any]] = {
    "metadata": lambda text: {text: text},
    "protocol_version": lambda text: text,
    "delivery": lambda text: StdioDelivery(command=(text,)),
}


def of(field: str, text: str) -> object:
    """A value for a field with this string in it."""
    if field in ("metadata", "client_info", "server_info"):
        return {text: [text, {text: text}]}
    if field == "version_state":
        return {"requested": text, "negotiated": text}
    return {text} if field == "tags" else text


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
async def test_a_hostile_string_comes_back_as_it_was(file: Path, text: str) -> None:
    """In every field of a session, a message and its context that takes it."""
    async with SQLiteSessionStore(file) as store:
        kept = 0
        for field in FIELDS:
            try:
                made = new_session(f"of-{field}", **{field: of(field, text)})
            except ValueError:
                continue
            kept += 1
            assert getattr(await store.create_session(made), field) == getattr(made, field)
        await store.create_session(new_session("a"))
        envelopes: list[MessageEnvelope] = []
        deliveries = [
            lambda: HttpDelivery(method=text, path=text),
            lambda: SseDelivery(event_id=text, event_type=text),
        ]
        makers: list[Callable[[], MessageEnvelope]] = [
            lambda: hostile_note(text),
            *(
                lambda name=name: hostile_note("x", **{name: CONTEXTS[name](text)})
                for name in CONTEXTS
            ),
            *(lambda make=make: hostile_note("x", delivery=make()) for make in deliveries),
        ]
        for make in makers:
            try:
                envelope = make()
                await store.add_frame(envelope)
            except (ValueError, SessionError):  # also what only a store cannot take
                continue
            envelopes.append(envelope)
    async with SQLiteSessionStore(file) as store:
        assert await store.get_frames("a") == envelopes
        assert await store.count_sessions() == kept + 1
        assert await store.check() == []


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
async def test_a_backup_goes_where_it_is_told(tmp_path: Path, text: str) -> None:
    """No spelling of a path is an address, an option or a statement."""
    there = tmp_path / "a" / "b" / "c"
    there.mkdir(parents=True)
    async with SQLiteSessionStore(tmp_path / "store.db") as store:
        await store.create_session(new_session())
        target = there / text
        try:
            await store.backup(target)
        except (OSError, ValueError):
            return
    async with SQLiteSessionStore(target) as copy:
        assert await copy.count_sessions() == 1

"""A hostile string in every place of every method: a string, or an error of the contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from sessionkeeper import (
    AtomicSessionStore,
    HttpDelivery,
    MessageEnvelope,
    Session,
    SessionError,
    SessionQuery,
    SseDelivery,
    StdioDelivery,
)

from tests.support.sessions import new_session

__all__ = [
    "CALLS",
    "HOSTILE",
    "REFUSED",
    "check_it_does_nothing",
    "check_they_come_back",
    "hostile_note",
]

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


async def held(store: AtomicSessionStore) -> object:
    """All that could have changed."""
    sessions = [each.model_dump(exclude={"last_activity"}) for each in await store.list_sessions()]
    return sessions, await store.get_frames("a"), (await store.statistics()).sessions


async def check_it_does_nothing(whole: AtomicSessionStore, whose: str | None, text: str) -> None:
    """Give it to each method, of the store or of a principal's view; nothing is stored or lost.

    The store has a session `a`, which belongs to the principal.
    """
    before = await held(whole)
    store = whole if whose is None else whole.for_principal(whose)
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


async def check_they_come_back(
    opened: Callable[[], AbstractAsyncContextManager[AtomicSessionStore]], texts: Sequence[str]
) -> None:
    """Store each in every field of a session, a message and its context that takes it; read it.

    `opened` opens a new store, and then the same again.
    """
    made: list[Session] = []
    envelopes: dict[str, list[MessageEnvelope]] = {}
    async with opened() as store:
        for n, text in enumerate(texts):
            for field in FIELDS:
                try:
                    made.append(new_session(f"of-{n}-{field}", **{field: of(field, text)}))
                except ValueError:
                    continue
                created = await store.create_session(made[-1])
                assert getattr(created, field) == getattr(made[-1], field)
            log = f"log-{n}"
            await store.create_session(new_session(log))
            envelopes[log] = []
            for make in _messages(log, text):
                try:
                    envelope = make()
                    await store.add_frame(envelope)
                except (ValueError, SessionError):  # also what only a store cannot take
                    continue
                envelopes[log].append(envelope)
    async with opened() as store:
        for session in made:
            found = await store.get_session(session.id)
            assert all(getattr(found, field) == getattr(session, field) for field in FIELDS)
        for log, sent in envelopes.items():
            assert await store.get_frames(log) == sent
        assert await store.count_sessions() == len(made) + len(texts)


def _messages(log: str, text: str) -> list[Callable[[], MessageEnvelope]]:
    """Makers of messages with it in every place; some raise `ValueError`."""
    deliveries = [
        lambda: HttpDelivery(method=text, path=text),
        lambda: SseDelivery(event_id=text, event_type=text),
    ]
    return [
        lambda: hostile_note(text, log),
        *(
            lambda name=name: hostile_note("x", log, **{name: CONTEXTS[name](text)})
            for name in CONTEXTS
        ),
        *(lambda make=make: hostile_note("x", log, delivery=make()) for make in deliveries),
    ]

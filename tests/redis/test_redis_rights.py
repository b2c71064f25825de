"""A user with few rights, over TLS: the store works, and its secrets are nowhere to be seen."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from contextlib import suppress
from importlib.resources import files
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_operations import WRITES, add_up, fill, note, session
from redis_rights import documented, few
from redis_server import RedisServer
from sessionkeeper import (
    FramesFull,
    MessageEnvelope,
    RedisSessionStore,
    SessionNotFound,
    SessionQuery,
    SessionsFull,
    StoreLimits,
    StoreUnavailable,
)

CANARY = "canary-8f3a"
HOSTILE = [
    *(
        "a",
        "a}",
        "{a",
        "{a}",
        "a:s:a",
        "}:s:a",
        "{p:0}:s:a",
        "*",
        "?",
        "[a]",
        "%",
        "%2A",
        "%7Ba%7D",
    ),
    *(
        "a%",
        "'",
        '"',
        "\\",
        "\\n",
        "$(a)",
        "a.b",
        "a-b",
        "a~b",
        "a/b",
        "a;b",
        "~",
        "!",
        "^a$",
        "-1",
    ),
]


async def everything(url: str, prefix: str) -> None:
    """All that a store does."""
    limits = StoreLimits(
        max_sessions=5,
        max_frames_per_session=4,
        sessions_full=SessionsFull.EVICT_IDLE,
        frames_full=FramesFull.DROP_OLDEST,
    )
    for n, write in enumerate(WRITES.values()):
        async with RedisSessionStore(url, prefix=prefix, limits=limits, ttl=3600) as store:
            for each in await store.list_sessions():
                await store.delete_session(each.id)
            await fill(store)
            await write(store)
            with suppress(SessionNotFound):
                await store.trim_frames("a", up_to=1)
            for key in ("x", "y"):
                await store.get_or_create_session(session(f"{key}{n}", principal="bob"))
                await store.update_session(
                    (await store.get_session(f"{key}{n}")).model_copy(
                        update={"principal": None, "metadata": {"k": 1}}
                    )
                )
            await store.get_sessions_batch([f"x{n}", f"y{n}"])
            await store.find_sessions(SessionQuery())
            await store.find_sessions(SessionQuery(), order="last-activity")
            await store.for_principal("bob").count_sessions()
            watcher = store.watch_frames(f"x{n}")
            await store.add_frame(note(1, f"x{n}"))
            await anext(watcher)
            if not n:
                waiting = asyncio.ensure_future(anext(watcher))
                async with RedisSessionStore(url, prefix=prefix) as other:
                    while not waiting.done():  # until the reader is there, and hears of it
                        await other.add_frame(note(2, f"x{n}"))
                        await asyncio.sleep(0.005)
                await waiting
            await watcher.aclose()
            await add_up(store)


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_the_documented_user_may_do_what_is_needed_and_no_more(fleet: Fleet) -> None:
    """Everything works with these commands, and each of them is used."""
    server = fleet.start()
    url = few(server, "p")
    server.say("CONFIG", "RESETSTAT")
    await everything(url, "p")
    stats: Any = server.say("INFO", "commandstats")
    denied: Any = server.say("ACL", "LOG")
    used = {name.removeprefix("cmdstat_") for name, each in stats.items() if each["calls"]}
    used -= {"config|resetstat", "info"}
    allowed = {rule.removeprefix("+") for rule in documented() if rule.startswith("+")} - {"info"}
    assert denied == []
    assert used - {"auth"} == allowed


def test_the_documented_commands_are_those_of_the_scripts() -> None:
    """A new command in a script must be documented."""
    scripts = files("sessionkeeper.backends.redis.scripts")
    texts = [
        each.read_text()
        for folder in (scripts, scripts / "shared")
        for each in folder.iterdir()
        if each.name.endswith(".lua")
    ]
    in_scripts = {word.lower() for text in texts for word in re.findall(r"call\('([A-Z]+)'", text)}
    assert in_scripts
    assert {f"+{word}" for word in in_scripts} <= set(documented())


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_this_user_sees_no_foreign_key(server: RedisServer, key_prefix: str) -> None:
    """No other store and no other key; a missing right is an error without effect."""
    prefix = key_prefix[:-1]
    url = few(server, prefix)
    async with RedisSessionStore(server.url, prefix=f"{prefix}0") as other:
        await fill(other)
    with pytest.raises(StoreUnavailable, match="NOPERM"):
        async with RedisSessionStore(url, prefix=f"{prefix}0"):
            pass
    with server.client(url) as client:
        is_status: Any = client
        for words in (("KEYS", "*"), ("SCAN", 0), ("FLUSHALL",), ("GET", "x"), ("EVAL", "", 0)):
            with pytest.raises(Exception, match="permission"):
                is_status.execute_command(*words)
    url = few(server, prefix, without="+script|load")
    server.say("SCRIPT", "FLUSH")
    with pytest.raises(StoreUnavailable, match="NOPERM"):
        async with RedisSessionStore(url, prefix=prefix):
            pass


async def test_no_error_shows_a_password_or_a_message(
    server: RedisServer, key_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in a `repr`, an error with all its causes, nor in the log."""
    caplog.set_level(logging.DEBUG)
    prefix = key_prefix[:-1]
    url = few(server, prefix, password=CANARY)
    shown: list[str] = []

    async def goes_wrong(url: str, **options: Any) -> None:
        with pytest.raises(StoreUnavailable) as told:
            async with RedisSessionStore(url, prefix=prefix, patience=0.05, **options):
                pass
        shown.extend([str(told.value), "".join(traceback.format_exception(told.value))])

    async with RedisSessionStore(url, prefix=prefix) as store:
        await fill(store)
    async with RedisSessionStore(url, prefix=prefix, patience=1.0) as store:
        secret = MessageEnvelope.of(
            "a", {"jsonrpc": "2.0", "method": CANARY}, direction="client-to-server"
        )
        await store.add_frame(secret)
        shown += [
            repr(store),
            str(store.server_info),
            repr(vars(store)),
            repr(store._runner.resources),
        ]
        for rules in ("-xadd", "-evalsha", "resetkeys", "off", "reset"):
            server.say("ACL", "SETUSER", f"few-{prefix}", rules)
            server.say("CLIENT", "KILL", "USER", f"few-{prefix}")
            for call in (store.add_frame(secret), store.modify_session("a", lambda s: s)):
                try:
                    await call
                except Exception as error:
                    shown += [repr(error), "".join(traceback.format_exception(error))]
            shown.append(repr(store))
    await goes_wrong(url)
    await goes_wrong(url.replace(str(server.port), "1"))
    await goes_wrong(url, buckets=7)
    shown.append(caplog.text)
    assert len(shown) > 20
    assert not [text for text in shown if CANARY in text]


async def test_hostile_ids_cannot_change_a_key(server: RedisServer, key_prefix: str) -> None:
    """Each is a session of its own, with its own log, and all keys are within the prefix."""
    prefix = key_prefix[:-1]
    before = set(server.say("KEYS", "*"))
    async with RedisSessionStore(few(server, prefix), prefix=prefix) as store:
        for n, name in enumerate(HOSTILE):
            await store.create_session(session(name, principal=name, tags={name}))
            await store.add_frames(name, [note(k, name) for k in range(n + 1)])
        for n, name in enumerate(HOSTILE):
            assert (await store.get_session(name)).principal == name
            assert await store.count_frames(name) == n + 1
            assert [each.id for each in await store.for_principal(name).list_sessions()] == [name]
            page = await store.find_sessions(SessionQuery(tags_all=frozenset({name})))
            assert [each.id for each in page.sessions] == [name]
        assert [each.id for each in await store.list_sessions()] == HOSTILE
        keys = set(server.say("KEYS", "*")) - before
        assert all(key.startswith(f"{{{prefix}:0}}:") for key in keys)
        for name in HOSTILE[::2]:
            await store.delete_session(name)
        assert len(await store.expire_sessions(idle=0, limit=100)) == len(HOSTILE[1::2])
        for n, name in enumerate(HOSTILE):
            if n % 2:
                assert len(await store.get_frames(name)) == n + 1
            else:
                with pytest.raises(SessionNotFound):
                    await store.get_frames(name)
        await add_up(store)


@pytest.mark.parametrize("prefix", ["", "{", "a}", "a:b", "*", "a b", "é", "a" * 65, "a\n"])
def test_a_prefix_with_a_brace_is_refused(prefix: str) -> None:
    """It is a part of every key, and of a pattern."""
    with pytest.raises(ValueError, match="a prefix is"):
        RedisSessionStore("redis://127.0.0.1:1", prefix=prefix)

"""Whatever is lost between a store and its server: each operation is applied exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis_faults import Fault
from redis_operations import WRITES, Picture, Write, add_up, fill, heard, note, picture, session
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer, until
from sessionkeeper import AtomicSessionStore, RedisSessionStore, SessionError
from sessionkeeper.backends.redis import opening
from sessionkeeper.backends.redis.client.call import Call
from sessionkeeper.backends.redis.delivery.request import OPEN
from sessionkeeper.backends.redis.delivery.writer_log import WriterLog

pytestmark = pytest.mark.parametrize("engine", ["redis"], indirect=True)

# Seconds of silence after which a connection is given up; more of it than needed does no harm.
SILENCE = 0.5
SCRIPT = "EVALSHA"
WRITERS = 8
LAST = 24

Break = Callable[[FaultProxy], Fault]

ONCE: dict[str, Break] = {
    "the reply is cut off": lambda p: p.replies.cut(SCRIPT, at=0),
    "the reply is cut in two": lambda p: p.replies.cut(SCRIPT, at=3, reset=True),
    "the connection ends after the reply": lambda p: p.replies.cut(SCRIPT),
    "two replies are cut off": lambda p: p.replies.cut(SCRIPT, at=0, times=2),
    "the second reply is cut off": lambda p: p.replies.cut(SCRIPT, at=0, skip=1),
    "the request is cut off": lambda p: p.requests.cut(SCRIPT, at=0),
    "the request is cut in two": lambda p: p.requests.cut(SCRIPT, at=50, reset=True),
    "the request arrives and the connection ends": lambda p: p.requests.cut(SCRIPT),
    # Held, not dropped: on a stream nothing is lost that what follows is not lost as well.
    "nothing is said from the reply on": lambda p: p.replies.hold(SCRIPT),
    "nor to the question what became of it": lambda p: p.replies.hold(SCRIPT, times=2),
    "nothing arrives from the request on": lambda p: p.requests.hold(SCRIPT),
    "the reply is late": lambda p: p.replies.delay(2 * SILENCE, SCRIPT, times=1),
}


@asynccontextmanager
async def opened(url: str, prefix: str, patience: float = 20.0) -> AsyncIterator[RedisSessionStore]:
    """A filled store that notices silence soon."""
    url = f"{url}?socket_timeout={SILENCE}"
    async with RedisSessionStore(url, prefix=prefix.rstrip(":"), patience=patience) as store:
        yield store


def own(prefix: str, name: str) -> str:
    """The prefix of a store for one kind of write."""
    return f"{prefix[:-1]}-{[*WRITES].index(name)}"


Expected = dict[str, tuple[object, object, Picture]]


async def undisturbed(server: RedisServer, prefix: str, write: Write) -> tuple[Any, Any, Picture]:
    """Answers, events and content without faults."""
    async with RedisSessionStore(server.url, prefix=f"{prefix[:-1]}-twin") as twin:
        await fill(twin)
        answer, told = await heard(twin, write)
        return answer, told, await picture(twin)


@pytest.fixture
async def expected(server: RedisServer, key_prefix: str) -> Expected:
    """The same for every write."""
    twins = [undisturbed(server, f"{own(key_prefix, name)}:", WRITES[name]) for name in WRITES]
    return dict(zip(WRITES, await asyncio.gather(*twins), strict=True))


@pytest.mark.parametrize("what", ONCE)
async def test_a_write_is_applied_once_whatever_is_lost(
    what: str, server: RedisServer, key_prefix: str, expected: Expected
) -> None:
    """The caller gets the first result, listeners hear of it once, and all numbers add up."""

    async def apply(name: str) -> None:
        prefix = own(key_prefix, name)
        async with proxied(server.port) as proxy, opened(proxy.url, prefix) as store:
            await fill(store)
            fault = ONCE[what](proxy)
            answer, told = await heard(store, WRITES[name])
            assert fault.units or "second" in what, name  # some have no second reply
            proxy.requests.clear()
            proxy.replies.clear()
            assert (answer, told, await picture(store)) == expected[name], name

    await asyncio.gather(*map(apply, WRITES))


async def test_a_request_that_arrives_late_has_no_effect(
    server: RedisServer, key_prefix: str, expected: Expected
) -> None:
    """The writer took a new epoch meanwhile, and sent it again."""
    async with AsyncExitStack() as stack:
        stores: dict[str, RedisSessionStore] = {}
        held: list[Fault] = []

        async def apply(name: str) -> None:
            proxy = await stack.enter_async_context(proxied(server.port))
            prefix = own(key_prefix, name)
            stores[name] = store = await stack.enter_async_context(opened(proxy.url, prefix))
            await fill(store)
            held.append(proxy.requests.hold(SCRIPT))
            assert (*await heard(store, WRITES[name]), await picture(store)) == expected[name], name

        await asyncio.gather(*map(apply, WRITES))
        await arrived(server, *held)
        for name, store in stores.items():
            assert await picture(store) == expected[name][-1], name


async def arrived(server: RedisServer, *held: Fault) -> None:
    """Let go of held scripts, and wait until the server has run them."""

    def ran() -> int:
        stats: Any = server.say("INFO", "commandstats")
        return int(stats["cmdstat_evalsha"]["calls"])

    wanted = ran() + len(held)
    for each in held:
        each.release()
    await asyncio.to_thread(until, lambda: ran() >= wanted, "the late requests have arrived")


async def test_packets_of_one_byte_make_no_difference(
    server: RedisServer, key_prefix: str, expected: Expected
) -> None:
    """For requests and for replies."""
    async with proxied(server.port) as proxy:
        for name, write in WRITES.items():
            async with opened(proxy.url, own(key_prefix, name)) as store:
                await fill(store)
                proxy.requests.split(every=1, command=SCRIPT)
                proxy.replies.split(every=1)
                answer, told = await heard(store, write)
                proxy.requests.clear()
                proxy.replies.clear()
                assert (answer, told, await picture(store)) == expected[name], name


@pytest.mark.parametrize("way", ["requests", pytest.param("replies", marks=pytest.mark.long)])
async def test_an_append_cut_at_any_byte_is_applied_once(
    way: str, server: RedisServer, key_prefix: str
) -> None:
    """For each byte of a request and of a reply. Eight run at once: they mostly wait."""

    async def writer(first: int) -> None:
        key, at, length, told = f"writer-{first}", first, 1, 0
        async with proxied(server.port) as proxy, opened(proxy.url, key_prefix[:-1]) as store:
            await store.create_session(session(key))
            while at <= length:
                faults = getattr(proxy, way)
                fault = faults.cut(SCRIPT, at=at, reset=bool(at % 3))
                told += 1
                assert await store.add_frame(note(told, key)) == told
                length = len(fault.units[0].data)
                faults.lift(fault)
                at += WRITERS
            log = await store.get_frames(key)
            assert [each.message for each in log] == [note(n + 1).message for n in range(told)]

    await asyncio.gather(*map(writer, range(WRITERS)))
    async with RedisSessionStore(server.url, prefix=key_prefix[:-1]) as store:
        await add_up(store)


async def scenario(store: AtomicSessionStore) -> object:
    """A small life: created, filled by several, changed, trimmed, ended and deleted."""
    answers: list[object] = [await store.get_or_create_session(session("c"))]
    answers.append(await asyncio.gather(*(store.add_frame(note(n, "c")) for n in range(4))))
    answers.append(await WRITES["add_frames with a change"](store))
    answers.append(await store.trim_frames("c", up_to=2))
    answers.append(await WRITES["modify_session, three at once"](store))
    answers.append(await store.expire_sessions(idle=0, limit=10))
    await store.delete_session("c")
    return [each if isinstance(each, int | range) else str(each)[:0] for each in answers]


@pytest.mark.parametrize("fault", ["reply cut", "reply held", "request cut", "request held"])
async def test_the_kth_message_is_lost_for_every_k(
    fault: str, server: RedisServer, key_prefix: str
) -> None:
    """Of a small scenario: until there is no kth."""
    expected = await undisturbed(server, key_prefix, scenario)

    async def lose(k: int) -> bool:
        async with (
            proxied(server.port) as proxy,
            opened(proxy.url, f"{key_prefix[:-1]}-{k}") as store,
        ):
            way = proxy.replies if fault.startswith("reply") else proxy.requests
            await fill(store)
            cut = fault.endswith("cut")
            hit = way.cut(at=0, skip=k, reset=k % 2 > 0) if cut else way.hold(skip=k)
            answer, told = await heard(store, scenario)
            way.lift(hit)
            assert (answer, told, await picture(store)) == expected, k
            return bool(hit.units)

    hits = await asyncio.gather(*map(lose, range(LAST)))
    assert hits[0]
    assert not hits[-1], "there are more messages than were lost"


class Unfenced(WriterLog):
    """Wrong on purpose: all epochs are the same, so a late request is as good as a new one."""

    def _fence(self, bucket: Any, lost: Any, now: float) -> Call:
        call = super()._fence(bucket, lost, now)
        command = [*call.command]
        command[3 + int(command[2])] = "same"
        self._epochs[bucket] = ("same", now)
        return Call(call.bucket, command, call.script)


class Blind(WriterLog):
    """Wrong on purpose: what got no answer is sent again, as a client that retries does."""

    def resolve(self, request: Any) -> Any:
        super().resolve(request)
        return OPEN


async def caught(
    server: RedisServer, prefix: str, expected: Expected, break_: Break, *, late: bool
) -> set[str]:
    """Which writes are seen to be applied twice."""
    found: set[str] = set()
    async with AsyncExitStack() as stack:
        stores: dict[str, RedisSessionStore] = {}
        faults: list[Fault] = []

        async def apply(name: str) -> None:
            proxy = await stack.enter_async_context(proxied(server.port))
            url = own(prefix, name)
            stores[name] = store = await stack.enter_async_context(opened(proxy.url, url))
            await fill(store)
            faults.append(break_(proxy))
            try:
                if (await heard(store, WRITES[name]))[0] != expected[name][0]:
                    found.add(name)
            except SessionError:
                found.add(name)

        await asyncio.gather(*map(apply, WRITES))
        if late:
            await arrived(server, *faults)
        for name, store in stores.items():
            if await picture(store) != expected[name][-1]:
                found.add(name)
    return found


async def test_a_store_without_epochs_is_detected(
    server: RedisServer, key_prefix: str, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the late request: so the tests above would notice."""
    monkeypatch.setattr(opening, "WriterLog", Unfenced)
    found = await caught(server, key_prefix, expected, lambda p: p.requests.hold(SCRIPT), late=True)
    # The others find it done already, and refuse.
    assert found == {
        "add_frame",
        "add_frame, twenty at once",
        "add_frames",
        "expire_sessions",
        "purge_sessions",
        "put_session",
        "put_session of a live one",
        "put_session of an ended one",
    }


async def test_a_store_that_repeats_every_lost_call_is_detected(
    server: RedisServer, key_prefix: str, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the lost reply; each write that can be seen to have been applied twice."""
    monkeypatch.setattr(opening, "WriterLog", Blind)
    found = await caught(
        server, key_prefix, expected, lambda p: p.replies.cut(SCRIPT, at=0), late=False
    )
    # Twice is as once; of a removal that is said of the script that raises the layout's version.
    assert found == WRITES.keys() - {"touch_session", "remove_frames"}

"""From configuration or a URL to an open store; a password is never shown (Guarantees 16.17)."""

from __future__ import annotations

import copy
import pickle
import sys
import traceback

import pytest
from pydantic import SecretStr
from sessionkeeper import (
    ActorSessionStore,
    BackendNotImplemented,
    ManagerConfig,
    MemoryBackend,
    OwnedSessionStore,
    PostgresSessionStore,
    RedisBackend,
    RedisSessionStore,
    Session,
    SQLiteBackend,
    SQLiteSessionStore,
    StorageBackend,
    StorageFactory,
    StoreLimits,
    StoreUnavailable,
    backend_from_url,
)
from sessionkeeper.stores.owner_backed import OwnerBackedStore, OwnerLifecycle

PASSWORD = "s3cr3t-canary"


@pytest.mark.parametrize(
    ("url", "backend"),
    [
        ("memory://", MemoryBackend()),
        ("memory:", MemoryBackend()),
        ("sqlite:///file.db", SQLiteBackend(path="file.db")),
        ("sqlite:////var/file.db", SQLiteBackend(path="/var/file.db")),
        ("sqlite:///a/b%20c%25.db", SQLiteBackend(path="a/b c%.db")),
        ("redis://host", RedisBackend(url=SecretStr("redis://host"))),
        ("rediss://u:p@host:6380/1", RedisBackend(url=SecretStr("rediss://u:p@host:6380/1"))),
        ("redis+cluster://host:1", RedisBackend(url=SecretStr("redis+cluster://host:1"))),
        ("rediss+cluster://host:1", RedisBackend(url=SecretStr("rediss+cluster://host:1"))),
        *(
            (url, RedisBackend(url=SecretStr(url)))
            for url in (
                "redis://[::1]:6379",
                "valkey://host",
                "valkeys+cluster://host",
                "unix:///run/redis.sock",
                "redis+unix:///run/redis.sock?db=3",
                "redis+sentinel://host,[::1]:26380/mymaster/2",
            )
        ),
        (
            "unix:///s.sock?prefix=a&db=3",
            RedisBackend(url=SecretStr("unix:///s.sock?db=3"), prefix="a"),
        ),
    ],
)
def test_a_url_is_read(url: str, backend: StorageBackend) -> None:
    """`memory://`, `sqlite:///file.db`, `redis://…`, `rediss://…`, `redis+cluster://…`."""
    assert backend_from_url(url) == backend


BAD = [
    *("", "memory", "memory://x", "memory:///", "memory://?a", "file.db", "/file.db", "sqlite"),
    *(
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://host/file.db",
        "sqlite:file",
        "sqlite:/f",
    ),
    *(
        "sqlite:///f?mode=ro",
        "sqlite:///f#x",
        "sqlite:///a%00b",
        "redis:",
        "redis://",
        "redis:///1",
    ),
    *(
        "redis://:p@",
        "redis://h:port",
        "redis://h:99999",
        "redis://[::1",
        "http://h",
        "postgres:h",
    ),
    *("rediss+sentinel://h", "redis+sentinel://h", " memory://", "unix:///", "::", "\0"),
]


@pytest.mark.parametrize("url", BAD)
async def test_a_bad_url_is_refused(url: str) -> None:
    """`ValueError`, from the factory too."""
    with pytest.raises(ValueError, match=r"."):
        backend_from_url(url)
    with pytest.raises(ValueError, match=r"."):
        await StorageFactory.create(url)


@pytest.mark.parametrize("wrong", [None, 5, b"memory://", ["memory://"], object(), MemoryBackend])
async def test_a_value_of_another_type_is_a_type_error(wrong: object) -> None:
    """Wrong types are `TypeError`."""
    with pytest.raises(TypeError):
        await StorageFactory.create(wrong)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError):
        backend_from_url(wrong)  # type: ignore[arg-type]  # wrong on purpose


REDIS: list[StorageBackend | str] = [
    "redis://127.0.0.1:1",
    "rediss://127.0.0.1:1",
    RedisBackend(url=SecretStr("redis+cluster://127.0.0.1:1")),
]


@pytest.mark.parametrize("backend", REDIS)
async def test_a_server_that_is_not_there_says_so(backend: StorageBackend | str) -> None:
    """`StoreUnavailable` says where nobody listens."""
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
        await StorageFactory.create(backend)


@pytest.mark.parametrize("backend", REDIS)
async def test_a_backend_without_its_extra_says_which(
    backend: StorageBackend | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`BackendNotImplemented` names it, and what to install."""
    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(BackendNotImplemented) as refused:
        await StorageFactory.create(backend)
    assert refused.value.backend == "redis"
    assert str(refused.value) == (
        "the redis backend is not installed: pip install 'sessionkeeper[redis]'"
    )


async def test_the_factory_opens_a_memory_store() -> None:
    """The store comes open; limits and capacity are the configuration's."""
    store = await StorageFactory.create("memory://")
    assert isinstance(store, ActorSessionStore)
    await store.create_session(Session.new(transport_type="stdio", id="a"))
    await store.aclose()
    backend = MemoryBackend(limits=StoreLimits(max_sessions=1), capacity=7, capacity_bytes=9)
    async with ActorSessionStore(limits=backend.limits):
        pass
    store = await StorageFactory.create(backend)
    mailbox = (await store.statistics()).mailbox
    assert mailbox is not None
    assert (mailbox.capacity, mailbox.capacity_bytes) == (7, 9)
    await store.create_session(Session.new(transport_type="stdio", id="a"))
    with pytest.raises(Exception, match="max_sessions"):
        await store.create_session(Session.new(transport_type="stdio", id="b"))
    await store.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "redis", "url": f"http://:{PASSWORD}@h"},
        {"kind": "redis", "url": f"redis://:{PASSWORD}@"},
        {"kind": "redis", "url": f"redis://:{PASSWORD}@h:port"},
        {"kind": "redis", "url": [PASSWORD]},
        {"kind": "redis", "url": f"redis://:{PASSWORD}@h", "prefix": f"{PASSWORD} {{}}*"},
        {"kind": "redis", "url": f"redis://:{PASSWORD}@h", "capacity": 0},
        {"kind": "redis", "url": f"redis://:{PASSWORD}@h", "capacity": PASSWORD},
        {"kind": "sqlite", "path": f"{PASSWORD}\0"},
        {"kind": "sqlite", "path": ""},
        {"kind": "sqlite", "path": "f", "durability": PASSWORD},
        {"kind": "memory", "capacity_bytes": 0},
        {"kind": "memory", "limits": {"max_sessions": PASSWORD}},
    ],
)
def test_a_bad_configuration_is_refused_without_showing_it(wrong: dict[str, object]) -> None:
    """Validated configuration; input is never shown."""
    with pytest.raises(ValueError, match="validation error") as refused:
        ManagerConfig.model_validate({"backend": wrong})
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert PASSWORD not in shown


def test_a_password_is_never_shown() -> None:
    """Passwords in a URL are secrets (`SecretStr`), never shown."""
    url = f"redis://user:{PASSWORD}@host:6379/0"
    backend = backend_from_url(url)
    assert isinstance(backend, RedisBackend)
    config = ManagerConfig(backend=backend)
    for thing in (backend, config, copy.deepcopy(backend), pickle.loads(pickle.dumps(config))):
        for shown in (
            repr(thing),
            str(thing),
            f"{thing}",
            repr(thing.model_dump()),
            thing.model_dump_json(),
            repr(list(thing)),
        ):
            assert PASSWORD not in shown
    assert backend.url.get_secret_value() == url


@pytest.mark.parametrize(
    "form", ["http://:{}@h", "redis://:{}@", "redis://:{}@h:x", "u:{}@h", "r:{}@h", "unix:///a?{}"]
)
async def test_a_bad_url_is_not_shown(form: str) -> None:
    """`ValueError` without showing the URL: it may hold a password.

    What has neither an `@` nor a `?` is taken for a path, which is suggested.
    """
    with pytest.raises(ValueError, match=r".") as refused:
        await StorageFactory.create(form.format(PASSWORD))
    error: BaseException | None = refused.value
    assert PASSWORD not in "".join(traceback.format_exception(error)) + repr(error)


def test_the_stores_with_an_owner_are_siblings() -> None:
    """Each is a store of its own kind, so `isinstance` tells them apart."""
    siblings: list[type[OwnerBackedStore]] = [
        ActorSessionStore,
        SQLiteSessionStore,
        PostgresSessionStore,
        RedisSessionStore,
    ]
    for one in siblings:
        assert issubclass(one, OwnerBackedStore)
        assert [other for other in siblings if issubclass(one, other)] == [one]
    # The store in front of a third party's has the same owner's half, and another facade.
    assert issubclass(OwnedSessionStore, OwnerLifecycle)
    assert not issubclass(OwnedSessionStore, OwnerBackedStore)

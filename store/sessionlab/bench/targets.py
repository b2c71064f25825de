"""What `--store` names: a URL, a design, a file in a temporary folder, or a peer."""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres_url import SCHEMES, split_postgres_url
from sessionkeeper.backends.redis_url import ServerKind, split_url
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.stores.config import (
    PostgresBackend,
    RedisBackend,
    SQLiteBackend,
    backend_from_url,
)
from sessionkeeper.stores.factory import StorageFactory
from sessionkeeper.stores.redis import RedisSessionStore
from sessionkeeper.values.errors import BackendNotImplemented

from .database_subject import DatabaseSubject
from .peers import PEERS, PeerNeedsPlace, PeerNotInstalled, PeerStorage
from .store_subject import LIMITS, StoreSubject
from .subject import Subject

__all__ = ["DEFAULT_TARGETS", "Target", "list_limitations", "make_subject", "parse_target"]

DEFAULT_TARGETS = ("memory", "plain", "locked", "sqlite")
_ENDINGS = (".db", ".sqlite", ".sqlite3")
_FILES = {"sqlite": "disk", "sqlite-os": "os"}


@dataclass(frozen=True, slots=True)
class Target:
    """A store or peer to measure."""

    spec: str
    """As given by the user; it may contain a password."""
    name: str
    """As shown; without a password."""
    shared: bool
    """Several processes can use it."""
    outlives_run: bool
    """It outlives the run, so the run deletes what it made."""
    isolated: bool = True
    """Its places are separate; otherwise all places are one."""


def parse_target(text: str, /, *, new: bool = True) -> Target:
    """Parse a name; with `new`, a file that it names must not exist.

    Raises `ValueError` with a text of one line.
    """
    if text == "memory":
        return Target("memory://", "memory", shared=False, outlives_run=False)
    if text in _FILES:
        return Target(text, text, shared=True, outlives_run=False)
    if (name := text.partition("=")[0]) in PEERS:
        return _of_peer(text, name)
    if _looks_like_a_path(text):
        backend_from_url(text)  # raises, and says which URL was meant
    if "://" in text:
        return _of_url(text, new=new)
    if ":" in text and any(sign in text for sign in "/@"):
        raise ValueError("neither a URL nor module:Class")  # not shown: it may contain a password
    if ":" in text:
        find_subject_class(text)
        return Target(text, text, shared=False, outlives_run=False)
    # Late: this imports the checker, and most measuring processes do not need it.
    from ..designs import DESIGNS

    if text in DESIGNS:
        return Target(text, text, shared=False, outlives_run=False)
    known = [*dict.fromkeys(("memory", *_FILES, *DESIGNS, *PEERS))]
    near = get_close_matches(text, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected a URL or one of {', '.join(known)}"
    raise ValueError(f"unknown store {text!r}; {hint}")


def make_subject(
    target: Target, folder: Path, /, *, place: str = "store", run: str = "bench"
) -> Subject:
    """Make the subject. `place` separates subjects of one target, and `run` those of several runs.

    Raises `ValueError` if it cannot be made here, and what making it raises.
    """
    spec = target.spec
    if spec in _FILES:
        return StoreSubject(_file(folder / f"{place}.db", _FILES[spec]))
    name, _, url = spec.partition("=")
    if name in PEERS:
        return PEERS[name].make(
            path=folder / f"{place}-{name}", redis_url=url or None, postgres_url=url or None
        )
    if "://" in spec:
        return _subject_of_url(spec, f"{run}-{place}")
    made = find_subject_class(spec) if ":" in spec else None
    return StoreSubject(_design(spec)) if made is None else made()


def find_subject_class(name: str, /) -> Callable[[], Subject] | None:
    """Return the `Subject` class that `module:Class` names; None if it is a store's class.

    Raises `ValueError`.
    """
    module, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise ValueError(f"{name!r}: there is no module {missing.name!r}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also `SystemExit`, which would end the command with its code
        raise ValueError(f"{name!r}: importing it raised {type(error).__name__}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and issubclass(found, Subject):
        return found
    from ..designs import find_design

    find_design(name)
    return None


def list_limitations(subject: Subject, /) -> tuple[str, ...]:
    """Return the limitations of an open subject."""
    own = subject.more_limitations if isinstance(subject, StoreSubject) else ()
    return tuple(dict.fromkeys((*subject.limitations, *own)))


def _looks_like_a_path(text: str) -> bool:
    return "\\" in text or text.endswith(_ENDINGS) or ("/" in text and ":" not in text)


def _of_peer(text: str, name: str) -> Target:
    peer = PEERS[name]
    try:
        peer.check()
    except PeerNotInstalled as missing:
        raise ValueError(str(missing)) from None
    _, given, url = text.partition("=")
    if peer.place is PeerStorage.REDIS:
        if url.partition(":")[0] not in ("redis", "rediss"):
            raise PeerNeedsPlace(peer)
        split_url(url)  # some peers read its numbers with less care
    elif peer.place is PeerStorage.POSTGRES:
        if url.partition(":")[0] not in SCHEMES:
            raise PeerNeedsPlace(peer)
        split_postgres_url(url)
    elif given:
        raise ValueError(f"{name} takes no URL")
    return Target(text, name, shared=False, outlives_run=False)


def _of_url(url: str, *, new: bool) -> Target:
    backend = backend_from_url(url)
    if isinstance(backend, SQLiteBackend):
        if new and os.path.exists(backend.path):
            raise ValueError(f"{backend.path} exists already: name a new file")
        if not Path(backend.path).absolute().parent.is_dir():
            raise ValueError(f"{backend.path} cannot be created: the folder does not exist")
        return Target(url, backend.path, shared=True, outlives_run=True, isolated=False)
    if isinstance(backend, RedisBackend):
        try:
            RedisSessionStore(backend.url.get_secret_value())
        except BackendNotImplemented as missing:
            raise ValueError(str(missing)) from None
        if split_url(backend.url.get_secret_value()).kind in (
            ServerKind.SOCKET,
            ServerKind.SENTINEL,
        ):
            raise ValueError(
                "a server is measured by its host and port, not by a socket or sentinels"
            )
        scheme, _, rest = url.partition("?")[0].partition("://")
        place = rest.rpartition("@")[2].removesuffix("/0").rstrip("/")
        return Target(url, f"{scheme}://{place}", shared=True, outlives_run=True)
    if isinstance(backend, PostgresBackend):
        try:
            name = PostgresAddress.of(backend.url.get_secret_value()).name
        except BackendNotImplemented as missing:
            raise ValueError(str(missing)) from None
        return Target(url, f"postgresql://{name}", shared=True, outlives_run=True)
    return Target(url, "memory", shared=False, outlives_run=False)


def _file(path: Path, durability: str) -> Callable[[], Awaitable[AtomicSessionStore]]:
    async def make() -> AtomicSessionStore:
        return await StorageFactory.create(
            SQLiteBackend.model_validate(
                {"path": str(path), "durability": durability, "limits": LIMITS}
            )
        )

    return make


def _subject_of_url(url: str, prefix: str) -> StoreSubject:
    backend = backend_from_url(url).model_copy(update={"limits": LIMITS})
    if isinstance(backend, PostgresBackend):
        return DatabaseSubject(backend, place=prefix)
    if not isinstance(backend, RedisBackend):
        return StoreSubject(lambda: StorageFactory.create(backend))
    from .server_subject import ServerSubject  # it needs redis-py

    # Not the prefix of the URL: that one may be in use.
    own = backend.model_copy(update={"prefix": prefix})
    return ServerSubject(
        lambda: StorageFactory.create(own), url=backend.url.get_secret_value(), prefix=prefix
    )


def _design(name: str) -> Callable[[], Awaitable[AtomicSessionStore]]:
    from ..designs import DESIGNS, find_design

    async def make() -> AtomicSessionStore:
        store = find_design(name).make(LIMITS if name in DESIGNS else None)
        if not isinstance(store, AtomicSessionStore):
            raise ValueError(f"{name} is not an AtomicSessionStore")
        return store

    return make

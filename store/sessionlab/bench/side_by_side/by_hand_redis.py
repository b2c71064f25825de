"""redis-py without a store: one `EVALSHA` of our own script a message, one `HGETALL` a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sessionkeeper.backends.redis.delivery.writer_log import fixed_keys
from sessionkeeper.backends.redis.keys import Bucket, Keys
from sessionkeeper.backends.redis.scripts import script
from sessionkeeper.stores.redis import RedisSessionStore
from sessionkeeper.values.session import Session

from ..peers.log_peer import LogPeer
from ..peers.redis_keys import delete_keys, make_client, new_prefix
from ..subject import Work

__all__ = ["AppendScript", "RedisPyScripts"]

Word = str | bytes | int
_CONNECTIONS = 128


class AppendScript:
    """The words of one append by the script of the store, all made before the clock starts."""

    def __init__(self, bucket: Bucket, writer: str = "beside") -> None:
        self._bucket = bucket
        self._fixed = fixed_keys(bucket, writer)
        self._append, self._fence = script("append"), script("fence")

    @property
    def digest(self) -> str:
        """By which the server knows the script."""
        return self._append.digest

    def session(self, session_id: str) -> str:
        """Key of a session."""
        return self._bucket.session + session_id

    def keys(self, session_id: str) -> list[str]:
        """What the script of one append is given as keys."""
        return [*self._fixed, self.session(session_id), self._bucket.log + session_id]

    def arguments(self, message: bytes) -> list[bytes]:
        """What it is given besides: one frame, with the store's own limits."""
        words: Sequence[object] = (
            # Epoch and time, then the limits.
            *("epoch", "", 1_000_000, 2**30, 2**33, ""),
            # Number, place, predecessor, principal, count, then the requirements.
            *(1, 1, "", "", 1, "", len(message), "", ""),
            b"\x93\x00\xcf\x00\x06\x0b\x24\x18\x1d\x40\x00\xc0",
            message,
        )
        return [each if isinstance(each, bytes) else str(each).encode() for each in words]

    def call(self, session_id: str, message: bytes) -> list[Word]:
        """The whole call."""
        keys = self.keys(session_id)
        return ["EVALSHA", self.digest, len(keys), *keys, *self.arguments(message)]

    async def prepare(self, client: Any) -> None:
        """Make the caller a writer with an epoch: its appends leave their answers, too."""
        await client.script_load(self._append.text)
        keys = len(self._fixed)
        await client.execute_command(
            "EVAL", self._fence.text, keys, *self._fixed, "epoch", 3_600_000, 1
        )


class RedisPyScripts(LogPeer[list[Word]]):
    """A client of redis-py with a connection for each caller."""

    name: ClassVar[str] = "redis-py"
    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {Work.CREATE, Work.GET}
    limitations: ClassVar[tuple[str, ...]] = ("nothing finds out what a lost reply had done",)

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = new_prefix()
        self._script = AppendScript(Keys(self._prefix, 1).buckets[0])
        self._client = make_client(url, protocol=3, max_connections=_CONNECTIONS)

    async def open(self) -> None:
        """Open a store that makes the sessions, and become a writer."""
        self._store = await RedisSessionStore(self._url, prefix=self._prefix).open()
        await self._script.prepare(self._client)

    async def aclose(self) -> None:
        """Leave no key behind."""
        await self._store.aclose()
        await self._client.aclose()
        await delete_keys(self._url, self._prefix)

    async def create(self, key: str) -> None:
        """`create_session` of the store."""
        await self._store.create_session(Session.new(transport_type="stdio", id=key))

    async def get(self, key: str) -> object:
        """`HGETALL`."""
        found: Any = await self._client.hgetall(self._script.session(key))
        if not found:
            raise LookupError("no such session")
        return found

    def message(self, key: str, payload: bytes) -> list[Word]:
        """Make the words."""
        return self._script.call(key, payload)

    async def add(self, key: str, message: list[Word]) -> None:
        """`EVALSHA`."""
        answer: Any = await self._client.execute_command(*message)
        if answer[0][0] != b"OK":
            raise RuntimeError("refused")

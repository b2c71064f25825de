"""The names of a store's keys, and the bucket of a session.

All keys of a bucket share a hash tag, and so the slot of a cluster: everything that an operation on
one session uses is on one node. Ids are encoded, so that an id cannot change another part of a key.
"""

from __future__ import annotations

from binascii import crc32

from ...values.ids import encoded_id
from .client.servers import ANYWHERE

__all__ = ["MAX_BUCKETS", "Bucket", "Keys"]

MAX_BUCKETS = 4096
"""Maximum number of buckets of a store."""


class Bucket:
    """The keys of one bucket that belong to no single session."""

    __slots__ = (
        "ages",
        "changes",
        "ended",
        "expires",
        "expiry_records",
        "idle",
        "last_used",
        "log",
        "meta",
        "number",
        "order",
        "principals",
        "session",
        "tag",
        "ttl",
        "writer",
    )

    def __init__(self, prefix: str, number: int) -> None:
        self.number = number
        self.tag = tag = f"{{{prefix}:{number}}}"
        self.meta = f"{tag}:meta"
        """Hash: the counters of the bucket."""
        self.order = f"{tag}:order"
        """Sorted set of all ids by creation number."""
        self.idle = f"{tag}:idle"
        """Sorted set of the live sessions by last activity."""
        self.ages = f"{tag}:ages"
        """Sorted set of the live sessions by creation."""
        self.ended = f"{tag}:ended"
        """Sorted set of the ended sessions by their end."""
        self.expires = f"{tag}:expires"
        """Sorted set of the live sessions that have an `expires_at`, by it."""
        self.last_used = f"{tag}:last-used"
        """Sorted set of the ended sessions by last activity."""
        self.principals = f"{tag}:principals"
        """Hash: the number of sessions of each principal."""
        self.ttl = f"{tag}:ttl"
        """Sorted set of all ids by the time they expire, in a store with a ttl."""
        self.expiry_records = f"{tag}:expiry-records"
        """Hash: what each session counts for, to be subtracted when it has expired."""
        self.changes = f"{tag}:changes"
        """Stream of the ids of changed sessions, written while somebody watches."""
        self.session = f"{tag}:s:"
        self.log = f"{tag}:l:"
        self.writer = f"{tag}:w:"


class Keys:
    """The keys of one store on a server."""

    def __init__(self, prefix: str, buckets: int) -> None:
        self.prefix = prefix
        self.buckets = [Bucket(prefix, number) for number in range(buckets)]
        self._count = buckets

    @property
    def layout(self) -> str:
        """Key of the hash with the store's layout; it is on the node of the first bucket."""
        return f"{self.buckets[0].tag}:layout"

    def slots(self) -> dict[int, int]:
        """Return the cluster slot of each bucket by its number, and that of `ANYWHERE`."""
        from redis.crc import key_slot

        slots = {bucket.number: key_slot(bucket.tag.encode()) for bucket in self.buckets}
        slots[ANYWHERE] = key_slot(self.layout.encode())
        return slots

    def find_bucket(self, session_id: str, /) -> Bucket:
        """Return the bucket of a session, whose id may be a wrong one.

        It is the same in every process and version.
        """
        if self._count == 1:
            return self.buckets[0]
        return self.buckets[crc32(session_id.encode(errors="surrogatepass")) % self._count]

    def session(self, bucket: Bucket, session_id: str, /) -> str:
        """Return the key of a session's hash."""
        return bucket.session + encoded_id(session_id)

    def log(self, bucket: Bucket, session_id: str, /) -> str:
        """Return the key of the stream that is a session's log."""
        return bucket.log + encoded_id(session_id)

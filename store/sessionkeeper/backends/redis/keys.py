"""The names of a store's keys, and which bucket a session lives in.

All keys of a bucket share the hash tag, and with it the slot of a cluster: whatever one operation
on one session touches is on one node. Ids are encoded: none can leave its place in a name.
"""

from __future__ import annotations

from binascii import crc32

from ...values.ids import encoded_id

__all__ = ["MOST_BUCKETS", "Bucket", "Keys"]

MOST_BUCKETS = 4096
"""Of a store."""


class Bucket:
    """The keys of one bucket that belong to no single session."""

    __slots__ = (
        "ages",
        "ended",
        "idle",
        "kept",
        "log",
        "meta",
        "news",
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
        """Sorted set of all ids by the number of their creation."""
        self.idle = f"{tag}:idle"
        """Sorted set of the live ones by last activity."""
        self.ages = f"{tag}:ages"
        """Sorted set of the live ones by creation."""
        self.ended = f"{tag}:ended"
        """Sorted set of the others by their end."""
        self.principals = f"{tag}:principals"
        """Hash: how many sessions each principal has."""
        self.ttl = f"{tag}:ttl"
        """Sorted set of all ids by the moment they are gone, in a store with a ttl."""
        self.kept = f"{tag}:kept"
        """Hash: what is to be known of each session when it is gone by itself."""
        self.news = f"{tag}:news"
        """Stream of the ids of sessions with news, written while somebody watches."""
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
        """Key of the hash that says how the store is laid out; it lives with the first bucket."""
        return f"{self.buckets[0].tag}:layout"

    def bucket_of(self, session_id: str, /) -> Bucket:
        """Return the bucket of a session: the same in every process and version."""
        if self._count == 1:
            return self.buckets[0]
        return self.buckets[crc32(session_id.encode()) % self._count]

    def session(self, bucket: Bucket, session_id: str, /) -> str:
        """Key of the hash of a session."""
        return bucket.session + encoded_id(session_id)

    def log(self, bucket: Bucket, session_id: str, /) -> str:
        """Key of the stream that is a session's log."""
        return bucket.log + encoded_id(session_id)

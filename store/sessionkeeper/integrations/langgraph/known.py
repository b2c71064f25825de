"""What this process knows of the highest ids in the logs of threads, in bounded memory.

It only saves reading: a fact that is old or of another incarnation is never taken for a true one.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from .records import HighestId

__all__ = ["KnownIds"]

_OLD = 256
"""Frames after which a fact is learned anew: readers walk back as far as facts are old."""
_LONGEST = 255
"""Characters of an id that is worth keeping: LangGraph's have 36."""


class KnownIds:
    """The latest fact about each stream of entries; those not used for longest are dropped."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._facts: OrderedDict[tuple[str, str], HighestId] = OrderedDict()
        self._old = set[tuple[str, str]]()
        self._asked = set[tuple[str, str]]()
        self._lock = Lock()  # the synchronous methods run in any threads

    def for_put(self, session_id: str, stream: str) -> HighestId | None:
        """Return what a put may say of the entries before it; None if it must find out first.

        Of all that ask for an old fact one must find out, and then call `end_asking`. The others
        may say the old one: it is still true.
        """
        key = (session_id, stream)
        with self._lock:
            if key in self._old and key not in self._asked:
                self._asked.add(key)
                return None
            return self._facts.get(key)

    def end_asking(self, session_id: str, stream: str) -> None:
        """Let somebody else find out what is old: whoever was told to has done so, or failed."""
        with self._lock:
            self._asked.discard((session_id, stream))

    def get(self, session_id: str, stream: str) -> HighestId | None:
        """Return what is known; None if that is nothing."""
        with self._lock:
            return self._facts.get((session_id, stream))

    def learn(self, session_id: str, stream: str, fact: HighestId) -> None:
        """Keep a fact that was read, unless a later one of the same log is known."""
        if len(fact.highest or "") > _LONGEST:
            return
        key = (session_id, stream)
        with self._lock:
            known = self._facts.get(key)
            if known is None or known.incarnation != fact.incarnation or known.up_to < fact.up_to:
                self._facts[key] = fact
            self._facts.move_to_end(key)
            self._old.discard(key)
            while len(self._facts) > self._capacity:
                dropped, _ = self._facts.popitem(last=False)
                self._old.discard(dropped)

    def note_append(
        self, session_id: str, stream: str, numbers: range, checkpoint_id: str | None
    ) -> None:
        """Take into account frames that this process added.

        `checkpoint_id` is that of the entry of the stream among them; None if there is none.
        """
        key = (session_id, stream)
        with self._lock:
            fact = self._facts.get(key)
            if fact is None:
                return
            first, last = numbers[0], numbers[-1]
            ids = [i for i in (fact.highest, checkpoint_id) if i is not None]
            highest = max(ids, default=None)
            if first == fact.up_to + 1 and len(highest or "") <= _LONGEST:
                # Nobody wrote in between.
                self._facts[key] = HighestId(fact.incarnation, last, highest)
            elif last > fact.up_to + _OLD:  # others write, too
                self._old.add(key)

    def forget(self, session_id: str, stream: str) -> None:
        """Drop what is known of a stream."""
        with self._lock:
            self._facts.pop((session_id, stream), None)
            self._old.discard((session_id, stream))

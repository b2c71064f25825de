"""Which requests that offer a version wait for their results, so that each settles its own.

Kept in memory for what this manager records, and bounded; what is not known here, since another
process or an earlier one recorded it, is read from the log of the session while it initializes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from ..interface.atomic_store import AtomicSessionStore
from ..values.jsonrpc import RequestId, RpcHead
from ..values.message import MessageContext, MessageEnvelope
from ..values.states import Direction
from .lifecycle import Offer, is_settled, read_offer, trim_offer
from .meaning import Part

__all__ = ["Handshakes"]

MOST_KEPT = 10_000
"""Ids of requests, of all sessions together."""
MOST_ALIKE = 8
"""Requests with one id that are told apart; of more nobody can say what a result is of."""
MOST_READ = 1_000
"""Frames of a log, the newest, among which a request is looked for."""
PAGE = 100
LONGEST_ID = 1_024

_Id: TypeAlias = "tuple[type, RequestId]"


class SameId:
    """The requests of a client with one id: what each offers, and how many have their result."""

    def __init__(self) -> None:
        self._offers: list[Offer | None] = []
        self._asked = self._answered = 0

    @property
    def is_answered(self) -> bool:
        """Whether all of them are."""
        return self._answered >= self._asked

    def ask(self, offer: Offer | None) -> None:
        """Note a request; the id of answered ones is free for it."""
        if self.is_answered:
            self._offers, self._asked, self._answered = [], 0, 0
        self._asked += 1
        self._offers = [*self._offers[:MOST_ALIKE], offer]

    def answer(self, *, error: bool) -> None:
        """Note a response."""
        self._answered += 1
        if error and self._asked == 1:  # it certainly was the one that was refused
            self._offers = []

    def withdraw(self, offer: Offer | None) -> None:
        """Take back a request that was not recorded."""
        if offer in self._offers:
            self._offers.remove(offer)
            self._asked -= 1

    def offers(self) -> tuple[Offer, ...]:
        """Return what a result may be of."""
        if len(self._offers) > MOST_ALIKE:
            return ()
        return tuple(offer for offer in self._offers if offer is not None)


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Handshakes:
    """The offers of all sessions, by session and id with its type; the oldest give way."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, OrderedDict[_Id, SameId]] = OrderedDict()
        self._kept = 0
        self._turns: dict[tuple[str, str], _Turn] = {}

    def answered(self, context: MessageContext, head: RpcHead) -> tuple[Offer, ...] | None:
        """Return the offers that a result may be of; None when its request is not known here."""
        key = _key(head.request_id)
        if key is None:
            return ()
        same = self._same(context.session_id, key)
        return None if same is None else same.offers()

    def is_looking_up(self, session_id: str, principal: str = "") -> bool:
        """Whether a message of the session waits for what is read: the next ones wait behind it.

        Those of a `principal` whose session it is not known to be wait among themselves: they may
        hold nobody else up.
        """
        return (session_id, principal) in self._turns

    async def look_up(
        self,
        store: AtomicSessionStore,
        context: MessageContext,
        results: Sequence[RpcHead],
        *,
        principal: str = "",
    ) -> list[tuple[Offer, ...]]:
        """Find out what each of these results of one frame is of.

        For a `principal` whose session it is not known to be, only the log says it, which is read
        through his view. Messages of one session leave this in the order in which they came.
        Raises what reading from the store raises.
        """
        session_id = context.session_id
        key = session_id, principal
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                if not results:
                    return []
                found = [None if principal else self.answered(context, each) for each in results]
                if None not in found:
                    return [each or () for each in found]
                read = await _read(store, session_id, results)
                return [b if a is None else a for a, b in zip(found, read, strict=True)]
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]

    def pass_by(self, context: MessageContext, head: RpcHead, offer: Offer | None) -> bool:
        """Take account of a message that is sent to the log; tell whether it is to be taken back.

        Those without an offer too, while an offer of their session waits: they can have its id.
        """
        session_id = context.session_id
        if offer is None and session_id not in self._sessions:
            return False
        key = _key(head.request_id)
        if key is None:
            return False
        if context.direction is Direction.SERVER_TO_CLIENT:
            self._answer(session_id, key, head)
            return False
        if head.method is msgspec.UNSET:
            return False
        self._ask(session_id, key, None if offer is None else trim_offer(offer, head))
        return True

    def pass_by_all(self, context: MessageContext, parts: Sequence[Part]) -> list[Part]:
        """Take account of the messages of a frame; return those to be taken back if it is refused.

        As `pass_by` says of each.
        """
        return [part for part in parts if self.pass_by(context, part[0], part[1])]

    def withdraw(self, context: MessageContext, head: RpcHead, offer: Offer | None) -> None:
        """Take a request back: it was refused, and is in no log."""
        session_id, key = context.session_id, _key(head.request_id)
        if key is None or (same := self._same(session_id, key)) is None:
            return
        same.withdraw(None if offer is None else trim_offer(offer, head))
        if same.is_answered:
            self._forget_id(session_id, key)

    def forget(self, session_id: str) -> None:
        """Let go of a session's: it is over, or its version is settled."""
        self._kept -= len(self._sessions.pop(session_id, ()))

    def _same(self, session_id: str, key: _Id) -> SameId | None:
        ids = self._sessions.get(session_id)
        return None if ids is None else ids.get(key)

    def _ask(self, session_id: str, key: _Id, offer: Offer | None) -> None:
        if session_id not in self._sessions:
            self._sessions[session_id] = OrderedDict()
        ids = self._sessions[session_id]
        if key not in ids:
            ids[key] = SameId()
            self._kept += 1
        ids[key].ask(offer)
        if self._kept > MOST_KEPT:
            oldest = next(iter(self._sessions))
            self._forget_id(oldest, next(iter(self._sessions[oldest])))

    def _answer(self, session_id: str, key: _Id, head: RpcHead) -> None:
        same = self._sessions[session_id].get(key)
        if same is None or head.method is not msgspec.UNSET:
            return
        same.answer(error=head.error is not msgspec.UNSET)
        if same.is_answered:
            self._forget_id(session_id, key)

    def _forget_id(self, session_id: str, key: _Id) -> None:
        ids = self._sessions[session_id]
        del ids[key]
        self._kept -= 1
        if not ids:
            del self._sessions[session_id]


async def _read(
    store: AtomicSessionStore, session_id: str, results: Sequence[RpcHead]
) -> list[tuple[Offer, ...]]:
    """Return what the log says that each result may be of."""
    session = await store.get_session(session_id)
    if is_settled(session):
        return [()] * len(results)
    keys = [_key(head.request_id) for head in results]
    asked = {key: SameId() for key in keys if key is not None}
    after = max(0, session.last_seq - MOST_READ)
    while after < session.last_seq:
        page = await store.read_frames(session_id, after=after, limit=PAGE)
        if not page:
            break
        after = page[-1].seq
        for frame in page:
            _replay(asked, frame.envelope)
    return [() if key is None else asked[key].offers() for key in keys]


def _replay(asked: Mapping[_Id, SameId], envelope: MessageEnvelope) -> None:
    for head in envelope.heads():
        key = _key(head.request_id)
        if key is None or (same := asked.get(key)) is None:
            continue
        if envelope.context.direction is Direction.CLIENT_TO_SERVER:
            if head.method is not msgspec.UNSET:
                same.ask(read_offer(envelope, head))
        elif head.method is msgspec.UNSET:
            same.answer(error=head.error is not msgspec.UNSET)


def _key(request_id: RequestId | None) -> _Id | None:
    if request_id is None or (isinstance(request_id, str) and len(request_id) > LONGEST_ID):
        return None
    return type(request_id), request_id

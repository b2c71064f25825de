"""Requests that offer a version and wait for their results, so that each settles its own.

The requests that this manager records are kept in memory, up to a bound. Requests recorded by
another or an earlier process are read from the log of the session while it initializes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from ..interface.atomic_store import AtomicSessionStore
from ..values.jsonrpc import RequestId, RpcHead
from ..values.message import MessageEnvelope
from ..values.message_context import MessageContext
from ..values.states import Direction
from .lifecycle import Offer, is_settled, read_offer, trim_offer
from .meaning import Part

__all__ = ["Handshakes"]

MOST_KEPT = 10_000
"""Ids of requests, of all sessions together."""
MOST_ALIKE = 8
"""Requests with one id that are kept apart; with more, a result cannot be assigned."""
MOST_READ = 1_000
"""Number of newest frames of a log that are searched for a request."""
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
        """Whether all of them have their result."""
        return self._answered >= self._asked

    def ask(self, offer: Offer | None) -> None:
        """Note a request; it may reuse the id of answered ones."""
        if self.is_answered:
            self._offers, self._asked, self._answered = [], 0, 0
        self._asked += 1
        self._offers = [*self._offers[:MOST_ALIKE], offer]

    def answer(self, *, error: bool) -> None:
        """Note a response."""
        self._answered += 1
        if error and self._asked == 1:  # this request was certainly the refused one
            self._offers = []

    def withdraw(self, offer: Offer | None) -> None:
        """Take back a request that was not recorded."""
        if offer in self._offers:
            self._offers.remove(offer)
            self._asked -= 1

    def take_back_answer(self, offers: list[Offer | None]) -> None:
        """Take back a response that was not recorded; `offers` are those that were there before."""
        self._answered -= 1
        self._offers = self._offers or offers

    def follow(self, earlier: SameId) -> None:
        """Put requests with this id before those that are known."""
        self._offers = [*earlier._offers, *self._offers][: MOST_ALIKE + 1]
        self._asked += earlier._asked
        self._answered += earlier._answered

    @property
    def all_offers(self) -> list[Offer | None]:
        """What each request offers; never changed in place but by `withdraw`."""
        return self._offers

    def offers(self) -> tuple[Offer, ...]:
        """Return the offers that a result may belong to."""
        if len(self._offers) > MOST_ALIKE:
            return ()
        return tuple(offer for offer in self._offers if offer is not None)


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Handshakes:
    """The offers of all sessions, by session and id with its type; the oldest are dropped."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, OrderedDict[_Id, SameId]] = OrderedDict()
        self._kept = 0
        self._turns: dict[tuple[str, str], _Turn] = {}

    def answered(self, context: MessageContext, head: RpcHead) -> tuple[Offer, ...] | None:
        """Return the offers that a result may belong to; None if its request is not known here."""
        key = _key(head.request_id)
        if key is None:
            return ()
        same = self._same(context.session_id, key)
        return None if same is None else same.offers()

    def is_looking_up(self, session_id: str, principal: str = "") -> bool:
        """Whether a message of the session waits for a read of its log; later ones wait behind it.

        Messages of a `principal` that is not known to own the session wait among themselves: they
        must not delay the messages of others.
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
        """Find the offers that each of these results of one frame belongs to.

        For a `principal` that is not known to own the session, only the log counts, which is read
        through that principal's view. Messages of one session leave this in the order of arrival.
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

    def pass_by(
        self, context: MessageContext, head: RpcHead, offer: Offer | None
    ) -> Callable[[], None] | None:
        """Note a message that is sent to the log; return what takes it back if it is refused.

        Messages without an offer are noted, too, while an offer of their session waits: they can
        have its id.
        """
        session_id = context.session_id
        if offer is None and session_id not in self._sessions:
            return None
        key = _key(head.request_id)
        if key is None:
            return None
        if context.direction is Direction.SERVER_TO_CLIENT:
            return self._answer(session_id, key, head)
        if head.method is msgspec.UNSET:
            return None
        kept = None if offer is None else trim_offer(offer, head)
        self._ask(session_id, key, kept)
        return partial(self._withdraw, session_id, key, kept)

    def pass_by_all(
        self, context: MessageContext, parts: Sequence[Part]
    ) -> list[Callable[[], None]]:
        """Note the messages of a frame, each as by `pass_by`.

        Returns what is called, the last one first, if the frame is refused.
        """
        passed = [self.pass_by(context, head, offer) for head, offer, _ in parts]
        return [each for each in passed if each is not None]

    def _withdraw(self, session_id: str, key: _Id, offer: Offer | None) -> None:
        """Take a request back: it was refused, and is in no log."""
        if (same := self._same(session_id, key)) is None:
            return
        same.withdraw(offer)
        if same.is_answered:
            self._forget_id(session_id, key)

    def _reopen(self, session_id: str, key: _Id, same: SameId, offers: list[Offer | None]) -> None:
        """Take a response back: its requests still wait for one."""
        same.take_back_answer(offers)
        now = self._same(session_id, key)
        if now is same:
            return
        if now is not None:  # others asked with this id meanwhile
            now.follow(same)
            return
        self._sessions.setdefault(session_id, OrderedDict())[key] = same
        self._kept += 1
        self._drop_oldest()

    def forget(self, session_id: str) -> None:
        """Forget the offers of a session that is over or whose version is settled."""
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
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        if self._kept > MOST_KEPT:
            oldest = next(iter(self._sessions))
            self._forget_id(oldest, next(iter(self._sessions[oldest])))

    def _answer(self, session_id: str, key: _Id, head: RpcHead) -> Callable[[], None] | None:
        same = self._sessions[session_id].get(key)
        if same is None or head.method is not msgspec.UNSET:
            return None
        undo = partial(self._reopen, session_id, key, same, same.all_offers)
        same.answer(error=head.error is not msgspec.UNSET)
        if same.is_answered:
            self._forget_id(session_id, key)
        return undo

    def _forget_id(self, session_id: str, key: _Id) -> None:
        ids = self._sessions[session_id]
        del ids[key]
        self._kept -= 1
        if not ids:
            del self._sessions[session_id]


async def _read(
    store: AtomicSessionStore, session_id: str, results: Sequence[RpcHead]
) -> list[tuple[Offer, ...]]:
    """Return the offers in the log that each result may belong to."""
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

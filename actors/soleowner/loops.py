"""A way in for the tasks of other event loops: they await where a thread would block.

All commands that wait go to the owner's loop in one callback, and all replies of a batch come back
in one callback a loop. The owner looks at the caller's own future before it begins a command: a
caller that was cancelled by then has no effect.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from .command import Command
from .envelope import Reply, fail, succeed
from .fork import forget_on_fork

__all__ = ["LoopPort"]

S = TypeVar("S")
R = TypeVar("R")

# Maximum number of commands taken before the owner's loop serves others.
_SLICE = 256


class LoopPort(Generic[S]):
    """Sends commands to an actor from the tasks of any event loop; made by `Actor.loop_port`.

    Whoever runs the actor's loop calls `end` when that loop has ended: nobody else would answer
    the commands that are left.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        check: Callable[[], None],
        ask_here: Callable[[Command[S, Any]], asyncio.Future[Any]],
        accept: Callable[[Command[S, Any], Reply], None],
        lost: Callable[[Reply | None], Exception],
    ) -> None:
        self._loop = loop
        self._check = check
        self._ask_here = ask_here
        self._accept = accept
        self._lost = lost
        self._sent: deque[_Call | Callable[[], None]] = deque()
        # Free while nobody has woken the loop: acquiring it tests and sets in one step.
        self._unwoken = threading.Lock()
        self._context = contextvars.Context()  # nothing of the task that wakes leaks in
        self._ended = False
        self._local = _Local()
        # Touched on the actor's loop alone. Weak: the owner drops a call that was given up.
        self._handed_over: WeakSet[_Call] = WeakSet()
        self._to_wake: set[_Inbox] = set()
        forget_on_fork(self)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The actor's loop."""
        return self._loop

    def ask(self, command: Command[S, R], /) -> asyncio.Future[R]:
        """Send a command and return its reply, a future of the running loop; await it at once.

        Cancelling the caller while the command is queued means certainly no effect; after the
        owner has taken it, whole or not at all. The same holds if the caller's loop is closed.

        Raises `MailboxClosed`, `OwnerCrashed`, `WrongLoop` in a forked process, `Reentrant` from
        inside a command, `RuntimeError` without a running loop; awaiting the reply raises what the
        command raised, one of the first two, or `LoopStopped`.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return self._ask_here(command)
        self._check()
        reply: asyncio.Future[R] = loop.create_future()
        call = _Call(command, reply, self._inbox(loop), self._settle)
        try:
            self._send(call)
        except BaseException:  # an interrupt struck: nobody will await the reply
            reply.cancel()
            raise
        return reply

    def tell(self, function: Callable[[], None], /) -> None:
        """Call a function on the actor's loop, before all commands that are sent after this.

        From any thread. It must not raise. When the actor's loop has ended it is not called.
        """
        if not self._ended:
            self._send(function)

    def inbox(self) -> Callable[[Callable[[], None]], None]:
        """Return how the actor's loop calls a function on the running loop, with its replies."""
        inbox = self._inbox(asyncio.get_running_loop())

        def put(function: Callable[[], None]) -> None:
            inbox.ready.append(function)
            self._wake_later(inbox)

        return put

    def end(self) -> None:
        """Answer every command that is left, because the actor's loop has ended."""
        self._wake()
        self._ended = True  # before the last look: who appends later looks after itself
        self._refuse_sent()
        for call in [*self._handed_over]:
            fail(call, self._lost(call))

    def forget(self) -> None:
        """Hand over nothing from now on: this is a forked copy, whose loop is elsewhere."""
        self._ended = True
        self._sent.clear()

    def _inbox(self, loop: asyncio.AbstractEventLoop) -> _Inbox:
        inbox = self._local.inbox
        if inbox is None or inbox.loop is not loop:
            inbox = self._local.inbox = _Inbox(loop)
        return inbox

    def _send(self, item: _Call | Callable[[], None]) -> None:
        try:
            self._sent.append(item)
            if self._unwoken.acquire(blocking=False):
                self._loop.call_soon_threadsafe(self._flush, context=self._context)
        except RuntimeError:  # the loop is closed, and `end` comes or has come
            self._rest()
        except BaseException:  # an interrupt: others count on being taken with this one
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._flush, context=self._context)
            raise
        if self._ended:
            self._refuse_sent()

    def _refuse_sent(self) -> None:
        while self._sent:
            with suppress(IndexError):  # another thread was faster
                item = self._sent.popleft()
                if isinstance(item, _Call):
                    fail(item, self._lost(None))

    def _rest(self) -> None:
        # In any state: an interrupt may have struck between acquiring and waking.
        self._unwoken.acquire(blocking=False)
        self._unwoken.release()

    def _flush(self) -> None:
        self._rest()  # before looking: a later command wakes the loop again
        for _ in range(_SLICE):
            try:
                item = self._sent.popleft()
            except IndexError:
                return
            if not isinstance(item, _Call):
                item()
            elif not item.done():
                self._hand_over(item)
        if self._sent and self._unwoken.acquire(blocking=False):
            self._loop.call_soon(self._flush, context=self._context)

    def _hand_over(self, call: _Call) -> None:
        self._handed_over.add(call)
        try:
            self._accept(call.command, call)
        except Exception as error:
            fail(call, error)

    def _settle(self, call: _Call) -> None:
        self._handed_over.discard(call)
        call.inbox.ready.append(call)
        self._wake_later(call.inbox)

    def _wake_later(self, inbox: _Inbox) -> None:
        """Wake a loop when the replies of the batch are all there."""
        if self._ended:  # on any thread
            inbox.wake()
            return
        first = not self._to_wake
        self._to_wake.add(inbox)
        if not self._handed_over:  # nothing more to come: as a rule, the end of a batch
            self._wake()
        elif first:
            try:
                self._loop.call_soon(self._wake, context=self._context)
            except RuntimeError:  # closed, and the owner was only now collected
                self._wake()

    def _wake(self) -> None:
        inboxes, self._to_wake = self._to_wake, set()
        for inbox in inboxes:
            inbox.wake()


class _Inbox:
    """What the owner's loop has ready for one other loop."""

    __slots__ = ("_context", "loop", "ready", "unwoken")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ready: deque[_Call | Callable[[], None]] = deque()
        self.unwoken = threading.Lock()
        # One for each loop: two threads cannot be in one context at a time.
        self._context = contextvars.Context()

    def wake(self) -> None:
        if self.unwoken.acquire(blocking=False):
            try:
                self.loop.call_soon_threadsafe(self._deliver, context=self._context)
            except RuntimeError:  # closed: nobody waits there any more
                self.ready.clear()

    def _deliver(self) -> None:
        self.unwoken.release()  # before looking: what comes later wakes the loop again
        while self.ready:
            item = self.ready.popleft()
            if not isinstance(item, _Call):
                item()
            elif item.error is None:
                succeed(item.reply, item.value)
            else:
                fail(item.reply, item.error)


class _Call:
    """A command that a task of another loop sent, as the reply that its owner settles."""

    __slots__ = (
        *("__weakref__", "_settled_by"),
        *("command", "error", "inbox", "reply", "settled", "value"),
    )

    def __init__(
        self,
        command: Command[Any, Any],
        reply: asyncio.Future[Any],
        inbox: _Inbox,
        settled_by: Callable[[_Call], None],
    ) -> None:
        self.command, self.reply, self.inbox = command, reply, inbox
        self._settled_by = settled_by
        self.value: Any = None
        self.error: BaseException | None = None
        self.settled = False

    def done(self) -> bool:
        # The future belongs to another loop, and is only read here: a cancelled caller has
        # cancelled it in the same step, before its task runs.
        return self.settled or self.reply.done() or self.inbox.loop.is_closed()

    def set_result(self, value: object, /) -> None:
        self.value = value
        self.settled = True
        self._settled_by(self)

    def set_exception(self, error: BaseException, /) -> None:
        self.error = error
        self.settled = True
        self._settled_by(self)


class _Local(threading.local):
    """The inbox of the loop that this thread ran last."""

    inbox: _Inbox | None = None

"""A way in for other threads: all their waiting commands go to the loop in one callback.

The first command of a burst wakes the loop; the others find it awake. While threads that were woken
with their replies have yet to run, as a rule to send their next commands, the last of them wakes it
for all. None waits forever: a waiting thread checks from time to time that the loop still runs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from .command import Command
from .envelope import Reply, fail
from .pending_call import PendingCall

__all__ = ["ThreadPort"]

S = TypeVar("S")
R = TypeVar("R")

# How often a waiting thread looks for a stopped loop, and how often in a row it must see one:
# between two `run_until_complete` a loop stands still for a moment.
_LOOK = 0.25
_LOOKS = 2
# Maximum number of commands taken before the loop serves others.
_SLICE = 256


class ThreadPort(Generic[S]):
    """Sends commands to an actor from any thread but its loop's, and blocks; made by `Actor.port`.

    A thread has at most one command in flight, so there are no more commands than threads.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        check: Callable[[], None],
        accept: Callable[[Command[S, Any], Reply], None],
        lost: Callable[[Reply | None], Exception],
    ) -> None:
        self._loop = loop
        self._check = check
        self._accept = accept
        self._lost = lost
        self._calls: deque[PendingCall] = deque()
        # All touched in single steps of the interpreter, the sets by waiting threads as well.
        self._handed_over: set[PendingCall] = set()
        self._settled: list[PendingCall] = []
        # Those whose threads were woken and have yet to run.
        self._woken: set[PendingCall] = set()
        # Free while nobody has woken the loop: acquiring it tests and sets in one step.
        self._unwoken = Lock()
        self._context = contextvars.Context()  # nothing of the thread that wakes leaks in
        self._is_closed = False

    def ask(self, command: Command[S, R], /, *, timeout: float | None = None) -> R:
        """Send a command, wait for its reply and return it, or raise what it raised.

        After `timeout` seconds it raises `TimeoutError`. A command still queued by then has
        certainly no effect; one that the owner had taken is applied whole or not at all. The same
        holds for an exception in the waiting thread, such as `KeyboardInterrupt`.

        Raises `MailboxClosed` and `OwnerCrashed` as `Actor.ask` does, the first also when the loop
        has stopped for about half a second; `LoopStopped` when it stopped during the command;
        `WrongLoop` on the loop's own thread; `Reentrant` from inside a command; `TypeError`
        and `ValueError` for the timeout.
        """
        deadline = None if timeout is None else time.monotonic() + _seconds(timeout)
        self.check()
        call = PendingCall(command, self._settle)
        self._calls.append(call)
        try:
            if not self._woken and self._unwoken.acquire(blocking=False):
                self._wake()
            # The usual case first: a reply comes long before it is time to look.
            error: BaseException | None
            if deadline is None and call.lock.acquire(timeout=_LOOK):
                self._arrive(call)
                error = None
            else:
                error = self._wait(call, deadline)
        except BaseException:  # the loop is closed, or an interrupt struck this thread
            self._withdraw(call)
            raise
        if error is None or call.settled:  # a reply that came with the last look is the outcome
            error, call.error = call.error, None
        if error is None:
            return cast("R", call.value)
        try:
            raise error
        finally:
            del error  # a traceback that refers to itself would live until the next collection

    def outcome(self, work: concurrent.futures.Future[R], /) -> R:
        """Wait for something started on the loop; give it up when this raises.

        Raises what the work raises, `MailboxClosed` when the loop has stopped or cancelled it.
        """
        looks = 0
        try:
            while not concurrent.futures.wait([work], _LOOK).done:
                looks = self._looks(looks)
                if looks >= _LOOKS:
                    raise self._lost(None)
            return work.result()
        except concurrent.futures.CancelledError:  # by a loop that ends
            raise self._lost(None) from None
        finally:
            work.cancel()

    def check(self) -> None:
        """Raise the error for a call that this thread cannot make now."""
        if self._is_closed:
            raise self._lost(None)
        self._check()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The actor's loop."""
        return self._loop

    @property
    def is_closed(self) -> bool:
        """Whether the port was closed; the actor may be open all the same."""
        return self._is_closed

    def close(self) -> None:
        """Refuse new commands; those on their way are answered. Idempotent, from any thread."""
        self._is_closed = True

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._flush, context=self._context)
        except RuntimeError:  # the loop is closed
            self._rest()
            raise self._lost(None) from None

    def _arrive(self, call: PendingCall) -> None:
        """Note that a thread waits no more; the last that was woken wakes the loop for others."""
        call.given_up = True  # before it is taken out, as `_wake_settled` adds before it looks
        self._woken.discard(call)
        if self._calls and not self._woken and self._unwoken.acquire(blocking=False):
            with suppress(Exception):  # the loop is closed: those who wait will see that
                self._wake()

    def _rest(self) -> None:
        # In any state: an interrupt may have struck between acquiring and waking. Waiting
        # threads repair that.
        self._unwoken.acquire(blocking=False)
        self._unwoken.release()

    def _flush(self) -> None:
        self._rest()  # before looking: a later command wakes the loop again
        calls = self._calls
        for _ in range(_SLICE):
            try:
                call = calls.popleft()
            except IndexError:
                return
            self._handed_over.add(call)
            if call.given_up:  # checked only now: its thread may have left a moment ago
                self._handed_over.discard(call)
                continue
            try:
                self._accept(call.command, call)
            except Exception as error:
                fail(call, error)
        if calls and self._unwoken.acquire(blocking=False):
            self._loop.call_soon(self._flush, context=self._context)

    def _settle(self, call: PendingCall) -> None:
        self._handed_over.discard(call)
        self._settled.append(call)
        if not self._handed_over:  # nothing more to come: as a rule, the end of a batch
            self._wake_settled()
        elif len(self._settled) == 1:
            try:
                self._loop.call_soon(self._wake_settled, context=self._context)
            except RuntimeError:  # closed, and the owner was only now collected
                self._wake_settled()

    def _wake_settled(self) -> None:
        settled, self._settled = self._settled, []
        self._woken.update(settled)
        for call in settled:
            call.wake()
            if call.given_up:  # its thread left before it was added
                self._arrive(call)

    def _wait(self, call: PendingCall, deadline: float | None) -> Exception | None:
        """Wait for a reply; return the error if there is none."""
        looks = 0
        left = _LOOK
        if deadline is not None:
            # However little time there is: half of it is left once a lost wake-up is repaired.
            left = min(_LOOK, (deadline - time.monotonic()) / 2)
        while True:
            if call.lock.acquire(timeout=max(0.0, left)) or call.settled:
                self._arrive(call)
                return None
            if deadline is not None and time.monotonic() >= deadline:
                self._withdraw(call)
                return TimeoutError("no reply in time")
            looks = self._looks(looks)
            if looks >= _LOOKS:
                self._withdraw(call)
                return self._lost(call)
            if call in self._calls:
                self._woken.clear()  # an interrupt may have struck one of them while it left
                self._wake()
            left = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())

    def _looks(self, looks: int) -> int:
        """How many times in a row the loop was seen stopped."""
        if self._loop.is_closed():
            return _LOOKS
        return 0 if self._loop.is_running() else looks + 1

    def _withdraw(self, call: PendingCall) -> None:
        """Withdraw a command: it is skipped unless it has begun, and nothing of it is kept."""
        call.given_up = True
        self._handed_over.discard(call)
        with suppress(ValueError):  # handed over already; the mailbox skips it
            self._calls.remove(call)
        self._arrive(call)


def _seconds(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"a timeout is a number of seconds, not {type(timeout).__name__}")
    if math.isnan(timeout) or timeout < 0:
        raise ValueError("a timeout is not negative")
    return timeout

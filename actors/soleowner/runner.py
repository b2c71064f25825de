"""Where a batch is applied: the seam between the owner and what it owns.

A runner settles every reply it applied, and never one it did not apply.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from asyncio import InvalidStateError
from collections import Counter
from collections.abc import Awaitable, Generator, Mapping
from threading import get_ident
from typing import Final, Generic, TypeVar, final

from .envelope import Batch, Reply, fail
from .errors import CallerError

__all__ = ["LoopRunner", "Runner"]

S = TypeVar("S")

# The clock is read once for so many commands: reading it for each would cost 3 % of a round trip.
_SLICE = 16


@final
class _Done(Awaitable[None]):
    """Nothing is left to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


DONE: Final = _Done()
"""What `run` returns if everything is settled already: an awaitable that need not be awaited."""


class Runner(ABC, Generic[S]):
    """Applies batches for one owner, one batch at a time."""

    applying: bool = False
    """Whether the loop's own thread is applying a command now, so that it cannot call the owner."""

    thread: int | None = None
    """The thread that applies commands, if that is not the loop's."""

    # Made at the first refusal: a runner need not call an `__init__` here.
    _refusals: Counter[str] | None = None

    def inside(self) -> bool:
        """Whether the calling thread, which is not the loop's, runs a command of this runner.

        A runner with a thread of its own overrides this: a command that used a thread-safe port
        from that thread would wait for itself.
        """
        return self.thread is not None and get_ident() == self.thread

    def refuse(self, reply: Reply, error: BaseException, /) -> None:
        """Answer a command with an expected error, and count it."""
        if self._refusals is None:
            self._refusals = Counter()
        self._refusals[type(error).__name__] += 1
        fail(reply, error)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How many commands were refused, by class of the error; a copy."""
        return dict(self._refusals or {})

    def arrived(self, reply: Reply, /) -> None:
        """Learn of a command from another thread when it is put into the mailbox."""

    async def open(self) -> None:
        """Get ready; an error here is raised by `Actor.open`."""

    @abstractmethod
    def run(self, batch: Batch[S], /) -> Awaitable[None]:
        """Apply a batch in order and settle its replies; a coroutine, as a rule.

        Skips a command whose reply is already done: its caller gave up while the command was
        queued, so it must have no effect. When this raises, or is cancelled, every reply not
        settled belongs to a command that had no effect; the actor answers those.
        """

    async def finish(self) -> None:
        """Answer commands that `run` left unfinished; called for `settle`, and before closing.

        It may be cancelled. A runner that leaves commands must answer them in every case: the
        actor knows only its last batch.
        """

    def holds(self, reply: Reply, /) -> bool:
        """Whether the command of this reply was left unfinished."""
        return False

    async def aclose(self) -> None:
        """Release everything; called once, after the last batch."""

    def hurry(self) -> None:
        """Finish as fast as possible from now on: the deadline of closing has passed."""


class LoopRunner(Runner[S]):
    """Applies commands on the event loop itself, to a state in memory.

    `expected` errors answer their caller alone; any other is a bug and crashes the owner.
    A batch that takes longer than `budget` seconds lets the loop serve others in between.
    """

    def __init__(
        self,
        state: S,
        *,
        expected: tuple[type[Exception], ...] = (),
        budget: float = 0.005,
    ) -> None:
        self._state = state
        self._expected = expected
        self._budget = budget

    def run(self, batch: Batch[S], /) -> Awaitable[None]:
        """Apply and settle command by command; each is one synchronous step."""
        if len(batch) > _SLICE:
            return self._run_slices(batch)
        self._apply(batch)  # a caller alone should not pay for the slicing
        return DONE

    async def _run_slices(self, batch: Batch[S]) -> None:
        deadline = time.monotonic() + self._budget
        for start in range(0, len(batch), _SLICE):
            if start and time.monotonic() > deadline:
                await asyncio.sleep(0)
                deadline = time.monotonic() + self._budget
            self._apply(batch[start : start + _SLICE])

    def _apply(self, batch: Batch[S]) -> None:
        state, expected = self._state, self._expected
        self.applying = True
        try:
            for command, reply in batch:
                if reply.done():
                    continue
                try:
                    value = command.apply(state)
                except CallerError as error:  # the caller's own code raised it; nothing was refused
                    fail(reply, error)
                except expected as error:
                    self.refuse(reply, error)
                else:
                    try:  # noqa: SIM105 - `succeed` without its calls, a twentieth of a round trip
                        reply.set_result(value)
                    except InvalidStateError:  # cancelled by its own command
                        pass
        finally:
            self.applying = False

"""Callers that ask checked operations of a store, each one after the other, amid faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from faulted_checks import Findings, Operation, Outcome, SessionRecord, label_of, note
from sessionkeeper import (
    AtomicSessionStore,
    Frame,
    OutcomeUnknown,
    Overloaded,
    Session,
    SessionError,
    StoreUnavailable,
)

__all__ = ["GRACE", "Caller", "FaultLog", "OnCall", "counted"]

GRACE = 30.0
"""Seconds after its deadline at which a call counts as hung: a busy machine is late as well."""
PARTS = 3
"""Frames of a batch."""

OnCall: TypeAlias = Callable[[str, float, float, Outcome], None]
"""Is told of each call: its session, when it was asked, when it was answered, and how."""


@dataclass(eq=False, slots=True)
class _Span:
    begun: float
    ended: float
    sessions: Collection[str] | None


class FaultLog:
    """When faults happened to what one store uses, so that operations they met can be counted."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []

    def begin(self, sessions: Collection[str] | None = None) -> Callable[[], None]:
        """Note that one begins, for these sessions or for all; return what notes its end."""
        span = _Span(time.monotonic(), float("inf"), sessions)
        self._spans.append(span)

        def end() -> None:
            span.ended = time.monotonic()

        return end

    def met(self, session_id: str, begun: float, ended: float) -> bool:
        """Whether one was in force at any moment between the call and the answer."""
        return any(
            span.begun <= ended and span.ended >= begun
            for span in reversed(self._spans)
            if span.sessions is None or session_id in span.sessions
        )

    def clear(self) -> None:
        """Forget those that are over, when nothing is under way."""
        self._spans = [span for span in self._spans if span.ended == float("inf")]


def counted(session: Session) -> Session:
    """One more."""
    n: Any = session.metadata.get("n", 0)
    return session.model_copy(update={"metadata": {"n": n + 1}})


class Caller:
    """One of many who use a store at once; each waits for its answer before it asks again."""

    def __init__(
        self,
        name: str,
        store: AtomicSessionStore,
        *,
        records: dict[str, SessionRecord],
        on_call: OnCall,
        findings: Findings,
        deadline: float,
        grace: float = GRACE,
        random: Random,
    ) -> None:
        self._name, self._store = name, store
        self._records, self._on_call = records, on_call
        self._findings = findings
        self._deadline, self._grace = deadline, grace
        self._random = random
        self._keys: Sequence[str] = [*records]
        self._number = 0
        self._removable: dict[str, tuple[int, str]] = {}
        """Of each session, the frame that this caller appended last and did not yet remove."""

    async def run(self, goes_on: Callable[[], bool]) -> None:
        """Ask until that is no longer so; the last is answered as well."""
        while goes_on():
            # After a refusal at once again would be a busy loop while the server is away.
            if await self._ask() is not Outcome.APPLIED:
                await asyncio.sleep(self._random.random() / 50)

    async def _ask(self) -> Outcome:
        store, key, dice = self._store, self._random.choice(self._keys), self._random.random()
        self._number += 1
        label = f"{key}|{self._name}|{self._number}"
        if dice < 0.55:
            return await self._write(
                Operation(key, (label,), counts=False), lambda: store.add_frame(note(key, label))
            )
        if dice < 0.8:
            labels = tuple(f"{label}.{part}" for part in range(PARTS))
            notes = [note(key, each) for each in labels]
            change = counted if dice > 0.7 else None
            return await self._write(
                Operation(key, labels, counts=change is not None),
                lambda: store.add_frames(key, notes, change=change),
            )
        if dice < 0.84 and (removed := self._removable.pop(key, None)):
            seq, _ = removed
            if seq > self._records[key].checked:  # an earlier one is not compared any more
                return await self._write(
                    Operation(key, (), counts=False, removes=removed),
                    lambda: store.remove_frames(key, [seq]),
                )
        if dice < 0.88:
            return await self._write(
                Operation(key, (), counts=True), lambda: store.modify_session(key, counted)
            )
        return await self._read(key, frames=dice < 0.95)

    async def _write(self, operation: Operation, ask: Callable[[], Awaitable[object]]) -> Outcome:
        operation.begun = time.monotonic()
        self._records[operation.session].asked(operation)
        operation.outcome, answer = await self._call(operation.session, ask)
        if isinstance(answer, OutcomeUnknown):
            operation.operation_id = answer.operation_id
        if operation.outcome is Outcome.APPLIED:
            operation.ended = time.monotonic()
            got: Any = answer
            if operation.labels:
                operation.seqs = (got,) if isinstance(got, int) else tuple(got)
                self._removable[operation.session] = operation.seqs[-1], operation.labels[-1]
            elif operation.removes is not None:
                if got != 1:
                    self._findings.add("doubled", f"{operation.removes} was removed {got} times")
            elif got.id != operation.session:
                self._findings.add("crossed", f"{operation.session} was answered with {got.id}")
        self._records[operation.session].told(operation)
        return operation.outcome

    async def _read(self, key: str, *, frames: bool) -> Outcome:
        store = self._store
        if not frames:
            outcome, got = await self._call(key, lambda: store.get_session(key))
            if isinstance(got, Session) and got.id != key:
                self._findings.add("crossed", f"{key} was read and {got.id} answered")
            return outcome
        answered = self._records[key].answered
        outcome, got = await self._call(
            key, lambda: store.read_frames(key, limit=PARTS, newest=True)
        )
        frames_got: list[Frame] = got if isinstance(got, list) else []
        if frames_got and frames_got[-1].seq < answered:
            what = f"{key} was read up to {frames_got[-1].seq}, {answered} was answered before"
            self._findings.add("stale", what)
        for frame in frames_got:
            if not label_of(frame).startswith(f"{key}|") and label_of(frame):
                self._findings.add("crossed", f"{key} was read and {label_of(frame)} answered")
        return outcome

    async def _call(self, key: str, ask: Callable[[], Awaitable[object]]) -> tuple[Outcome, object]:
        begun = time.monotonic()
        outcome, answer = Outcome.UNKNOWN, None
        try:
            async with asyncio.timeout(self._deadline + self._grace):
                answer = await ask()
                outcome = Outcome.APPLIED
        except OutcomeUnknown as error:
            answer = error
        except (StoreUnavailable, Overloaded):
            outcome = Outcome.REFUSED
        except TimeoutError:
            self._findings.add("hung", f"a call on {key} after {time.monotonic() - begun:.0f} s")
        except SessionError as error:
            self._findings.add("failed", f"{type(error).__name__} on {key}: {error}")
        self._on_call(key, begun, time.monotonic(), outcome)
        return outcome, answer

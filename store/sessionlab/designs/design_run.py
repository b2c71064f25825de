"""One design under one workload: a scenario for the explorer, and the check of its history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import cast

from sessionkeeper.values.errors import SessionError

from .. import AnyModel, Header, History, Outcome, RecordingStore, SessionStoreModel, Verdict, check
from .catalogue import Design
from .clients import CLIENT
from .limited import LimitedStoreModel
from .misbehaviour import CheckedRecording, WrongAnswer
from .workloads import Workload

__all__ = ["Violation", "DesignRun", "Undecided"]

_SECONDS_TO_JUDGE = 5.0


class Violation(AssertionError):
    """The history of a run is not linearizable."""


class Undecided(AssertionError):
    """The checker reached a limit."""


class DesignRun:
    """A scenario: each call runs it once. `recording` and `history()` are of the last run."""

    def __init__(
        self,
        design: Design,
        workload: Workload,
        *,
        rng: Random | None = None,
        on_run: Callable[[], object] = lambda: None,
    ) -> None:
        self.design = design
        self.workload = workload
        self.recording: RecordingStore | None = None
        self.answered = 0
        """Largest number of operations that took effect in one run."""
        # Cancels a client when the explorer does not run the scenario.
        self._rng = rng if workload.cancellations else None
        self._on_run = on_run
        # What is known to be of the right type costs no look at it.
        self._recording = CheckedRecording if design.right is None else RecordingStore

    @property
    def cancellable(self) -> str | None:
        """Prefix of the names of tasks that may be cancelled."""
        return CLIENT if self.workload.cancellations else None

    def model(self) -> AnyModel:
        """Return a new model; a model that is reused keeps growing."""
        maximum = self.workload.max_sessions
        model = SessionStoreModel() if maximum is None else LimitedStoreModel(maximum)
        return cast("AnyModel", model)

    def history(self) -> History:
        """Return the history of the last run, which is empty if no store could be made."""
        if self.recording is None:
            return History(header=Header(model="session-store"), operations=())
        return self.recording.history()

    async def __call__(self) -> History:
        """Run the workload on a new store. Raises an error that no store may raise."""
        self._on_run()
        self.recording = None
        self.recording = store = self._recording(self.design.make(self.workload.limits))
        canceller = None if self._rng is None else asyncio.create_task(_cancel_one(self._rng))
        async with store:
            with suppress(SessionError):  # a refusal ends the run; the history so far is checked
                await self.workload.run_clients(store)
        if canceller is not None:
            canceller.cancel()
            await asyncio.wait([canceller])
        return store.history()

    def judge(self, history: History) -> None:
        """Raise `Violation` or `Undecided` unless the history is linearizable."""
        self._on_run()
        answered = sum(each.outcome is Outcome.OK for each in history.operations)
        self.answered = max(self.answered, answered)
        try:
            result = check(history, self.model(), timeout=_SECONDS_TO_JUDGE, explain_illegal=False)
        except Exception as error:
            if self.design.right is not None:
                raise
            kind = type(error).__name__
            raise WrongAnswer(f"returned values that cannot be judged ({kind})") from error
        if result.verdict is Verdict.ILLEGAL:
            raise Violation("no order of the calls is valid")
        if result.verdict is Verdict.UNKNOWN:
            raise Undecided(result.reason or "unknown")


async def _cancel_one(rng: Random) -> None:
    """Cancel a client at a random moment."""
    for _ in range(rng.randrange(24)):
        await asyncio.sleep(0)
    clients = [task for task in asyncio.all_tasks() if task.get_name().startswith(CLIENT)]
    if clients:
        rng.choice(sorted(clients, key=lambda task: task.get_name())).cancel()

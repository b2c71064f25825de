"""Who judges: the model of limits, the checker's own limit, and what is shown of sessions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sessionkeeper import LimitExceeded, PlainSessionStore, Session, StoreLimits
from sessionlab import Outcome, RecordingStore, SessionStoreModel, check
from sessionlab.designs import (
    DESIGNS,
    WORKLOADS,
    CellVerdict,
    Design,
    design_run,
    explore_cell,
    picture_of_counterexample,
)
from sessionlab.designs.wrong import LimitOutside


class Stingy(PlainSessionStore):
    """Keeps one place empty."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._most = 0 if limits is None else limits.max_sessions - 1

    async def create_session(self, session: Session, /) -> Session:
        count = await self.count_sessions()
        if count >= self._most:
            raise LimitExceeded("max_sessions", current=count, maximum=self._most + 1)
        return await super().create_session(session)


def test_a_refusal_by_a_limit_is_true() -> None:
    """A refusal while there is room is as wrong as an acceptance without room."""
    stingy = Design("stingy", lambda limits: Stingy(limits=limits), "", None)
    cell = explore_cell(stingy, WORKLOADS["limits"], seeds=5, loops={})
    assert cell.verdict is CellVerdict.BROKEN
    right = explore_cell(DESIGNS["plain"], WORKLOADS["limits"], seeds=5, loops={})
    assert right.verdict is CellVerdict.HOLDS


class CountsApart(LimitOutside):
    """Counts before it waits, and has no counter of revisions for the whole store."""

    guarantees = replace(PlainSessionStore.guarantees, one_counter=False)


def test_a_store_whose_revisions_are_counted_apart_is_held_to_its_limits() -> None:
    """The model of such stores knows the limit, too."""
    design = Design("apart", lambda limits: CountsApart(limits=limits), "", None)
    cell = explore_cell(design, WORKLOADS["limits"], seeds=50, loops={})
    assert cell.picture is not None
    assert cell.picture.anomaly == "overshoot"


def test_a_checker_out_of_time_says_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict is neither good nor bad."""
    monkeypatch.setattr(design_run, "_SECONDS_TO_JUDGE", 0.0)
    cell = explore_cell(DESIGNS["actor"], WORKLOADS["deletion"], seeds=5, loops={})
    assert (cell.verdict, cell.picture) == (CellVerdict.UNKNOWN, None)


def test_no_whole_id_and_no_long_metadata_is_in_a_picture() -> None:
    """An id may be a bearer secret."""
    name, metadata = "i" * 40, {"secret": "m" * 100}

    class Stale(PlainSessionStore):
        async def get_session(self, session_id: str, /) -> Session:
            session = await super().get_session(session_id)
            return session.model_copy(update={"revision": 77})

    async def recorded() -> RecordingStore:
        async with RecordingStore(Stale()) as store:
            await store.create_session(
                Session.new(transport_type="stdio", id=name, metadata=metadata)
            )
            await store.modify_session(name, lambda session: session)
            await store.get_session(name)
            return store

    history = asyncio.run(recorded()).history()
    assert all(each.outcome is Outcome.OK for each in history.operations)
    model = SessionStoreModel()
    shown = str(picture_of_counterexample(history, check(history, model), model))
    assert "iiiiiiii…" in shown
    assert name not in shown
    assert "m" * 40 not in shown

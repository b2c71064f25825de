"""The cell `kills` of the matrix: the process of a store is killed at random moments."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random
from time import perf_counter

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionError, SessionNotFound

from ..catalogue import Design
from ..loading import find_opener
from ..results import Cell, CellVerdict, Picture
from .drawing import picture_of_kill
from .losses import FileContent, find_loss
from .protocol import SESSION
from .spawner import KillReport, ProcessSpawner, SpawnerFailed, start_spawner

__all__ = ["KILLS", "kill_cell"]

KILLS = (
    "kills",
    "Acknowledged writes survive a kill of the process; a batch is there completely or not at all.",
)
"""Name and promise."""

_HOW = "killed"
_ACKS = 40
_SECONDS = 0.004
"""A process is killed after at most `_ACKS` acknowledgements and at most this much later."""


def kill_cell(
    design: Design,
    *,
    kills: int,
    seconds: float = 8.0,
    on_run: Callable[[], object] = lambda: None,
) -> Cell:
    """Kill at most `kills` processes, for at most `seconds`, until one leaves a wrong file.

    A design without a file does not offer this. The moments come from a seed, but no two runs are
    the same. `on_run` is called before each. Raises `RuntimeError` on a thread where a loop runs.
    """
    if design.file is None:
        return Cell(KILLS[0], CellVerdict.NOT_OFFERED, 0, _HOW, None)
    random = Random(design.name)  # noqa: S311 - moments, not secrets
    begun = perf_counter()
    done = 0
    try:
        with start_spawner(design.file) as spawner:
            while done < kills and perf_counter() - begun < seconds:
                # The first process acknowledges at least once; a later one may be killed before.
                acks = random.randrange(_ACKS) + (not done)
                on_run()
                report, picture = _kill_once(design.file, spawner, acks, random)
                done += 1
                if picture is not None:
                    return Cell(KILLS[0], CellVerdict.BROKEN, done, _HOW, picture)
                if report.failure is not None:
                    note = f"raised {report.failure}"
                    return Cell(KILLS[0], CellVerdict.UNKNOWN, done, _HOW, None, note)
    except (SpawnerFailed, SessionError) as error:  # it did not start, or its file does not open
        note = str(error) if isinstance(error, SpawnerFailed) else f"raised {type(error).__name__}"
        return Cell(KILLS[0], CellVerdict.UNKNOWN, done, _HOW, None, note)
    return Cell(KILLS[0], CellVerdict.HOLDS, done, _HOW, None)


def _kill_once(
    name: str, spawner: ProcessSpawner, acks: int, random: Random
) -> tuple[KillReport, Picture | None]:
    report = spawner.kill_after(acks, random.uniform(0, _SECONDS))
    found = asyncio.run(_read_file(name, report.path))
    loss = find_loss(found, report.acks, created=report.created)
    if loss is None:
        return report, None
    return report, picture_of_kill(report, found, loss, expected=KILLS[1])


async def _read_file(name: str, path: str) -> FileContent:
    """Open the file again, as any other process would."""
    store = find_opener(name)(path)
    if isinstance(store, AtomicSessionStore):
        await store.__aenter__()
    try:
        frames = await store.get_frames(SESSION)
        texts = [str(json.loads(frame.message)["params"][0]) for frame in frames]
        return FileContent(tuple(texts), await store.count_frames(SESSION))
    except SessionNotFound:
        return FileContent(None)
    finally:
        if isinstance(store, AtomicSessionStore):
            await store.__aexit__(None, None, None)

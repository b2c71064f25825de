"""The pages beside the calls: problems, context cost and runs, as the page gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..recording.analysis.measuring import context_cost
from ..recording.analysis.problems import problems
from ..recording.analysis.runs import runs
from ..recording.analysis.times import started_at
from .session_row import millis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..interface.atomic_store import AtomicSessionStore
    from ..recording.analysis.context_cost import ContextCost
    from ..recording.analysis.problem import Problem
    from ..recording.analysis.runs import Run
    from ..values.session import Session

__all__ = ["read_context", "read_problems", "read_runs"]

_LISTED = 1_000
"""Problems at most; `sessionkeeper problems` lists all."""


async def read_problems(
    store: AtomicSessionStore, sessions: Sequence[Session]
) -> dict[str, object]:
    """Return the problems of these sessions, and whether these are all."""
    keys = {each.id: each.incarnation for each in sessions}
    found: list[dict[str, object]] = []
    async for problem in problems(store, sessions):
        if len(found) == _LISTED:
            return {"problems": found, "complete": False}
        found.append(_problem_fields(problem, keys))
    return {"problems": found, "complete": True}


async def read_context(store: AtomicSessionStore, sessions: Sequence[Session]) -> list[object]:
    """Return what each server of these sessions puts into a model's context."""
    return [_context_fields(each) for each in await context_cost(store, sessions)]


async def read_runs(store: AtomicSessionStore, sessions: Sequence[Session]) -> list[object]:
    """Return the runs that have one of these sessions, with those of them."""
    known = {each.id: each for each in sessions}
    found: list[object] = []
    async for run in runs(store):
        visited = [known[each] for each in run.sessions if each in known]
        if visited:
            found.append(_run_fields(run, visited))
    return found


def _problem_fields(problem: Problem, keys: Mapping[str, str]) -> dict[str, object]:
    return {
        "kind": problem.kind.value,
        "severity": problem.severity.value,
        "session": keys[problem.session_id],
        "seq": problem.seq,
        "time": millis(problem.time),
        "server": problem.server,
        "subject": problem.subject,
        "text": problem.text,
        "hint": problem.hint,
    }


def _context_fields(cost: ContextCost) -> dict[str, object]:
    tools = [
        {
            **msgspec.structs.asdict(tool),
            "definition_tokens": tool.definition_tokens,
            "result_tokens": tool.result_tokens,
        }
        for tool in cost.tools
    ]
    return {
        "server": cost.server,
        "sessions": cost.sessions,
        "definition_tokens": cost.definition_tokens,
        "result_tokens": cost.result_tokens,
        "remarks": cost.remarks,
        "tools": tools,
    }


def _run_fields(run: Run, visited: Sequence[Session]) -> dict[str, object]:
    return {
        "client_name": run.client_name,
        "client_version": run.client_version,
        "principal": run.principal,
        "client_host": run.client_host,
        "client_pid": run.client_pid,
        "failed": run.failed,
        "live": run.live,
        "started": millis(run.started),
        "ended": millis(run.ended),
        "sessions": [
            {
                "key": each.incarnation,
                "state": each.state.value,
                "live": not each.state.is_terminal,
                "created": millis(started_at(each)),
                "until": millis(each.ended_at or each.last_activity),
            }
            for each in visited
        ],
    }

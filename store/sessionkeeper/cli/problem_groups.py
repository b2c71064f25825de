"""Groups problems that are of one kind, about the same, and on the same server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..recording import Problem, ProblemKind, Severity

__all__ = ["ProblemGroup", "ProblemGroups"]

_MAX_GROUPS = 1_000
"""A hostile client may call a tool of another name every time."""

_WITH_ID = frozenset({ProblemKind.ANSWER_TO_NOTHING, ProblemKind.REPEATED_ID})
"""Kinds whose text names an id, which differs."""
_Key: TypeAlias = "tuple[str | None, ...]"


@dataclass(slots=True)
class ProblemGroup:
    """Some problems, of which the newest stands for all."""

    newest: Problem
    count: int = 1


class ProblemGroups:
    """Collects problems in bounded memory."""

    def __init__(self) -> None:
        self._groups: dict[_Key, ProblemGroup] = {}
        self.count = 0
        self.errors = 0

    def add(self, problem: Problem) -> None:
        """Count a problem, and keep it if it is the newest of its group."""
        self.count += 1
        self.errors += problem.severity is Severity.ERROR
        key = _key(problem)
        if key not in self._groups and len(self._groups) >= _MAX_GROUPS:
            key = (problem.kind,)
        group = self._groups.get(key)
        if group is None:
            self._groups[key] = ProblemGroup(problem)
            return
        group.count += 1
        if problem.time > group.newest.time:
            group.newest = problem

    def newest_first(self) -> list[ProblemGroup]:
        """Return the groups, the one with the newest problem first."""
        return sorted(self._groups.values(), key=lambda group: group.newest.time, reverse=True)


def _key(problem: Problem) -> _Key:
    call = problem.call
    if call is not None:
        return problem.kind, problem.server, call.method, call.name, str(call.error_code)
    return problem.kind, problem.server, None if problem.kind in _WITH_ID else problem.text

"""`sessionkeeper problems` shows what went wrong, and the command that shows each problem."""

from __future__ import annotations

import json
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
import typer

from ..printing import styled
from ..recording import Problem, ProblemKind, Severity
from ..values.errors import short_id
from ..values.query import SessionQuery
from .console import print_line
from .problem_groups import ProblemGroup, ProblemGroups
from .progress import progress
from .quantities import format_counted, format_moment, parse_duration, parse_since
from .screen import Screen, join
from .stats import OptionalSession
from .stores import AsJson, StoreUrl, find_session, open_store, run_command

__all__ = ["problems"]

FOUND = 1
_SHOWN = 50
_SLOW = "10s"
_MARKS = {Severity.ERROR: ("✗ ", "red"), Severity.WARNING: ("! ", "yellow")}


def problems(
    store: StoreUrl,
    session: OptionalSession = None,
    *,
    since: Annotated[
        str | None, typer.Option(help="Only problems since: 1h, 2d, or a time in UTC.")
    ] = None,
    slow: Annotated[
        str, typer.Option(help="An answer that takes longer than this is a problem: 500ms, 2s.")
    ] = _SLOW,
    kind: Annotated[
        list[ProblemKind] | None, typer.Option(help="Only this kind; may be repeated.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Number of groups of problems to show; 0 for all.")
    ] = _SHOWN,
    as_json: AsJson = False,
) -> int:
    """Show what went wrong: errors, missing and slow answers, repeated calls, odd frames, gaps.

    Problems of one kind about the same tool or method of a server are one group. It is shown by its
    newest problem, with the command that shows that one. The newest group comes first.

    --json prints one line per problem, of one session after the other. Exit code 1 if there is a
    problem, 0 if there is none.
    """
    wanted = _Wanted(
        None if since is None else parse_since(since),
        parse_duration(slow, option="--slow"),
        frozenset(kind or ProblemKind),
    )
    return run_command(_problems(store, session, wanted, limit, as_json=as_json))


class _Wanted(NamedTuple):
    since: datetime | None
    slow: timedelta
    kinds: frozenset[ProblemKind]

    def accepts(self, problem: Problem) -> bool:
        is_new = self.since is None or problem.time >= self.since
        return is_new and problem.kind in self.kinds


async def _problems(
    url: str, asked: str | None, wanted: _Wanted, limit: int, *, as_json: bool
) -> int:
    from ..recording import problems as find_problems

    groups = ProblemGroups()
    screen = Screen()
    async with open_store(url) as store:
        if asked is None:
            sessions, read = None, "all sessions"
            frames = (await store.statistics()).frames
        else:
            session = await find_session(store, asked)
            sessions, read = [session], f"session {short_id(session.id)}"
            frames = session.frame_count
        with progress("looking for problems", frames) as advance:
            query = SessionQuery(active_from=wanted.since)
            found = find_problems(store, sessions, query=query, slow=wanted.slow, on_frames=advance)
            async with aclosing(found):
                async for problem in found:
                    if wanted.accepts(problem):
                        groups.add(problem)
                        if as_json:
                            print_line(json.dumps(_fields(problem, url)))
    if not as_json:
        _print_groups(screen, groups, url, limit, read)
    screen.flush()
    return FOUND if groups.count else 0


def _print_groups(screen: Screen, groups: ProblemGroups, url: str, limit: int, read: str) -> None:
    if not groups.count:
        screen.print(f"no problems in {read}")
        return
    found = groups.newest_first()
    shown = found[:limit] if limit else found
    for group in shown:
        _print_group(screen, group, url)
    errors = format_counted(groups.errors, "error")
    warnings = format_counted(groups.count - groups.errors, "warning")
    more = len(found) - len(shown)
    said = f"{format_counted(groups.count, 'problem')} in {read}: {errors}, {warnings}"
    left = f"; {more:,} older groups are not shown, --limit 0 shows all" if more else ""
    screen.note(f"{said}{left}")


def _print_group(screen: Screen, group: ProblemGroup, url: str) -> None:
    problem = group.newest
    mark, style = _MARKS[problem.severity]
    heading = join(
        styled(f"{mark}{problem.kind}", f"bold {style}"),
        styled(f"  {problem.subject}" if problem.subject else "", "cyan"),
        "" if problem.server is None else f"  {problem.server}",
        styled(f"  {format_moment(problem.time)}", "dim"),
        styled(f"  {group.count:,} times" if group.count > 1 else "", "bold"),
    )
    screen.print(heading)
    screen.print(screen.fit(styled(f"    {problem.text}")))
    if problem.hint is not None:
        screen.print(screen.fit(styled(f"    {problem.hint}", "dim")))
    # Never cut: it is there to be copied.
    screen.print(styled(f"    {_command(problem, url)}", "green"))
    screen.print()


def _command(problem: Problem, url: str) -> str:
    # A URL with a user may hold a password.
    return problem.command("STORE" if "@" in url else url, session=_short(problem.session_id))


def _short(session_id: str) -> str:
    return short_id(session_id).removesuffix("…")


def _fields(problem: Problem, url: str) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(problem)
    store = "STORE" if "@" in url else url
    return {**fields, "severity": problem.severity.value, "command": problem.command(store)}

"""`sessionkeeper compare`: which design keeps which guarantee."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer
from sessionkeeper.cli.console import INTERRUPTED, complain, print_line, run_on_loop
from sessionkeeper.cli.progress import progress_bar
from sessionkeeper.values.errors import SessionError

from ..designs import (
    COLUMNS,
    DEFAULT_SEEDS,
    DESIGNS,
    ON_POSTGRES,
    ON_REDIS,
    Comparison,
    Design,
    PostgresDesigns,
    RedisDesigns,
    ServerDesigns,
    available_loops,
    compare,
    find_design,
    load_own,
    unexpected,
)
from ..designs.own import DEFAULT_TIMEOUT, end_all

__all__ = ["compare_designs"]

NOT_AS_EXPECTED, BAD_INPUT = 1, 2


class StressLoops(StrEnum):
    """Event loops for designs that cannot be explored."""

    BOTH = "both"
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


def compare_designs(  # noqa: PLR0917 - as typer wants them
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Designs, or your own classes as module:Class.",
            show_default="all designs",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Number of interleavings to try per cell.")
    ] = DEFAULT_SEEDS,
    loop: Annotated[
        StressLoops, typer.Option(help="Event loops for designs that cannot be explored.")
    ] = StressLoops.BOTH,
    only_right: Annotated[
        bool, typer.Option("--only-right", help="Only the correct designs.")
    ] = False,
    only_wrong: Annotated[
        bool, typer.Option("--only-wrong", help="Only the designs that are wrong on purpose.")
    ] = False,
    redis: Annotated[
        str | None,
        typer.Option(
            help="Include the designs that need a server, on redis://host:6379/0. They use their"
            " own keys and delete them.",
            show_default="none",
        ),
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(
            help="Include the designs that need a server, on postgresql://user@host/database. Each"
            " run makes a schema of its own and drops it.",
            show_default="none",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=86_400, help="Seconds that one run of your own class may take."),
    ] = DEFAULT_TIMEOUT,
    html: Annotated[
        Path | None, typer.Option(help="Write an HTML page with the result.", show_default="none")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Find out which promises each design of a session store keeps.

    Every design runs every workload in many interleavings. Exit code 0 if the correct designs and
    your own keep every promise, and each wrong design shows its known anomaly; otherwise 1; 2 for
    wrong usage. Your own class runs in a process of its own: whatever it does is in the table.
    `sessionkeeper bench` measures how fast a store is.
    """
    if only_right and only_wrong:
        raise typer.BadParameter("use only one of them", param_hint="--only-right, --only-wrong")
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{html} cannot be written", param_hint="--html")
    try:
        loops = available_loops()
        if loop is not StressLoops.BOTH:
            if loop not in loops:
                raise typer.BadParameter("uvloop is not installed", param_hint="--loop")
            loops = {loop.value: loops[loop.value]}
        servers = _find_servers(redis, postgres)
        known = dict(DESIGNS)
        server_of: dict[str, ServerDesigns] = {}
        for server in servers:
            run_on_loop(server.check_server())  # fail once here, not in each cell
            of_server = {each.name: each for each in server.designs()}
            known |= of_server
            server_of |= dict.fromkeys(of_server, server)
        designs = _choose_designs(
            names or (), known, timeout, only_right=only_right, only_wrong=only_wrong
        )
        comparison = _compare_with_progress(
            designs,
            lambda tell: compare(
                designs,
                seeds=seeds,
                loops=loops,
                timeout=timeout,
                progress=tell,
                on_error=lambda design: _check_again(server_of.get(design.name)),
            ),
            leave=lambda: _leave(servers),
        )
        if html is not None:
            _write_page(comparison, html)
    except (ValueError, SessionError) as error:
        complain(str(error))
        return BAD_INPUT
    except OSError as error:
        complain(f"{html}: {error.strerror or error}")
        return BAD_INPUT
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    surprises = unexpected(comparison, list(known.values()))
    if as_json:
        shown = {
            **cast("dict[str, object]", msgspec.to_builtins(comparison)),
            "unexpected": surprises,
        }
        print_line(json.dumps(shown))
    else:
        from .compare_table import show_comparison

        show_comparison(comparison, surprises)
        if html is not None:
            print_line(f"written: {html}")
    return NOT_AS_EXPECTED if surprises else 0


def _find_servers(redis: str | None, postgres: str | None) -> list[ServerDesigns]:
    servers: list[ServerDesigns] = []
    if redis is not None:
        servers.append(RedisDesigns(redis))
    if postgres is not None:
        servers.append(PostgresDesigns(postgres))
    return servers


def _choose_designs(
    names: Sequence[str],
    known: Mapping[str, Design],
    timeout: float,
    *,
    only_right: bool,
    only_wrong: bool,
) -> list[Design]:
    catalogue: list[Design] = []
    if only_right or only_wrong or not names:
        catalogue = [
            each for each in known.values() if not (only_wrong if each.right else only_right)
        ]
    folder = str(Path.cwd())
    if any(":" in name for name in names) and folder not in sys.path:
        sys.path.insert(0, folder)  # as `python -m` does: the user's class is usually there
    asked = [_find_design(name, known, timeout) for name in names]
    return list({each.name: each for each in (*catalogue, *asked)}.values())


def _find_design(name: str, known: Mapping[str, Design], timeout: float) -> Design:
    if name in ON_REDIS and name not in known:
        raise ValueError(f"{name} needs a server: name one with --redis redis://host:6379/0")
    if name in ON_POSTGRES and name not in known:
        raise ValueError(
            f"{name} needs a server: name one with --postgres postgresql://user@host/database"
        )
    if name in known:
        return known[name]
    module, _, path = name.partition(":")
    return load_own(name, timeout=timeout) if module and path else find_design(name)


def _compare_with_progress(
    designs: Sequence[Design],
    run: Callable[[Callable[[str], object]], Comparison],
    leave: Callable[[], None],
) -> Comparison:
    """Run with a progress bar that names the current step; clean up if interrupted."""
    with progress_bar("comparing", len(designs) * len(COLUMNS)) as bar:

        def tell(step: str) -> None:
            bar.update(step)
            bar.advance()

        def restore() -> None:
            bar.stop()
            end_all()
            leave()

        with _exit_on_interrupt(restore):
            return run(tell)


def _check_again(server: ServerDesigns | None) -> None:
    """Raise `StoreUnavailable` if the server has gone away: the design is not to blame."""
    if server is not None:
        run_on_loop(server.check_server())
        server.leave()  # if it was away for a moment, the run could not


def _leave(servers: Sequence[ServerDesigns]) -> None:
    for server in servers:
        server.leave()


@contextmanager
def _exit_on_interrupt(restore: Callable[[], object]) -> Generator[None]:
    """End the process at Ctrl-C or SIGTERM, and what it started. An exception would surface inside
    some store's task, perhaps in a callback that only logs it, and there is nothing to save.
    """

    def interrupt(number: int, _: object) -> None:
        restore()
        complain("interrupted")
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _write_page(comparison: Comparison, file: Path) -> None:
    from ..designs.report import write_report

    write_report(comparison, file)

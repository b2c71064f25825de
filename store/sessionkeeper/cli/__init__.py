"""The command line.

Rule: a command's module is imported when the command is called, and what `record` needs only when
its server has started. Read `app`, `stores` and `console`, then a command. Those that show
recordings print tables (`screen`, `table`, `quantities`) and messages (`quoting`, `summaries`,
`messages`, `conversation`).
"""

from __future__ import annotations

import gc
import sys

from .console import INTERRUPTED, prepare_streams

__all__ = ["main"]


def main() -> None:
    """Run the command line. It needs the extra `cli`."""
    prepare_streams()
    try:
        code = _run()
    except KeyboardInterrupt:  # Ctrl-C before a command started
        code = INTERRUPTED
    sys.exit(code)


def _run() -> int:
    # Imported modules are not garbage. Without collections during the import, and with the modules
    # excluded from later ones, a command needs a quarter less processor time.
    gc.disable()
    if sys.argv[1:2] == ["record"]:
        from .record_options import parse_usual

        if (options := parse_usual(sys.argv[2:])) is not None:
            from .record_run import run_recorder

            return run_recorder(options, on_loaded=_resume_collections)
    try:
        from .app import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write(
            "sessionkeeper: the command line is not installed: pip install 'sessionkeeper[cli]'\n"
        )
        return 2
    return run(sys.argv[1:], on_loaded=_resume_collections)


def _resume_collections() -> None:
    gc.freeze()
    gc.enable()

"""The command line."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; what it needs beyond the library is in the extra `cli`."""
    try:
        from .app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while all of it is read, which takes half a second
        sys.stderr.write("sessionkeeper: interrupted\n")
        code = 130
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write(
            "sessionkeeper: install the command line: pip install 'sessionkeeper[cli]'\n"
        )
        code = 2
    sys.exit(code)

"""The command line."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; what it needs beyond the library is in the extra `cli`."""
    try:
        from .app import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write(
            "sessionkeeper: install the command line: pip install 'sessionkeeper[cli]'\n"
        )
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))

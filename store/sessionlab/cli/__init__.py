"""The commands of the lab: `check`, `compare` and `bench`.

Rule: `sessionkeeper` finds a command by its entry point and imports it when it is called; nothing
of the lab is imported before. Read the command you want (`check`, `compare`, `bench`), then its
table: `compare_table`, or `bench_run` and `bench_table`.
"""

from __future__ import annotations

__all__: list[str] = []

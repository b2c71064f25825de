"""The Lua scripts of the store. The first line of each names the shared parts that it uses.

Rule: a script checks everything before its first write, because a failed script keeps what it
wrote. Read `append.lua` first, with `shared/writer.lua` and `shared/log.lua`.
"""

from __future__ import annotations

from functools import lru_cache, partial
from importlib.resources import files

from ..client.call import Script

__all__ = ["script", "with_ttl"]

_USE, _WITH_TTL = "--@use ", "--@ttl"


def script(name: str, /, *, shared: int = 0) -> Script:
    """Return a script by its name. The parts that it uses come before its own text.

    Parts after `|` in its first line are for a store with a ttl only, as are lines that end with
    `--@ttl`: scripts of a store without a ttl contain nothing about it.
    """
    return Script(name, partial(_compose, name, None), shared=shared)


@lru_cache(maxsize=256)
def with_ttl(plain: Script, milliseconds: int, /) -> Script:
    """Return the script for a store whose sessions expire that long after their last write."""
    return Script(plain.name, partial(_compose, plain.name, milliseconds), shared=plain.shared)


def _compose(name: str, ttl: int | None) -> bytes:
    folder = files(__name__)
    text = folder.joinpath(f"{name}.lua").read_text(encoding="utf-8")
    used = ""
    if text.startswith(_USE):
        first, _, text = text.partition("\n")
        used = first.removeprefix(_USE)
    always, _, only_with_ttl = used.partition("|")
    parts = always.split() + ([] if ttl is None else only_with_ttl.split())
    texts = [folder.joinpath(f"shared/{part}.lua").read_text(encoding="utf-8") for part in parts]
    lines = "\n".join([*texts, text]).splitlines(keepends=True)
    if ttl is None:
        lines = [line for line in lines if not line.rstrip().endswith(_WITH_TTL)]
    else:
        lines.insert(0, f"local TTL = {ttl}\n")
    return "".join(lines).encode()

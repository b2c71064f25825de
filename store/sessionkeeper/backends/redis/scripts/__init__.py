"""The scripts of the store, each with the shared parts its first line names."""

from __future__ import annotations

from functools import lru_cache, partial
from importlib.resources import files

from ..client.call import Script

__all__ = ["script", "with_ttl"]

_USE, _WITH_TTL = "--@use ", "--@ttl"


def script(name: str, /, *, shared: int = 0) -> Script:
    """Name a script; it is read with what it uses before it.

    Of the parts its first line names, those after `|` are for a store with a ttl only, as are lines
    that end with `--@ttl`: a store without one has scripts in which nothing asks for it.
    """
    return Script(name, partial(_composed, name, None), shared=shared)


@lru_cache(maxsize=256)
def with_ttl(plain: Script, milliseconds: int, /) -> Script:
    """The same script for a store whose sessions go so long after the last write to them."""
    return Script(plain.name, partial(_composed, plain.name, milliseconds), shared=plain.shared)


def _composed(name: str, ttl: int | None) -> bytes:
    folder = files(__name__)
    text = folder.joinpath(f"{name}.lua").read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    used = first.removeprefix(_USE) if first.startswith(_USE) else ""
    always, _, only_with_ttl = used.partition("|")
    parts = always.split() + ([] if ttl is None else only_with_ttl.split())
    texts = [folder.joinpath(f"shared/{part}.lua").read_text(encoding="utf-8") for part in parts]
    lines = "\n".join([*texts, text]).splitlines(keepends=True)
    if ttl is None:
        lines = [line for line in lines if not line.rstrip().endswith(_WITH_TTL)]
    else:
        lines.insert(0, f"local TTL = {ttl}\n")
    return "".join(lines).encode()

"""The scripts of the store, each with the shared parts its first line names."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files

from ..call import Script

__all__ = ["script"]

_USE = "--@use "


def script(name: str, /, *, shared: int = 0) -> Script:
    """Read a script, what it uses before it."""
    folder = files(__name__)
    text = folder.joinpath(f"{name}.lua").read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    parts = first.removeprefix(_USE).split() if first.startswith(_USE) else []
    used = [folder.joinpath(f"shared/{part}.lua").read_text(encoding="utf-8") for part in parts]
    whole = "\n".join([*used, text]).encode()
    # What a server names a script by; nothing is protected by it.
    return Script(name, whole, sha1(whole, usedforsecurity=False).hexdigest(), shared=shared)

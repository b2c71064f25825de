"""A module of ours with a flaw: one change of its real source."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

__all__ = ["flawed_module"]


def flawed_module(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, right: str, wrong: str
) -> ModuleType:
    """Return a copy of the module whose source says `wrong` in the one place of `right`."""
    source = Path(module.__file__ or "").read_text("utf-8")
    assert source.count(right) == 1, right
    flawed = ModuleType(f"{module.__name__}_flawed")
    flawed.__package__ = module.__package__
    monkeypatch.setitem(sys.modules, flawed.__name__, flawed)
    exec(compile(source.replace(right, wrong), flawed.__name__, "exec"), vars(flawed))
    return flawed

"""A benchmark as one HTML file with charts, which needs nothing else."""

from __future__ import annotations

from .comparison import render_comparison, write_comparison
from .page import render_page, write_page

__all__ = ["render_comparison", "render_page", "write_comparison", "write_page"]

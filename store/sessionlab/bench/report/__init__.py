"""A benchmark as one HTML file with charts, which needs nothing else."""

from __future__ import annotations

from .page import render_page, write_page

__all__ = ["render_page", "write_page"]

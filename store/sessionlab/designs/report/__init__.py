"""A comparison, or counterexamples alone, as one HTML file that needs nothing else."""

from __future__ import annotations

from .page import render_pictures, render_report, write_pictures, write_report

__all__ = ["render_pictures", "render_report", "write_pictures", "write_report"]

"""The shell of the HTML reports: page, style, and formatting of numbers and texts.

Rule: a page is one file. It allows only its own style and scripts, needs no network, and escapes
everything it shows. Read `html_page`, then `formatting`.
"""

from __future__ import annotations

__all__: list[str] = []

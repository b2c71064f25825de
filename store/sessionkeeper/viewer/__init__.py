"""A page for the browser that shows a store: served on loopback and live, or as one file.

Rule: it reads and never writes. Everything that the page shows is text of others, so the page makes
nodes and never parses markup. The page is one document with its style and its scripts; it needs no
network but its own server. Read `session_row`, `frame_fields`, `rows` and `feed`; `session_list`,
`search` and `reports`; `live`, `api`, `guard` and `server`; then `page` with its templates, in the
order in which it lists them, and last `snapshot`.
"""

from __future__ import annotations

__all__: list[str] = []

"""Builds the page: one document with its style, its scripts, and a policy that allows only them.

Served, it may fetch from its own server. As a file it may fetch nothing; its data are in a block of
JSON in which no `<` is left, so no content can end the block.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from string import Template

from .encoding import as_json

__all__ = ["SERVED", "file_page", "policy_of", "served_page"]

SERVED, _ALONE = "'self'", "'none'"
"""What the page may connect to: its own server, or nothing."""

SCRIPTS = (
    *("text.js", "json_text.js", "source.js", "log.js", "folded_time.js", "timeline_drawing.js"),
    *("timeline.js", "call_list.js", "message.js", "detail.js", "sessions.js", "reports.js"),
    *("keys.js", "app.js", "filter_bar.js", "pages.js", "controls.js"),
)
"""The scripts in the order in which they need each other."""


@cache
def served_page() -> str:
    """Return the page for the server. It contains no data."""
    return _render(SERVED, "")


def file_page(data: object) -> str:
    """Return the page with its data, to be opened as a file. O(data)."""
    written = as_json(data).decode().replace("<", "\\u003c")
    return _render(_ALONE, f'<script type="application/json" id="data">{written}</script>')


@cache
def policy_of(connect: str) -> str:
    """Return the content security policy: the page's own style and scripts, by their hashes."""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:;"
        f" connect-src {connect}; style-src {_hashed(_text('view.css'))};"
        f" script-src {_hashed(_script())}; require-trusted-types-for 'script';"
        " trusted-types 'none'"
    )


def _render(connect: str, data: str) -> str:
    return Template(_text("view.html")).substitute(
        policy=policy_of(connect), style=_text("view.css"), script=_script(), data=data
    )


@cache
def _script() -> str:
    """Return all scripts as one, in a scope of its own."""
    return '"use strict";\n(() => {\n' + "\n".join(map(_text, SCRIPTS)) + "\n})();\n"


@cache
def _text(name: str) -> str:
    return files("sessionkeeper.viewer").joinpath("templates", name).read_text("utf-8")


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

"""Renders a template to one self-contained HTML file.

Templates escape everything they show. The content security policy names the style and the scripts
of the page by their hashes, so nothing else can run or be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["PACKAGE", "render_html", "template_text", "write_html"]

PACKAGE = "sessionlab.pages"
"""The package with the base template and its style sheet."""


def render_html(
    template: str,
    /,
    *,
    package: str = PACKAGE,
    style: str,
    scripts: Sequence[str] = (),
    values: dict[str, object],
) -> str:
    """Render a template with its style, its scripts, and the policy for them."""
    allowed = f"; script-src {' '.join(map(_hashed, scripts))}" if scripts else ""
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none';"
        f" style-src {_hashed(style)}{allowed}"
    )
    return (
        _templates(package)
        .get_template(template)
        .render(
            policy=policy,
            style=Markup(style),  # noqa: S704 - ours
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - ours
            **values,
        )
    )


def write_html(page: str, path: Path | str, /) -> None:
    """Write a page; a new file is readable only by its owner. Raises `OSError`."""
    target = Path(path)
    target.touch(mode=0o600)
    target.write_text(page, encoding="utf-8")


@cache
def template_text(name: str, /, package: str = PACKAGE) -> str:
    """Return the text of a file in the templates of a package."""
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _templates(package: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(each) for each in dict.fromkeys((package, PACKAGE))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

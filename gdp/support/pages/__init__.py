"""Pages that are one self-contained file each, and look alike. Imports no torch.

A page's template extends `base.html.j2` and fills its blocks `title`, `main` and `end`; its own style comes after
`base.css`, which has the colours, light and dark, and whatever several pages have in common.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_HERE = Path(__file__).parent
BASE_STYLE = _HERE / "base.css"
"""For pages that are several files, too."""


@cache
def page_template(template: Path, style: Path, script: Path | None = None) -> Template:
    """Return the template of a page; whatever is filled into it is escaped.

    Args:
        template: extends `base.html.j2`.
        style: of this page alone.
        script: the only one that the page may run; None for a page that runs none.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Style and script are the only texts that are not escaped: they come from packages.
    styles = "\n".join(path.read_text(encoding="utf-8") for path in (BASE_STYLE, style))
    code = script.read_text(encoding="utf-8") if script else ""
    environment.globals |= {
        "style": Markup(styles),  # noqa: S704 # of a package
        "script": Markup(code),  # noqa: S704 # of a package
        "script_sha256": base64.b64encode(hashlib.sha256(code.encode()).digest()).decode(),
    }
    return environment.get_template(template.name)

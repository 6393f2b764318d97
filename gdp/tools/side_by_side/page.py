"""The page of a comparison: one HTML file that needs nothing outside itself and runs no script."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from gdp.core.files import write_atomically
from gdp.support.page_pictures import EmbeddedPicture, Fineness, embed_png
from gdp.support.wording import with_unit
from gdp.tools.side_by_side.comparing import Comparison, PictureStrip

MOST_STRIPS = 24
"""Rows of pictures in a page."""
_BEHIND = ("student", "truth")
"""Columns that stand behind those of the single runs, where all runs have the same."""
_FINENESS = Fineness(widest=512, exact_up_to=256, quality=90)


def write_page(comparison: Comparison, path: Path) -> Path:
    """Write the page of a comparison.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    strips = [_strip(strip, comparison.labels) for strip in comparison.pictures[:MOST_STRIPS]]
    page = _template().render(
        comparison=comparison,
        about=[row for row in comparison.about if row.differs],
        recipe=[row for row in comparison.recipe if row.differs],
        same=sum(not row.differs for row in comparison.recipe),
        strips=[strip for strip in strips if strip[1]],
        others=max(0, len(comparison.pictures) - MOST_STRIPS),
        with_unit=with_unit,
    )
    write_atomically(path, page.encode(errors="replace"))
    return path


def _strip(strip: PictureStrip, labels: tuple[str, ...]) -> tuple[str, list[tuple[str, EmbeddedPicture]]]:
    """Return the pictures of a row with their captions: source, teacher, each run's student, truth."""
    names = dict.fromkeys(name for own in strip.own for name, _ in own)
    found = [(name, png) for name, png in strip.shared if name not in _BEHIND]
    found += [
        (f"{name}: {label}", dict(own)[name])
        for name in names
        for label, own in zip(labels, strip.own, strict=True)
        if name in dict(own)
    ]
    found += [(f"{name}, the same of all", png) for name, png in strip.shared if name in _BEHIND]
    embedded = ((caption, embed_png(caption, png, _FINENESS)) for caption, png in found)
    return strip.title, [(caption, picture) for caption, picture in embedded if picture is not None]


@cache
def _template() -> Template:
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (here / "page.css").read_text(encoding="utf-8")
    environment.globals |= {"style": Markup(style)}  # noqa: S704 # of this package
    return environment.get_template("page.html.j2")

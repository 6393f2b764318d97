"""The page of a comparison: one HTML file that needs nothing outside itself and runs no script."""

from __future__ import annotations

from pathlib import Path

from gdp.core.files import write_atomically
from gdp.support.pages import page_template
from gdp.support.pages.pictures import Cell, EmbeddedPicture, Fineness, cell_of, embed_png
from gdp.support.wording import listed, with_unit
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
    threes = all(len(pictures) % 3 == 0 for _, pictures in strips)  # a phone shows three in a line then, else two
    here = Path(__file__).parent
    page = page_template(here / "page.html.j2", here / "page.css").render(
        title=listed(comparison.labels),
        comparison=comparison,
        about=[row for row in comparison.about if row.differs],
        recipe=[row for row in comparison.recipe if row.differs],
        same=sum(not row.differs for row in comparison.recipe),
        strips=[strip for strip in strips if strip[1]],
        cell=cell_of((picture for _, pictures in strips for _, picture in pictures), Cell(190, 112 if threes else 170)),
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

"""The pictures of README and docs/gallery.md, out of finished runs of the recipes that come with gdp.

    python bench/gallery.py runs/stylegan-age runs/cyclegan-painting

Writes docs/pictures/*.png. Which pictures are shown is not chosen: they are the rows of each run's report
(`pictures/rows.json`), in its order, and of the pairs that filters dropped (`pictures/rejects.json`) the first of each
reason. They are enlarged by whole pixels, never blurred.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from sheets import labelled_rows
from torch import Tensor

from gdp.toolbox import write_atomically

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
RENDERED, SLOW, TRUTH = "Rendered faces", "The slow route", "Beside the true counterpart"
"""Titles of sections of the reports."""
DROPPED = 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("age", type=Path, help="folder of a finished run of stylegan-age")
    parser.add_argument("painting", type=Path, help="folder of a finished run of cyclegan-painting")
    parser.add_argument("--output", type=Path, default=PICTURES)
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    age, painting = given.age, given.painting
    faces = {"before": "source", "after": "student"}
    sheets = {
        "before-after": sheet(age, RENDERED, faces, most=6, factor=3, text=26),
        "ageing": sheet(age, RENDERED, {**faces, "the truth": "truth"}),
        "slow-route": sheet(age, SLOW, {**faces, "teacher": "teacher", "slow route": "slow route"}),
        "painting": sheet(painting, TRUTH, {**faces, "teacher": "teacher", "the truth": "truth"}),
        "dropped": dropped(age),
    }
    for name, content in sheets.items():
        write_atomically(given.output / f"{name}.png", content)
        print(f"{given.output / name}.png: {len(content) / 1000:.0f} kB")


def sheet(run: Path, section: str, lines: dict[str, str], most: int = 8, factor: int = 2, text: int = 15) -> bytes:
    """Draw one section of a report, a column for each of its first rows.

    Args:
        run: the run's folder.
        section: how the titles of its rows begin.
        lines: what stands beside each line, and which picture of the rows it shows.
        most: columns at most.
        factor: by which each pixel is enlarged.
        text: height of the letters in pixels.
    """
    found = [row for row in _read(run, "rows") if row["title"].startswith(f"{section} / ")][:most]
    if not found:
        raise SystemExit(f"{run} has no pictures of {section!r}: is it a finished run of the recipe?")
    captions = [_caption(row["title"].removeprefix(f"{section} / ")) for row in found]
    rows = [(title, [picture(run / row["pictures"][key]) for row in found]) for title, key in lines.items()]
    return labelled_rows(rows, captions, factor, together=len(rows), text=text)


def dropped(run: Path) -> bytes:
    """Draw pairs that the filters dropped, the first of each reason."""
    first = {row["reason"]: row for row in reversed(_read(run, "rejects"))}
    found = list(reversed(first.values()))[:DROPPED]
    captions = [_caption(row["reason"]) for row in found]
    rows = [(title, [picture(run / row[title]) for row in found]) for title in ("source", "target")]
    return labelled_rows(rows, captions, factor=3, together=2)


def picture(path: Path) -> Tensor:
    """Read a picture as (3, H, W) in [-1, 1]."""
    with Image.open(path) as file:
        levels = numpy.asarray(file.convert("RGB"))
    return torch.from_numpy(levels.copy()).permute(2, 0, 1) / 127.5 - 1


def _read(run: Path, name: str) -> list[dict[str, Any]]:
    path = run / "pictures" / f"{name}.json"
    if not path.is_file():
        raise SystemExit(f"{path} is not there: is {run} a finished run?")
    return list(json.loads(path.read_text()))


def _caption(title: str) -> str:
    """Shorten the title of a row to what fits above its picture."""
    if title.startswith("face "):
        return title.partition(", ")[2]
    if title.startswith("testA-"):
        return f"photo {int(title.removeprefix('testA-'))}"
    return title.removesuffix(" of an earlier pair")


if __name__ == "__main__":
    main()

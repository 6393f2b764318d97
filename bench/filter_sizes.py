"""How many good pairs the filters drop by default, at several sizes: the table of docs/filters.md.

    python bench/filter_sizes.py FOLDER

FOLDER holds pictures of one size of several people, `ID_projected.jpg` and edits of it such as `ID_age_neg20.jpg`, as
edited by a StyleGAN2 of faces. A pair is the projected face and one of its edits. Smaller sizes are made from it,
bicubic and antialiased. Every pair is a good one, so what is dropped is dropped wrongly; a filter whose verdicts depend
on the size by accident drops other pairs at each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from gdp import BuildContext, Config, PairBatch, PairRecord, ScoringFilter, Verdict
from gdp.plugins.filters import ArtifactConfig, DuplicateConfig, SharpnessConfig
from gdp.plugins.filters.likeness import DuplicateFilter
from gdp.plugins.filters.quality import ArtifactFilter, SharpnessFilter
from gdp.toolbox import from_array, from_levels, read_picture, reduced_to_side

FILTERS: dict[str, tuple[type[ScoringFilter], Config]] = {
    "sharpness": (SharpnessFilter, SharpnessConfig()),
    "artifact": (ArtifactFilter, ArtifactConfig()),
    "duplicate": (DuplicateFilter, DuplicateConfig()),
}
"""Those that judge any pictures, and need no model; `identity` and `face-attributes` know drawn faces alone."""


def main(given: Sequence[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="pictures, ID_projected.jpg and ID_EDIT.jpg")
    parser.add_argument("--edit", default="age_neg20", help="the edit that is the target")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 512, 256], help="pixels")
    arguments = parser.parse_args(given)
    people = sorted(path.name.removesuffix("_projected.jpg") for path in arguments.folder.glob("*_projected.jpg"))
    if not people:
        raise SystemExit(f"{arguments.folder}: there is no ID_projected.jpg")
    print(f"| filter, by default | {' | '.join(f'{size} px' for size in arguments.sizes)} | why |")
    print(f"|---|{'---|' * len(arguments.sizes)}---|")
    for name, (kind, config) in FILTERS.items():
        judge = kind(config, BuildContext())
        found = [dropped(judge, arguments.folder, people, arguments.edit, size) for size in arguments.sizes]
        reasons = sorted({verdict.reason or "" for verdicts in found for verdict in verdicts})
        counts = [f"{len(verdicts)} of {len(people)}" for verdicts in found]
        print(f"| `{name}` | {' | '.join(counts)} | {', '.join(reasons)} |", flush=True)


def dropped(judge: ScoringFilter, folder: Path, people: Sequence[str], edit: str, size: int) -> list[Verdict]:
    """Return the verdicts of the pairs that a filter drops at a size."""
    scores = {}
    for index, person in enumerate(people):  # one pair is in memory at a time
        source, target = (picture(folder / f"{person}_{kind}.jpg", size) for kind in ("projected", edit))
        pair = PairBatch([index], source, target, [PairRecord(index=index, seed=0)])
        (scores[index],) = judge.score(pair)
    return [verdict for verdict in judge.decide(scores).values() if verdict.decision != "keep"]


def picture(path: Path, size: int) -> torch.Tensor:
    """Read a picture as (1, 3, size, size) in [-1, 1]."""
    return reduced_to_side(from_levels(from_array(read_picture(path).on_white()))[None], size)


if __name__ == "__main__":
    main()

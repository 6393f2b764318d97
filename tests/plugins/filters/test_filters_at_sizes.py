"""The same picture gets the same verdict at every size that holds what is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.pairs import PairBatch, PairRecord
from gdp.core.pictures import from_array, from_levels, reduced_to_side, to_levels
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters import (
    ArtifactConfig,
    DuplicateConfig,
    FaceAttributesConfig,
    IdentityConfig,
    SharpnessConfig,
)
from gdp.plugins.filters.face_attributes import FaceAttributesFilter
from gdp.plugins.filters.likeness import DuplicateFilter, IdentityFilter
from gdp.plugins.filters.quality import ArtifactFilter, SharpnessFilter
from gdp.support.picture_files import read_picture

SIZES = (1024, 512, 256)
EDITS = Path(__file__).parents[4] / "shared" / "real" / "stylegan2_ffhq_edits" / "images"

JUDGES: dict[str, ScoringFilter] = {
    "sharpness": SharpnessFilter(SharpnessConfig(), BuildContext()),
    "artifact": ArtifactFilter(ArtifactConfig(), BuildContext()),
    "duplicate": DuplicateFilter(DuplicateConfig(), BuildContext()),
    "identity": IdentityFilter(IdentityConfig(), BuildContext()),
    "face-attributes": FaceAttributesFilter(FaceAttributesConfig(), BuildContext()),
}


@pytest.fixture(scope="module")
def faces() -> Tensor:
    """Two faces of 1024 pixels with skin as fine as a photograph's, sharp enough at 256 and soft at 1024."""
    smooth = render(sample_attributes(5, range(2)), 1024)
    grain = torch.randn(2, 3, 512, 512, generator=torch.Generator().manual_seed(3)) * 0.12
    coarse = functional.interpolate(grain, scale_factor=2.0, mode="bilinear", align_corners=False)
    return (gaussian_blur(smooth, [5, 5], [1.0, 1.0]) + coarse).clamp(-1, 1)


def at(faces: Tensor, size: int) -> Tensor:
    """As they are stored at a size: reduced, in 8 bits."""
    return from_levels(to_levels(reduced_to_side(faces, size)))


def judged(judge: ScoringFilter, source: Tensor, target: Tensor) -> list[tuple[str, str | None]]:
    indices = list(range(len(source)))
    pairs = PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])
    verdicts = judge.decide(dict(zip(indices, judge.score(pairs), strict=True)))
    return [(verdicts[index].decision, verdicts[index].reason) for index in indices]


@pytest.mark.parametrize("name", JUDGES)
def test_good_pairs_get_the_same_verdict_at_every_size(faces: Tensor, name: str) -> None:
    verdicts = {size: judged(JUDGES[name], at(faces, size), at(faces, size)) for size in SIZES}
    assert verdicts[1024] == verdicts[512] == verdicts[256]
    assert {decision for decision, _ in verdicts[256]} == {"keep"}


@pytest.mark.parametrize("name", ["sharpness", "artifact"])
def test_a_blurred_picture_is_found_at_every_size(faces: Tensor, name: str) -> None:
    blurred = gaussian_blur(faces, [49, 49], [12.0, 12.0])  # 3 pixels at 256
    for size in SIZES:
        verdicts = judged(JUDGES[name], at(faces, size), at(blurred, size))
        assert verdicts == [("drop", "target is blurred")] * 2, size


def test_a_checkerboard_is_found_at_every_size_and_only_there(faces: Tensor) -> None:
    for size in SIZES:
        clean = at(faces, size)
        cells = torch.arange(size)
        board = clean + ((cells[:, None] + cells) % 2 - 0.5) * 8 / 127.5
        assert judged(JUDGES["artifact"], clean, board) == [("drop", "target shows a checkerboard")] * 2, size


def test_another_size_to_measure_at_measures_anew() -> None:
    for kind in (SharpnessFilter, ArtifactFilter):
        assert "measured_at" in kind.score_settings
        assert kind.score_version == 2  # what was stored before was measured at each picture's own size


def test_pictures_that_are_small_already_are_measured_as_they_are() -> None:
    small = render(sample_attributes(5, range(4)), 64)
    pairs = PairBatch([0], small[:1], small[1:2], [PairRecord(index=0, seed=0)])
    at_64 = SharpnessFilter(SharpnessConfig(measured_at=64), BuildContext()), JUDGES["sharpness"]
    assert at_64[0].score(pairs) == at_64[1].score(pairs)
    at_64 = ArtifactFilter(ArtifactConfig(measured_at=64), BuildContext()), JUDGES["artifact"]
    assert at_64[0].score(pairs) == at_64[1].score(pairs)


@pytest.mark.skipif(not EDITS.is_dir(), reason=f"the real edits are not at {EDITS}")
def test_real_faces_of_1024_pixels_are_as_sharp_as_their_256_pixel_copies() -> None:
    people = sorted(path.name.removesuffix("_projected.jpg") for path in EDITS.glob("*_projected.jpg"))[:8]
    pairs = [
        [from_levels(from_array(read_picture(EDITS / f"{person}_{kind}.jpg").on_white()))[None] for person in people]
        for kind in ("projected", "age_neg20")
    ]
    source, target = (torch.cat(pictures) for pictures in pairs)
    for size in SIZES:
        assert {decision for decision, _ in judged(JUDGES["sharpness"], at(source, size), at(target, size))} == {"keep"}

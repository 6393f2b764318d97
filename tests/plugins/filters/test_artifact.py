from __future__ import annotations

import io

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters import ArtifactConfig
from gdp.plugins.filters.quality import ArtifactFilter, blockiness, blur, checkerboard, luminance


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return render(sample_attributes(3, range(48)))


def as_jpeg(images: Tensor, quality: int) -> Tensor:
    pictures = []
    for image in images:
        levels = image.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        content = io.BytesIO()
        Image.fromarray(levels).save(content, "jpeg", quality=quality)
        with Image.open(content) as file:
            pictures.append(torch.from_numpy(numpy.array(file)).permute(2, 0, 1).float() / 127.5 - 1)
    return torch.stack(pictures)


def with_checkerboard(images: Tensor, levels: float) -> Tensor:
    rows, columns = torch.arange(images.shape[2]), torch.arange(images.shape[3])
    return images + ((rows[:, None] + columns) % 2 - 0.5) * levels / 127.5


def batch_of(source: Tensor, target: Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


def auc(defective: Tensor, clean: Tensor) -> float:
    return float((defective[:, None] > clean).double().mean())


def test_each_measure_tells_its_own_defect_from_clean_faces(faces: Tensor) -> None:
    clean = luminance(faces)
    assert auc(blur(luminance(gaussian_blur(faces, [7, 7], [0.7, 0.7]))), blur(clean)) > 0.99
    assert auc(blockiness(luminance(as_jpeg(faces, 30))), blockiness(clean)) > 0.93
    assert auc(blockiness(luminance(as_jpeg(faces, 10))), blockiness(clean)) > 0.995
    assert auc(checkerboard(luminance(with_checkerboard(faces, 4))), checkerboard(clean)) > 0.99


def test_the_documented_ranges_hold(faces: Tensor) -> None:
    levels = luminance(faces)
    for values, low, high in ((blur(levels), 0.17, 0.35), (blockiness(levels), 0.7, 1.8)):
        assert low < float(values.min()) < float(values.max()) < high
    assert float(checkerboard(levels).max()) < 15
    assert float(checkerboard(luminance(with_checkerboard(faces, 8))).min()) > 20


@pytest.mark.parametrize("defect", ["blur", "jpeg", "checkerboard"])
def test_pairs_are_dropped_with_defect_and_side_named(faces: Tensor, defect: str) -> None:
    broken = {
        "blur": gaussian_blur(faces, [9, 9], [1.5, 1.5]),
        "jpeg": as_jpeg(faces, 5),
        "checkerboard": with_checkerboard(faces, 16),
    }[defect]
    words = {"blur": "is blurred", "jpeg": "shows the blocks of JPEG", "checkerboard": "shows a checkerboard"}[defect]
    judge = ArtifactFilter(ArtifactConfig(), BuildContext())
    clean = judge.decide(dict(enumerate(judge.score(batch_of(faces, faces)))))
    assert {verdict.decision for verdict in clean.values()} == {"keep"}
    for side, pairs in (("source", batch_of(broken, faces)), ("target", batch_of(faces, broken))):
        verdicts = judge.decide(dict(enumerate(judge.score(pairs)))).values()
        assert {verdict.reason for verdict in verdicts} == {f"{side} {words}"}


def test_a_limit_that_is_left_out_drops_nothing(faces: Tensor) -> None:
    judge = ArtifactFilter(ArtifactConfig(max_blur=None, max_blockiness=None, max_checkerboard=None), BuildContext())
    scores = judge.score(batch_of(gaussian_blur(faces, [9, 9], [3.0, 3.0]), faces))
    assert {verdict.decision for verdict in judge.decide(dict(enumerate(scores))).values()} == {"keep"}


def test_the_second_source_is_measured_too(faces: Tensor) -> None:
    judge = ArtifactFilter(ArtifactConfig(), BuildContext())
    sources = torch.cat([faces, gaussian_blur(faces, [9, 9], [1.5, 1.5])], dim=1)
    scores = judge.score(batch_of(sources, faces))
    assert {verdict.reason for verdict in judge.decide(dict(enumerate(scores))).values()} == {"source is blurred"}


def test_scores_do_not_depend_on_the_batch(faces: Tensor) -> None:
    judge = ArtifactFilter(ArtifactConfig(), BuildContext())
    together = judge.score(batch_of(faces, faces.flip(0)))
    assert judge.score(batch_of(faces[3:5], faces.flip(0)[3:5])) == together[3:5]


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (9, 7), (64, 48)])
def test_flat_pictures_of_any_size_have_numbers(size: tuple[int, int]) -> None:
    judge = ArtifactFilter(ArtifactConfig(), BuildContext())
    flat = torch.zeros(1, 3, *size)
    (scores,) = judge.score(batch_of(flat, flat))
    assert (scores["source_blur"], scores["source_blockiness"]) == (1.0, 1.0)
    assert scores["source_checkerboard"] == 0.0


def test_blockiness_of_a_known_picture() -> None:
    levels = torch.arange(16.0, dtype=torch.float64)[None, None].expand(1, 16, 16).clone()
    levels[:, :, 8:] += 5.0  # a step of 6 between the blocks, of 1 elsewhere, and no differences along the other axis
    assert float(blockiness(levels)) == pytest.approx(6.0)

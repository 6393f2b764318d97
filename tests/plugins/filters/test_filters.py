from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord, Scores
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.judge import JudgeNetwork
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters import DuplicateConfig, FaceAttributesConfig, OppositeClasses, SharpnessConfig
from gdp.plugins.filters.face_attributes import FaceAttributesFilter
from gdp.plugins.filters.likeness import DuplicateFilter, perceptual_hash
from gdp.plugins.filters.quality import SharpnessFilter, laplacian_variance


def batch_of(source: Tensor, target: Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return render(sample_attributes(3, range(24)))


def test_laplacian_variance_of_a_known_picture() -> None:
    picture = torch.full((1, 3, 3, 6), -1.0)
    picture[:, :, 1, 1] = 1.0  # one white dot: inner Laplacians -1020, 255, 0, 0
    values = torch.tensor([-1020.0, 255.0, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(laplacian_variance(picture), values.var(correction=0)[None])


def test_blurred_pictures_are_dropped_with_the_side_named(faces: Tensor) -> None:
    judge = SharpnessFilter(SharpnessConfig(), BuildContext())
    blurred = gaussian_blur(faces, [9, 9], [1.5, 1.5])
    cases = {"sharp": (faces, faces), "source": (blurred, faces), "target": (faces, blurred)}
    for side, (source, target) in cases.items():
        scores = judge.score(batch_of(source, target))
        verdicts = judge.decide(dict(enumerate(scores))).values()
        if side == "sharp":
            assert {verdict.decision for verdict in verdicts} == {"keep"}
        else:
            assert {verdict.reason for verdict in verdicts} == {f"{side} is blurred"}


def test_both_pictures_of_a_double_source_must_be_sharp(faces: Tensor) -> None:
    judge = SharpnessFilter(SharpnessConfig(), BuildContext())
    blurred = gaussian_blur(faces, [9, 9], [1.5, 1.5])
    scores = judge.score(batch_of(torch.cat([faces, blurred], dim=1), faces))
    assert {verdict.reason for verdict in judge.decide(dict(enumerate(scores))).values()} == {"source is blurred"}


def test_near_copies_hash_alike_and_other_faces_do_not(faces: Tensor) -> None:
    hashes = perceptual_hash(faces)
    noise = 0.02 * torch.randn(faces.shape, generator=torch.Generator().manual_seed(0))
    for copies in (faces + noise, gaussian_blur(faces, [5, 5], [1.0, 1.0]), faces * 0.9):
        assert max(int(bits).bit_count() for bits in hashes ^ perceptual_hash(copies)) <= 6
    assert len(set(hashes.tolist())) == len(hashes)
    assert perceptual_hash(torch.zeros(2, 3, 16, 16)).tolist() == [0, 0]


def decide_by_loops(hashes: list[int], distance: int) -> list[bool]:
    kept: list[int] = []
    decisions = []
    for value in hashes:
        decisions.append(all((value ^ other).bit_count() > distance for other in kept))
        if decisions[-1]:
            kept.append(value)
    return decisions


def test_the_first_of_near_duplicates_is_kept() -> None:
    numbers = random.Random(0)
    originals = [numbers.getrandbits(63) for _ in range(60)]
    hashes = [numbers.choice(originals) ^ (1 << numbers.randrange(63)) * numbers.randrange(2) for _ in range(300)]
    judge = DuplicateFilter(DuplicateConfig(max_distance=1), BuildContext())
    scores: dict[int, Scores] = {index: {"hash": f"{value:016x}"} for index, value in enumerate(hashes)}
    shuffled = dict(sorted(scores.items(), key=lambda item: str(item[1]["hash"])))
    verdicts = judge.decide(shuffled)
    assert [verdicts[index].decision == "keep" for index in range(300)] == decide_by_loops(hashes, 1)
    for index, verdict in verdicts.items():
        if verdict.decision == "drop":
            owner = verdict.scores["duplicate_of"]
            assert isinstance(owner, int)
            assert owner < index
            assert (hashes[owner] ^ hashes[index]).bit_count() == verdict.scores["distance"]


def test_ten_thousand_pairs_are_decided_without_a_pairwise_loop() -> None:
    numbers = random.Random(1)
    scores: dict[int, Scores] = {index: {"hash": f"{numbers.getrandbits(63):016x}"} for index in range(10_000)}
    scores[9_999] = scores[5]
    verdicts = DuplicateFilter(DuplicateConfig(), BuildContext()).decide(scores)
    assert [index for index, verdict in verdicts.items() if verdict.decision == "drop"] == [9_999]


def test_double_sources_are_duplicates_only_together(faces: Tensor) -> None:
    judge = DuplicateFilter(DuplicateConfig(), BuildContext())
    first, second = faces[[0, 0, 0]], faces[[1, 2, 1]]
    scores = judge.score(batch_of(torch.cat([first, second], dim=1), faces[:3]))
    decisions = [verdict.decision for verdict in judge.decide(dict(enumerate(scores))).values()]
    assert decisions == ["keep", "keep", "drop"]


def row(**changes: float) -> Scores:
    scores: dict[str, float] = {}
    for part, age in (("source", 30.0), ("target", 55.0)):
        values = {"face": 0.9, "age": age, "glasses": 0.1, "smile": 0.8, "hair_length": 1, "skin": 2}
        scores |= {f"{part}_{name}": value for name, value in values.items()}
    return scores | changes


class Decider(FaceAttributesFilter):
    """Decides from given scores; asks no judge."""

    def __init__(self, config: FaceAttributesConfig) -> None:
        self.config = config


@pytest.mark.parametrize(
    ("settings", "scores", "reason"),
    [
        ({}, row(), None),
        ({}, row(source_face=0.4), "no face in the source"),
        ({}, row(target_face=0.4), "no face in the target"),
        ({}, row(source2_face=0.4, source2_age=30), "no face in the source"),
        ({"min_age": 31}, row(), "younger than 31"),
        ({"max_age": 50}, row(), None),
        ({"max_age": 50, "age_of": "both"}, row(), "older than 50"),
        ({"min_age": 18}, row(source2_face=0.9, source2_age=12), "younger than 18"),
        ({"min_age_shift": 20}, row(), None),
        ({"min_age_shift": 26}, row(), "age shift below 26 years"),
        ({"max_age_shift": -5}, row(), "age shift above -5 years"),
        ({"opposite": OppositeClasses(attribute="age", threshold=45, margin=5)}, row(), None),
        (
            {"opposite": OppositeClasses(attribute="age", threshold=45, margin=5)},
            row(source_age=60, target_age=20),
            None,
        ),
        (
            {"opposite": OppositeClasses(attribute="age", threshold=45, margin=12)},
            row(),
            "not in opposite classes of age",
        ),
        ({"unchanged": ("glasses", "smile", "hair_length", "skin")}, row(), None),
        ({"unchanged": ("glasses",)}, row(target_glasses=0.6), "the edit changed glasses"),
        ({"unchanged": ("skin", "hair_length")}, row(target_hair_length=0), "the edit changed hair_length"),
        ({"unchanged": ("skin",)}, row(target_hair_length=0), None),
    ],
)
def test_a_pair_is_dropped_for_the_setting_it_fails(
    settings: dict[str, object], scores: Scores, reason: str | None
) -> None:
    verdict = Decider(FaceAttributesConfig.model_validate(settings)).decide({4: scores})[4]
    assert (verdict.decision, verdict.reason) == ("keep" if reason is None else "drop", reason)


@pytest.mark.parametrize("settings", [{"min_age": 50, "max_age": 40}, {"min_age_shift": 1, "max_age_shift": 0}])
def test_settings_that_no_pair_can_pass_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="no pair can pass"):
        FaceAttributesConfig.model_validate(settings)


@pytest.fixture
def judge_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A judge with random weights in the place of the built-in one."""
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(JudgeNetwork().state_dict(), tmp_path / "judge.safetensors")
    monkeypatch.setattr("gdp.plugins.faces.judge.JUDGE_WEIGHTS", tmp_path / "judge.safetensors")
    return tmp_path / "judge.safetensors"


def test_scores_do_not_depend_on_the_batch(judge_weights: Path, faces: Tensor) -> None:
    judge = FaceAttributesFilter(FaceAttributesConfig(), BuildContext())
    together = judge.score(batch_of(faces, faces.flip(0)))
    assert together[3]["source_age"] == together[20]["target_age"]
    assert judge.score(batch_of(faces[3:5], faces.flip(0)[3:5])) == together[3:5]
    assert len(judge.fingerprint) == 64


def test_missing_and_damaged_judges_are_named(judge_weights: Path) -> None:
    judge_weights.write_bytes(judge_weights.read_bytes()[:-50])
    with pytest.raises(CorruptFileError, match=r"judge\.safetensors"):
        FaceAttributesFilter(FaceAttributesConfig(), BuildContext())
    judge_weights.unlink()
    with pytest.raises(MissingResourceError, match="train_judge"):
        FaceAttributesFilter(FaceAttributesConfig(), BuildContext())

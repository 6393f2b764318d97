"""The filters on models and photographs made by others."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from face_api import HEADS, INPUT, FaceApiNetwork
from onnx_files import REAL, read_pictures

from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord
from gdp.core.recipe.reading import load_recipe
from gdp.plugins.onnx_filters.classifier import OnnxClassifierFilter
from gdp.plugins.onnx_filters.config import OnnxClassifierConfig, OnnxFaceDetectorConfig
from gdp.plugins.onnx_filters.detector import OnnxFaceDetectorFilter
from gdp.registry import PluginRegistry

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real models and pictures is absent")

EDITS = REAL / "stylegan2_ffhq_edits"
RECIPE = Path(__file__).parents[3] / "recipes" / "face_detector.toml"
PEOPLE = 13


@pytest.fixture(scope="module")
def face_api(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("face-api") / "age_gender.onnx"
    network = FaceApiNetwork(REAL / "faceapi_age_gender" / "age_gender_f32.pt").eval()
    torch.onnx.export(
        network, (torch.zeros(2, 3, 112, 112),), path, output_names=["age", "gender"], external_data=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False,
    )  # fmt: skip
    return path


def pairs_of(source: torch.Tensor, target: torch.Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


def told() -> dict[tuple[str, str], dict[str, str]]:
    with (EDITS / "judge_scores.csv").open(encoding="utf-8", newline="") as file:
        return {(row["id"], row["kind"]): row for row in csv.DictReader(file)}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's exporter warns of itself
def test_the_age_and_gender_of_real_edits_are_those_that_others_measured(face_api: Path) -> None:
    rows = told()
    people = sorted({person for person, _ in rows})[:PEOPLE]
    kinds = ("projected", "age_neg20", "age_pos20")
    shown = {kind: read_pictures([EDITS / "images" / f"{one}_{kind}.jpg" for one in people], 256) for kind in kinds}
    config = OnnxClassifierConfig(weights=face_api, input=INPUT, heads=HEADS, min_age=18, age_of="target")
    judge = OnnxClassifierFilter(config, BuildContext())
    ages: dict[str, list[float]] = {}
    kept: dict[str, int] = {}
    for kind in kinds:
        scores = judge.score(pairs_of(shown["projected"], shown[kind]))
        for person, row in zip(people, scores, strict=True):
            expected = rows[person, kind]
            # Theirs was resized in 8-bit levels, ours in floats.
            assert row["target_age"] == pytest.approx(float(expected["faceapi_age"]), abs=1.0)
            male = float(expected["faceapi_p_male"])
            if abs(male - 0.5) > 0.05:
                assert row["target_gender"] == ("male" if male > 0.5 else "female")
        ages[kind] = [float(row["target_age"] or 0) for row in scores]
        kept[kind] = sum(verdict.decision == "keep" for verdict in judge.decide(dict(enumerate(scores))).values())
    assert all(young < old for young, old in zip(ages["age_pos20"], ages["age_neg20"], strict=True))
    # "neg" is the older side of that direction: all of them are adults, and the fewest of the younger ones.
    assert kept["age_neg20"] == PEOPLE
    assert kept["age_pos20"] < kept["projected"] <= kept["age_neg20"]


def test_the_shipped_recipe_finds_faces_in_portraits_and_none_in_horses() -> None:
    """A face in at least 98 % of the face pictures and in fewer than 10 % of the horse pictures."""
    weights = REAL / "ultraface" / "version-RFB-320.onnx"
    recipe = load_recipe(RECIPE, PluginRegistry.discover(), [f"filters[0].weights={weights.resolve()}"])
    config = recipe.filters[0].config
    assert isinstance(config, OnnxFaceDetectorConfig)
    judge = OnnxFaceDetectorFilter(config, BuildContext())
    faces = sorted([*EDITS.glob("images/*.jpg"), *REAL.glob("stargan2_faces_animals/celeba_hq/*/*.jpg")])
    horses = sorted([*REAL.glob("horse2zebra/trainA/*.jpeg"), *REAL.glob("horse2zebra/testA/*.jpeg")])
    assert len(faces) == 271
    assert len(horses) >= 200
    shares = []
    for files in (faces, horses):
        pictures = read_pictures([*files, *files[: len(files) % 2]], 256, draft=True)
        half = len(pictures) // 2
        verdicts = judge.decide(dict(enumerate(judge.score(pairs_of(pictures[:half], pictures[half:])))))
        counts = [
            verdicts[index].scores[f"{part}_face_count"] for part in ("source", "target") for index in range(half)
        ]
        shares.append(sum(count != 0 for count in counts[: len(files)]) / len(files))
    assert shares[0] >= 0.98
    assert shares[1] < 0.10

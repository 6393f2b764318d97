from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord
from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters import IdentityConfig
from gdp.plugins.filters.likeness import IdentityFilter

COUNT = 160
SURROUNDINGS = (
    "yaw", "pitch", "roll", "light_direction", "light_height", "background_hue", "background_lightness", "clothes_hue",
    "clothes_lightness", "collar",
)  # fmt: skip


def batch_of(source: Tensor, target: Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


@pytest.fixture(scope="module")
def people() -> FaceAttributes:
    return sample_attributes(91, range(COUNT))


@pytest.fixture(scope="module")
def faces(people: FaceAttributes) -> Tensor:
    return render(people)


def similarities(source: Tensor, target: Tensor) -> Tensor:
    scores = IdentityFilter(IdentityConfig(), BuildContext()).score(batch_of(source, target))
    return torch.tensor([float(row["similarity"] or 0) for row in scores])


def auc(alike: Tensor, other: Tensor) -> float:
    return float((alike[:, None] > other).double().mean())


def test_an_aged_face_is_more_alike_than_another_person(people: FaceAttributes, faces: Tensor) -> None:
    shift = torch.where(people.age < 45, 1.0, -1.0) * torch.linspace(15, 35, COUNT)
    same = similarities(faces, render(people.older(shift)))
    others = sample_attributes(92, range(COUNT))
    hidden = replace(others, **{name: getattr(people, name) for name in SURROUNDINGS})
    assert auc(same, similarities(faces, render(others))) > 0.97
    assert auc(same, similarities(faces, render(hidden))) > 0.96
    assert float((same >= IdentityConfig().min_similarity).float().mean()) > 0.95


def test_another_person_is_dropped_and_the_same_one_kept(faces: Tensor) -> None:
    judge = IdentityFilter(IdentityConfig(), BuildContext())
    scores = judge.score(batch_of(faces, faces.roll(1, 0)))
    dropped = [verdict for verdict in judge.decide(dict(enumerate(scores))).values() if verdict.decision == "drop"]
    assert len(dropped) > 0.85 * COUNT
    assert {verdict.reason for verdict in dropped} == {"the edit made another face"}
    itself = judge.score(batch_of(faces, faces))
    assert {row["similarity"] for row in itself} == {1.0}


def test_of_two_sources_the_target_must_be_like_one(faces: Tensor) -> None:
    judge = IdentityFilter(IdentityConfig(min_similarity=0.99), BuildContext())
    scores = judge.score(batch_of(torch.cat([faces, faces.roll(1, 0)], dim=1), faces.roll(1, 0)))
    assert {row["source2_similarity"] for row in scores} == {1.0}
    assert {verdict.decision for verdict in judge.decide(dict(enumerate(scores))).values()} == {"keep"}


def test_scores_do_not_depend_on_the_batch(faces: Tensor) -> None:
    judge = IdentityFilter(IdentityConfig(), BuildContext())
    together = judge.score(batch_of(faces[:40], faces[40:80]))
    assert judge.score(batch_of(faces[3:5], faces[43:45])) == together[3:5]


def test_features_that_are_no_numbers_decide_nothing() -> None:
    judge = IdentityFilter(IdentityConfig(), BuildContext())
    broken = torch.full((1, 3, 64, 64), torch.nan)
    (scores,) = judge.score(batch_of(broken, broken))
    assert scores == {"similarity": None}
    assert judge.decide({0: scores})[0].decision == "unknown"


def test_an_embedding_of_ones_own_takes_the_judges_place(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["picture"], ["features"])],
        "colours",
        [helper.make_tensor_value_info("picture", floats, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("features", floats, ["batch", 3, 1, 1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "e.onnx")
    config = IdentityConfig.model_validate({"embedding": {"weights": tmp_path / "e.onnx"}, "min_similarity": 0.9})
    judge = IdentityFilter(config, BuildContext())
    red, green = torch.full((1, 3, 8, 8), -1.0), torch.full((1, 3, 8, 8), -1.0)
    red[:, 0], green[:, 1] = 1.0, 1.0
    scores = judge.score(batch_of(torch.cat([red, red]), torch.cat([red, green])))
    assert [row["similarity"] for row in scores] == [1.0, 0.0]
    assert judge.fingerprint != IdentityFilter(IdentityConfig(), BuildContext()).fingerprint
    assert len(judge.fingerprint) == 64


def test_the_judges_features_need_no_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert IdentityFilter(IdentityConfig(), BuildContext()).check() == ""


def test_missing_and_damaged_judges_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdp.plugins.faces.judge.JUDGE_WEIGHTS", tmp_path / "judge.safetensors")
    with pytest.raises(MissingResourceError, match=r"judge\.safetensors"):
        IdentityFilter(IdentityConfig(), BuildContext())
    (tmp_path / "judge.safetensors").write_bytes(b"no weights")
    with pytest.raises(CorruptFileError, match=r"judge\.safetensors"):
        IdentityFilter(IdentityConfig(), BuildContext())

"""The judge of photographed faces: made from what others publish, held against the numbers that they measured."""

from __future__ import annotations

import csv
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from judge_package import package, random_model
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.evaluators import EvaluationContext
from gdp.core.pairs import PairBatch, PairRecord
from gdp.core.progress import SilentProgress
from gdp.plugins.face_ages import PhotographedAgesConfig, PhotographedFacesConfig
from gdp.plugins.face_ages.evaluator import PhotographedAgesEvaluator
from gdp.plugins.face_ages.filter import PhotographedFacesFilter
from gdp.plugins.face_ages.judges import make
from gdp.plugins.face_ages.published import MANIFEST, read_published

REAL = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden").parent / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real models and pictures is absent")
EDITS = REAL / "stylegan2_ffhq_edits"
PEOPLE = 8


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    manifest, content, _ = random_model()
    return make("face-api", package(folder / "p.tgz", manifest, content), folder / "face-api.safetensors")[0]


def test_the_published_files_are_read_from_a_package_and_from_a_folder(tmp_path: Path) -> None:
    manifest, content, expected = random_model()
    folder = tmp_path / "package" / "model"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_bytes(manifest)
    (folder / "age_gender_model-shard1").write_bytes(content)
    for source in (package(tmp_path / "p.tgz", manifest, content), tmp_path, folder):
        tensors, numbers = read_published(source)
        assert numbers == content and set(tensors) == set(expected)
        assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_damaged_and_foreign_packages_are_told(tmp_path: Path) -> None:
    manifest, content, _ = random_model()

    def link(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0

    cases = {
        "cut": (content[:-5], manifest, "is cut off"),
        "longer": (content + b"12", manifest, "bytes, and"),
        "no manifest": (content, b"[]", "is no manifest"),
        "other": (b"\x00" * 4, b'[{"weights": [{"name": "a", "shape": [1]}]}]', "is missing"),
        "vast": (b"", b'[{"weights": [{"name": "a", "shape": [99999, 99999]}]}]', "is no manifest"),
    }
    for name, (numbers, told, reason) in cases.items():
        with pytest.raises(CorruptFileError, match=reason):
            read_published(package(tmp_path / f"{name}.tgz", told, numbers))
    with pytest.raises(MissingResourceError, match="npm pack"):
        read_published(package(tmp_path / "links.tgz", manifest, content, link))
    (tmp_path / "text.tgz").write_text("no package")
    with pytest.raises(CorruptFileError, match="no npm package"):
        read_published(tmp_path / "text.tgz")
    with pytest.raises(MissingResourceError, match="no such file"):
        read_published(tmp_path / "none.tgz")


def test_the_command_tells_licence_and_training_data_and_replaces_nothing(tmp_path: Path) -> None:
    manifest, content, _ = random_model()
    arguments = [
        "make-judge",
        "face-api",
        str(package(tmp_path / "p.tgz", manifest, content)),
        "-o",
        str(tmp_path / "j.safetensors"),
    ]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "MIT" in done.stdout and "research only" in done.stdout and 'plugin = "photo-attributes"' in done.stdout
    card = json.loads((tmp_path / "j.json").read_text())
    assert card["training_data"] and card["file"] == "j.safetensors"
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert again.exit_code == 1 and "is there already" in again.stderr
    unknown = CliRunner().invoke(app, ["make-judge", "face-apy", "x"], catch_exceptions=False)
    assert unknown.exit_code == 1 and "did you mean face-api?" in unknown.stderr


def pairs_of(source: Tensor, target: Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


def test_every_setting_decides_from_the_scores_alone(weights: Path) -> None:
    scores = {0: {"source_age": 17.0, "target_age": 40.0, "source_male": 0.9, "target_male": 0.2},
              1: {"source_age": 30.0, "target_age": 33.0, "source_male": 0.1, "target_male": 0.2}}  # fmt: skip
    for settings, reasons in (
        ({}, [None, None]),
        ({"min_age": 18}, ["younger than 18", None]),
        ({"max_age": 35, "age_of": "both"}, ["older than 35", None]),
        ({"min_age_shift": 5}, [None, "age shift below 5 years"]),
        ({"max_age_shift": 5}, ["age shift above 5 years", None]),
        ({"same_gender": True}, ["the edit changed gender", None]),
    ):
        judge = PhotographedFacesFilter(PhotographedFacesConfig(weights=weights, **settings), BuildContext())
        verdicts = judge.decide(scores)
        assert [verdicts[index].reason for index in scores] == reasons, settings


def test_scores_do_not_depend_on_the_batch_or_the_size_of_the_batch(weights: Path) -> None:
    judge = PhotographedFacesFilter(PhotographedFacesConfig(weights=weights), BuildContext())
    pictures = torch.rand(19, 3, 64, 64, generator=torch.Generator().manual_seed(4)) * 2 - 1
    together = judge.score(pairs_of(pictures, pictures.flip(3)))
    assert judge.score(pairs_of(pictures[17:], pictures[17:].flip(3))) == together[17:]


def loading(pairs: PairBatch) -> Callable[[Sequence[int]], PairBatch]:
    def load(indices: Sequence[int]) -> PairBatch:
        rows = list(indices)
        return PairBatch(rows, pairs.source[rows], pairs.target[rows], [pairs.records[row] for row in rows])

    return load


def test_the_evaluator_tells_how_much_older_the_student_makes_faces(weights: Path) -> None:
    pictures = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1
    pairs = pairs_of(pictures, pictures.flip(2))
    config = PhotographedAgesConfig(weights=weights, min_shift_years=1e-6)
    nobody: Any = None
    source: Any = SimpleNamespace(resolution=64)
    context = EvaluationContext(
        nobody, lambda images: images.flip(2), None, source, [0, 2, 5], loading(pairs), 0, torch.device("cpu"),
        SilentProgress(),
    )  # fmt: skip
    metrics = PhotographedAgesEvaluator(config, BuildContext()).evaluate(context).metrics
    assert metrics["quality.held_out.photo.age_shift_ratio"].value == pytest.approx(1.0)
    vast = PhotographedAgesConfig(weights=weights, min_shift_years=1e6)
    absent = PhotographedAgesEvaluator(vast, BuildContext()).evaluate(context).absent
    assert "a ratio would mean nothing" in absent["quality.held_out.photo.age_shift_ratio"]


@needs_real
def test_ages_and_genders_of_real_edits_are_those_that_others_measured(tmp_path: Path) -> None:
    weights, _ = make("face-api", REAL / "faceapi_age_gender", tmp_path / "face-api.safetensors")
    with (EDITS / "judge_scores.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["id"], row["kind"]): row for row in csv.DictReader(file)}
    people = sorted({person for person, _ in rows})[:PEOPLE]
    judge = PhotographedFacesFilter(PhotographedFacesConfig(weights=weights, min_age_shift=5), BuildContext())
    shown = {}
    for kind in ("projected", "age_neg20", "age_pos20"):
        pictures = []
        for one in people:
            with Image.open(EDITS / "images" / f"{one}_{kind}.jpg") as file:
                levels = numpy.asarray(file.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC))
            pictures.append(torch.from_numpy(levels.copy()).permute(2, 0, 1).float() / 127.5 - 1)
        shown[kind] = torch.stack(pictures)
    for kind, decision in (("age_neg20", "keep"), ("age_pos20", "drop")):
        scores = judge.score(pairs_of(shown["projected"], shown[kind]))
        for person, row in zip(people, scores, strict=True):
            for part, of in (("source", "projected"), ("target", kind)):
                expected = rows[person, of]
                assert row[f"{part}_age"] == pytest.approx(float(expected["faceapi_age"]), abs=0.7)
                assert row[f"{part}_male"] == pytest.approx(float(expected["faceapi_p_male"]), abs=0.05)
        decisions = [verdict.decision for verdict in judge.decide(dict(enumerate(scores))).values()]
        assert decisions.count(decision) >= PEOPLE - 1, kind


def test_a_making_that_was_broken_off_is_gone_on_with_and_nothing_else_is_written_over(tmp_path: Path) -> None:
    manifest, content, _ = random_model()
    source, target = package(tmp_path / "p.tgz", manifest, content), tmp_path / "judge.safetensors"
    make("face-api", source, target)
    whole = target.read_bytes()
    target.unlink()  # the card was written, and then the process was killed
    make("face-api", source, target)
    assert target.read_bytes() == whole
    for there, missing in ((target, target.with_suffix(".json")), (target.with_suffix(".json"), target)):
        missing.unlink(missing_ok=True)
        there.write_text('{"somebody": "else"}')
        with pytest.raises(GdpError, match="is there already"):
            make("face-api", source, target)
        assert there.read_text() == '{"somebody": "else"}'
        there.unlink()

"""What age directions are held against: the renderer's older self of the same face."""

from __future__ import annotations

import io
import json
from inspect import signature

import pytest
import torch
from ageing_truth import YEARS, KnownFaces, own_direction, psnr, strip_rows, truth_figures
from attribute_network import AttributeNetwork
from directions_table import HELD, METHODS, PAGE, RESULT, SHIPPED, TRUTH_COLUMNS
from embedded_teacher import load_teacher
from PIL import Image
from sheets import labelled_rows

import gdp
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.renderer import render
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.support.directions import Direction, measure_scale, normalised


@pytest.fixture(scope="module")
def teacher() -> StyleGAN2Teacher:
    return load_teacher(None)


@pytest.fixture(scope="module")
def faces(teacher: StyleGAN2Teacher) -> KnownFaces:
    return KnownFaces.of(teacher, 12)


def test_known_faces_are_what_their_numbers_say(faces: KnownFaces) -> None:
    own = render(faces.attributes)
    assert (psnr(faces.made, own) > psnr(faces.made, own.roll(1, dims=0))).float().mean() > 0.9


def test_the_renderers_own_direction_ages_and_a_random_one_strays(teacher: StyleGAN2Teacher, faces: KnownFaces) -> None:
    judge, network = FaceJudge.load(), AttributeNetwork.load()
    own = own_direction(teacher, 0, count=512)
    found = truth_figures(teacher, judge, network, own, faces)
    assert abs(found["years"] - YEARS) < 4
    assert found["edit_db"] > 0.3, "nearer to the older rendering than doing nothing"
    row = own.vectors + 0.7 * normalised(torch.randn(1, 128, generator=torch.Generator().manual_seed(1)))
    vectors = normalised(row)
    noisy = Direction("age", vectors, measure_scale(teacher, vectors), None, teacher.fingerprint)
    spoilt = truth_figures(teacher, judge, network, noisy, faces)
    assert spoilt["stray"] > found["stray"]
    assert spoilt["edit_db"] < found["edit_db"]


def test_the_strip_stands_beside_the_renderers_truth(teacher: StyleGAN2Teacher, faces: KnownFaces) -> None:
    two = KnownFaces(faces.attributes[[0, 1]], faces.ws[:2], faces.made[:2])
    rows = strip_rows(teacher, FaceJudge.load(), own_direction(teacher, 0, count=512), two, (-1.0, 0.0, 1.0))
    assert [title for title, _ in rows] == ["direction", "renderer"] * 2
    with Image.open(io.BytesIO(labelled_rows(rows, ["-1", "0", "+1"], together=2))) as picture:
        assert picture.width == 130 + 3 * 128


def test_the_page_shows_the_table_of_truth() -> None:
    rows = json.loads(RESULT.read_text())["truth"]["rows"]
    assert {(row["method"], row["held"]) for row in rows} == {
        ("renderer", ""), *((method, held) for method in METHODS for held in HELD)
    }  # fmt: skip
    page = PAGE.read_text()
    for row in rows:
        assert set(TRUTH_COLUMNS) < set(row)
        assert (
            f"| {row['method']} | {row['held']} | {row['strength']['mean']:.2f} | {row['gain_db']['mean']:+.2f}" in page
        )


def test_the_default_method_follows_the_table() -> None:
    rows = json.loads(RESULT.read_text())["truth"]["rows"]
    alone = {row["method"]: row["edit_db"] for row in rows if row["held"] == "all scores, border"}
    best = max(alone.values(), key=lambda found: found["mean"])
    default = signature(gdp.find_direction).parameters["method"].default
    assert default == SHIPPED
    assert alone[default]["mean"] >= best["mean"] - best["deviation"]

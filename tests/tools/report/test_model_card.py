"""The model card: its header as the hub's own library reads it, the summary first, and a picture worth looking at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image
from report_folders import write_json, write_png
from report_pages import HOSTILE, change

from gdp.tools.report import CARD, SAMPLE, SCALED_SAMPLE, read_folder, write_model_card
from gdp.tools.report.samples import LARGEST_SAMPLE


@pytest.fixture
def student(run_folder: Path) -> Path:
    write_json(run_folder / "student/student.json", {"input_channels": 3})
    return run_folder


def card_of(folder: Path, **trained_on: Any) -> ModelCard:
    write_json(folder / "student/student.json", {"input_channels": 3, "trained_on": trained_on})
    return ModelCard(write_model_card(read_folder(folder)).read_text(encoding="utf-8"))


def data_of(folder: Path, **trained_on: Any) -> ModelCardData:
    data = card_of(folder, **trained_on).data
    assert isinstance(data, ModelCardData)
    return data


def test_the_header_is_what_the_hubs_library_reads(student: Path) -> None:
    data = data_of(student)
    assert (data.license, data.library_name, data.pipeline_tag) == ("unknown", "gdp", "image-to-image")
    assert data.tags == ["gdp", "gan-distillation", "stylegan2", "pix2pixhd"]
    assert data.base_model is None and "widget" not in data.to_dict(), "nobody has said which, and no picture is there"
    assert ModelCard(str(ModelCard(f"---\n{data.to_yaml()}\n---\n"))).data.to_dict() == data.to_dict()


@pytest.mark.parametrize(
    ("said", "header"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("unknown", {"license": "unknown"}),
        ("Nvidia Source Code License-NC", {"license": "other", "license_name": "nvidia-source-code-license-nc"}),
        ('"; evil: true', {"license": "other", "license_name": "evil-true"}),
    ],
)
def test_the_licence_is_what_was_said_of_the_teachers_weights(student: Path, said: str, header: dict[str, str]) -> None:
    found = data_of(student, weights_licence=said).to_dict()
    assert {name: value for name, value in found.items() if name.startswith("license")} == header
    assert "evil" not in found


def test_a_teacher_from_the_hub_is_the_base_model(student: Path) -> None:
    recipe = student / "recipe.toml"
    address = "https://huggingface.co/ada/faces-256/resolve/main/weights.safetensors"
    recipe.write_text(recipe.read_text().replace('"stylegan2"\n', f'"stylegan2"\nweights = "{address}"\n'))
    assert data_of(student).base_model == "ada/faces-256"


def test_results_are_the_runs_numbers_with_their_protocols(student: Path) -> None:
    change(student / "verdict.json", headlines=[{"words": "gain", "number": "quality.rendered.psnr_db_gain"}])
    change(
        student / "funnel.json",
        filters=[{"filter": "attributes", "input": 9, "kept": 3, "reasons": {}, "fingerprint": "sha of a judge"}],
    )
    results = data_of(student).eval_results
    assert results is not None
    found = {(each.dataset_type, each.metric_type): each for each in results}
    assert {name: each.metric_value for name, each in found.items()} == {
        ("quality.held_out", "psnr_db_gain"): 10.25,
        ("quality.held_out", "age_shift_ratio"): 0.972,
        ("quality.rendered", "attribute_agreement"): 0.93,
        ("quality.rendered", "psnr_db_gain"): 1.25,
    }, "of the recipe's targets and of the evaluators' figures; not speed, which is a machine's"
    gain = found["quality.held_out", "psnr_db_gain"]
    assert gain.task_type == "image-to-image" and gain.metric_name == "PSNR above the unchanged source (dB)"
    assert gain.dataset_name == "held out: pictures of the run ageing"
    assert found["quality.rendered", "attribute_agreement"].metric_args == {
        "protocol": "No protocol is on record. Told by the judge that also filtered the pairs (attributes)."
    }


def test_the_summary_comes_first(student: Path) -> None:
    text = card_of(student).text
    begin = text.index(
        "The student **does what was asked** of it: all 4 targets are reached; a picture takes **4.13 ms**"
    )
    order = [
        *(
            "# ageing",
            "![Pictures that",
            "| **90",
            "faster than the slow route",
            "| to use it | the student | the slow",
        ),
        *("| A million pictures", "## Use", "## Measured", "## Licence", "## Limits"),
    ]
    text = text.replace("| **93", "| **90")
    places = [text.index(words) for words in order]
    assert places == sorted(places) and places[0] < begin < places[1]


def test_whatever_names_a_run_has_the_card_can_be_read(student: Path) -> None:
    name = f"{HOSTILE}\u2028\u0085\x7f\ud800: - ---\n[a]"
    recipe = json.dumps(f"{HOSTILE}: [")
    (student / "recipe.toml").write_text(f"[teacher]\nplugin = {recipe}\n[targets]\nquality.held_out.psnr_db.min = 1\n")
    change(student / "run.json", name=name)
    told = {"protocol": 'By the weights "/home/ada/my weights/w.pth" and C:\\ada\\w.pth.', "unit": '"\\'}
    change(student / "metrics.json", protocols={"quality.held_out.psnr_db": told})
    data = data_of(student, weights_licence=HOSTILE)
    assert data.tags is not None and any(HOSTILE in tag for tag in data.tags)
    assert data.eval_results is not None and HOSTILE in data.eval_results[0].dataset_name
    assert data.eval_results[0].metric_args == {"protocol": 'By the weights "w.pth" and w.pth.'}


def test_the_picture_shows_what_the_student_makes_below_what_it_was_given(student: Path) -> None:
    for column, colour in (("source", (200, 0, 0)), ("student", (0, 0, 200))):
        write_png(student / f"pictures/rows/000-{column}.png", colour, (64, 48))
    card_of(student)
    with Image.open(student / "student" / SAMPLE) as picture:
        assert picture.size == (192, 2 * (144 + 22) + 4)
        assert picture.getpixel((100, 100)) == (200, 0, 0) and picture.getpixel((100, 260)) == (0, 0, 200)


def test_pictures_that_are_damaged_are_left_out(student: Path) -> None:
    (student / "pictures/rows/000-source.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    card_of(student)
    grid = (student / "train/abc/samples/step-000300.png").read_bytes()
    assert (student / "student" / SAMPLE).read_bytes() == grid, "the training's last grid takes its place"


def test_a_large_picture_becomes_one_that_a_page_can_load(student: Path) -> None:
    (student / "pictures/rows.json").unlink()
    grain = numpy.random.default_rng(0).integers(0, 255, (800, 1200, 3), dtype=numpy.uint8)
    Image.fromarray(grain).save(student / "train/abc/samples/step-000300.png")
    (student / "student").mkdir(exist_ok=True)
    (student / "student" / SAMPLE).write_bytes(b"\x89PNG of an earlier, smaller student")
    assert f"]({SCALED_SAMPLE})" in card_of(student).text
    assert (student / "student" / SCALED_SAMPLE).stat().st_size < LARGEST_SAMPLE
    with Image.open(student / "student" / SCALED_SAMPLE) as grid:
        assert grid.size == (960, 640)
    assert sorted(path.name for path in (student / "student").iterdir()) == [CARD, SCALED_SAMPLE, "student.json"]


def test_a_run_without_any_picture_has_a_card_without_one(student: Path) -> None:
    (student / "pictures/rows.json").unlink()
    for grid in (student / "train/abc/samples").iterdir():
        grid.unlink()
    assert "![" not in card_of(student).text

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from report_folders import write_json, write_png
from report_pages import change, page_of, runs_only_its_own_script

from gdp.tools.report import read_folder, write_report

COLUMNS = ("source", "teacher", "student")


def test_the_report_is_one_file_that_asks_for_nothing(run_folder: Path) -> None:
    page = page_of(run_folder)
    for _, attributes in page.tags:
        for name in ("src", "srcset", "data", "poster", "action", "background", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not page.all("link") + page.all("iframe") + page.all("object")
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    html = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in html and "url(" not in html and "http://" not in html and "https://" not in html
    policy = next(meta["content"] or "" for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")
    assert runs_only_its_own_script(page, html) and "fetch" not in html and "import(" not in html


def test_links_of_the_contents_lead_to_sections_that_are_there(run_folder: Path) -> None:
    page = page_of(run_folder)
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {(link["href"] or "")[1:] for link in page.all("a")}
    assert links == places - {"cost", "findings"}
    assert len(links) == 8


def test_before_and_after_pictures_stand_in_their_columns_enlarged_without_smoothing(run_folder: Path) -> None:
    page = page_of(run_folder)
    assert "Held-out pairs pair 3 source teacher student" in page.text
    shown = [image for image in page.all("img") if image.get("data-label") in ("source", "teacher", "student")]
    assert {image["alt"] for image in shown[:3]} == {f"{name}, Held-out pairs: pair 3" for name in COLUMNS}
    assert {image["class"] for image in shown} == {"pixelated"}
    (strips, *_) = [each for each in page.all("div") if (each.get("class") or "").startswith("strips")]
    assert strips["style"] == "--wide: 208px; --narrow: 112px", "26 and 14 times the 8 pixels"


@pytest.mark.parametrize(
    ("width", "wide", "narrow"), [(64, 192, 112), (128, 256, 128), (80, 240, 100), (160, 160, 160)]
)
def test_small_pictures_are_enlarged_by_a_whole_factor_and_on_phones_by_quarters(
    run_folder: Path, width: int, wide: int, narrow: int
) -> None:
    for column in ("source", "teacher", "student"):
        write_png(run_folder / f"pictures/rows/000-{column}.png", size=(width, width))
    styles = [each.get("style") for each in page_of(run_folder).all("div")]
    assert f"--wide: {wide}px; --narrow: {narrow}px" in styles


def test_columns_stand_in_one_order_and_what_has_the_truth_comes_first(run_folder: Path) -> None:
    picture = "pictures/rows/000-source.png"
    columns = (["student", "teacher", "source"], ["truth", "slow route", "student", "source 2", "source 1", "teacher"])
    rows = [
        {"title": f"heading {number} / row", "pictures": dict.fromkeys(names, picture)}
        for number, names in enumerate(columns)
    ]
    write_json(run_folder / "pictures/rows.json", rows)
    text = page_of(run_folder).text
    order = "heading 1 row source 2 source 1 teacher student slow route truth heading 0 row source teacher student"
    assert order in text


def test_every_picture_can_be_opened_by_the_keyboard(run_folder: Path) -> None:
    """What has focus by itself: a button, or where a larger one lies in the folder a link to it."""
    page = page_of(run_folder)
    inside = [
        name for place, (name, _) in enumerate(page.tags) if page.tags[min(place + 1, len(page.tags) - 1)][0] == "img"
    ]
    assert len(page.all("img")) == 2 + 3 + 2 + 3
    assert inside == ["figure"] * 2 + ["button"] * (3 + 2 + 3), "the first two are the slider's, for paper"


def test_the_funnel_shows_counts_reasons_and_rejects(run_folder: Path) -> None:
    text = page_of(run_folder).text
    assert "too blurred: 388" in text
    assert "Dropped by sharpness source target too blurred" in text


def test_the_funnel_tells_what_a_paid_filter_cost(run_folder: Path) -> None:
    summary = {"calls": 11628, "cost": "11.63 $"}
    row = {"filter": "azure-face", "input": 9, "kept": 9, "only_score": True, "reasons": {}, "summary": summary}
    change(run_folder / "funnel.json", filters=[row])
    text = page_of(run_folder).text
    assert "calls 11 628, cost 11.63 $" in text
    assert "measures only" in text


def test_training_shows_curves_and_the_same_inputs_over_time(run_folder: Path) -> None:
    page = page_of(run_folder)
    assert [svg["aria-label"] for svg in page.all("svg")] == [
        "l1 over training steps",
        "learning_rate over training steps",
    ]
    assert [name for name in ("step 100", "step 200", "step 300") if name in page.text] == [
        "step 100",
        "step 200",
        "step 300",
    ]


def test_the_distance_on_held_out_pairs_is_drawn_with_the_other_curves(run_folder: Path) -> None:
    lines = [json.dumps({"step": step, "held_out_l1": 1 / (1 + step)}) for step in (0, 250, 500)]
    (run_folder / "train/abc/held_out.jsonl").write_text("\n".join(lines))
    assert "held_out_l1 over training steps" in [svg["aria-label"] for svg in page_of(run_folder).all("svg")]


def layer(student: str, teacher: str | None, shape: list[int], reason: str = "", theirs: Any = None) -> dict[str, Any]:
    return {
        "student": student,
        "teacher": teacher,
        "student_shape": shape,
        "teacher_shape": theirs or (shape if teacher else None),
        "copied": not reason,
        "reason": reason,
    }


def test_what_the_student_took_over_from_its_teacher_is_told_layer_by_layer(run_folder: Path) -> None:
    layers = [
        layer("model.1.weight", "model.1.weight", [16, 3, 7, 7], "the stem is learnt anew"),
        layer("model.1.bias", "model.1.bias", [16], "the stem is learnt anew"),
        layer("model.13.weight", "model.19.weight", [32, 64, 3, 3]),
        layer("model.13.bias", "model.19.bias", [32]),
        layer("model.16.weight", "model.22.weight", [16, 32, 3, 3], "another shape", [32, 64, 3, 3]),
        layer("model.20.weight", None, [3, 16, 7, 7], "the teacher has no such layer"),
    ]
    facts = {"layers": layers, "opposite_discriminator": "fresh"}
    (run_folder / "train/abc/initialisation.json").write_text(json.dumps({"student": facts}))
    text = page_of(run_folder).text.split("What the student began with")[1]
    for line in (
        "model.1 model.1 16 × 3 × 7 × 7 the stem is learnt anew model.13",  # noqa: RUF001  # the sign that is shown
        "model.13 model.19 32 × 64 × 3 × 3 copied model.16",  # noqa: RUF001  # the same
        "16 × 32 × 3 × 3, the teacher's 32 × 64 × 3 × 3 another shape",  # noqa: RUF001  # the same
        "model.20 none 3 × 16 × 7 × 7 the teacher has no such layer",  # noqa: RUF001  # the same
        "opposite discriminator fresh",
    ):
        assert line in text


def test_a_student_that_took_over_nothing_has_no_such_table(run_folder: Path) -> None:
    (run_folder / "train/abc/initialisation.json").write_text(json.dumps({"student": {}}))
    assert "began with" not in page_of(run_folder).text


def test_sizes_stand_in_one_table_whoever_measured_them(run_folder: Path) -> None:
    metrics = json.loads((run_folder / "metrics.json").read_text())
    metrics["size"] |= {f"blocks_{blocks}": {"parameters": 1000 * blocks} for blocks in (3, 12, 9)}
    metrics["size"] |= {"blocks": {"width": 64, "resolution": 256}}
    metrics["speed"] |= {"blocks_9_ms": 400.0, "blocks_9_ms_p10": 380.0, "blocks_9_ms_p90": 500.0}
    metrics["speed"] |= {"slow_route_ms_fastest": 41_000.0, "slow_route_ms_slowest": 43_000.0}
    (run_folder / "metrics.json").write_text(json.dumps(metrics))
    text = page_of(run_folder).text
    rows = ("student 4.13 ms", "teacher 21.7 ms", "slow route 41.9 s", "12 blocks", "9 blocks", "3 blocks")
    places = [text.index(row) for row in rows]
    assert places == sorted(places)
    assert "9 blocks 400 ms 96.8 × 9 k 380 ms to 500 ms" in text  # noqa: RUF001  # the sign that is shown
    assert "slow route 41.9 s 10 100 × 41 s to 43 s" in text.replace("\u202f", " ")  # noqa: RUF001  # the same
    assert "10th to 90th percentile, of the slow route the fastest and the slowest picture." in text


def test_a_sentence_on_times_and_sizes_stands_under_their_table(run_folder: Path) -> None:
    said = {"text": "9 blocks take **twice** as long as 3.", "place": "speed and size"}
    change(run_folder / "verdict.json", sentences=[said])
    text = page_of(run_folder).text
    assert text.count("9 blocks take twice as long as 3. The protocol of each number stands below.") == 1


def test_a_recipe_without_filters_shows_no_funnel(run_folder: Path) -> None:
    (run_folder / "funnel.json").write_text(json.dumps({"made": 5, "filters": [], "kept": 5}))
    assert "From pairs made to pairs kept" not in page_of(run_folder).text


def test_warnings_of_a_drawing_library_never_reach_the_user(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(statistics: Any) -> list[Any]:
        warnings.warn("axes sizes collapsed to zero", UserWarning, stacklevel=1)
        return []

    monkeypatch.setattr("gdp.tools.report.documents.draw_curves", warn)
    assert write_report(read_folder(run_folder)).is_file()


def test_every_number_stands_there_with_its_protocol_or_the_reason_of_its_absence(run_folder: Path) -> None:
    text = page_of(run_folder).text
    assert "Both medians, in turns. Higher is better." in text
    assert "quality.held_out.fid no Inception weights at hand" in text
    assert "2.03 M" in text and "912 M" in text and "8.13 MB" in text


def test_recipe_versions_and_machine_are_there(run_folder: Path) -> None:
    text = page_of(run_folder).text
    assert 'plugin = "pix2pixhd"' in text
    assert "torch 2.10" in text
    assert "cores 2" in text


def test_a_new_report_replaces_the_old_one(run_folder: Path) -> None:
    path = write_report(read_folder(run_folder))
    assert path == run_folder / "report.html"
    change(run_folder / "run.json", name="another name")
    assert "another name" in page_of(run_folder).text
    assert not [file for file in run_folder.iterdir() if file.name.startswith(".report")]


@pytest.mark.process
def test_making_a_report_imports_no_torch(run_folder: Path) -> None:
    code = (
        "import sys, pathlib; from gdp.registry import PluginRegistry; "
        "from gdp.tools.report import read_folder, write_report; "
        "write_report(read_folder(pathlib.Path(sys.argv[1]), PluginRegistry.discover)); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run_folder)], check=False).returncode == 0

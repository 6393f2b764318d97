"""The report's comparison of variants: what a reader is told, and that no file can spoil the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_folders import RECIPE, write_json
from report_pages import HOSTILE, page_of, runs_only_its_own_script

COMPARE = '\n[compare]\nseeds = 2\nmetrics = ["quality.l1"]\n'


def curve(folder: Path, *values: float) -> str:
    folder.mkdir(parents=True)
    lines = [{"step": 10 * number, "held_out_l1": value} for number, value in enumerate(values)]
    (folder / "held_out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder.name


def number(mean: float, **more: Any) -> dict[str, Any]:
    return {"mean": mean, "standard_deviation": 0.001, "min": mean, "max": mean, "values": [mean, mean], **more}


def training(folder: Path, name: str, *values: float) -> dict[str, Any]:
    return {"seed": 7, "folder": curve(folder / name, *values), "steps": 1500, "parameters": 272_515}


@pytest.fixture
def compared(run_folder: Path) -> Path:
    (run_folder / "recipe.toml").write_text(RECIPE + COMPARE, encoding="utf-8")
    variants = [
        {
            "name": "everything",
            "metrics": {"quality.l1": number(0.05)},
            "trainings": [training(run_folder, "a", 0.6, 0.1, 0.05), training(run_folder, "b", 0.7, 0.2, 0.05)],
        },
        {
            "name": "plain",
            "metrics": {"quality.l1": number(0.09, difference=0.04, verdict="worse")},
            "trainings": [training(run_folder, "c", 0.6, 0.3, 0.09), training(run_folder, "d", 0.7, 0.3)],
        },
        {
            "name": "other",
            "metrics": {"quality.l1": number(0.0504, difference=0.0004, verdict="within the spread")},
            "trainings": [training(run_folder, "e", 0.6, 0.3, 0.05)],
        },
        {"name": "not trained yet", "metrics": {}, "trainings": []},
    ]
    document = {"unchanged": "everything", "metrics": {"quality.l1": {"better": "lower"}}, "variants": variants}
    write_json(run_folder / "variants.json", document)
    return run_folder


def test_the_table_marks_differences_that_are_larger_than_the_spread(compared: Path) -> None:
    page = page_of(compared)
    assert "quality.l1 lower is better" in page.text
    assert "everything 0.05000 ± 0.00100 273 k 1 500" in page.text.replace("\u202f", " ")
    assert "plain 0.09000 ± 0.00100 +0.04000 worse" in page.text
    assert "other 0.05040 ± 0.00100 +0.00040 273 k" in page.text.replace("\u202f", " ")
    assert "not trained yet" not in page.text
    assert "Means over 2 trainings" in page.text


def test_the_curves_have_a_line_for_each_variant_and_say_which_is_whose(compared: Path) -> None:
    page = page_of(compared)
    (drawing,) = [svg for svg in page.all("svg") if "variants" in (svg["aria-label"] or "")]
    assert drawing["role"] == "img"
    swatches = [item["style"] for item in page.all("span") if (item.get("class") or "").startswith("swatch")]
    assert swatches == [f"border-color: var(--line-{line})" for line in range(3)]
    html = (compared / "report.html").read_text(encoding="utf-8")
    for line in range(3):
        assert f"stroke: var(--line-{line})" in html
    assert "#0000a" not in html, "every colour is the page's own"
    assert "{'variants'}" not in html


def test_the_contents_lead_to_the_comparison(compared: Path) -> None:
    page = page_of(compared)
    assert "#variants" in [link["href"] for link in page.all("a")]
    assert "variants" in {attributes.get("id") for _, attributes in page.tags}


def test_one_seed_says_that_chance_is_unknown(compared: Path) -> None:
    document = json.loads((compared / "variants.json").read_text())
    for variant in document["variants"]:
        variant["trainings"] = variant["trainings"][:1]
        for each in variant["metrics"].values():
            each |= {"standard_deviation": None, "verdict": None}
    write_json(compared / "variants.json", document)
    text = page_of(compared).text
    assert "how much chance alone changes is not known" in text
    assert "plain 0.09000 +0.04000 273 k" in text


def test_a_recipe_without_variants_shows_none_that_were_left_behind(compared: Path) -> None:
    (compared / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    assert "Variants of the recipe" not in page_of(compared).text


def test_a_comparison_that_is_still_to_be_done_is_named(compared: Path) -> None:
    (compared / "variants.json").unlink()
    text = page_of(compared).text
    assert "variants.json is not there (yet)" in text
    assert "compare still has to be done" in text


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"variants": 3, "metrics": []}',
        '{"variants": [{"trainings": [{"folder": "../../etc"}]}]}',
        '{"variants": [{"trainings": [{"folder": 3, "steps": ""}], "metrics": {"a": {}}}], "metrics": {"a": 1}}',
        "{",
    ],
)
def test_a_spoilt_file_never_spoils_the_page(compared: Path, content: str) -> None:
    (compared / "variants.json").write_text(content)
    assert "Targets" in page_of(compared).text


def test_hostile_names_are_shown_and_never_run(compared: Path) -> None:
    text = (compared / "variants.json").read_text().replace("plain", json.dumps(HOSTILE)[1:-1])
    (compared / "variants.json").write_text(text.replace("quality.l1", json.dumps(HOSTILE)[1:-1]))
    page = page_of(compared)
    assert runs_only_its_own_script(page, (compared / "report.html").read_text(encoding="utf-8"))
    assert page.text.count(HOSTILE) >= 2

"""Whatever a run folder holds, hostile, broken or half of it, there is a report that does no harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import fuzzed
from hypothesis import given, settings
from hypothesis import strategies as st
from report_pages import HOSTILE, change, page_of, runs_only_its_own_script

from gdp.tools.report import read_folder


def test_hostile_names_are_shown_and_never_run(run_folder: Path) -> None:
    change(run_folder / "run.json", name=HOSTILE, state=HOSTILE, error=HOSTILE, versions={HOSTILE: HOSTILE})
    change(
        run_folder / "funnel.json",
        filters=[
            {
                **{"filter": HOSTILE, "input": 9, "kept": 3, "reasons": {HOSTILE: 6}, "fingerprint": "j"},
                "summary": {HOSTILE: HOSTILE},
            }
        ],
    )
    change(
        run_folder / "metrics.json",
        **{HOSTILE: {HOSTILE: 1.5}},
        absent={HOSTILE: HOSTILE},
        protocols={f"{HOSTILE}.{HOSTILE}": {"protocol": HOSTILE, "unit": HOSTILE, "better": HOSTILE, "judge": "j"}},
    )
    change(
        run_folder / "verdict.json",
        sentences=[{"text": f"**{HOSTILE}** {HOSTILE}"}, {"text": HOSTILE, "place": "speed and size"}],
        headlines=[{"evaluator": HOSTILE, "value": HOSTILE, "words": HOSTILE, "rank": HOSTILE, "number": HOSTILE}],
        failed=[HOSTILE],
    )
    rows = json.loads((run_folder / "pictures/rows.json").read_text())
    rows[0] = {"title": HOSTILE, "pictures": {HOSTILE: rows[0]["pictures"]["source"]}}
    (run_folder / "pictures/rows.json").write_text(json.dumps(rows))
    stages = json.loads((run_folder / "stages.json").read_text())
    stages[HOSTILE] = {"key": HOSTILE, "seconds": 1, "summary": {HOSTILE: HOSTILE}}
    (run_folder / "stages.json").write_text(json.dumps(stages))
    lines = [json.dumps({"step": step, HOSTILE: step}) for step in (1, 2, 3)]
    (run_folder / "train/abc/statistics.jsonl").write_text("\n".join(lines))
    (run_folder / "recipe.toml").write_text(f"name = '''{HOSTILE}'''\n[student]\nplugin = '''{HOSTILE}'''\n")
    page = page_of(run_folder)
    assert runs_only_its_own_script(page, (run_folder / "report.html").read_text(encoding="utf-8"))
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert page.text.count("<script>alert(1)</script>") >= 22


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "recipe.toml",
        "stages.json",
        "metrics.json",
        "funnel.json",
        "pictures/rows.json",
        "pictures/rejects.json",
        "train/abc/statistics.jsonl",
    ],
)
def test_a_part_that_is_missing_or_broken_is_named_and_the_rest_is_shown(run_folder: Path, name: str) -> None:
    (run_folder / name).unlink()
    assert ("statistics" if "statistics" in name else name) in page_of(run_folder).text.split("could not find")[1]
    for content in (b'{"cut', b"\xff\xfe\x00", b"[[[1]]]", b"[" * 100_000):
        (run_folder / name).write_bytes(content)
        assert "ageing" in page_of(run_folder).text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


KNOWN = (
    "run.json",
    "stages.json",
    "metrics.json",
    "verdict.json",
    "pruning.json",
    "funnel.json",
    "pictures/rows.json",
    "pictures/rejects.json",
)


@fuzzed(30)
def test_files_of_any_content_make_a_report(tmp_path_factory: pytest.TempPathFactory, fuzz: settings) -> None:
    keys = (
        "made",
        "filters",
        "name",
        "versions",
        "train",
        "summary",
        "folder",
        "protocols",
        "absent",
        "title",
        "pictures",
        "sentences",
        "headlines",
        "failed",
        "text",
        "rank",
        "before",
        "after",
        "share",
        "channels",
    )

    @fuzz
    @given(name=st.sampled_from(KNOWN), content=JSON, data=st.data())
    def hold(name: str, content: Any, data: st.DataObject) -> None:
        folder = tmp_path_factory.mktemp("run")
        if data.draw(st.booleans()):
            content = {key: data.draw(JSON) for key in data.draw(st.lists(st.sampled_from(keys), max_size=4))}
        (folder / "pictures").mkdir()
        (folder / name).write_text(json.dumps([content] if name.startswith("pictures") else content), encoding="utf-8")
        page_of(folder)

    hold()


def test_an_empty_folder_makes_a_report_that_says_what_is_missing(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert "This run is not finished : teacher, pairs, filter, train, evaluate and export still have to be" in page.text
    assert "metrics.json is not there (yet)" in page.text


def test_an_unfinished_training_is_shown_as_far_as_it_went(run_folder: Path) -> None:
    stages = json.loads((run_folder / "stages.json").read_text())
    kept = {name: stages[name] for name in ("teacher", "pairs", "filter")}
    (run_folder / "stages.json").write_text(json.dumps(kept))
    (run_folder / "metrics.json").unlink()
    with (run_folder / "train/abc/statistics.jsonl").open("a") as file:
        file.write('{"step": 310, "l1"')
    page = page_of(run_folder)
    assert len(page.all("svg")) == 2
    assert "This run is not finished : train, evaluate and export still have to be done." in page.text


def test_a_run_that_failed_tells_its_error(run_folder: Path) -> None:
    change(run_folder / "run.json", state="failed", error="no space left")
    assert "It stopped: no space left" in page_of(run_folder).text


def test_no_file_from_outside_the_folder_gets_into_the_report(run_folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes((run_folder / "pictures/rows/000-source.png").read_bytes() + b"secret")
    (run_folder / "notes.txt").write_text("not a picture")
    pictures = {"a": "../secret.png", "b": str(outside), "c": "notes.txt", "d": "pictures", "e": None, "f": "\0"}
    (run_folder / "pictures/rows.json").write_text(json.dumps([{"title": "row", "pictures": pictures}]))
    page = page_of(run_folder)
    assert not [image for image in page.all("img") if image["alt"] in pictures]


@pytest.mark.parametrize("forgotten", [False, True], ids=["recorded", "being measured"])
def test_numbers_of_an_earlier_student_are_not_told_of_the_present_one(run_folder: Path, *, forgotten: bool) -> None:
    assert "31.5" in page_of(run_folder).text
    stages = json.loads((run_folder / "stages.json").read_text())
    stages["train"] |= {"key": "new", "finished_at": "2999-01-01T00:00:00+00:00"}
    if forgotten:
        del stages["evaluate"]
    (run_folder / "stages.json").write_text(json.dumps(stages))
    (run_folder / "keys.json").write_text(json.dumps({"train": "new"}))
    data = read_folder(run_folder)
    assert (data.numbers, data.sentences, data.rows, data.state) == ({}, [], [], "not finished")
    text = page_of(run_folder).text
    assert "31.5" not in text
    assert "what was measured is of an earlier one" in text


def test_no_folder_of_this_machine_stands_in_a_report(run_folder: Path) -> None:
    change(run_folder / "run.json", recipe="/home/ada/secret/mine.toml", plugins={"filter x": "/home/ada/x.py"})
    (run_folder / "recipe.toml").write_text('name = "a"\n[teacher]\nweights = "/home/ada/weights/g.safetensors"\n')
    text = page_of(run_folder).text
    assert "mine.toml" in text and "g.safetensors" in text
    assert "ada" not in text

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdp.core.report import write_report

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "img", "line", "polyline", "br"}


class Page(HTMLParser):
    """Reads a page and remembers its tags, its attributes and its text; complains about unbalanced tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def change(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **content}), encoding="utf-8")


def test_the_report_is_one_file_that_asks_for_nothing(run_folder: Path) -> None:
    page = page_of(run_folder)
    for _, attributes in page.tags:
        for name in ("src", "srcset", "data", "poster", "action", "background", "xlink:href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not page.all("script") + page.all("link") + page.all("iframe") + page.all("object")
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    html = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in html and "url(" not in html and "http://" not in html and "https://" not in html
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_links_of_the_contents_lead_to_sections_that_are_there(run_folder: Path) -> None:
    page = page_of(run_folder)
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {(link["href"] or "")[1:] for link in page.all("a")}
    assert links == places - {"missing"}
    assert len(links) == 8


def test_hostile_names_are_shown_and_never_run(run_folder: Path) -> None:
    change(run_folder / "run.json", name=HOSTILE, state=HOSTILE, error=HOSTILE, versions={HOSTILE: HOSTILE})
    change(
        run_folder / "funnel.json",
        filters=[{"filter": HOSTILE, "input": 9, "kept": 3, "reasons": {HOSTILE: 6}, "summary": {HOSTILE: HOSTILE}}],
    )
    change(
        run_folder / "metrics.json",
        **{HOSTILE: {HOSTILE: 1.5}},
        absent={HOSTILE: HOSTILE},
        protocols={f"{HOSTILE}.{HOSTILE}": {"protocol": HOSTILE, "unit": HOSTILE, "better": HOSTILE}},
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
    assert not page.all("script")
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert page.text.count("<script>alert(1)</script>") >= 15


def test_before_and_after_pictures_stand_in_their_columns_enlarged_without_smoothing(run_folder: Path) -> None:
    page = page_of(run_folder)
    assert "Held-out pairs pair 3 source teacher student" in page.text
    shown = [image for image in page.all("img") if image["alt"] in ("source", "teacher", "student")]
    assert {image["class"] for image in shown} == {"pixelated"}


def test_the_funnel_shows_counts_reasons_and_rejects(run_folder: Path) -> None:
    text = page_of(run_folder).text
    assert "too blurred: 388" in text
    assert "Dropped by sharpness too blurred" in text


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
    metrics["speed"]["blocks_12_to_3"] = 2.5
    (run_folder / "metrics.json").write_text(json.dumps(metrics))
    text = page_of(run_folder).text
    rows = ("student 4.13 ms", "teacher 21.7 ms", "slow route 41.9 s", "12 residual", "9 residual", "3 residual")
    places = [text.index(row) for row in rows]
    assert places == sorted(places)
    assert "9 residual blocks 400 ms 9 k 380 ms to 500 ms" in text
    assert "Of width 64 and at 256 px, 12 residual blocks take 2.50 times as long as 3." in text


def test_a_recipe_without_filters_shows_no_funnel(run_folder: Path) -> None:
    (run_folder / "funnel.json").write_text(json.dumps({"made": 5, "filters": [], "kept": 5}))
    assert "From pairs made to pairs kept" not in page_of(run_folder).text


def test_warnings_of_a_drawing_library_never_reach_the_user(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(statistics: Any) -> list[Any]:
        warnings.warn("axes sizes collapsed to zero", UserWarning, stacklevel=1)
        return []

    monkeypatch.setattr("gdp.core.report.build.draw_curves", warn)
    assert write_report(run_folder).is_file()


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
KNOWN = ("run.json", "stages.json", "metrics.json", "funnel.json", "pictures/rows.json", "pictures/rejects.json")


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(KNOWN), content=JSON, data=st.data())
def test_files_of_any_content_make_a_report(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: Any, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("run")
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
    )
    if data.draw(st.booleans()):
        content = {key: data.draw(JSON) for key in data.draw(st.lists(st.sampled_from(keys), max_size=4))}
    (folder / "pictures").mkdir()
    (folder / name).write_text(json.dumps([content] if name.startswith("pictures") else content), encoding="utf-8")
    page_of(folder)


def test_an_empty_folder_makes_a_report_that_says_what_is_missing(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert "This run is not finished: teacher, pairs, filter, train, evaluate and export still have to be" in page.text
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
    assert "This run is not finished: train, evaluate and export still have to be done." in page.text


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


def test_a_new_report_replaces_the_old_one(run_folder: Path) -> None:
    path = write_report(run_folder)
    assert path == run_folder / "report.html"
    change(run_folder / "run.json", name="another name")
    assert "another name" in page_of(run_folder).text
    assert not [file for file in run_folder.iterdir() if file.name.startswith(".report")]


def test_making_a_report_imports_no_torch(run_folder: Path) -> None:
    code = (
        "import sys, pathlib; from gdp.core.report import write_report; "
        "write_report(pathlib.Path(sys.argv[1])); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run_folder)], check=False).returncode == 0

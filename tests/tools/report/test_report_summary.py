"""The first page: one sentence, three figures, the cost, and of a run that has not finished what there is to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_pages import change, page_of

from gdp.core.locks import locked
from gdp.core.run_folder import LOCK
from gdp.tools.report import read_folder
from gdp.tools.report.summary import Figure, Summary, summarise


def spaced(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("<strong>", "").replace("</strong>", "")


def sum_up(folder: Path, price: float | None = None) -> Summary:
    return summarise(read_folder(folder), price)


def sentence_of(folder: Path) -> str:
    return spaced(str(sum_up(folder).sentence))


def metrics(folder: Path, **groups: Any) -> None:
    change(folder / "metrics.json", **groups)


def figures_of(folder: Path) -> list[tuple[str, str, bool]]:
    return [(spaced(figure.value), figure.words, figure.bad) for figure in sum_up(folder).figures]


def keep_stages(folder: Path, *names: str) -> None:
    stages = json.loads((folder / "stages.json").read_text())
    (folder / "stages.json").write_text(json.dumps({name: stages[name] for name in names}))


def test_a_run_that_reaches_its_targets_is_summed_up_in_a_sentence(run_folder: Path) -> None:
    change(run_folder / "metrics.json", quality={"rendered": {"attribute_agreement": 0.93}})
    assert sentence_of(run_folder) == (
        "The student does what was asked of it: both targets are reached, 2 could not be measured; a picture takes "
        "4.13 ms, where the slow route takes 41.9 s."
    )


def test_one_missed_target_of_several_is_enough_to_say_not_yet(run_folder: Path) -> None:
    metrics(run_folder, speed={"student_ms": 4.131, "teacher_ms": 21.7, "ratio": 3.0})
    assert sentence_of(run_folder) == (
        "The student does not yet do all that was asked of it: 1 of 4 targets is missed; a picture takes 4.13 ms, "
        "where the teacher takes 21.7 ms."
    )


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ("", "its recipe sets no target to hold it to"),
        ("[targets]\nquality.none.max = 1", "no target could be measured"),
        ("[targets]\nspeed.ratio.min = 1000", "its one target is reached"),
        ("[targets]\nspeed.ratio.max = 1000", "its one target is missed"),
    ],
)
def test_recipes_of_one_target_or_none(run_folder: Path, targets: str, said: str) -> None:
    (run_folder / "recipe.toml").write_text(f'name = "ageing"\n{targets}\n')
    assert said in sentence_of(run_folder)


def test_what_speaks_against_the_student_comes_first(run_folder: Path) -> None:
    numbers = json.loads((run_folder / "metrics.json").read_text())
    numbers["quality"]["held_out"] |= {"psnr_db_gain": 3.5, "age_shift_ratio": 1.2}
    (run_folder / "metrics.json").write_text(json.dumps(numbers))
    head = {"evaluator": "held-out", "value": "+1.2 dB", "words": "nearer", "number": "quality.rendered.psnr_db_gain"}
    change(run_folder / "verdict.json", headlines=[head])
    assert figures_of(run_folder) == [
        ("3.50 dB", "PSNR above the unchanged source", True),
        ("+1.2 dB", "nearer", False),
        ("10 100 ×", "faster than the slow route", False),  # noqa: RUF001  # the sign that the report shows
    ]
    (missed, _, speed) = sum_up(run_folder).figures
    assert spaced(missed.remark) == "target ≥ 7 dB: missed", "by half, the other by a twentieth"
    assert speed.remark == "on the same pictures it reaches 24.60 dB, the student 31.20 dB"


def test_a_student_that_is_slower_or_worse_than_nothing_is_told_so_first(run_folder: Path) -> None:
    metrics(run_folder, speed={"student_ms": 40.0, "teacher_ms": 10.0})
    head = {"evaluator": "held-out", "value": "-1.0 dB", "words": "worse", "number": "quality.rendered.psnr_db_gain"}
    change(run_folder / "verdict.json", headlines=[head])
    numbers = json.loads((run_folder / "metrics.json").read_text())
    numbers["quality"]["rendered"]["psnr_db_gain"] = -1.0
    (run_folder / "metrics.json").write_text(json.dumps(numbers))
    told = figures_of(run_folder)
    assert told[:2] == [("-1.0 dB", "worse", True), ("4 ×", "slower than the teacher", True)]  # noqa: RUF001
    assert told[2][2] is False
    assert "That time is won back after" not in dict(sum_up(run_folder).costs.once)


def test_what_was_not_measured_is_said_with_the_reason(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(
        json.dumps({"absent": {"quality.x.y": "no pair was held out", "speed.student_ms": "no clock"}})
    )
    (run_folder / "verdict.json").write_text("{}")
    assert sum_up(run_folder).figures == [
        Figure("No target", "could be measured", "no evaluator of this recipe measures it"),
        Figure("Not measured", "quality of the pictures", "no pair was held out"),
        Figure("Not measured", "speed", "no clock"),
    ]
    assert sentence_of(run_folder).endswith("; its speed was not measured.")
    assert sum_up(run_folder).costs.remarks == ["What a picture costs is not measured."]


@pytest.mark.parametrize("value", [0, -3.0, 1e308, 5e-324])
def test_times_that_no_picture_takes_are_not_measured(run_folder: Path, value: float) -> None:
    metrics(run_folder, speed={"student_ms": value, "teacher_ms": 21.7})
    change(run_folder / "stages.json", pairs={"seconds": 1e308}, train={"seconds": 1e308})
    assert "its speed was not measured" in sentence_of(run_folder)
    assert "inf s of work" in page_of(run_folder).text


def test_a_figure_without_a_number_of_its_own_is_shown_beside_no_target(run_folder: Path) -> None:
    (run_folder / "recipe.toml").write_text('name = "ageing"\n')
    change(run_folder / "verdict.json", headlines=[{"value": "blue", "words": "mostly"}])
    assert [value for value, _, _ in figures_of(run_folder)][:2] == ["No target", "blue"]


def test_costs_are_computed_from_what_was_measured_and_paid(run_folder: Path) -> None:
    change(run_folder / "run.json", paid={"azure-face": {"calls": 11628, "dollars": 11.63}})
    costs = sum_up(run_folder, price=0.5).costs
    assert costs.columns == ["The student", "The slow route"]
    assert [(name, [spaced(cell) for cell in cells]) for name, cells in costs.rows] == [
        ("One picture", ["4.13 ms", "41.9 s"]),
        ("A million pictures, one after the other", ["68 min 51 s", "485 days"]),
        ("The same, at 0.50\u00a0$ an hour", ["0.57 $", "5 816 $"]),
    ]
    assert [(name, spaced(value)) for name, value in costs.once] == [
        ("Work of all stages", "6 min 0 s, 0.05 $"),
        ("Paid to azure-face", "11.63 $ for 11 628 calls"),
        ("That time is won back after", "9 pictures"),
        ("The student has", "2.03 M parameters, 8.13 MB"),
    ]
    assert "gdp report --price" in " ".join(sum_up(run_folder).costs.remarks)


def test_numbers_of_an_earlier_student_are_none_of_a_run_that_trains_anew(run_folder: Path) -> None:
    keep_stages(run_folder, "teacher", "pairs", "filter")
    summary = sum_up(run_folder)
    assert [(figure.value, figure.words) for figure in summary.figures] == [
        ("Not measured yet", "quality and speed of the student"),
        ("3 of 6", "stages are done"),
        ("300", "steps of the training"),
    ]
    assert summary.costs.rows == [] and summary.costs.remarks == ["What a picture costs is not measured yet."]


def test_an_unfinished_run_says_what_is_done_and_how_it_goes_on(run_folder: Path) -> None:
    keep_stages(run_folder, "teacher", "pairs", "filter")
    (run_folder / "events.jsonl").write_text('{"event": "stage-begins", "stage": "train"}\n{"event": "sta')
    todo = sum_up(run_folder).todo
    assert todo is not None
    assert [(part.name, part.state, part.words) for part in todo.parts] == [
        *((name, "done", "done in 60 s") for name in ("teacher", "pairs", "filter")),
        ("train", "open", "begun at step 300"),
        ("evaluate", "open", "to be done"),
        ("export", "open", "to be done"),
    ]
    assert todo.command == "gdp run ageing" and not todo.error
    with locked(run_folder / LOCK):
        assert sentence_of(run_folder).startswith("This run is at work: train, evaluate")


def test_a_failed_run_says_what_failed_and_what_to_do(run_folder: Path) -> None:
    place = run_folder.parent / "runs" / "my ageing"
    place.parent.mkdir()
    run_folder.rename(place)
    keep_stages(place, "teacher", "pairs")
    change(place / "run.json", state="failed", error="no space left")
    (place / "events.jsonl").write_text(
        '{"event": "run", "state": "running"}\n{"event": "stage-begins", "stage": "filter"}\n'
    )
    assert sentence_of(place) == "This run failed at filter; teacher and pairs had finished."
    todo = sum_up(place).todo
    assert todo is not None and todo.error == "no space left"
    assert [part.state for part in todo.parts] == ["done", "done", "failed", "open", "open", "open"]
    text = page_of(place).text
    change(place / "run.json", error="no space left, " * 40)
    assert "The whole message no space left, no" in page_of(place).text
    assert "It stopped: no space left" in text and "The whole message" not in text
    assert "gdp run 'runs/my ageing'" in text


def test_a_run_may_fail_behind_gdps_own_stages(run_folder: Path) -> None:
    change(run_folder / "run.json", state="failed", error="quota exceeded")
    (run_folder / "events.jsonl").write_text('{"event": "stage-begins", "stage": "upload"}\n')
    assert sentence_of(run_folder).startswith("This run failed at upload; teacher, pairs, filter, train")
    todo = sum_up(run_folder).todo
    assert todo is not None and [(part.name, part.state) for part in todo.parts][-2:] == [
        ("export", "done"),
        ("upload", "failed"),
    ]
    assert sum_up(run_folder).figures[2].words == "faster than the slow route", "it was measured"

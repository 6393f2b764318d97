from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gdp.core.report.folder import read_run
from gdp.core.report.verdict import TARGETS, assess, derive, figures, paragraph


def verdict_of(folder: Path) -> str:
    data = read_run(folder)
    derive(data)
    text = str(paragraph(data)).replace("<strong>", "").replace("</strong>", "")
    return text.replace("\u2009", " ").replace("\u00a0", " ")


def change(folder: Path, **content: Any) -> None:
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text())
    for name, value in content.items():
        group, leaf = name.rsplit("__", 1)
        place = metrics
        for part in group.split("__"):
            place = place.setdefault(part, {})
        place[leaf] = value
    path.write_text(json.dumps(metrics))


def test_the_verdict_is_made_of_the_numbers(run_folder: Path) -> None:
    assert verdict_of(run_folder) == (
        "The student is a feed-forward pix2pixhd network of 2.03 M parameters that learnt from the teacher stylegan2, "
        "from 1 612 of 2 000 made pairs. It takes 4.13 ms a picture, where the slow route takes 41.9 s: it is 9 970 "
        "times faster, both measured in this run on this machine. On 161 pairs it never saw its pictures reach a PSNR "
        "of 31.50 dB to the teacher's, 10.25 dB above what the unchanged source gets. On the pictures that also "
        "went the slow route, that route gets 24.60 dB and the student 31.20 dB. Its judged age shift is 97.2 % of the "
        "teacher's. On rendered faces, where the truth is known, the shift is 84 % of the true one, and every "
        "attribute that must not change agrees on at least 93 %. All 5 targets that could be measured are reached."
    )


def test_a_missed_target_is_told_with_its_number(run_folder: Path) -> None:
    change(run_folder, quality__rendered__attribute_agreement=0.885, quality__held_out__age_shift_ratio=1.2)
    text = verdict_of(run_folder)
    assert "Missed: age shift, of the teacher&#39;s, 120 % instead of 85 % to 115 %." in text
    assert "Missed: rendered faces that keep an attribute, the worst, 88.5 % instead of ≥ 90 %." in text
    assert "are reached" not in text


def test_a_student_worse_than_its_source_is_called_so(run_folder: Path) -> None:
    change(run_folder, quality__held_out__psnr_db=20.0)
    assert "1.25 dB below what the unchanged source gets" in verdict_of(run_folder)


def test_the_time_beside_the_slow_route_is_told_so_that_it_fits_the_ratio(run_folder: Path) -> None:
    change(run_folder, speed__student_ms_beside_slow_route=4.2)
    assert "It takes 4.20 ms a picture, where the slow route takes 41.9 s" in verdict_of(run_folder)


def test_numbers_that_are_not_there_are_not_mentioned(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps({"speed": {"student_ms": 12.0}}))
    assert verdict_of(run_folder) == (
        "The student is a feed-forward pix2pixhd network that learnt from the teacher stylegan2. "
        "It takes 12 ms a picture."
    )


def test_targets_hold_at_their_edges() -> None:
    shift = next(target for target in TARGETS if target.name == "quality.held_out.age_shift_ratio")
    assert [shift.reached(value) for value in (0.849, 0.85, 1.15, 1.151)] == [False, True, True, False]


def test_only_measured_numbers_are_held_against_a_target(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps({"speed": {"ratio": 900.0}}))
    assessments = assess(read_run(run_folder))
    assert [(item.target.name, item.value, item.reached) for item in assessments] == [("speed.ratio", 900.0, False)]


def test_the_head_shows_few_figures(run_folder: Path) -> None:
    data = read_run(run_folder)
    derive(data)
    assert [figure.value.replace("\u2009", " ").replace("\u00a0", " ") for figure in figures(data)] == [
        "9 970 ×",  # noqa: RUF001  # the sign that the report shows
        "4.13 ms",
        "+10.2 dB",
        "97.2 %",
        "93 %",
    ]


def test_no_number_that_is_not_finite_gets_into_the_verdict(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text('{"speed": {"student_ms": NaN, "ratio": Infinity, "threads": true}}')
    assert read_run(run_folder).numbers == {}
    with pytest.raises(KeyError):
        read_run(run_folder).numbers["speed.ratio"]

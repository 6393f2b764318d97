"""The head of the report: the verdict, its figures, and the targets.

The fixture's run stands for one that an older gdp measured: what its evaluators say is asked of them now.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
from report_pages import page_of

from gdp.registry.registry import PluginRegistry
from gdp.tools.report import RunData, read_folder
from gdp.tools.report.verdict import Target, assess, details, emphasised, headlines, verdict

PLUGINS = PluginRegistry.discover()

TRANSLATION: dict[str, Any] = {
    "quality": {
        "held_out": {"psnr_db": 28.0, "psnr_db_gain": 11.0, "l1_to_teacher": 0.0512, "count": 200},
        "truth": {
            "psnr_db": 19.8,
            "teacher_psnr_db": 20.1,
            "psnr_db_unchanged": 17.78,
            "psnr_db_gain": 2.02,
            "psnr_db_below_teacher": 0.3,
        },
        "cycle": {"l1_student": 0.0834, "l1_teacher": 0.0712},
    },
    "speed": {"student_ms": 20.0, "teacher_ms": 42.0, "teacher_to_student": 2.1},
    "size": {
        "student": {"parameters": 272_515, "macs": 123_076_608},
        "teacher": {"parameters": 715_651, "macs": 236_322_816},
    },
}


def spaced(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.fixture(autouse=True)
def _measured_before_evaluators_spoke(run_folder: Path) -> None:
    (run_folder / "verdict.json").unlink()


def read(folder: Path) -> RunData:
    return read_folder(folder, lambda: PLUGINS)


def verdict_of(folder: Path) -> str:
    data = read(folder)
    text = f"{verdict(data)} {details(data)}".replace("<strong>", "").replace("</strong>", "")
    return spaced(html.unescape(text))


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
        "On rendered faces that no training saw, the student's pictures are 1.25 dB nearer to the truth than their "
        "unchanged sources (24.10 dB against 22.85 dB). All 4 targets that could be measured are reached. "
        "The student is a feed-forward pix2pixhd network of 2.03 M parameters that learnt from the teacher "
        "stylegan2, from 1 612 of 2 000 made pairs. It takes 4.13 ms a "
        "picture, where a forward of the teacher takes 21.7 ms: it is 5.25 times faster, both measured in this run on "
        "this machine. The slow route takes 41.9 s a picture, 9 970 times as long. On 161 pairs it never saw its "
        "pictures reach a PSNR of 31.50 dB to the teacher's, 10.25 dB above what the unchanged source gets. On the "
        "pictures that also went the slow route, that route gets 24.60 dB and the student 31.20 dB. Its judged age "
        "shift is 97.2 % of the teacher's. On rendered faces the judged age shift is 84 % of the true one, and every "
        "attribute that must not change agrees on at least 93 %."
    )


def test_an_attribute_that_is_always_kept_is_kept_on_all(run_folder: Path) -> None:
    change(run_folder, quality__rendered__attribute_agreement=1.0)
    assert "every attribute that must not change agrees on all of them." in verdict_of(run_folder)


def test_what_is_missed_stands_right_behind_the_truth_and_before_all_else(run_folder: Path) -> None:
    change(run_folder, quality__rendered__attribute_agreement=0.885, quality__rendered__psnr_db_gain=-0.5)
    text = verdict_of(run_folder)
    assert text.startswith("On rendered faces that no training saw, the student's pictures are 0.50 dB farther from")
    assert text.index("Missed: ") < text.index("The student is a")


def test_a_slow_routes_arithmetic_is_held_against_the_students(run_folder: Path) -> None:
    change(run_folder, size__slow_route__macs=91_200_000_000)
    assert "9 970 times as long, and 100 times the arithmetic." in verdict_of(run_folder)


def filtered_by(folder: Path, **row: Any) -> RunData:
    row = {"filter": "attributes", "input": 9, "kept": 3, "reasons": {}, "fingerprint": "sha of a judge", **row}
    (folder / "funnel.json").write_text(json.dumps({"made": 9, "filters": [row], "kept": 3}))
    return read(folder)


def test_a_number_of_the_judge_that_filtered_the_pairs_is_marked(run_folder: Path) -> None:
    data = filtered_by(run_folder)
    assert [item.target.name for item in assess(data) if item.same_judge] == ["quality.rendered.attribute_agreement"]
    assert "told by the judge that also filtered the pairs (attributes) are marked" in str(details(data))
    page = page_of(run_folder)
    assert page.text.count("by the judge that also filtered the pairs (attributes)") == 4, (
        "figure, verdict, target, list"
    )


@pytest.mark.parametrize("row", [{"fingerprint": "another"}, {"only_score": True}, {"fingerprint": ""}])
def test_a_number_of_a_second_judge_is_not_marked(run_folder: Path, row: dict[str, Any]) -> None:
    data = filtered_by(run_folder, **row)
    assert not [item for item in assess(data) if item.same_judge]
    assert "judge that also filtered" not in str(details(data))


def test_a_figure_of_the_head_is_marked_by_the_number_that_it_names(run_folder: Path) -> None:
    filtered_by(run_folder)
    head = {"evaluator": "faces", "value": "93 %", "words": "kept", "number": "quality.rendered.attribute_agreement"}
    (run_folder / "verdict.json").write_text(json.dumps({"headlines": [head]}))
    assert "kept by the judge that also filtered the pairs (attributes) 93 %" in page_of(run_folder).text


def test_a_missed_target_is_told_with_its_number(run_folder: Path) -> None:
    change(run_folder, quality__rendered__attribute_agreement=0.885, quality__held_out__age_shift_ratio=1.2)
    text = verdict_of(run_folder)
    assert "Missed: age shift, of the teacher's, 120 % instead of 85 % to 115 %." in text
    assert "Missed: rendered faces that keep an attribute, the worst, 88.5 % instead of ≥ 90 %." in text
    assert "are reached" not in text


def test_a_student_worse_than_its_source_is_called_so(run_folder: Path) -> None:
    change(run_folder, quality__held_out__psnr_db_gain=-1.25)
    assert "1.25 dB below what the unchanged source gets" in verdict_of(run_folder)


def test_numbers_that_are_not_there_are_not_mentioned(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps({"speed": {"student_ms": 12.0}}))
    assert verdict_of(run_folder) == (
        "The student is a feed-forward pix2pixhd network that learnt from the teacher stylegan2. "
        "It takes 12 ms a picture."
    )


def test_the_verdict_on_a_translator_holds_the_student_against_its_teacher_and_the_truth(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps(TRANSLATION))
    assert verdict_of(run_folder) == (
        "On held-out pictures, the student's pictures are 2.02 dB nearer to the truth than their unchanged sources "
        "(19.80 dB against 17.78 dB). The one target that could be measured is reached. "
        "The student is a feed-forward pix2pixhd network of 273 k parameters that learnt from the teacher stylegan2. "
        "It has 38.1 % of its teacher's parameters and does 52.1 % of the arithmetic of one forward of it. It takes 20 "
        "ms a picture, where a forward of the teacher takes 42 ms: it is 2.10 times faster, both measured in this run "
        "on this machine. On 200 pairs it "
        "never saw its pictures reach a PSNR of 28.00 dB to the teacher's, 11.00 dB above what the unchanged source "
        "gets; they differ from them by an L1 of 0.0512 in the range from \u22121 to 1. Against the truth, which no "
        "training saw, its pictures reach 19.80 dB: 0.30 dB below the teacher's 20.10 dB. Translated back, "
        "its pictures come within an L1 of 0.0834 of their sources, the teacher's own "
        "within 0.0712."
    )


def test_a_student_that_is_slower_than_its_teacher_and_nearer_to_the_truth_is_called_so(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps(TRANSLATION))
    change(run_folder, speed__teacher_ms=10.0, speed__teacher_to_student=0.5, quality__truth__psnr_db=20.5)
    text = verdict_of(run_folder)
    assert "it is 2 times slower" in text
    assert "0.40 dB above the teacher's 20.10 dB" in text


def heads(data: RunData) -> list[tuple[str, str]]:
    return [(spaced(headline.value), headline.words) for headline in headlines(data)]


def test_the_head_of_a_translators_report_shows_what_the_student_keeps_of_its_teacher(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps(TRANSLATION))
    assert heads(read(run_folder)) == [
        ("+2.0 dB", "nearer to the truth than the unchanged source"),
        ("2.10 ×", "the teacher's speed"),  # noqa: RUF001  # the sign that the report shows
        ("20 ms", "a picture"),
        ("38.1 %", "of the teacher's parameters"),
        ("52.1 %", "of its arithmetic"),
        ("0.0512", "L1 to the teacher"),
        ("0.30 dB", "below the teacher, to the truth"),
        ("+11.0 dB", "above the unchanged source, to the teacher"),
    ]


def test_targets_hold_at_their_edges() -> None:
    shift = Target("shift", "shift", 0.85, 1.15, "share")
    assert [shift.reached(value) for value in (0.849, 0.85, 1.15, 1.151)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("low", "high", "unit", "goal"),
    [
        (0.85, 1.15, "share", "85 % to 115 %"),
        (7, None, "dB", "≥ 7 dB"),
        (1000, None, "times", "≥ 1 000"),
        (None, 0.06, "", "≤ 0.06"),
        (None, 0, "dB", "≤ 0 dB"),
        (None, 20, "ms", "≤ 20 ms"),
        (-0.5, None, "years", "≥ \u22120.5 years"),
    ],
)
def test_goals_are_written_in_the_numbers_unit(low: float | None, high: float | None, unit: str, goal: str) -> None:
    assert spaced(Target("name", "words", low, high, unit).goal) == goal


def test_targets_are_the_recipes_own(run_folder: Path) -> None:
    recipe = run_folder / "recipe.toml"
    recipe.write_text("[targets.speed]\nratio = { max = 100 }\n[targets.quality.held_out]\ncount.min = 161\n")
    found = [(item.target.words, item.measured, item.reached) for item in assess(read_folder(run_folder))]
    assert [(words, spaced(measured), reached) for words, measured, reached in found] == [
        ("speed.ratio", "9 970", False),
        ("quality.held_out.count", "161", True),
    ]
    assert "Missed: speed.ratio, 9 970 instead of ≤ 100." in verdict_of(run_folder)
    recipe.write_text('name = "ageing"\n')
    assert assess(read_folder(run_folder)) == []


def test_a_target_that_was_not_measured_is_neither_reached_nor_missed_and_the_reason_is_told(run_folder: Path) -> None:
    goals = "[targets.quality.held_out]\nfid.max = 30\nfdi.max = 30\ncount.min = 3\n"
    (run_folder / "recipe.toml").write_text(goals)
    assert [(item.measured, item.reached, item.reason) for item in assess(read_folder(run_folder))] == [
        ("not measured", None, "no Inception weights at hand"),
        ("not measured", None, "no evaluator of this recipe measures it"),
        ("161", True, ""),
    ]
    assert "Missed" not in verdict_of(run_folder)
    assert "The one target that could be measured is reached." in verdict_of(run_folder)


def test_a_target_of_a_run_that_is_still_to_be_measured_is_not_measured_yet(run_folder: Path) -> None:
    (run_folder / "recipe.toml").write_text("[targets.quality.held_out]\nfdi.max = 30\n")
    stages = json.loads((run_folder / "stages.json").read_text())
    del stages["evaluate"]
    (run_folder / "stages.json").write_text(json.dumps(stages))
    (item,) = assess(read_folder(run_folder))
    assert (item.measured, item.reached, item.reason) == ("not measured", None, "not measured yet")


@pytest.mark.parametrize("goals", ["targets = 3", "targets.a = {min = 'x'}", "targets.a = {}", "targets.a.b.c = 1"])
def test_a_resolved_recipe_that_somebody_broke_has_no_targets(run_folder: Path, goals: str) -> None:
    (run_folder / "recipe.toml").write_text(goals)
    assert assess(read_folder(run_folder)) == []


def test_the_head_shows_few_figures(run_folder: Path) -> None:
    assert [value for value, _ in heads(read(run_folder))] == [
        "+1.2 dB",
        "4.13 ms",
        "9 970 ×",  # noqa: RUF001  # the sign that the report shows
        "+10.2 dB",
        "97.2 %",
        "84 %",
        "93 %",
    ]


def test_no_number_that_is_not_finite_gets_into_the_verdict(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text('{"speed": {"student_ms": NaN, "ratio": Infinity, "threads": true}}')
    assert read_folder(run_folder).numbers == {}
    with pytest.raises(KeyError):
        read_folder(run_folder).numbers["speed.ratio"]


def say(folder: Path, **verdict: Any) -> RunData:
    (folder / "verdict.json").write_text(json.dumps(verdict))
    return read_folder(folder)


def test_what_evaluators_said_when_they_measured_is_shown_by_rank_and_nobody_is_asked_again(run_folder: Path) -> None:
    said = [{"text": "Last, **90 %**.", "rank": 90}, {"text": "Of no rank."}, {"text": "First.", "rank": 5}]
    (run_folder / "verdict.json").write_text(json.dumps({"sentences": said}))
    data = read(run_folder)
    assert str(verdict(data)).startswith("All 4 targets that could be measured are reached. The student is")
    assert str(details(data)).startswith("First. Last, <strong>90 %</strong>. Of no rank.")


def test_a_sentence_that_two_evaluators_say_is_shown_once(run_folder: Path) -> None:
    assert str(details(say(run_folder, sentences=[{"text": "Twice."}, {"text": "Twice."}]))).count("Twice.") == 1


def test_where_there_are_too_many_figures_each_evaluator_shows_its_first(run_folder: Path) -> None:
    first = [{"evaluator": f"plain-{number}", "value": f"{number}", "words": "", "rank": 100} for number in range(7)]
    loud = [{"evaluator": "loud", "value": f"loud {number}", "words": "", "rank": number} for number in range(5)]
    data = say(run_folder, headlines=[*loud, *first])
    assert [value for value, _ in heads(data)] == ["loud 0", *map(str, range(7))]
    assert [value for value, _ in heads(say(run_folder, headlines=[*loud, *first[:4]]))] == [
        *("loud 0", "loud 1", "loud 2", "loud 3"),
        *("0", "1", "2", "3"),
    ]


def test_an_evaluator_that_could_not_speak_is_named(run_folder: Path) -> None:
    assert "evaluator mute: it broke" in say(run_folder, failed=["evaluator mute: it broke"]).missing


def test_an_evaluator_that_is_not_installed_any_more_is_named_and_the_others_are_heard(run_folder: Path) -> None:
    recipe = run_folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('plugin = "slow-route"', 'plugin = "gone-for-good"'))
    data = read(run_folder)
    assert "10.25 dB above" in verdict_of(run_folder)
    (line,) = [line for line in data.missing if "gone-for-good" in line]
    assert "what the evaluator gone-for-good says of its numbers" in line


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        (
            "It is **9 970 times** as fast, or **more**.",
            "It is <strong>9 970 times</strong> as fast, or <strong>more</strong>.",
        ),
        ("2**3 is 8.", "2**3 is 8."),
        ("**<b>** & <i>", "<strong>&lt;b&gt;</strong> &amp; &lt;i&gt;"),
        ("", ""),
    ],
)
def test_two_stars_on_both_sides_make_words_strong_and_nothing_else_is_markup(text: str, markup: str) -> None:
    assert emphasised(text) == markup

"""The benchmark of training steps holds the same trainings against each other, and writes what it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import training_steps
from plain.cases import CaseName, Options, open_case
from plain.curves import compare

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def random_numbers_as_they_were() -> Iterator[None]:
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize("name", ["pix2pixhd", "cyclegan"])
def test_the_first_two_steps_of_gdp_and_of_the_plain_training_have_the_same_losses(name: CaseName) -> None:
    case = open_case(name, Options(steps=2, size=32, width=4, precision="float32"))
    for number, tolerance in enumerate((1e-4, 2e-2)):  # Adam's first step has a sign only: it enlarges rounding
        plain, ours = case.plain(number), case.gdp(number)
        assert {*plain} <= {*ours}
        for term, value in plain.items():
            assert float(ours[term]) == pytest.approx(float(value), rel=tolerance), (number, term)


def test_the_second_plain_training_begins_beside_the_first_and_not_at_it() -> None:
    case = open_case("pix2pixhd", Options(steps=1, size=32, width=4))
    plain, again = case.plain(0), case.plain_again(0)
    assert float(again["generator.lsgan"]) == pytest.approx(float(plain["generator.lsgan"]), rel=1e-3)
    assert any(float(again[term]) != float(value) for term, value in plain.items())


def test_stylegan2_trains_both_networks_with_both_regularisers() -> None:
    case = open_case("stylegan2", Options(steps=2, size=16, width=8, precision="float32"))
    try:
        terms = {"loss_generator", "loss_discriminator", "r1_penalty", "path_length_penalty"}
        for step in (case.plain, case.gdp, case.plain_again):
            first, second = step(0), step(1)
            assert {*first} >= terms
            assert terms - {*second} == {"r1_penalty", "path_length_penalty"}
            assert all(bool(torch.isfinite(value)) for value in [*first.values(), *second.values()])
        assert case.period == 16
    finally:
        case.close()


@pytest.mark.parametrize(("shift", "words"), [(-0.015, "to itself"), (0.1, "next step"), (0.5, "differs")])
def test_curves_are_the_same_where_they_differ_no_more_than_the_plain_one_does_from_itself(
    shift: float, words: str
) -> None:
    plain = [1.0, 1.2, 1.0, 1.2]
    lines = {
        "plain": plain,
        "plain again": [value + 0.01 for value in plain],
        "gdp": [value + shift for value in plain],
    }
    assert words in compare({"loss": lines})["loss"]["verdict"]


def test_the_script_writes_times_ratios_curves_and_what_they_were_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    output = tmp_path / "steps.json"
    threads = str(torch.get_num_threads())  # of the whole process: left as they are
    arguments = ["--steps", "2", "--size", "32", "--width", "4", "--threads", threads, "--output", str(output)]
    for case in ("cyclegan", "pix2pixhd"):
        training_steps.main(["--case", case, *arguments])
    assert "plain / gdp" in capsys.readouterr().out
    found = json.loads(output.read_text(encoding="utf-8"))
    assert list(found["cases"]) == ["pix2pixhd", "cyclegan"]  # the second call left the first one's case alone
    for case in found["cases"].values():
        assert case["steps"] == 2
        assert case["machine"]["threads"] == int(threads)
        for name in ("plain", "gdp", "plain again"):
            assert len(case["seconds"][name]) == 2
            assert case["seconds_a_step"][name]["median"] > 0
            assert all(len(lines[name]) == 4 for lines in case["curves"].values())
        low, high = case["ratio"]["quartiles"]
        assert 0 < low <= case["ratio"]["median"] <= high
        assert {*case["distances"]} == {*case["curves"]} >= {"generator.lsgan", "discriminator.lsgan"}
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

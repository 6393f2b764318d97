"""Tables on a terminal: names stay whole at any width, and a narrow terminal goes without what it can do without."""

from __future__ import annotations

import re
import sys
import time

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.console import choose_progress, print_line, print_table
from gdp.tools.bench.table import COLUMNS as BENCH_COLUMNS
from gdp.tools.bench.table import SPARE

COLUMNS = ("NAME", "SUMMARY", "LICENCE", "NEEDS")
ROWS = [("latent-direction", "moves latents along a direction " * 3, "Apache-2.0", "onnxruntime")]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("FORCE_COLOR", "1")
    return monkeypatch


@pytest.mark.parametrize(("width", "left_out"), [(140, ()), (80, ()), (62, ("LICENCE",)), (44, ("LICENCE", "NEEDS"))])
def test_a_narrow_terminal_does_without_the_spare_columns_in_turn_and_says_so(
    width: int, left_out: tuple[str, ...], terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", str(width))
    print_table(COLUMNS, ROWS, spare=("LICENCE", "NEEDS"))
    heading, *lines = plain(capsys.readouterr().out).splitlines()
    assert [name for name in COLUMNS if name not in heading] == list(left_out)
    told = " ".join(" ".join(lines).split())
    assert (f"left out, for want of width: {', '.join(left_out)}" in told) == bool(left_out)


@pytest.mark.parametrize("width", [100, 60, 44])
def test_the_width_is_used_and_words_are_broken_only_where_they_do_not_fit(
    width: int, terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", str(width))
    sentence = "photographs of Flickr: non-commercial research and education only"
    print_table(("NAME", "SUMMARY", "LICENCE"), [("summer2winter_yosemite", sentence, sentence)] * 2)
    told = plain(capsys.readouterr().out)
    whole = "summer2winter_yosemite" in told and told.split().count("non-commercial") == 4
    assert whole == (width > 50)
    assert len(told.splitlines()) <= {100: 7, 60: 13}.get(width, 30)


def test_what_a_plugin_lacks_is_told_with_what_brings_it(
    terminal: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delenv("AZURE_FACE_KEY", raising=False)
    for width in ("80", "400"):
        terminal.setenv("COLUMNS", width)
        told = " ".join(plain(CliRunner().invoke(app, ["list-plugins"]).output).split())
        assert (
            "direction-method linear-svm, direction-method logistic-regression need gdp-distill[directions]: "
            "pip install 'gdp-distill[directions]'" in told
        )
        assert "filter azure-face needs $AZURE_FACE_KEY" in told


def test_sentences_break_between_words_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "    Smallest probability that a picture is a whole face; asked of every picture of a pair."
    print_line(sentence)
    assert capsys.readouterr().out == f"{sentence}\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    print_line(sentence)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert all(line.startswith("    ") for line in lines)
    assert " ".join(" ".join(lines).split()) == sentence.strip()


def test_a_bench_is_a_table_at_80_columns(terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.setenv("COLUMNS", "80")
    row = ("512", "2", "student, openvino", "0.1234", "0.1234 to 0.234", "8,123", "15,637", "12.3", "3.21", "1,024",
           "1,024", "182", "217", "730", "equal", "121")  # fmt: skip
    print_table(BENCH_COLUMNS, [row], SPARE)
    heading, line, *_ = plain(capsys.readouterr().out).splitlines()
    assert "what" in heading
    assert "student, openvino" in line


def test_names_are_whole_and_no_sentence_is_cut_off_at_80_columns(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("COLUMNS", "80")
    told = plain(CliRunner().invoke(app, ["list-plugins"]).output)
    assert "…" not in told
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 80
    for name in ("azure-face-emulator", "stylegan2-rosinality", "logistic-regression", "photo-attributes"):
        assert name in told


def test_the_time_left_grows_where_nothing_goes_on(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setattr("gdp.console.progress._STANDING", 0.2)
    with choose_progress().task("probing", 1000, "kinds of work") as task:
        for _ in range(10):
            time.sleep(0.001)
            task.advance()
        time.sleep(0.5)
    *_, last = plain(capsys.readouterr().err).split("left")
    hours, minutes, seconds = map(int, re.search(r"(\d+):(\d+):(\d+)", last).groups())  # type: ignore[union-attr]
    assert 3600 * hours + 60 * minutes + seconds >= 45, "half a second for ten is 50 for 990; rich would say 3"

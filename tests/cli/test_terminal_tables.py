"""Tables on a terminal: names stay whole at any width, and a narrow terminal goes without what it can do without."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.console import print_table

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


def test_names_are_whole_and_no_sentence_is_cut_off_at_80_columns(terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("COLUMNS", "80")
    told = plain(CliRunner().invoke(app, ["list-plugins"]).output)
    assert "…" not in told
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 80
    for name in ("azure-face-emulator", "stylegan2-rosinality", "logistic-regression", "photo-attributes"):
        assert name in told

"""The measure of the embedded CycleGAN, and that its card is of the weights that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenes_teacher import RESULT, main

from gdp.plugins.cyclegan import weights_path
from gdp.toolbox import file_sha256


def test_a_translator_is_held_against_the_truth_and_against_doing_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--count", "4", "--output", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["there"]["psnr_db"] > found["unchanged"]["psnr_db"] + 2
    assert found["back"]["psnr_db"] > found["back_unchanged"]["psnr_db"] + 2
    assert found["there_and_back_l1"] < found["there"]["l1"]
    assert f"there and back     L1 {found['there_and_back_l1']:.4f}" in capsys.readouterr().out


def test_the_committed_figures_and_the_card_are_of_the_shipped_weights() -> None:
    weights = weights_path("builtin:scenes64")
    found = json.loads(RESULT.read_text())
    assert found["weights"] == file_sha256(weights)
    card = weights.with_name("scenes64.md").read_text(encoding="utf-8")
    assert f"| G_A, photo to painting | {found['there']['psnr_db']:.2f} dB |" in card

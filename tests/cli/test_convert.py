"""`gdp convert`: recognises by content, tells what it found, and writes over nothing."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.cli.common import short_path

RUNNER = CliRunner()


def run(*arguments: object, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["convert", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def direction(tmp_path: Path) -> Path:
    np.save(tmp_path / "age.npy", np.ones((1, 16)))
    return tmp_path / "age.npy"


def test_a_file_is_converted_beside_itself_with_a_card(direction: Path) -> None:
    said = run(direction)
    assert f"{short_path(direction.with_suffix('.safetensors'))}: direction age" in said
    assert 'direction = "age.safetensors"' in said
    assert "licence unknown" in said
    card = json.loads(direction.with_suffix(".json").read_text())
    assert card["source"]["name"] == "age.npy"
    assert card["use"] in said.replace("\n  ", "\n")


def test_the_content_decides_and_not_the_name(direction: Path, tmp_path: Path) -> None:
    renamed = direction.rename(tmp_path / "network.pkl")
    assert "direction network" in run(renamed, "-o", tmp_path / "out" / "d.safetensors")
    assert (tmp_path / "out" / "d.safetensors").is_file()


def test_nothing_is_written_over(direction: Path) -> None:
    run(direction)
    before = direction.with_suffix(".safetensors").read_bytes()
    assert "is there already: name another file with -o, or pass --overwrite" in run(direction, code=1)
    run(direction, "--overwrite")
    assert direction.with_suffix(".safetensors").read_bytes() == before


def test_a_conversion_that_did_not_end_is_ended_and_one_of_another_file_is_kept(
    direction: Path, tmp_path: Path
) -> None:
    target, card = direction.with_suffix(".safetensors"), direction.with_suffix(".json")
    run(direction)
    whole = target.read_bytes(), card.read_bytes()
    card.unlink()  # as a process leaves it that is killed before it writes the card
    run(direction)
    assert (target.read_bytes(), card.read_bytes()) == whole
    card.unlink()
    np.save(tmp_path / "smile.npy", 2 * np.ones((1, 16)))
    assert "is there already" in run(tmp_path / "smile.npy", "-o", target, code=1)
    assert target.read_bytes() == whole[0]


def test_json_holds_the_cards(direction: Path) -> None:
    (card,) = json.loads(RUNNER.invoke(app, ["convert", str(direction), "--json"]).stdout)
    assert card["path"] == str(direction.with_suffix(".safetensors"))
    assert card["format"] == "gdp-converted-1"


def test_the_layouts_are_listed() -> None:
    names = {row["name"] for row in json.loads(run("--list", "--json"))}
    assert {"stylegan2-ada", "stylegan2-tensorflow", "stylegan2-rosinality"} <= names
    assert {"cyclegan", "pix2pixhd", "direction"} <= names
    assert "stylegan2-ada" in run("--list")


def test_an_unknown_content_is_described(tmp_path: Path) -> None:
    torch.save(
        {"epoch": 3, "model": {"a": torch.ones(2)}, **{f"k{number}": 0 for number in range(20)}}, tmp_path / "m.pt"
    )
    said = run(tmp_path / "m.pt", code=1)
    assert "a PyTorch file (zip archive) with a dictionary of epoch, model, k0" in said
    assert "and 10 more. That is no layout that is known here. Known are: CycleGAN" in said


def test_a_layout_can_be_told(direction: Path) -> None:
    said = run(direction, "--as", "cyclegan", code=1)
    assert "it cannot be converted as cyclegan: it is no state dict" in said
    assert 'no converter plugin is called "cycelgan"; did you mean cyclegan?' in run(
        direction, "--as", "cycelgan", code=2
    )


@pytest.mark.process
def test_a_hostile_file_is_an_error_and_runs_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> object:
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Trap()))
    command = [sys.executable, "-m", "gdp", "convert", str(tmp_path / "evil.pkl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Nothing in it was run" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "sprung").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pkl"]


def test_a_wrong_call_is_told(direction: Path, tmp_path: Path) -> None:
    assert "name a file" in run(code=2)
    assert "must end in .safetensors" in run(direction, "-o", tmp_path / "d.pt", code=1)
    assert "there is no such file" in run(tmp_path / "nowhere.pkl", code=1)


def test_a_pipe_gets_the_file_and_no_card_stands_beside_it(direction: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        done = CliRunner().invoke(app, ["convert", str(direction), "-o", str(pipe), "--overwrite", "--json"])
        content = read.result(60)
    assert done.exit_code == 0, done.output
    (card,) = json.loads(done.stdout)
    assert (card["sha256"], card["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert pipe.is_fifo()
    assert not pipe.with_suffix(".json").exists()

"""`gdp train-teacher --from` begins with given networks, as the same setting and the Python function do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file
from typer.testing import CliRunner

import gdp
from gdp.cli.app import app

pytestmark = pytest.mark.training

RECIPE = """
name = "tiny-faces"

[teacher]
plugin = "stylegan2"

[dataset]
plugin = "rendered-faces"
count = 1000000
resolution = 16

[train]
images = 16
batch = 8
shards = 1
z_dim = 40
w_dim = 8
mapping_layers = 2
channel_base = 64
channel_max = 8
learning_rate = 1e-9
ema_half_life = 0
l1_weight = 1
"""


@pytest.fixture(autouse=True)
def in_a_folder_with_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "tiny.toml").write_text(RECIPE)


def train_teacher(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train-teacher", "recipes/tiny.toml", "--device", "cpu", *arguments])


def test_it_goes_on_from_a_file_named_from_where_one_stands() -> None:
    first = train_teacher("-f", "first", "--json")
    told = json.loads(first.stdout)
    assert told["state"] == "finished"
    weights = Path(told["weights"])
    wide = 'train.generator_channels={"16" = 6}'
    assert train_teacher("-f", "second", "--from", "first/generator.safetensors", "--set", wide).exit_code == 0
    third = gdp.train_teacher("recipes/tiny.toml", folder="third", from_weights=weights, device="cpu")
    before = load_file(weights)["synthesis.b16.torgb.weight"]
    after = load_file("second/generator.safetensors")["synthesis.b16.torgb.weight"]
    assert after.shape[1] == 6
    torch.testing.assert_close(after[:, :4].float(), before.float() * (6 / 4) ** 0.5, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(load_file(third)["synthesis.b16.torgb.weight"], before, atol=1e-2, rtol=1e-2)
    assert str(weights) in Path("third/recipe.toml").read_text(), "the resolved recipe tells it"


@pytest.mark.parametrize(
    ("weights", "code", "words"),
    [
        ("nowhere.safetensors", 1, "nowhere.safetensors: there are no such weights. Mend train.from_weights (--from)"),
        ("builtin:faces63", 2, "no such built-in weights; there is builtin:faces64"),
        ("builtin:faces64", 1, "Set dataset.resolution = 64"),
        ("model.pkl", 2, "convert it with `gdp convert"),
        ("https://example.org/g.safetensors", 2, "an address needs the file's hash"),
    ],
)
def test_what_cannot_be_begun_with_is_told_in_one_line_with_what_to_do(weights: str, code: int, words: str) -> None:
    result = train_teacher("--from", weights)
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_teacher_that_cannot_go_on_from_weights_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path("recipes/tiny.toml").read_text()
    Path("recipes/tiny.toml").write_text(text.replace('"stylegan2"', '"nothing"'))
    result = train_teacher("--from", "a.safetensors")
    assert result.exit_code == 2
    assert "nothing" in result.stderr

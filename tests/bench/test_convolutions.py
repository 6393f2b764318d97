"""The benchmark of the convolutions computes the same thing in every way, and writes what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import convolutions
import pytest
import torch
from torch import Tensor

from gdp.core.training.precision import find_compiler


@pytest.fixture(autouse=True)
def sleeping_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # what the script would leave behind in this process


def measured(output: Path, *arguments: str) -> dict[str, object]:
    threads = str(torch.get_num_threads())  # of the whole process: left as they are
    convolutions.main([*arguments, "--rounds", "2", "--threads", threads, "--output", str(output)])
    found: dict[str, object] = json.loads(output.read_text(encoding="utf-8"))
    return found


def test_the_script_writes_times_ratios_and_what_gdp_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = ["2,8,12,9,3,1", "1,384,320,9,3,2", "1,128,128,32,3,1"]
    options = [part for shape in shapes for part in ("--shape", shape)]
    found = measured(tmp_path / "convolutions.json", *options, "--no-compile")
    assert "gdp takes" in capsys.readouterr().out
    small, halving, wide = found["shapes"]
    assert [row["gdp_takes"] for row in (small, halving, wide)] == ["torch", "matrix", "winograd"]
    assert (small["tiles"], small["weights"], small["pixels_per_channel"]) == (18, 864, 13.5)
    assert {*halving["milliseconds"]} == {"torch", "matrix"}
    for row in (small, halving, wide):
        assert {*row["ratio"]} == {*row["milliseconds"]} - {"torch"} == {*row["largest_difference"]}
        assert all(times["median"] > 0 and times["count"] == 2 for times in row["milliseconds"].values())
        assert all(difference < convolutions.TOLERANCE for difference in row["largest_difference"].values())


@pytest.mark.process
@pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")
def test_compiled_transforms_have_a_column_of_their_own(tmp_path: Path) -> None:
    shape = "1,128,128,32,3,1"  # of tests/plugins/pix2pixhd/test_convolution.py: what is compiled lies in torch's cache
    found = measured(tmp_path / "convolutions.json", "--shape", shape)
    (row,) = found["shapes"]
    assert {*row["ratio"]} == {"winograd", "winograd compiled", "matrix"}


def test_the_list_stands_on_both_sides_of_every_threshold() -> None:
    winograd = [shape for shape in convolutions.SHAPES if (shape.kernel, shape.stride) == (3, 1)]
    assert {min(shape.channels, shape.outputs) >= 128 for shape in winograd} == {False, True}
    assert {shape.pictures * (-(-shape.output_side // 4)) ** 2 >= 64 for shape in winograd} == {False, True}
    weights = [shape.channels * shape.outputs * shape.kernel**2 for shape in convolutions.SHAPES]
    assert {count >= 2**20 for count in weights} == {False, True}
    large = [shape for shape, count in zip(convolutions.SHAPES, weights, strict=True) if count >= 2**20]
    assert {shape.pictures * shape.output_side**2 <= 2 * shape.outputs for shape in large} == {False, True}


def test_other_numbers_than_torchs_are_refused() -> None:
    def work(value: float) -> list[Tensor]:
        return [torch.tensor([1.0, value])]

    works = {"torch": lambda: work(2.0), "matrix": lambda: work(2.01)}
    with pytest.raises(SystemExit, match=r"1 x 8->8 at 8: the numbers of matrix differ from torch's by 0\.005"):
        convolutions.compare(convolutions.Shape(1, 8, 8, 8), works)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,3,0", "1,2,3,4,3,x"])
def test_a_shape_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        convolutions.main(["--shape", text])
    assert "--shape" in capsys.readouterr().err

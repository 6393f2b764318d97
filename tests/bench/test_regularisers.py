"""The benchmark of R1 and path length compares equal gradients, and writes what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import regularisers
import torch

from gdp.plugins.stylegan2 import low_pass

pytestmark = pytest.mark.training
TINY = ["--case", "config-f", "--size", "16", "--width", "16", "--rounds", "2"]


@pytest.fixture(autouse=True)
def threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # what the script would leave behind in this process
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


def test_the_script_writes_times_ratios_and_how_far_the_gradients_are_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "regularisers.json"
    regularisers.main([*TINY, "--output", str(output)])
    assert "torch / gdp" in capsys.readouterr().out
    found = json.loads(output.read_text(encoding="utf-8"))["cases"]["config-f"]
    assert (found["resolution"], found["batch"]) == (16, 4)
    for name in regularisers.REGULARISERS:
        assert 0 <= found[name]["largest_difference"] < regularisers.TOLERANCE
        assert len(found[name]["measured_ms"]["gdp"]) == 2
        assert found[name]["ratio"]["gdp"]["median"] > 0


def test_other_gradients_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = low_pass._Spread.compute
    monkeypatch.setattr(
        low_pass._Filter, "backward", staticmethod(lambda ctx, *gradients: (2 * ours(
            gradients[0], ctx.saved_tensors[0], ctx.stride, ctx.padding, ctx.size
        ), None, None, None))
    )  # fmt: skip
    with pytest.raises(SystemExit, match="Nothing was written"):
        regularisers.main([*TINY, "--output", str(tmp_path / "regularisers.json")])
    assert not (tmp_path / "regularisers.json").exists()

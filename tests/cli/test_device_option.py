"""`--device` means one thing in every command, and what is none is told with the devices there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.errors import GdpError
from gdp.registry.commands import build_command, built_in_commands
from gdp.support import devices
from gdp.support.devices import resolve_device

ROOT = Path(__file__).parents[2]
NONE = ("gpu", "CPU", "cuda:0,1", "cuda:9", "mps", "", " cpu", "cuda:-1")


def with_device() -> set[str]:
    """Return the commands that have the option."""
    records = built_in_commands()
    return {name for name, record in records.items() if any("--device" in p.opts for p in build_command(record).params)}


def test_every_command_that_computes_has_it() -> None:
    assert with_device() == {
        *("apply", "bench", "estimate", "filter", "find-direction", "prune", "run", "train-teacher"),
    }


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_device_is_told_in_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for count, there in ((0, "auto, cpu"), (2, "auto, cpu, cuda, cuda:0, cuda:1")):
        monkeypatch.setattr(devices, "_may_have_gpu", lambda: True)
        monkeypatch.setattr(devices, "_count_gpus", lambda count=count: count)
        with pytest.raises(GdpError) as refused:
            resolve_device(name)
        assert str(refused.value).startswith("--device ")
        assert str(refused.value).endswith(f"there is {there}")


def test_auto_is_the_first_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_may_have_gpu", lambda: True)
    for count, chosen in ((0, "cpu"), (2, "cuda")):
        monkeypatch.setattr(devices, "_count_gpus", lambda count=count: count)
        assert resolve_device("auto") == chosen


@pytest.mark.parametrize(
    "line",
    [
        "apply {0} {0}/a.png -o {0}/out",
        "bench --paper",
        "find-direction --method sefa",
        "train-teacher {1}/recipes/train_scenes64.toml",
    ],
)
def test_commands_tell_it_before_any_work(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    result = CliRunner().invoke(app, [*line.format(tmp_path, ROOT).split(), "--device", "cuda:9,1"])
    assert result.exit_code == 1
    assert "error: --device cuda:9,1: there is no such device; there is auto, cpu" in result.stderr
    assert len(result.stderr.splitlines()) == 1

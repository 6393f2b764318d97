"""`--device` means one thing in every command, and what is none is told with the devices there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.registry.commands import build_command, built_in_commands

ROOT = Path(__file__).parents[2]


def with_device() -> set[str]:
    """Return the commands that have the option."""
    records = built_in_commands()
    return {name for name, record in records.items() if any("--device" in p.opts for p in build_command(record).params)}


def test_every_command_that_computes_has_it() -> None:
    assert with_device() == {
        *("apply", "bench", "demo", "estimate", "filter", "find-direction", "prune", "run", "train-teacher"),
    }


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
    assert result.exit_code == 2
    assert "error: --device cuda:9,1: there is no such device; there is auto, cpu" in result.stderr
    assert len(result.stderr.splitlines()) == 1

"""Light commands stay light: beside the import of the libraries that they stand on, measured in turns."""

from __future__ import annotations

import json
from pathlib import Path

import light_commands
import pytest

pytestmark = pytest.mark.process

NOISY_LIMIT = 3.5
"""Above the limit that the benchmark holds on a quiet machine, and far below what an import of torch would take."""


@pytest.mark.process
def test_light_commands_take_a_small_multiple_of_the_import_of_their_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    light_commands.main(["--turns", "9", "--output", str(tmp_path / "light.json")])
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "light.json").read_text())
    assert (found["limit"], set(found["commands"])) == (light_commands.LIMIT, set(light_commands.COMMANDS))
    for name, times in found["commands"].items():
        assert name in printed
        assert times["ratio"]["processor"] <= NOISY_LIMIT, (name, times)

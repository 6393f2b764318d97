"""A run with a plugin of one file: used by the run, and remembered with its path and hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tiny_world import make_tiny_world

DOCUMENT = Path(__file__).parents[2] / "docs" / "api_stability.md"


def test_the_documented_file_is_used_by_a_run_and_remembered(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (source,) = [block for block in blocks if block.startswith('"""brightness.py')]
    plugin = tmp_path / "plugins" / "brightness.py"
    plugin.parent.mkdir()
    plugin.write_text(source)
    recipe = make_tiny_world(tmp_path)
    chosen = 'plugin = "brightness"\nmin_mean = 0.5'
    recipe.write_text(recipe.read_text().replace('plugin = "sharpness"\nmin_sharpness = 0.0', chosen))
    command = [sys.executable, "-m", "gdp", "run", "tiny.toml", "--until", "filter", "--plugins-dir", "plugins"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    brightness, _ = json.loads((tmp_path / "runs" / "tiny" / "funnel.json").read_text())["filters"]
    assert 0 < brightness["kept"] < brightness["input"]
    versions = json.loads((tmp_path / "runs" / "tiny" / "run.json").read_text())["versions"]
    assert versions[str(plugin)] == f"sha256 {hashlib.sha256(source.encode()).hexdigest()}"

    without = {name: value for name, value in os.environ.items() if name != "GDP_PLUGINS_DIR"}
    command = [sys.executable, "-m", "gdp", "validate", "tiny.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=without)
    assert done.returncode == 2
    assert 'no filter plugin is called "brightness"' in done.stdout + done.stderr

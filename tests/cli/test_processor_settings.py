"""Every command lets idle threads sleep and keeps memory, unless the user has asked for something else."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

PLUGIN = """
import os, sys
import gdp
print("policy", os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "passive 2000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "100"}, "None 100"),
    ],
)
def test_the_policy_is_set_before_anything_that_could_import_torch(
    asked: dict[str, str], found: str, tmp_path: Path
) -> None:
    (tmp_path / "shows_policy.py").write_text(PLUGIN)
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | asked
    command = [sys.executable, "-m", "gdp", "list-plugins", "--plugins-dir", str(tmp_path)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert f"policy {found} False" in finished.stderr  # where what plugins print goes


FAULTS = """
import os, resource, sys
from gdp.cli.common import prepare_processor
prepare_processor()
import torch
for _ in range(3):
    torch.zeros(50_000_000).add_(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(50_000_000).add_(1)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults * os.sysconf("SC_PAGE_SIZE") / (10 * 200_000_000), os.environ.get("MALLOC_MMAP_MAX_"))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than GNU's")
@pytest.mark.parametrize(
    ("asked", "kept"),
    [({}, True), ({"MALLOC_MMAP_MAX_": "65536"}, False), ({"GLIBC_TUNABLES": "glibc.malloc.mmap_max=65536"}, False)],
)
def test_memory_is_kept_for_the_next_layer(asked: dict[str, str], kept: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    finished = subprocess.run(
        [sys.executable, "-c", FAULTS], env=environment | asked, capture_output=True, text=True, timeout=120, check=True
    )
    cleared_anew, limit = finished.stdout.split()
    assert (float(cleared_anew) < 0.5) is kept, finished.stdout
    assert limit == ("0" if kept else str(asked.get("MALLOC_MMAP_MAX_")))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than GNU's")
@pytest.mark.parametrize(
    ("command", "kept"),
    [(["list-plugins"], "0"), (["apply", "run", "x.png", "-o", "y"], "None"), (["bench", "run"], "None")],
)
def test_commands_whose_memory_is_bounded_or_told_keep_none(command: list[str], kept: str, tmp_path: Path) -> None:
    (tmp_path / "shows_memory.py").write_text(
        'import os\nimport gdp\nprint("kept", os.environ.get("MALLOC_MMAP_MAX_"))\n'
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    told = subprocess.run(
        [sys.executable, "-m", "gdp", "--plugins-dir", str(tmp_path), *command],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert f"kept {kept}" in told.stderr

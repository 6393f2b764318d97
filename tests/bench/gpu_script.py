"""The script for a GPU at hand, on the pretended one. Another process imports this and calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gdp.core.progress import SilentProgress

BENCH = str(Path(__file__).parents[2] / "bench")


def parts(output: str, *names: str) -> dict[str, Any]:
    """Do parts, all without names, with small sizes; return how each ended and what it found."""
    sys.path.insert(0, BENCH)
    import device

    device.main(["--small", "--device", "cuda", "--output", output, *(f"--only={part}" for part in names)])
    found: dict[str, Any] = json.loads(Path(output).read_text(encoding="utf-8"))["parts"]
    return found


def graphs() -> dict[str, Any]:
    """Capture both steps as CUDA graphs, as the part that asks whether they pay does."""
    sys.path.insert(0, BENCH)
    import launching

    cases = {"cyclegan": (32, 2), "projection": (8, 2)}
    return {
        f"{case}, graph": launching.measure(case, "graph", *sizes, 1, "cuda", SilentProgress())
        for case, sizes in cases.items()
    }

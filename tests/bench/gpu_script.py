"""The script for a GPU at hand, on the pretended one. Another process imports this and calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def some_parts(output: str, *parts: str) -> dict[str, Any]:
    """Do some parts, or all, with small sizes; return how each ended and what it found."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    import device

    device.main(["--small", "--device", "cuda", "--output", output, *(f"--only={part}" for part in parts)])
    found: dict[str, Any] = json.loads(Path(output).read_text(encoding="utf-8"))["parts"]
    return found

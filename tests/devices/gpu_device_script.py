"""Parts of bench/device.py on the pretended GPU. Another process imports this and calls them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))


def small_part(name: str, output: str) -> dict[str, Any]:
    """Do a part in small sizes and return what was written of it."""
    import device

    device.main(["--small", "--device", "cuda", "--only", name, "--output", output])
    written: dict[str, Any] = json.loads(Path(output).read_text(encoding="utf-8"))
    return {"machine": written["machine"], **written["parts"][name]}

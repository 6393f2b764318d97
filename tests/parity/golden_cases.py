"""Where the golden data lies: `GDP_GOLDEN`, or `../shared/golden` beside the project."""

import json
import os
from pathlib import Path
from typing import Any

GOLDEN = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[2].parent / "shared" / "golden")


def golden_cases() -> dict[str, dict[str, Any]]:
    """Every case of the index by name; none where the folder is absent."""
    if not GOLDEN.is_dir():
        return {}
    return {case["name"]: case for case in json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))["cases"]}

"""A run folder as a finished run leaves it, with tiny pictures, for tests of what is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

METRICS: dict[str, Any] = {
    "quality": {
        "held_out": {"psnr_db": 31.5, "psnr_db_gain": 10.25, "age_shift_ratio": 0.972, "count": 161},
        "slow_route": {"psnr_db": 24.6},
        "student_on_same": {"psnr_db": 31.2},
        "rendered": {
            **{"psnr_db": 24.1, "psnr_db_unchanged": 22.85, "psnr_db_gain": 1.25},
            **{"age_shift_ratio": 0.84, "attribute_agreement": 0.93},
        },
    },
    "speed": {"student_ms": 4.131, "slow_route_ms": 41_873.0, "ratio": 9969.7, "teacher_ms": 21.7},
    "size": {"student": {"parameters": 2_031_427, "macs": 912_000_000, "bytes": 8_125_708}},
    "pairs": {"made": 2000, "kept": 1612},
    "protocols": {
        "speed.ratio": {"protocol": "Both medians, in turns.", "unit": "times", "better": "higher"},
        "quality.held_out.psnr_db_gain": {"unit": "dB"},
        **{f"quality.{where}.age_shift_ratio": {"unit": "share"} for where in ("held_out", "rendered")},
        "quality.rendered.attribute_agreement": {"unit": "share", "judge": "sha of a judge"},
    },
    "absent": {"quality.held_out.fid": "no Inception weights at hand"},
}
RECIPE = """\
name = "ageing"
seed = 7

[teacher]
plugin = "stylegan2"

[student]
plugin = "pix2pixhd"

[targets.quality]
held_out.psnr_db_gain = { min = 7, words = "PSNR above the unchanged source" }
held_out.age_shift_ratio = { min = 0.85, max = 1.15, words = "age shift, of the teacher's" }
rendered.attribute_agreement = { min = 0.9, words = "rendered faces that keep an attribute, the worst" }

[targets.speed]
ratio.min = 1000

[[evaluators]]
plugin = "held-out"

[[evaluators]]
plugin = "face-attributes"

[[evaluators]]
plugin = "rendered-faces"

[[evaluators]]
plugin = "unpaired-truth"

[[evaluators]]
plugin = "cycle"

[[evaluators]]
plugin = "speed"

[[evaluators]]
plugin = "slow-route"
"""
VERDICT: dict[str, Any] = {
    "sentences": [
        {"evaluator": "held-out", "text": "It gains **10.25 dB** on its sources.", "rank": 30, "place": "verdict"},
        {"evaluator": "speed", "text": "It takes **4.13 ms** a picture.", "rank": 20, "place": "verdict"},
    ],
    "headlines": [
        {"evaluator": "held-out", "value": "+10.2 dB", "words": "above the unchanged source", "rank": 60},
        {"evaluator": "speed", "value": "4.13 ms", "words": "a picture", "rank": 20},
    ],
    "failed": [],
}
"""What the evaluators said when they measured."""
STAGES = ("teacher", "pairs", "filter", "train", "evaluate", "export")


def write_png(path: Path, colour: tuple[int, int, int] = (200, 120, 40), size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_pictures(folder: Path) -> None:
    names = {column: f"pictures/rows/000-{column}.png" for column in ("source", "teacher", "student")}
    rejects = {side: f"pictures/rejects/{side}.png" for side in ("source", "target")}
    for name in (*names.values(), *rejects.values()):
        write_png(folder / name)
    write_json(folder / "pictures/rows.json", [{"title": "Held-out pairs / pair 3", "pictures": names}])
    write_json(folder / "pictures/rejects.json", [{"filter": "sharpness", "reason": "too blurred", **rejects}])


def write_run(folder: Path) -> None:
    summary = {"train": {"folder": "train/abc", "steps": 300}}
    write_json(
        folder / "stages.json",
        {
            stage: {"key": f"{stage:x<64}", "seconds": 60.0, "summary": summary.get(stage, {"made": 2})}
            for stage in STAGES
        },
    )
    write_json(
        folder / "run.json",
        {"name": "ageing", "state": "running", "versions": {"torch": "2.10"}, "machine": {"cores": 2}},
    )
    write_json(folder / "metrics.json", METRICS)
    write_json(folder / "verdict.json", VERDICT)
    filters = [{"filter": "sharpness", "input": 2000, "kept": 1612, "dropped": 388, "reasons": {"too blurred": 388}}]
    write_json(folder / "funnel.json", {"made": 2000, "filters": filters, "kept": 1612})
    write_pictures(folder)
    lines = [{"step": step, "phase": "all", "l1": 1 / step, "learning_rate": 2e-4} for step in range(10, 310, 10)]
    (folder / "train/abc").mkdir(parents=True)
    (folder / "train/abc/statistics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in (100, 200, 300):
        write_png(folder / f"train/abc/samples/step-{step:06d}.png")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")

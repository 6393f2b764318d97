"""TensorBoard's event files hold the numbers of `statistics.jsonl`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
from tracked_runs import metrics_of, require_equal, tracked_run


def test_event_files_of_a_run_that_broke_off_hold_its_statistics(tmp_path: Path) -> None:
    run = tracked_run(tmp_path, {"tensorboard": {}})
    (folder,) = (run / "tensorboard").iterdir()
    events = EventAccumulator(str(folder), {"tensors": 0, "images": 0}).Reload()
    found: dict[int, dict[str, float]] = {}
    measured: dict[str, float] = {}
    for tag in events.Tags()["tensors"]:
        stage, _, name = tag.partition("/")
        for event in events.Tensors(tag):
            value = make_ndarray(event.tensor_proto)
            if value.dtype == numpy.float64:
                place = found.setdefault(event.step, {}) if stage == "train" else measured
                assert name not in place, "told twice"
                place[name] = float(value)
    require_equal(found, run)
    assert measured == metrics_of(run)
    assert [image.step for image in events.Images("train/samples")] == [8, 16]
    shown = Image.open(io.BytesIO(events.Images("train/samples")[1].encoded_image_string))
    (written,) = run.glob("train/*/samples/step-000016.png")
    assert numpy.array_equal(numpy.asarray(shown), numpy.asarray(Image.open(written)))
    recipe = make_ndarray(events.Tensors("recipe/text_summary")[0].tensor_proto).item().decode()
    assert '"learning_rate"' in recipe

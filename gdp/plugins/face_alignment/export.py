"""Write the trained finder of landmarks as one ONNX file that says itself what it reads and tells."""

from __future__ import annotations

import io
import json
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import torch
from torch.export import Dim

from gdp.plugins.face_alignment.landmarks import rendered_landmarks
from gdp.plugins.face_alignment.network import MULTIPLE, SIZE, LandmarkModel, LandmarkNetwork
from gdp.plugins.face_alignment.settings import METADATA, LandmarkSettings
from gdp.plugins.faces.attributes import sample_attributes

OPSET = 18
_FACES = 4096
"""Rendered faces whose mean landmarks are the embedded world's frame."""
_LARGEST_SIDE = 16384


def settings(seed: int) -> LandmarkSettings:
    """Return what the file tells of itself; the frame is that of rendered faces 0 to 4095 of `seed`."""
    mean = rendered_landmarks(sample_attributes(seed, range(_FACES))).mean(dim=0)
    return LandmarkSettings(
        mean=(127.5,) * 3,
        deviation=(127.5,) * 3,
        sizes=(SIZE, 2 * SIZE, 4 * SIZE),
        multiple=MULTIPLE,
        scores="scores",
        landmarks="landmarks",
        turns=True,
        refine=0.7,
        min_score=0.35,
        frame=tuple((round(x, 5), round(y, 5)) for x, y in mean.tolist()),
    )


def write_onnx(network: LandmarkNetwork, seed: int, path: Path) -> None:
    """Write the network for any batch, and heights and widths that are multiples of 32."""
    model = LandmarkModel(network.eval())
    rows, columns = (Dim(name, min=1, max=_LARGEST_SIDE // MULTIPLE) for name in ("rows", "columns"))
    free = {0: Dim("batch", min=1, max=1024), 2: MULTIPLE * rows, 3: MULTIPLE * columns}
    with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints its progress
        warnings.simplefilter("ignore")  # torch's own, of its own insides
        program = torch.export.export(model, (torch.zeros(2, 3, 96, 128),), dynamic_shapes={"pictures": free})
        made = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, output_names=["scores", "landmarks"], verbose=False
        )
    assert made is not None
    for node in made.model.graph:
        node.metadata_props.clear()  # where in the source each came from: a tenth of the file
    made.model.metadata_props[METADATA] = json.dumps(settings(seed).model_dump(mode="json"))
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path, external_data=False)

"""The network that finds faces and their landmarks in pictures like the embedded world's.

Write the trained finder of landmarks as one ONNX file that says itself what it reads and tells.
"""

from __future__ import annotations

import io
import json
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional

from gdp.plugins.face_alignment import METADATA, LandmarkSettings
from gdp.plugins.face_alignment.crowds import rendered_landmarks
from gdp.plugins.faces.attributes import sample_attributes

STRIDE = 8
"""Pixels between the places that are asked whether a face's middle is there."""
MULTIPLE = 32
"""Heights and widths are multiples of it."""
SIZE = 160
"""Pixels of the pictures that it is trained on."""
REACH = 32.0
"""Pixels of an offset of 1: about what lies between a small face's middle and its eyes."""
POINTS = 5


class LandmarkNetwork(nn.Module):
    """Convolutions over patches of 4 x 4 pixels down to strides of 32, and back to 8 with what was seen on the way.

    The deep layers see a whole large face, the shallow ones place a small one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.PixelUnshuffle(4), _convolution(48, 32))
        self.eighth = nn.Sequential(_convolution(32, 40, stride=2), _convolution(40, 40))
        self.sixteenth = nn.Sequential(_convolution(40, 56, stride=2), _convolution(56, 56))
        self.deepest = nn.Sequential(_convolution(56, 72, stride=2), _convolution(72, 72))
        self.from_deepest = nn.Conv2d(72, 56, 1)
        self.merged = _convolution(56, 56)
        self.from_merged = nn.Conv2d(56, 40, 1)
        self.fine = _convolution(40, 48)
        self.head = nn.Conv2d(48, 1 + 2 * POINTS, 1)
        # Almost no place holds a face: begin by saying so, as focal losses need (Lin et al. 2017, section 3.3).
        nn.init.constant_(self.head.bias[:1], -4.0)  # type: ignore[index]  # a convolution made with a bias

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures (N, 3, H, W) in [-1, 1].

        Returns:
            Logits (N, H / 8, W / 8) of a face's middle being there, and offsets (N, 5, 2, H / 8, W / 8) of its
            landmarks in pixels from there, x and y.
        """
        eighth = self.eighth(self.patches(pictures))
        sixteenth = self.sixteenth(eighth)
        deepest = self.deepest(sixteenth)
        merged = self.merged(sixteenth + _twice(self.from_deepest(deepest)))
        found = self.head(self.fine(eighth + _twice(self.from_merged(merged))))
        return found[:, 0], found[:, 1:].unflatten(1, (POINTS, 2)) * REACH


class LandmarkModel(nn.Module):
    """The network as it is exported: probabilities, and landmarks as shares of the picture."""

    def __init__(self, network: LandmarkNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures (N, 3, H, W) in [-1, 1]; return scores (N, P) in [0, 1] and landmarks (N, P, 5, 2)."""
        logits, offsets = self.network(pictures)
        rows, columns = logits.shape[1], logits.shape[2]
        places = middles(rows, columns)  # (rows, columns, 2)
        points = offsets.permute(0, 3, 4, 1, 2) + places[:, :, None]  # (N, rows, columns, 5, 2)
        size = torch.tensor([columns, rows]) * float(STRIDE)
        return logits.sigmoid().flatten(1), (points / size).flatten(1, 2)


def middles(rows: int, columns: int) -> Tensor:
    """Return the middles of the places in pixels, x and y: (rows, columns, 2)."""
    down, across = ((torch.arange(count) + 0.5) * STRIDE for count in (rows, columns))
    return torch.stack([across.expand(rows, columns), down[:, None].expand(rows, columns)], dim=2)


def _twice(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.SiLU())


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

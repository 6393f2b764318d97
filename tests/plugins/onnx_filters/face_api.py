"""The age and gender network of face-api.js (MIT), from the weights in the folder of real models."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp.plugins.onnx_filters.config import Head, PictureInput

MEAN = (122.782, 117.001, 104.298)
INPUT = PictureInput(
    width=112, height=112, crop=(38 / 256, 46 / 256, 218 / 256, 226 / 256), resize="bicubic", mean=MEAN,
    deviation=(256.0, 256.0, 256.0),
)  # fmt: skip
HEADS = {
    "age": Head(kind="regression", output="age"),
    "gender": Head(kind="labels", output="gender", labels=("male", "female")),
}


class FaceApiNetwork(nn.Module):
    """(N, 3, 112, 112) -> age in years (N, 1) and gender logits (N, 2), male first."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.tensors: dict[str, Tensor] = torch.load(weights, weights_only=True)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = self._convolution(functional.pad(pictures, (0, 1, 0, 1)), "entry_flow/conv_in", stride=2).relu()
        x = self._reduction(x, "entry_flow/reduction_block_0", activate=False)
        x = self._reduction(x, "entry_flow/reduction_block_1")
        for block in ("middle_flow/main_block_0", "middle_flow/main_block_1"):
            y = x
            for layer in range(3):
                y = self._separable(y.relu(), f"{block}/separable_conv{layer}")
            x = x + y
        x = self._reduction(x, "exit_flow/reduction_block")
        x = self._separable(x, "exit_flow/separable_conv").relu().mean(dim=(2, 3))
        tensors = self.tensors
        age, gender = (x @ tensors[f"fc/{name}/weights"] + tensors[f"fc/{name}/bias"] for name in ("age", "gender"))
        return age, gender

    def _convolution(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        return functional.conv2d(x, self.tensors[f"{name}/filters"], self.tensors[f"{name}/bias"], stride=stride)

    def _separable(self, x: Tensor, name: str) -> Tensor:
        depthwise, pointwise = (self.tensors[f"{name}/{part}_filter"] for part in ("depthwise", "pointwise"))
        x = functional.conv2d(x, depthwise, padding=1, groups=x.shape[1])
        return functional.conv2d(x, pointwise, self.tensors[f"{name}/bias"])

    def _reduction(self, x: Tensor, name: str, activate: bool = True) -> Tensor:
        y = self._separable(x.relu() if activate else x, f"{name}/separable_conv0")
        y = self._separable(y.relu(), f"{name}/separable_conv1")
        # TensorFlow's "same" padding: with stride 2 on the right and at the bottom only.
        y = functional.max_pool2d(functional.pad(y, (0, 1, 0, 1), value=float("-inf")), 3, stride=2)
        return y + self._convolution(x, f"{name}/expansion_conv", stride=2)

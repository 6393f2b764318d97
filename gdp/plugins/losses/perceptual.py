"""The perceptual loss: distance of the activations of a VGG19 that was trained on ImageNet."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdp import CorruptFileError, MissingResourceError
from gdp.toolbox import read_state

LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 in the published code of pix2pixHD."""

_SLICE_ENDS = (2, 7, 12, 21, 30)
"""Where in torchvision's `vgg19().features` each of those five activations ends."""

_MEAN = (((0.485,),), ((0.456,),), ((0.406,),))  # (3, 1, 1), of ImageNet in RGB and [0, 1]
_DEVIATION = (((0.229,),), ((0.224,),), ((0.225,),))

_CACHED_NAME = "vgg19-dcbb9e9d.pth"


class PerceptualLoss:
    """Weighted L1 distance of VGG19 activations (Johnson et al., ECCV 2016; weights as in pix2pixHD's code).

    The published code feeds pictures in [-1, 1] as they are, without ImageNet's normalisation; that is the default
    here. `imagenet_normalisation` maps them to what the network was trained on instead. `features` is torchvision's
    `vgg19().features` on the device of the pictures; it is frozen here, and being no module itself the loss adds
    nothing to anyone's parameters or checkpoints.
    """

    def __init__(self, features: nn.Sequential, imagenet_normalisation: bool = False) -> None:
        # Made once: made in each call, they would be copied to a GPU each time, for which the processor waits.
        device = next(features.parameters()).device
        self._mean, self._deviation = (torch.tensor(values, device=device) for values in (_MEAN, _DEVIATION))
        self.imagenet_normalisation = imagenet_normalisation
        frozen = features[: _SLICE_ENDS[-1]].eval().requires_grad_(False)
        for module in frozen:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        starts = (0, *_SLICE_ENDS[:-1])
        self._slices = [frozen[start:end] for start, end in zip(starts, _SLICE_ENDS, strict=True)]

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Compare `output` with `target` (both (N, 3, H, W); [-1, 1]): a scalar to minimise; no gradient to target."""
        with torch.no_grad():
            wanted = self.activations(target)
        distances = [
            weight * F.l1_loss(got, want)
            for weight, got, want in zip(LAYER_WEIGHTS, self.activations(output), wanted, strict=True)
        ]
        return torch.stack(distances).sum()

    def activations(self, pictures: Tensor) -> list[Tensor]:
        """Give the five activations of `pictures` (N, 3, H, W; [-1, 1]), relu1_1 first, at 1/1 ... 1/16 of the size."""
        if self.imagenet_normalisation:
            pictures = ((pictures + 1) / 2 - self._mean.to(pictures.dtype)) / self._deviation.to(pictures.dtype)
        activations = []
        for part in self._slices:
            pictures = part(pictures)
            activations.append(pictures)
        return activations


def load_vgg19_features(weights: Path | None = None) -> nn.Sequential:
    """Build VGG19's convolutional part with ImageNet weights from a file; nothing is ever downloaded.

    `weights` is a state dict of torchvision's vgg19, as safetensors or .pth (its classifier is not needed); None
    takes the file that torchvision has cached. Raises MissingResourceError where there is no such file and
    CorruptFileError where it does not hold these weights.
    """
    from torchvision.models import VGG19_Weights, vgg19  # here: it takes seconds, and other losses do without

    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / _CACHED_NAME
    if not path.is_file():
        raise MissingResourceError(
            f"The perceptual loss needs VGG19's ImageNet weights, and {path} is not there. Download "
            f"{VGG19_Weights.IMAGENET1K_V1.url} "
            f"(548 MB) and give its path, or put it there under that name; or take the loss out of the recipe."
        )
    state = {
        key.removeprefix("features."): value for key, value in read_state(path).items() if key.startswith("features.")
    }
    with torch.device("meta"):  # its initial weights, 574 MB with the classifier's, are never drawn
        features: nn.Sequential = vgg19(weights=None).features
    try:
        features.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise CorruptFileError(f"{path} does not hold the weights of torchvision's vgg19: {error}") from error
    return features

"""How alike pictures are: a number for each picture of a batch.

LPIPS from local weight files; nothing is downloaded.

FID and KID between two sets of pictures, from local Inception weights; nothing is downloaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
import torchmetrics
import torchvision
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gdp import CorruptFileError, Metric, MissingResourceError
from gdp.toolbox import read_state, to_levels

Network = Literal["vgg", "alex"]

_TAPS: dict[Network, tuple[int, ...]] = {"vgg": (3, 8, 15, 22, 29), "alex": (1, 4, 7, 9, 11)}
"""Positions in torchvision's `features` after which activations are compared: the ReLUs before each pooling."""

_EPSILON = 1e-8
"""Under the root of the norm, as torchmetrics has it."""


class PerceptualDistance(nn.Module):
    """LPIPS, version 0.1 (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features", equation 1).

    Raises:
        MissingResourceError: a weight file is not there.
        CorruptFileError: a weight file is there and is not what it should be.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, network: Network, trunk: Path, heads: Path | None = None) -> None:
        super().__init__()
        self.taps = _TAPS[network]
        self.trunk = _load_trunk(network, trunk)
        head_weights = read_state(heads or _packaged_heads(network))
        try:
            self.heads = [head_weights[f"lin{number}.model.1.weight"] for number in range(len(self.taps))]
        except KeyError as error:
            raise CorruptFileError(f"{heads}: no linear heads of LPIPS: the tensor {error} is missing") from error
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, references: Tensor) -> Tensor:
        """Return the distance of each picture (N, 3, H, W) in [-1, 1] from its reference, (N,)."""
        distance = images.new_zeros(len(images))
        for ours, theirs, head in zip(self._features(images), self._features(references), self.heads, strict=True):
            squares = (ours - theirs).square()  # (N, C, h, w)
            distance += (squares * head.to(squares)).sum(dim=1).mean(dim=(1, 2))
        return distance

    def _features(self, images: Tensor) -> list[Tensor]:
        """Activations at the taps, scaled to unit length along the channels."""
        activations = (images - self.shift) / self.scale
        features = []
        for position, layer in enumerate(self.trunk):
            activations = layer(activations)
            if position in self.taps:
                length = (activations.square().sum(dim=1, keepdim=True) + _EPSILON).sqrt()
                features.append(activations / length)
        return features


def _load_trunk(network: Network, path: Path) -> nn.Sequential:
    prefix = "features."
    weights = {name.removeprefix(prefix): value for name, value in read_state(path).items()}
    models = {"vgg": torchvision.models.vgg16, "alex": torchvision.models.alexnet}
    with torch.device("meta"):  # shapes alone: the weights come from the file
        layers = models[network](weights=None).features[: _TAPS[network][-1] + 1]
    assert isinstance(layers, nn.Sequential)
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # the tapped activations must survive the next layer
    wanted = layers.state_dict()
    missing = [name for name in wanted if name not in weights or weights[name].shape != wanted[name].shape]
    if missing:
        raise CorruptFileError(
            f"{path}: these are no torchvision weights of {network}: {prefix}{missing[0]} is missing or has another "
            f"shape. Give lpips_trunk the file that belongs to lpips_network"
        )
    layers.load_state_dict({name: weights[name] for name in wanted}, assign=True)
    return layers


def _packaged_heads(network: Network) -> Path:
    return Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / f"{network}.pth"


MAX_PSNR_DB = 100.0
"""What pictures that agree exactly count: their PSNR is infinite, which no mean and no JSON can hold."""

PSNR_PROTOCOL = (
    f"PSNR of each picture over its RGB values with data range 2 ([-1, 1]), then the mean over pictures; at most "
    f"{MAX_PSNR_DB:.0f} dB a picture; torchmetrics {torchmetrics.__version__}"
)
SSIM_PROTOCOL = (
    f"SSIM (Wang et al. 2004: Gaussian window 11 with sigma 1.5, data range 2, RGB channels alike) of each picture, "
    f"then the mean over pictures; torchmetrics {torchmetrics.__version__}"
)


def psnr_db(images: Tensor, references: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each picture, (N,), at most `MAX_PSNR_DB`.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        references: (N, 3, H, W) in [-1, 1].
    """
    values: Tensor = peak_signal_noise_ratio(images, references, data_range=2.0, reduction="none", dim=(1, 2, 3))
    return values.clamp(max=MAX_PSNR_DB)


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Structural similarity in [-1, 1] of each picture, (N,).

    Args:
        images: (N, 3, H, W) in [-1, 1], at least 11 pixels high and wide.
        references: (N, 3, H, W) in [-1, 1].
    """
    values = structural_similarity_index_measure(images, references, data_range=2.0, reduction="none")
    assert isinstance(values, Tensor)  # it returns a tuple only when asked for the full map
    return values.reshape(len(images))


def l1(images: Tensor, references: Tensor) -> Tensor:
    """Mean absolute difference of each picture, (N,), in units of the range [-1, 1] (so between 0 and 2)."""
    return (images - references).abs().mean(dim=(1, 2, 3))


def laplacian_variance(images: Tensor) -> Tensor:
    """Variance of the Laplacian of the luminance of each picture, (N,): the usual measure of sharpness.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"; 4-neighbour Laplacian, edges repeated,
    luminance by ITU-R BT.601.

    Args:
        images: (N, 3, H, W) in [-1, 1].
    """
    weights = images.new_tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    luminance = (images * weights).sum(dim=1, keepdim=True)  # (N, 1, H, W)
    kernel = images.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).reshape(1, 1, 3, 3)
    edges = conv2d(pad(luminance, (1, 1, 1, 1), mode="replicate"), kernel)
    return torch.var(edges, dim=(1, 2, 3), correction=0)


@dataclass(frozen=True)
class Measure:
    """One way to compare pictures with what they ought to be."""

    of: Callable[[Tensor, Tensor], Tensor]
    """Pictures and references, each (N, 3, H, W) in [-1, 1], to a number for each picture, (N,)."""
    protocol: str
    unit: str
    better: str


MEASURES = {
    "psnr_db": Measure(psnr_db, PSNR_PROTOCOL, "dB", "higher"),
    "ssim": Measure(ssim, SSIM_PROTOCOL, "", "higher"),
    "l1": Measure(l1, "Mean absolute difference of RGB values in units of the range [-1, 1]", "", "lower"),
}
"""What pictures are compared by wherever it is known what they ought to be."""


KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000


class FeatureStatistics:
    """Collects features of real and generated pictures batch by batch.

    Args:
        extractor: maps (N, 3, H, W) uint8 to features (N, D).
        label: what the extractor is, for the protocol.
    """

    def __init__(self, extractor: nn.Module, label: str) -> None:
        self.extractor = extractor
        self.label = label
        self.real: list[Tensor] = []
        self.generated: list[Tensor] = []

    @torch.no_grad()
    def update(self, generated: Tensor, real: Tensor) -> None:
        """Add pictures, both (N, 3, H, W) in [-1, 1]; they are rounded to 8 bits first."""
        for pictures, features in ((generated, self.generated), (real, self.real)):
            features.append(self.extractor(to_levels(pictures)).double().cpu())

    def metrics(self, prefix: str) -> dict[str, Metric]:
        """Return `<prefix>.fid` and `<prefix>.kid`; empty with fewer than two pictures.

        FID: Heusel et al. 2017, equation 6. KID: Binkowski et al. 2018, section 4 (unbiased, cubic kernel).
        """
        real, generated = torch.cat(self.real), torch.cat(self.generated)
        count = len(real)
        if count < 2:
            return {}
        size = min(KID_SUBSET_SIZE, count)
        subsets = KID_SUBSETS if size < count else 1
        fid = FrechetInceptionDistance(feature=_Given(real.shape[1])).set_dtype(torch.float64)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all extracted features")
            kid = KernelInceptionDistance(feature=_Given(real.shape[1]), subsets=subsets, subset_size=size)
        for metric in (fid, kid):
            metric.update(real, real=True)
            metric.update(generated, real=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            kid_mean, _ = kid.compute()
        basis = (
            f"{count} outputs of the student against the {count} targets of the same pairs, features of {self.label}, "
            f"torchmetrics {torchmetrics.__version__}; "
        )
        few = (
            "with so few pictures it is biased upwards and comparable only with the same count"
            if count < 10_000
            else ""
        )
        return {
            f"{prefix}.fid": Metric(float(fid.compute()), "FID of " + basis + few, better="lower"),
            f"{prefix}.kid": Metric(
                float(kid_mean), f"KID of {basis}mean of {subsets} subsets of {size}", better="lower"
            ),
        }


class _Given(nn.Module):
    """Lets torchmetrics work on features that were computed already."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.num_features = size

    def forward(self, features: Tensor) -> Tensor:
        return features


def inception_statistics(weights: Path, device: torch.device) -> FeatureStatistics:
    """Make statistics over the 2048 features of the 2015 Inception network.

    Raises:
        MissingResourceError: the file or the torch-fidelity package is not there.
    """
    if not weights.is_file():
        raise MissingResourceError(f"{weights}: the Inception weights are not there. Correct inception_weights")
    if find_spec("torch_fidelity") is None:
        raise MissingResourceError(
            "FID and KID need the network that torch-fidelity defines: run `pip install torch-fidelity`, or take "
            "inception_weights out of the recipe"
        )
    loader = FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights))
    return FeatureStatistics(loader.inception.to(device), f"Inception-2015-12-05 (2048; {weights.name})")

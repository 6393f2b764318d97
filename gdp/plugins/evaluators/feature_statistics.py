"""FID and KID between two sets of pictures, from local Inception weights; nothing is downloaded."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
import torchmetrics
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.evaluators import Metric

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
            levels = pictures.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
            features.append(self.extractor(levels).double().cpu())

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

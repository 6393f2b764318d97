"""A small judge of faces: is it one, how old is it, and what else can be told from the picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from gdp import CorruptFileError, MissingResourceError
from gdp.plugins.faces.attributes import HAIR_LENGTHS, SKIN_CLASSES

JUDGE_RESOLUTION = 64
JUDGE_WEIGHTS = Path(__file__).parent / "assets" / "judge.safetensors"
AGE_CENTRE, AGE_SCALE = 45.0, 25.0
"""Years at the network's output 0, and years for each unit of it."""
_OUTPUTS = [1, 1, 1, 1, len(HAIR_LENGTHS), len(SKIN_CLASSES)]
_CHUNK = 128


@dataclass(frozen=True)
class FaceAssessment:
    """What the judge sees in N pictures; meaningful for those that are faces."""

    age: Tensor
    """Years, (N,)."""
    face: Tensor
    """Probability that the picture is a whole, intact face, (N,)."""
    glasses: Tensor
    """Probability of glasses, (N,)."""
    smile: Tensor
    """Probability of a smile, (N,)."""
    hair_length: Tensor
    """Probabilities of short, medium and long hair, (N, 3)."""
    skin: Tensor
    """Probabilities of the four skin classes, (N, 4)."""


class JudgeNetwork(nn.Module):
    """Five convolutions over patches of 4 x 4 pixels, and a small fully connected network for all outputs.

    Patches first: few pixels with many channels train three times faster on a processor than the usual many pixels
    with few channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.PixelUnshuffle(4),  # (N, 48, 16, 16)
            *_convolution(48, 64, 3),
            *_convolution(64, 64, 3),
            *_convolution(64, 96, 4),  # (N, 96, 8, 8)
            *_convolution(96, 96, 3),
            *_convolution(96, 64, 4),  # (N, 64, 4, 4)
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.1), nn.Linear(64 * 4 * 4, 64), nn.SiLU(), nn.Linear(64, sum(_OUTPUTS))
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs for (N, 3, 64, 64) in [-1, 1]: age, and the logits of the other fields of `FaceAssessment`."""
        return torch.split(self.head(self.features(images)), _OUTPUTS, dim=1)


def _convolution(inputs: int, outputs: int, size: int) -> list[nn.Module]:
    """A convolution with batch normalisation; one of size 4 halves the resolution."""
    stride = 2 if size == 4 else 1
    convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.SiLU()]


class FaceJudge:
    """Assesses pictures like those of the embedded renderer; it knows nothing of photographs."""

    def __init__(self, network: JudgeNetwork) -> None:
        self._network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path | None = None) -> FaceJudge:
        """The judge that the package ships, or the one in the safetensors file `path`.

        Raises FileNotFoundError for a missing file and RuntimeError for one that holds another network; for the
        judge that the package ships see `builtin_network`.
        """
        return cls(builtin_network() if path is None else _load_network(path))

    @torch.no_grad()
    def assess(self, images: Tensor) -> FaceAssessment:
        """Assess `images`, (N, 3, H, W) float RGB in [-1, 1] of any size; other sizes than 64 are resized first.

        A picture's assessment does not depend on the batch (to about 1e-5 of its range). Results are float32 on the
        pictures' device. Raises ValueError for another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"the judge takes RGB pictures of shape (N, 3, H, W), not {tuple(images.shape)}")
        self._network.to(images.device)
        chunks = [self._network(to_judge_size(chunk.float())) for chunk in torch.split(images, _CHUNK)]
        age, face, glasses, smile, hair_length, skin = (torch.cat(parts) for parts in zip(*chunks, strict=True))
        return FaceAssessment(
            age=AGE_CENTRE + AGE_SCALE * age[:, 0],
            face=face[:, 0].sigmoid(),
            glasses=glasses[:, 0].sigmoid(),
            smile=smile[:, 0].sigmoid(),
            hair_length=hair_length.softmax(dim=1),
            skin=skin.softmax(dim=1),
        )


def builtin_network() -> JudgeNetwork:
    """Return the network of the judge that the package ships.

    Raises:
        MissingResourceError: its weights are not in the package.
        CorruptFileError: they cannot be read.
    """
    try:
        return _load_network(JUDGE_WEIGHTS)
    except FileNotFoundError as error:
        raise MissingResourceError(
            f"{JUDGE_WEIGHTS}: the weights of the built-in judge of faces are not there; install gdp again, or train "
            "them with `python -m gdp.plugins.faces.train_judge`."
        ) from error
    except (RuntimeError, SafetensorError) as error:
        raise CorruptFileError(f"{JUDGE_WEIGHTS}: not the built-in judge's weights ({error}).") from error


def builtin_fingerprint() -> str:
    """Return the sha256 of the weights of the judge that the package ships."""
    return hashlib.sha256(JUDGE_WEIGHTS.read_bytes()).hexdigest()


def _load_network(path: Path) -> JudgeNetwork:
    with torch.random.fork_rng(devices=[]):  # what is drawn is overwritten: the global random state is to stay
        network = JudgeNetwork()
    network.load_state_dict(load_file(path))
    return network.float()


def to_judge_size(images: Tensor) -> Tensor:
    """Resize (N, 3, H, W) to 64 x 64 with antialiasing; pictures of that size come back as they are."""
    if images.shape[-2:] == (JUDGE_RESOLUTION, JUDGE_RESOLUTION):
        return images
    size = (JUDGE_RESOLUTION, JUDGE_RESOLUTION)
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)

"""The trained student at work: from its files, on pictures of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gdp.core.building import name_of, plugin_errors
from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.students import Student
from gdp.core.tensor_file import StoredTensors, fill_module
from gdp.core.training.precision import Precision, autocaster

WEIGHTS = "student.safetensors"
CARD = "student.json"


def read_weights(path: Path) -> StoredTensors:
    """Open the file of a trained generator's weights; none is read yet.

    Raises:
        MissingResourceError: the file is not there.
        CorruptFileError: it is damaged.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there are no student weights. Train the student first: gdp run RECIPE")
    try:
        return StoredTensors(path)
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(
            f"{path}: the student's weights cannot be read, they may be truncated: {error}"
        ) from error


def load_generator_weights(student: Student, path: Path) -> None:
    """Load a trained generator's weights and set it to evaluation mode.

    Raises:
        MissingResourceError: the file is not there.
        CorruptFileError: it is damaged, or holds the weights of another network.
    """
    weights = read_weights(path)
    expected = {name: tuple(value.shape) for name, value in student.generator.state_dict().items()}
    found = weights.shapes()
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise CorruptFileError(
            f"{path}: these are the weights of another student: {len(differing)} tensors differ; {name:.100} is "
            f"{found.get(name, 'absent')} in the file and {expected.get(name, 'absent')} in the network"
        )
    try:
        fill_module(student.generator, weights)
    except (RuntimeError, OSError) as error:
        raise CorruptFileError(f"{path}: the student's weights cannot be read: {error}") from error
    if broken := next((name for name, value in student.generator.state_dict().items() if not _is_finite(value)), None):
        raise CorruptFileError(f"{path}: {broken} holds NaN or infinite values; make or export the student again")
    student.generator.eval()


def _is_finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())


def deployed_predict(student: Student, precision: Precision, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the student as it is deployed: (N, C, H, W) -> (N, 3, H, W) float32 clamped to [-1, 1], no gradient.

    On a processor it sees one picture at a time, which takes less memory; a picture's bits are then the same whatever
    is beside it.

    Args:
        student: its generator is moved to the device, in channels-last layout and evaluation mode.
        precision: of the forward pass.
        device: where it runs; pictures are moved there, and the prediction stays there.
    """
    generator: nn.Module = student.generator.to(device).to(memory_format=torch.channels_last).eval()
    autocast, who = autocaster(precision, device), name_of(student)

    @torch.no_grad()
    def predict(source: Tensor) -> Tensor:
        parts = torch.split(source, 1 if device.type == "cpu" else max(1, len(source)))
        return torch.cat([one(part) for part in parts])

    def one(part: Tensor) -> Tensor:
        part = part.to(device).contiguous(memory_format=torch.channels_last)
        with autocast(), plugin_errors(who):
            prediction: Tensor = generator(part)
            return prediction.float().clamp(-1, 1)

    return predict

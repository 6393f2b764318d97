"""Read the weights of a pix2pixHD generator from a safetensors file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from gdp.core.errors import CorruptFileError

_HEAD = "coarse_head."


def load_generator_state(generator: nn.Module, path: Path) -> None:
    """Load a generator's weights, published or trained here; any float type is accepted.

    The head of the global part alone is in no published file: it keeps its fresh weights where it is missing.

    Raises:
        CorruptFileError: the file is damaged, or holds another network's weights.
    """
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(f"{path}: this is no whole safetensors file ({error}). Copy it again.") from error
    own = generator.state_dict()
    fresh = {name: tensor for name, tensor in own.items() if name.startswith(_HEAD) and name not in state}
    try:
        generator.load_state_dict({**fresh, **{name: tensor.to(own[name].dtype) for name, tensor in state.items()}})
    except (RuntimeError, KeyError) as error:
        reason = f"{error} is not known" if isinstance(error, KeyError) else str(error)
        raise CorruptFileError(
            f"{path}: these weights are another network's ({' '.join(reason.split())}). The student's settings must "
            f"be those of the network: gdp convert tells them."
        ) from error
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise CorruptFileError(f"{path}: {broken[0]} holds NaN or infinite values.")

"""Named tensors from files of weights, by other programs or by us."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.foreign import read_state_dict


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors, .pth or .pt file onto the CPU; no code in it is ever run.

    PyTorch files of any age are read (zip archives and the older plain pickles), but nothing other than tensors.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: the file is truncated, of another kind, or holds something else than named tensors.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there is no such file of weights.")
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise CorruptFileError(f"{path}: weights are read from .safetensors, .pth and .pt files only.")
    if path.suffix != ".safetensors":
        return read_state_dict(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(f"{path}: this is no whole file of weights ({error}). Copy it again.") from error

"""Open a file of weights that another program wrote, whatever its age, and run nothing of it."""

from __future__ import annotations

import mmap
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.support.foreign.arrays import NUMPY_BEGINS_WITH, read_numpy
from gdp.support.foreign.machine import Machine
from gdp.support.foreign.names import known_names
from gdp.support.foreign.operations import OPERATIONS
from gdp.support.foreign.torch_files import (
    LEGACY_BEGINS_WITH,
    ZIP_BEGINS_WITH,
    read_legacy,
    read_nested_storage,
    read_zip,
)
from gdp.support.foreign.unwrapping import without_wrappers
from gdp.support.foreign.values import Budget, as_tensor

_PICKLE = b"\x80"
_TEXT_PICKLE = b"(]}clditNIFSVX"
_OTHERS = {
    b"\x89HDF": "an HDF5 file (Keras, older TensorFlow)",
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"PAR1": "a parquet file",
    b"GGUF": "a GGUF file",
    b"<!DO": "a web page: the download went wrong",
    b"<htm": "a web page: the download went wrong",
    b"vers": "a Git LFS pointer: the file itself was not fetched (git lfs pull)",
}
_TAR = (257, b"ustar")
_UNEXPECTED = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError)
"""What numpy and torch may raise where damaged numbers reach them in spite of all checks."""


@dataclass(frozen=True)
class ForeignFile:
    """What a file holds: plain values, tensors, and the inert values of `gdp.support.foreign.values`.

    Attributes:
        path: The file.
        layout: Of the file, in words.
        content: What it holds: plain values, tensors, inert stand-ins.
    """

    path: Path
    layout: str
    content: object


def read_foreign(path: Path) -> ForeignFile:
    """Read a PyTorch file of any age, a pickle, or a numpy array; nothing in it is run, imported or called.

    Tensors look into the file, which is mapped into memory: they cost no memory until they are changed or copied.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: it is damaged, of another kind, or asks for anything that a file of weights does not need.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there is no such file.")
    with _explained(path), path.open("rb") as file:
        size = path.stat().st_size
        if size == 0:
            raise CorruptFileError("it is empty")
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        layout, read = _layout(data)
        return ForeignFile(path, layout, read(data, Budget(size)))


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a file that holds named tensors and nothing else, as `network.state_dict()` makes them.

    Raises:
        MissingResourceError, CorruptFileError: as `read_foreign`; or it holds something else.
    """
    content = read_foreign(path).content
    state = plain_state(content)
    if state is None:
        raise CorruptFileError(
            f"{path}: this holds no plain state dict (names and tensors). Save only the network's state_dict(); or "
            f"give gdp convert {shlex.quote(str(path))}, which finds networks that lie deeper, and name the file that "
            f"it writes."
        )
    return state


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
        raise CorruptFileError(f"{path}: this file cannot be read as weights ({error}). Copy it again.") from error


def plain_state(content: object) -> dict[str, Tensor] | None:
    """Return content as named tensors, or None if it is anything else; what wrappers put into names is taken out."""
    if not isinstance(content, dict):
        return None
    state: dict[str, Tensor] = {}
    for name, value in content.items():
        tensor = as_tensor(value)
        if not isinstance(name, str) or tensor is None:
            return None
        state[name] = tensor
    return without_wrappers(state)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    advice = "Nothing in it was run. Get the file again from where it came, or save only its weights."
    try:
        yield
    except CorruptFileError as error:
        raise CorruptFileError(f"{path}: this file cannot be read as weights: {error}. {advice}") from error
    except OSError as error:
        raise MissingResourceError(f"{path}: this file cannot be read ({error.strerror or error}).") from error
    except _UNEXPECTED as error:
        raise CorruptFileError(
            f"{path}: this file cannot be read as weights: it is damaged ({error}). {advice}"
        ) from error


def _layout(data: memoryview) -> tuple[str, Callable[[memoryview, Budget], object]]:
    head = bytes(data[:16])
    if head.startswith(ZIP_BEGINS_WITH):
        return "PyTorch file (zip archive)", read_zip
    if head.startswith(LEGACY_BEGINS_WITH):
        return "PyTorch file of before 1.6", read_legacy
    if head.startswith(NUMPY_BEGINS_WITH):
        return "numpy array", read_numpy
    if bytes(data[_TAR[0] : _TAR[0] + len(_TAR[1])]) == _TAR[1]:
        raise CorruptFileError("it is a tar archive; PyTorch files of before 0.1.10 are not read")
    for begins, what in _OTHERS.items():
        if head.startswith(begins):
            raise CorruptFileError(f"it is {what}")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < len(data):
        raise CorruptFileError("it is a safetensors file already, which needs no conversion")
    if head.startswith(_PICKLE) or head[:1] in [bytes([code]) for code in _TEXT_PICKLE]:
        return "pickle", _read_pickle
    raise CorruptFileError("it begins as no known kind of file does")


def _read_pickle(data: memoryview, budget: Budget) -> object:
    nested = partial(read_nested_storage, budget=budget)
    return Machine(data, OPERATIONS, known_names(budget, nested), budget).run()

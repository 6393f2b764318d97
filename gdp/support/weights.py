"""How settings name weights: a converted file on this machine, or its address with its hash. Imports no torch.

A plugin's settings take `ConvertedWeights`; `weights_file` gives the file, downloaded into the user's cache if need be.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.progress import Progress

CACHE_VARIABLE = "GDP_CACHE"
"""Environment variable with the folder of downloaded weights."""
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".npy", ".bin")
SUFFIX = ".safetensors"

_HASH = re.compile(r"sha256=([0-9a-f]{64})")
_LOCAL = ("localhost", "127.0.0.1", "::1")


def check_weights(weights: str | Path) -> str | Path:
    """Return what a setting names if it can be used.

    Raises:
        ValueError: it is no converted file, or an address without a hash; the message says what to do.
    """
    if isinstance(weights, str):
        _check_address(weights)
    elif weights.suffix != SUFFIX:
        raise ValueError(refusal(weights))
    return weights


def refusal(path: Path) -> str:
    """Say why a file is not taken for weights, and which command converts it."""
    if path.suffix in PICKLES:
        command = f"gdp convert {shlex.quote(str(path))} -o {shlex.quote(str(path.with_suffix(SUFFIX)))}"
        return (
            f"only converted {SUFFIX} files are accepted, for to read a {path.suffix} file can run code in it: convert "
            f"it with `{command}` and name the new file"
        )
    return f"weights are the path of a {SUFFIX} file, or the https address of one"


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ValueError("only https addresses are used (http for this machine alone)")
    if not parts.path.endswith(SUFFIX):
        raise ValueError(
            f"only converted {SUFFIX} files are accepted: download this one, convert it with gdp convert, and name the "
            f"new file"
        )
    if not _HASH.fullmatch(parts.fragment):
        raise ValueError(
            "an address needs the file's hash, so that nobody can put another in its place: add "
            "#sha256= and its 64 hexadecimal digits (sha256sum shows them)"
        )


WeightsAddress = Annotated[str, Field(pattern="^https?://")]
"""Only in a union with `Path`, checked by `check_weights`."""
ConvertedWeights = Annotated[WeightsAddress | Path, AfterValidator(check_weights)]
"""The path of a .safetensors file, or its https address that ends in `#sha256=` and 64 hexadecimal digits."""


def weights_file(weights: str | Path, progress: Progress | None = None, *, setting: str = "weights") -> Path:
    """Return the file that a `ConvertedWeights` names, whole and checked.

    Args:
        weights: the setting's value.
        progress: shows a download.
        setting: what a message calls it.

    Raises:
        MissingResourceError: it is not there, or no server gives it.
        CorruptFileError: what the address gives has another hash.
        DiskFullError, RunFolderError: the cache cannot be written.
    """
    if isinstance(weights, Path):
        if not weights.is_file():
            raise MissingResourceError(f"{weights}: there are no such weights. Mend {setting} in the recipe.")
        return weights
    address, _, fragment = weights.partition("#")
    found = _HASH.fullmatch(fragment)
    if found is None:
        raise MissingResourceError(f"{address}: this address has no hash. Mend {setting} in the recipe.")
    sha256 = found[1]
    kept = cache_folder() / f"{sha256}{SUFFIX}"
    if not kept.is_file():
        from gdp.support.downloads.weights import fetch_weights

        fetch_weights(address, sha256, kept, progress)
    status = kept.stat()
    if _hash(kept, status.st_mtime_ns, status.st_size) != sha256:
        raise CorruptFileError(f"{kept}: this file of the cache was changed or damaged. Remove it and try again.")
    return kept


def cache_folder() -> Path:
    """Return the folder of downloaded weights: $GDP_CACHE, or `gdp/weights` in the user's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return (Path(home) if home else Path.home() / ".cache") / "gdp" / "weights"


@lru_cache(maxsize=16)
def _hash(path: Path, changed: int, size: int) -> str:
    """Hash a file, once as long as it is not changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

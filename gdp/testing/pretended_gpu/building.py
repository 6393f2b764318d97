"""Builds the libraries that make torch believe in a GPU, from the C source beside this file. Imports no torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from gdp.core.errors import GdpError

CAPABILITY = "GDP_PRETENDED_CAPABILITY"
_SOURCE = Path(__file__).parent / "runtime"
_RUNTIME = "libgdp_pretended_gpu.so"
_DRIVER = "libcuda.so.1"


class NoPretendedGpuError(GdpError):
    """Here no GPU can be pretended; the message says what is lacking. A test may skip on it."""


def why_no_pretended_gpu() -> str:
    """Say what is lacking here for a pretended GPU; nothing where it can be built. Nothing is compiled for it."""
    try:
        _compiler()
        _cuda_headers()
    except NoPretendedGpuError as lacking:
        return str(lacking)
    return ""


def build_runtime(folder: Path) -> dict[str, str]:
    """Build both libraries into a folder; return the variables with which a process sees the pretended GPU.

    Raises:
        NoPretendedGpuError: there is no Linux, no C compiler, or no CUDA build of torch; or it cannot be compiled.
    """
    compiler, headers = _compiler(), _cuda_headers()
    common = [compiler, "-shared", "-fPIC", "-O1", "-w"]
    include = ["-I", str(_SOURCE / "headers"), "-I", str(headers)]
    _compile([*common, *include, "-o", str(folder / _RUNTIME), str(_SOURCE / "runtime.c")])
    _compile([*common, f"-Wl,-soname,{_DRIVER}", "-o", str(folder / _DRIVER), str(_SOURCE / "driver.c")])
    return {"LD_PRELOAD": str(folder / _RUNTIME), "LD_LIBRARY_PATH": str(folder)}


def _compiler() -> str:
    if not sys.platform.startswith("linux"):
        raise NoPretendedGpuError(f"a GPU can be pretended on Linux alone, and this is {sys.platform}")
    found = shutil.which("cc")
    if found is None:
        raise NoPretendedGpuError(
            "pretending a GPU needs a C compiler, and there is no `cc`. Install one (on Debian and Ubuntu: apt install "
            "gcc)."
        )
    return found


def _cuda_headers() -> Path:
    """Return the folder of the CUDA runtime's header, which comes with torch's CUDA build."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        raise NoPretendedGpuError("pretending a GPU needs torch, which is not installed here")
    packages = Path(torch.origin).resolve().parents[1]
    if not (packages / "torch" / "lib" / "libtorch_cuda.so").is_file():
        raise NoPretendedGpuError(
            "pretending a GPU needs a CUDA build of torch, as `pip install torch` gives it on Linux; this one has the "
            "processor alone"
        )
    # nvidia/cu13/include from CUDA 13 on, nvidia/cuda_runtime/include before.
    found = sorted((packages / "nvidia").glob("*/include/cuda_runtime_api.h"))
    if not found:
        raise NoPretendedGpuError(
            f"pretending a GPU needs cuda_runtime_api.h, which pip installs with torch, and it is not below "
            f"{packages / 'nvidia'}"
        )
    return found[0].parent


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # what stands above
    if done.returncode:
        raise NoPretendedGpuError(f"the pretended GPU cannot be compiled: {' '.join(command)}\n{done.stderr[-2000:]}")
